//! Signed URLs, held against the store itself.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use primetech_actors::clock::{Clock, SystemClock};
use primetech_s3::Terms;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::harness::{DEMO, Shop, Visitor};
use crate::serving::Process;

async fn sign(shop: &Shop, visitor: &Visitor, operation: &str, kind: &str, id: &str) -> Value {
    let body = json!({"operation": operation, "resource": {"type": kind, "id": id}});
    shop.post_as(0, visitor, "/api/storage/signed-url", &body).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_changed_and_expired_urls_are_refused_by_the_store() {
    let shop = Shop::open().await;
    let release = shop.publish("demo", "icons", "1.0", "icons").await;
    let other = shop.publish("demo", "icons", "1.1", "newer").await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let signed = sign(&shop, &admin, "download", "release", &release.id.to_string()).await;
    let url = signed["url"].as_str().unwrap();
    assert_eq!(shop.ask_store(Method::GET, url, "").await, (200, b"icons".to_vec()));

    let (place, query) = url.split_once('?').unwrap();
    let signature = query.split('&').find(|part| part.starts_with("X-Amz-Signature=")).unwrap();
    let tampered = signature.replace('=', "=0");
    let (old, new) = (release.id.to_string(), other.id.to_string());
    let changed = [
        place.to_owned(),
        format!("{place}?{}", query.replace(signature, "")),
        format!("{place}?{}", query.replace(signature, &tampered[..signature.len()])),
        url.replace(&old, &new),
        url.replace("X-Amz-Expires=600", "X-Amz-Expires=900"),
        url.replace("attachment", "inline"),
    ];
    for changed in &changed {
        assert_ne!(changed, url);
        let (status, _) = shop.ask_store(Method::GET, changed, "").await;
        assert_eq!(status, 403, "{changed}");
    }
    for method in [Method::PUT, Method::DELETE] {
        assert_eq!(shop.ask_store(method, url, "icons").await.0, 403);
    }

    let storage = shop.storage();
    let file = primetech_actors::stored_file::StoredFile {
        bucket: storage.bucket().to_owned(),
        object_key: place.split_once("/primetech-private/").unwrap().1.to_owned(),
        size_bytes: 5,
        sha256: [0; 32],
    };
    let at = async |now: DateTime<Utc>| {
        let terms = Terms { now, ttl: Duration::from_secs(300) };
        storage.presign_download(&file, "icons.txt", "text/plain", terms).await.unwrap()
    };
    let now = SystemClock.now();
    let fresh = at(now - TimeDelta::seconds(200)).await;
    assert_eq!(shop.ask_store(Method::GET, &fresh.url, "").await.0, 200);
    let expired = at(now - TimeDelta::seconds(302)).await;
    assert!(expired.expires_at < now);
    assert_eq!(shop.ask_store(Method::GET, &expired.url, "").await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_last_as_long_as_they_say() {
    let shop = Shop::open().await;
    let release = shop.publish("demo", "icons", "1.0", "icons").await.id.to_string();
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let ask = async |ttl: Value| {
        let body = json!({
            "operation": "download", "resource": {"type": "release", "id": release}, "ttlSeconds": ttl
        });
        shop.post_as(0, &admin, "/api/storage/signed-url", &body).await
    };
    for (asked, given) in [(Value::Null, 600), (json!(300), 300), (json!(900), 900)] {
        let before = SystemClock.now();
        let signed = ask(asked).await.expect(200).json();
        assert!(signed["url"].as_str().unwrap().contains(&format!("X-Amz-Expires={given}&")));
        let expires: DateTime<Utc> = signed["expiresAt"].as_str().unwrap().parse().unwrap();
        let lasts = (expires - before).num_milliseconds();
        assert!(((given - 1) * 1000..=given * 1000 + 5000).contains(&lasts), "{lasts}");
    }
    for refused in [json!(299), json!(901), json!("600"), json!(0), json!(-1), json!(600.5)] {
        assert_eq!(ask(refused).await.expect(400).faulty_fields(), ["ttlSeconds"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_for_customers_are_signed_for_the_public_address_of_the_store() {
    let shop = Shop::open().await;
    let release = shop.publish("demo", "icons", "1.0", "icons").await.id.to_string();
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let invoice =
        shop.check_out(&admin, json!([{"sku": "icons", "quantity": 1}])).await["invoice"]["number"].clone();
    let pdf = format!("/api/invoices/{}/pdf", invoice.as_str().unwrap());
    let ask = async |process: &Process, path: &str, body: Value| {
        let headers = [("cookie", admin.cookie.as_str())];
        process.send(Method::POST, DEMO, path, &headers, Some(body.to_string())).await.expect(200).json()
    };

    // The same store by another name: what is signed for one is refused by the other.
    let inside = shop.store_endpoint().to_owned();
    let outside = inside.replace("127.0.0.1", "localhost");
    let process = Process::start(&shop, &[("S3_PUBLIC_ENDPOINT", &outside)]).await;
    let signed_url =
        |operation: &str| json!({"operation": operation, "resource": {"type": "release", "id": release}});
    let download = ask(&process, "/api/storage/signed-url", signed_url("download")).await;
    let url = download["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{outside}/primetech-private/")), "{url}");
    assert_eq!(shop.ask_store(Method::GET, url, "").await, (200, b"icons".to_vec()));
    assert_eq!(shop.ask_store(Method::GET, &url.replace(&outside, &inside), "").await.0, 403);
    let upload = ask(&process, "/api/storage/signed-url", signed_url("upload")).await;
    assert!(upload["url"].as_str().unwrap().starts_with(&outside), "{upload}");

    // An address that this machine cannot reach: the service itself goes on talking to S3_ENDPOINT.
    let process = Process::start(&shop, &[("S3_PUBLIC_ENDPOINT", "https://files.shop.invalid")]).await;
    let document = ask(&process, &pdf, Value::Null).await;
    let url = document["url"].as_str().unwrap();
    let made_for = "https://files.shop.invalid";
    assert!(url.starts_with(&format!("{made_for}/primetech-private/")), "{url}");
    let key = url.split_once("/primetech-private/").unwrap().1.split('?').next().unwrap();
    assert!(shop.storage().has(key).await.unwrap(), "it was made and stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_wish_is_named() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    let ask = async |body: Value| {
        let answer = shop.post_as(0, &visitor, "/api/storage/signed-url", &body).await.expect(400);
        answer.faulty_fields()
    };
    assert_eq!(ask(json!({})).await, ["operation", "resource"]);
    assert_eq!(
        ask(json!({"operation": "copy", "resource": {"type": "file"}, "ttlSeconds": 1})).await,
        ["operation", "resource.id", "resource.type", "ttlSeconds"]
    );
    let wrong = |kind: &str| json!({"operation": "download", "resource": {"type": kind, "id": "../secret"}});
    for kind in ["release", "invoice", "receipt"] {
        assert_eq!(ask(wrong(kind)).await, ["resource.id"]);
    }
    let upload = json!({"operation": "upload", "resource": {"type": "invoice", "id": "INV-2026-000001"}});
    assert_eq!(ask(upload).await, ["resource.type"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_url_needs_the_right_to_its_resource() {
    let shop = Shop::open().await;
    let release = shop.publish("demo", "editor", "1.0", "editor").await.id.to_string();
    let (buyer, stranger, admin) =
        (shop.register(DEMO).await, shop.register(DEMO).await, shop.register(DEMO).await);
    shop.make_admin(&admin).await;
    let (started, _) = shop.buy_licence(&buyer).await;
    let order =
        shop.get_as(&buyer, &format!("/api/orders/{}", started["order"]["id"].as_str().unwrap())).await;
    let order = order.json();
    let (invoice, receipt) =
        (order["order"]["invoiceNumber"].clone(), order["order"]["receiptNumber"].clone());
    for (kind, id) in [
        ("release", release.as_str()),
        ("invoice", invoice.as_str().unwrap()),
        ("receipt", receipt.as_str().unwrap()),
    ] {
        let body = json!({"operation": "download", "resource": {"type": kind, "id": id}});
        for holder in [&buyer, &admin] {
            let signed = sign(&shop, holder, "download", kind, id).await;
            assert_eq!((&signed["method"], &signed["headers"]), (&json!("GET"), &json!({})));
            assert_eq!(shop.ask_store(Method::GET, signed["url"].as_str().unwrap(), "").await.0, 200);
        }
        let refused = shop.post_as(0, &stranger, "/api/storage/signed-url", &body).await;
        let expected = if kind == "release" { "ENTITLEMENT_REQUIRED" } else { "NOT_FOUND" };
        assert_eq!(refused.code(), expected);
        shop.post(0, DEMO, "/api/storage/signed-url", &body).await.expect(401);
    }
    shop.execute("UPDATE releases SET published_at = NULL").await;
    let body = json!({"operation": "download", "resource": {"type": "release", "id": release}});
    shop.post_as(0, &buyer, "/api/storage/signed-url", &body).await.expect(404);
    shop.post_as(0, &admin, "/api/storage/signed-url", &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_an_admins_and_leaves_the_published_file_alone() {
    let shop = Shop::open().await;
    let release = shop.publish("demo", "icons", "1.0", "icons").await.id.to_string();
    let (visitor, admin) = (shop.register(DEMO).await, shop.register(DEMO).await);
    shop.make_admin(&admin).await;
    let wish = |id: &str| json!({"operation": "upload", "resource": {"type": "release", "id": id}});
    let refused = shop.post_as(0, &visitor, "/api/storage/signed-url", &wish(&release)).await.expect(403);
    assert_eq!(refused.code(), "FORBIDDEN");
    let unknown = "0190b6f0-0000-7000-8000-000000000000";
    shop.post_as(0, &admin, "/api/storage/signed-url", &wish(unknown)).await.expect(404);

    let signed = sign(&shop, &admin, "upload", "release", &release).await;
    assert_eq!(signed["method"], "PUT");
    let content_type = signed["headers"]["content-type"].as_str().unwrap();
    let put = async |content_type: &str| {
        let request = reqwest::Client::new().put(signed["url"].as_str().unwrap()).body("newer icons");
        request.header("content-type", content_type).send().await.unwrap().status().as_u16()
    };
    assert_eq!(put("text/html").await, 403, "its headers are signed too");
    assert_eq!(put(content_type).await, 200);
    let download = sign(&shop, &admin, "download", "release", &release).await;
    let (_, content) = shop.ask_store(Method::GET, download["url"].as_str().unwrap(), "").await;
    assert_eq!(content, b"icons", "what is published does not change");
    let tenant = shop.text("SELECT id::text FROM tenants WHERE slug = 'demo'").await;
    let mut uploaded = String::new();
    let key = format!("tenants/{tenant}/uploads/{release}");
    let mut reader = std::pin::pin!(shop.storage().read(&key).await.unwrap());
    reader.read_to_string(&mut uploaded).await.unwrap();
    assert_eq!(uploaded, "newer icons");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_told_at_once_and_the_shop_goes_on() {
    let shop = Shop::open().await;
    let release = shop.publish("demo", "icons", "1.0", "icons").await.id.to_string();
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let started = shop.check_out(&admin, json!([{"sku": "icons", "quantity": 1}])).await;
    let number = started["invoice"]["number"].as_str().unwrap();
    shop.close_store().await;
    let signing = json!({"operation": "download", "resource": {"type": "release", "id": release}});
    let begun = Instant::now();
    for (path, body) in [
        (format!("/api/invoices/{number}/pdf"), json!({})),
        (format!("/api/account/downloads/{release}/signed-url"), json!({})),
        ("/api/storage/signed-url".to_owned(), signing),
    ] {
        let answer = shop.post_as(0, &admin, &path, &body).await.expect(503);
        assert_eq!(answer.code(), "STORAGE_UNAVAILABLE");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "three answers took {:?}", begun.elapsed());
    assert_eq!(shop.count("SELECT count(*) FROM documents").await, 0, "nothing half written");
    shop.send(0, Method::GET, DEMO, "/api/releases", &[], None).await.expect(200);
    shop.send(0, Method::GET, DEMO, "/ready", &[], None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_is_not_waited_for() {
    // Takes connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let shop = Shop::open_as(1, &[("S3_ENDPOINT", &endpoint)]).await;
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "icons", "quantity": 1}])).await;
    let path = format!("/api/invoices/{}/pdf", started["invoice"]["number"].as_str().unwrap());
    let begun = Instant::now();
    let calls = (0..8).map(|_| shop.post_as(0, &buyer, &path, &Value::Null));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.expect(503).code(), "STORAGE_UNAVAILABLE");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    let again = Instant::now();
    shop.post_as(0, &buyer, &path, &Value::Null).await.expect(503);
    assert!(again.elapsed() < Duration::from_secs(2), "right after, nobody waits: {:?}", again.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_parts_and_an_interrupted_one_leaves_nothing() {
    let shop = Shop::open().await;
    let storage = shop.storage();
    const SIZE: u64 = 40 * 1024 * 1024 + 7;
    let mut told = 0;
    let source = tokio::io::repeat(b'p').take(SIZE);
    let uploaded = storage
        .upload("large", "text/plain", source, &mut |bytes| told += bytes, std::future::pending())
        .await;
    let uploaded = uploaded.unwrap();
    assert_eq!((uploaded.size_bytes as u64, told), (SIZE, SIZE));
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    let mut reader = std::pin::pin!(storage.read("large").await.unwrap());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = reader.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    assert_eq!(uploaded.sha256, <[u8; 32]>::from(hasher.finalize()));

    let endless = tokio::io::repeat(b'p');
    // Once something of it is in the store.
    let arrived = tokio::sync::Notify::new();
    let refused = storage
        .upload("endless", "text/plain", endless, &mut |_| arrived.notify_one(), arrived.notified())
        .await;
    assert!(refused.is_err());
    assert!(!storage.has("endless").await.unwrap());
}
