//! Signed URLs: for one object and one method, valid for some minutes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use chrono::{DateTime, SubsecRound, Utc};
use primetech_kernel::stored_file::StoredFile;

use crate::{Storage, StorageError};

/// From when and for how long a URL is good.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub now: DateTime<Utc>,
    pub ttl: Duration,
}

/// A signed request. The store serves anyone who has it, so `Debug` leaves the URL out.
#[derive(Clone)]
pub struct SignedUrl {
    pub url: String,
    pub method: String,
    /// What has to be sent with it.
    pub headers: BTreeMap<String, String>,
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for SignedUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SignedUrl").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Storage {
    /// A URL to fetch the file with; a browser saves it under `file_name`.
    pub async fn presign_download(
        &self,
        file: &StoredFile,
        file_name: &str,
        content_type: &str,
        terms: Terms,
    ) -> Result<SignedUrl, StorageError> {
        let request = self
            .signer
            .get_object()
            .bucket(&file.bucket)
            .key(&file.object_key)
            .response_content_disposition(attachment(file_name))
            .response_content_type(content_type);
        terms.signed(request.presigned(terms.config()?).await)
    }

    /// A URL to put a file of any sort in this installation's bucket with.
    pub async fn presign_upload(&self, key: &str, terms: Terms) -> Result<SignedUrl, StorageError> {
        let request = self.signer.put_object().bucket(&self.bucket).key(key);
        let request = request.content_type("application/octet-stream");
        terms.signed(request.presigned(terms.config()?).await)
    }
}

impl Terms {
    fn config(&self) -> Result<PresigningConfig, StorageError> {
        PresigningConfig::builder()
            .start_time(SystemTime::from(self.now))
            .expires_in(self.ttl)
            .build()
            .map_err(|error| StorageError::Request(error.to_string()))
    }

    fn signed<E>(&self, request: Result<PresignedRequest, E>) -> Result<SignedUrl, StorageError> {
        let request = request.map_err(|_| StorageError::Request("it cannot be signed".to_owned()))?;
        let headers = request.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(SignedUrl {
            url: request.uri().to_owned(),
            method: request.method().to_owned(),
            headers: headers.collect(),
            // Signatures are dated in whole seconds.
            expires_at: self.now.trunc_subsecs(0) + self.ttl,
        })
    }
}

/// `Content-Disposition` for any file name: RFC 6266 with the encoding of RFC 8187, and a plain name beside it for
/// what does not read that.
fn attachment(file_name: &str) -> String {
    let plain: String = file_name
        .chars()
        .map(|character| match character {
            '"' | '\\' | '/' | '%' => '_',
            ' '..='~' => character,
            _ => '_',
        })
        .collect();
    let mut encoded = String::new();
    for byte in file_name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_can_be_saved_under() {
        assert_eq!(attachment("a-1.0.zip"), "attachment; filename=\"a-1.0.zip\"; filename*=UTF-8''a-1.0.zip");
        assert_eq!(
            attachment("Éditeur \"1\".zip\r\n"),
            "attachment; filename=\"_diteur _1_.zip__\"; filename*=UTF-8''%C3%89diteur%20%221%22.zip%0D%0A"
        );
    }
}
