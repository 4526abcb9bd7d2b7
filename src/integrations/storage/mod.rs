//! The private object store, over the S3 protocol. Objects are reached by signed URLs only.

mod probe;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls;
use secrecy::ExposeSecret;

use crate::config::StorageConfig;

pub use probe::ProbeError;

/// The store refused, or could not be reached. What it said may name its keys, so it is not passed on.
#[derive(Debug, thiserror::Error)]
#[error("the object store did not take the file ({0})")]
pub struct StorageError(&'static str);

/// The bucket of this installation.
#[derive(Clone)]
pub struct Storage {
    client: Client,
    bucket: String,
}

impl Storage {
    pub fn new(config: &StorageConfig) -> Self {
        let credentials = Credentials::new(
            config.access_key_id.expose_secret(),
            config.secret_access_key.expose_secret(),
            None,
            None,
            "environment",
        );
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(credentials)
            .http_client(http);
        if let Some(endpoint) = &config.endpoint {
            // Other stores rarely have a host for each bucket.
            builder = builder.endpoint_url(endpoint.as_str().trim_end_matches('/')).force_path_style(true);
        }
        Self { client: Client::from_conf(builder.build()), bucket: config.bucket.clone() }
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Stores a small file that is in memory.
    pub async fn put(&self, key: &str, content_type: &str, content: Vec<u8>) -> Result<(), StorageError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        match put.body(ByteStream::from(content)).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some() => Err(StorageError("refused")),
            Err(_) => Err(StorageError("not reached")),
        }
    }
}
