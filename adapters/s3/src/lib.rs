//! The private object store, over the S3 protocol. Objects are reached by signed URLs only.
//!
//! Owns the client and its timeouts. Invariant: a request learns within seconds that the store is unreachable, and
//! the requests right after it learn it at once; a transfer of a large file has no such limit.

mod presign;
mod probe;
mod upload;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls;
use primetech_kernel::stored_file::StoredFile;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncRead;
use url::Url;

pub use presign::{SignedUrl, Terms};
pub use probe::ProbeError;
pub use upload::{UploadError, Uploaded};

/// For how long a store that was not reached is not asked again by requests.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Where the store is, and the keys to it.
#[derive(Debug, Clone)]
pub struct StorageSettings {
    pub region: String,
    pub access_key_id: SecretString,
    pub secret_access_key: SecretString,
    /// Where new files go.
    pub bucket: String,
    /// Another store than Amazon's.
    pub endpoint: Option<Url>,
    /// Where customers reach the store, if not where this service does: URLs for them are signed for it.
    pub public_endpoint: Option<Url>,
}

/// How long the store is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Someone waits for an answer.
    Request,
    /// Files of any size are moved by a command.
    Transfer,
}

/// What went wrong. What the store said may name its keys, so it is not passed on.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("the object store could not be reached")]
    NotReached,
    #[error("the object store was not reached a moment ago")]
    Resting,
    #[error("the object store refused with status {0}")]
    Refused(u16),
    #[error("a request to the object store could not be made: {0}")]
    Request(String),
}

/// The bucket of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    client: Client,
    /// Makes URLs for customers and sends nothing: a signature holds for one host.
    signer: Client,
    bucket: String,
    patience: Patience,
    /// When the store was last not reached.
    failed: Arc<Mutex<Option<Instant>>>,
}

impl Storage {
    /// Opens no connection: it is made while the store cannot be reached, too.
    pub fn new(settings: &StorageSettings, patience: Patience) -> Self {
        let credentials = Credentials::new(
            settings.access_key_id.expose_secret(),
            settings.secret_access_key.expose_secret(),
            None,
            None,
            "environment",
        );
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let (timeouts, attempts) = match patience {
            // The second attempt is for a kept connection that turns out to be closed.
            Patience::Request => (timeouts(1, 2, 3), 2),
            Patience::Transfer => (timeouts(5, 120, 600), 5),
        };
        let usual = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(attempts))
            // Other stores than Amazon's do not know the newer checksums, and a signed upload cannot have one.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .http_client(http);
        let client_of = |endpoint: Option<&Url>| {
            let builder = match endpoint {
                // Other stores rarely have a host for each bucket.
                Some(endpoint) => {
                    usual.clone().endpoint_url(endpoint.as_str().trim_end_matches('/')).force_path_style(true)
                }
                None => usual.clone(),
            };
            Client::from_conf(builder.build())
        };
        let client = client_of(settings.endpoint.as_ref());
        let signer = match &settings.public_endpoint {
            Some(public) => client_of(Some(public)),
            None => client.clone(),
        };
        Self { client, signer, bucket: settings.bucket.clone(), patience, failed: Arc::default() }
    }

    /// Where new files go.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Whether the object is there.
    pub async fn holds(&self, file: &StoredFile) -> Result<bool, StorageError> {
        self.exists(&file.bucket, &file.object_key).await
    }

    /// Whether the bucket of this installation has an object of this key.
    pub async fn has(&self, key: &str) -> Result<bool, StorageError> {
        self.exists(&self.bucket, key).await
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool, StorageError> {
        self.may_ask()?;
        match self.client.head_object().bucket(bucket).key(key).send().await {
            Ok(_) => Ok(true),
            Err(error) => match self.judge(&error) {
                StorageError::Refused(404) => Ok(false),
                error => Err(error),
            },
        }
    }

    /// Stores a small file that is in memory, in this installation's bucket.
    pub async fn put(&self, key: &str, content_type: &str, content: Vec<u8>) -> Result<(), StorageError> {
        self.may_ask()?;
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        let put = put.body(ByteStream::from(content)).send().await;
        put.map(drop).map_err(|error| self.judge(&error))
    }

    /// An object's bytes, as they come.
    pub async fn read(&self, key: &str) -> Result<impl AsyncRead + use<>, StorageError> {
        let object = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        Ok(object.map_err(|error| self.judge(&error))?.body.into_async_read())
    }

    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
        deleted.map(drop).map_err(|error| self.judge(&error))
    }

    fn may_ask(&self) -> Result<(), StorageError> {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let rests = failed.is_some_and(|failed| failed.elapsed() < REST_AFTER_FAILURE);
        if self.patience == Patience::Request && rests { Err(StorageError::Resting) } else { Ok(()) }
    }

    /// What a failure means, noted where the store is away.
    fn judge<E>(&self, error: &SdkError<E>) -> StorageError {
        let judged = match error {
            SdkError::ServiceError(refusal) => match refusal.raw().status().as_u16() {
                500.. => StorageError::NotReached,
                status => StorageError::Refused(status),
            },
            SdkError::ConstructionFailure(_) => StorageError::Request("it is incomplete".to_owned()),
            _ => StorageError::NotReached,
        };
        if matches!(judged, StorageError::NotReached) {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        judged
    }
}

/// In seconds: for the connection, for one attempt, and for all attempts together.
fn timeouts(connect: u64, attempt: u64, operation: u64) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(connect))
        .operation_attempt_timeout(Duration::from_secs(attempt))
        .operation_timeout(Duration::from_secs(operation))
        .build()
}
