//! Checks whether the store does what the product needs of it. Only `doctor` calls it.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;

use crate::Storage;

/// The store's own word on a request that it did not do. Holds no key and no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeError {
    /// None: it was not reached.
    pub status: Option<u16>,
    /// S3's error code, `AccessDenied` for one.
    pub code: Option<String>,
}

impl fmt::Display for ProbeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.status, &self.code) {
            (None, _) => formatter.write_str("it was not reached"),
            (Some(status), Some(code)) => write!(formatter, "it answered {status} {code}"),
            (Some(status), None) => write!(formatter, "it answered {status}"),
        }
    }
}

impl<E: ProvideErrorMetadata> From<SdkError<E>> for ProbeError {
    fn from(error: SdkError<E>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.as_service_error().and_then(|error| error.meta().code());
        // A code is one word; anything else is a proxy's.
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        Self { status, code: code.map(str::to_owned) }
    }
}

impl Storage {
    /// Whether the bucket is there for these keys.
    pub async fn find_bucket(&self) -> Result<(), ProbeError> {
        self.client.head_bucket().bucket(&self.bucket).send().await?;
        Ok(())
    }

    pub async fn write_probe(&self, key: &str, content: &'static [u8]) -> Result<(), ProbeError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key);
        put.body(ByteStream::from_static(content)).send().await?;
        Ok(())
    }

    /// An address that reads the object, for a minute, as customers get them.
    pub async fn sign_probe(&self, key: &str) -> Result<String, ProbeError> {
        let validity = PresigningConfig::expires_in(Duration::from_secs(60))
            .map_err(|_| ProbeError { status: None, code: None })?;
        let signed = self.signer.get_object().bucket(&self.bucket).key(key).presigned(validity).await?;
        Ok(signed.uri().to_owned())
    }

    pub async fn remove_probe(&self, key: &str) -> Result<(), ProbeError> {
        self.client.delete_object().bucket(&self.bucket).key(key).send().await?;
        Ok(())
    }
}
