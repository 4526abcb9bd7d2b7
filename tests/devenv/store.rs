//! The S3 store, asked by the client that the product uses and by plain HTTP.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use primetech::dev::store::{ObjectStore, StoreError, StoreOptions};
use reqwest::StatusCode;
use tempfile::TempDir;

const BUCKET: &str = "private";
const ACCESS_KEY: &str = "development";
const SECRET_KEY: &str = "a secret of the development store";
const CONTENT: &[u8] = b"the release itself";

fn options(root: &TempDir) -> StoreOptions {
    StoreOptions {
        root: root.path().join("objects"),
        port: None,
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.into(),
        bucket: BUCKET.to_owned(),
    }
}

fn client(store: &ObjectStore, secret_key: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(store.endpoint())
        .credentials_provider(Credentials::new(ACCESS_KEY, secret_key, None, None, "test"))
        .force_path_style(true)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// A started store with one object in it.
async fn store_with_an_object() -> (TempDir, ObjectStore, aws_sdk_s3::Client) {
    let root = tempfile::tempdir().unwrap();
    let store = ObjectStore::start(options(&root)).await.unwrap();
    let client = client(&store, SECRET_KEY);
    let put = client.put_object().bucket(BUCKET).key("releases/one.zip").content_type("application/zip");
    put.body(ByteStream::from_static(CONTENT)).send().await.unwrap();
    (root, store, client)
}

async fn presigned(client: &aws_sdk_s3::Client, validity: PresigningConfig) -> String {
    let get = client.get_object().bucket(BUCKET).key("releases/one.zip");
    let get = get.response_content_disposition("attachment; filename=\"one.zip\"");
    get.presigned(validity).await.unwrap().uri().to_owned()
}

fn ten_minutes() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(600)).unwrap()
}

async fn status_of(url: &str) -> StatusCode {
    reqwest::get(url).await.unwrap().status()
}

#[tokio::test]
async fn what_is_put_is_got_back_also_after_a_restart() {
    let (root, store, client) = store_with_an_object().await;
    let got = client.get_object().bucket(BUCKET).key("releases/one.zip").send().await.unwrap();
    assert_eq!(got.content_type(), Some("application/zip"));
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), CONTENT);
    store.stop().await;

    let store = ObjectStore::start(options(&root)).await.unwrap();
    let client = self::client(&store, SECRET_KEY);
    let got = client.get_object().bucket(BUCKET).key("releases/one.zip").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), CONTENT);
    store.stop().await;
}

#[tokio::test]
async fn a_presigned_url_downloads_and_uploads_by_itself() {
    let (_root, store, client) = store_with_an_object().await;
    let answer = reqwest::get(presigned(&client, ten_minutes()).await).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"one.zip\"");
    assert_eq!(&answer.bytes().await.unwrap()[..], CONTENT);

    let put =
        client.put_object().bucket(BUCKET).key("releases/two.zip").presigned(ten_minutes()).await.unwrap();
    let http = reqwest::Client::new();
    let mut upload = http.put(put.uri()).body(CONTENT);
    for (name, value) in put.headers() {
        upload = upload.header(name, value);
    }
    assert_eq!(upload.send().await.unwrap().status(), StatusCode::OK);
    let got = client.get_object().bucket(BUCKET).key("releases/two.zip").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), CONTENT);
    store.stop().await;
}

#[tokio::test]
async fn unsigned_changed_and_misused_urls_are_refused() {
    let (_root, store, client) = store_with_an_object().await;
    let signed = presigned(&client, ten_minutes()).await;
    let (bare, _query) = signed.split_once('?').unwrap();
    assert_eq!(status_of(&signed).await, StatusCode::OK, "so that the refusals below mean something");
    assert_eq!(status_of(bare).await, StatusCode::FORBIDDEN);
    let other_object = signed.replacen("one.zip", "two.zip", 1);
    assert_eq!(status_of(&other_object).await, StatusCode::FORBIDDEN);
    let longer = signed.replacen("X-Amz-Expires=600", "X-Amz-Expires=900", 1);
    assert_ne!(longer, signed);
    assert_eq!(status_of(&longer).await, StatusCode::FORBIDDEN);
    let misused = reqwest::Client::new().delete(&signed).send().await.unwrap();
    assert_eq!(misused.status(), StatusCode::FORBIDDEN);
    assert_eq!(status_of(&signed).await, StatusCode::OK, "the object is untouched");
    store.stop().await;
}

#[tokio::test]
#[allow(clippy::disallowed_methods)] // The store judges by the system's clock, so the URL must be old by that clock.
async fn an_expired_url_is_refused() {
    let (_root, store, client) = store_with_an_object().await;
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let validity = |seconds| {
        let validity =
            PresigningConfig::builder().start_time(an_hour_ago).expires_in(Duration::from_secs(seconds));
        validity.build().unwrap()
    };
    assert_eq!(status_of(&presigned(&client, validity(3599 - 60)).await).await, StatusCode::FORBIDDEN);
    assert_eq!(status_of(&presigned(&client, validity(3600 + 60)).await).await, StatusCode::OK);
    store.stop().await;
}

#[tokio::test]
async fn another_secret_key_opens_nothing() {
    let (_root, store, _client) = store_with_an_object().await;
    let stranger = client(&store, "guessed");
    let refusal = stranger.get_object().bucket(BUCKET).key("releases/one.zip").send().await.unwrap_err();
    assert_eq!(refusal.raw_response().unwrap().status().as_u16(), 403);
    assert_eq!(status_of(&presigned(&stranger, ten_minutes()).await).await, StatusCode::FORBIDDEN);
    store.stop().await;
}

/// On the runtime that the product serves on.
#[actix_web::test]
async fn a_stopped_store_is_gone_though_clients_keep_their_connections() {
    let (_root, store, client) = store_with_an_object().await;
    let url = presigned(&client, ten_minutes()).await;
    let http = reqwest::Client::new();
    assert_eq!(http.get(&url).send().await.unwrap().status(), StatusCode::OK);
    store.stop().await;
    assert!(http.get(&url).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_bucket_name_that_s3_would_refuse_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let options = StoreOptions { bucket: "../elsewhere".to_owned(), ..options(&root) };
    assert!(matches!(ObjectStore::start(options).await, Err(StoreError::BucketName(_))));
    assert!(!root.path().join("elsewhere").exists());
}
