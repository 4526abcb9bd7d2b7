//! Uploads large files in parts, so memory use does not depend on their size.

use std::io;
use std::pin::pin;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinSet;

use crate::{Storage, StorageError};

/// S3 takes at most 10 000 parts, so files of up to 160 GB; and none but the last under 5 MiB.
const PART_BYTES: u64 = 16 * 1024 * 1024;
/// Parts on their way at a time. With the one being read, this bounds the memory.
const PARTS_AT_ONCE: usize = 3;

/// What was carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    pub size_bytes: i64,
    pub sha256: [u8; 32],
}

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("the file cannot be read: {0}")]
    Source(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StorageError),
    #[error("it was interrupted")]
    Interrupted,
    #[error("the file is too large for the store")]
    TooLarge,
}

/// What was read of a file so far.
#[derive(Default)]
struct Read {
    hasher: Sha256,
    bytes: u64,
}

impl Read {
    async fn part(&mut self, source: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
        let mut part = Vec::new();
        source.take(PART_BYTES).read_to_end(&mut part).await?;
        self.hasher.update(&part);
        self.bytes += part.len() as u64;
        Ok(part)
    }

    fn finish(self) -> Result<Uploaded, UploadError> {
        let size_bytes = i64::try_from(self.bytes).map_err(|_| UploadError::TooLarge)?;
        Ok(Uploaded { size_bytes, sha256: self.hasher.finalize().into() })
    }
}

impl Storage {
    /// Carries a file to this installation's bucket. `progress` is told the bytes that arrived, part by part. Where it
    /// fails, or `interrupted` is done first, nothing of it is left in the store.
    pub async fn upload(
        &self,
        key: &str,
        content_type: &str,
        source: impl AsyncRead,
        progress: &mut dyn FnMut(u64),
        interrupted: impl Future<Output = ()>,
    ) -> Result<Uploaded, UploadError> {
        let mut source = pin!(source);
        let mut read = Read::default();
        let first = read.part(&mut source).await?;
        if (first.len() as u64) < PART_BYTES {
            self.put(key, content_type, first).await?;
            progress(read.bytes);
            return read.finish();
        }
        let begun = self.client.create_multipart_upload().bucket(&self.bucket).key(key);
        let begun = begun.content_type(content_type).send().await.map_err(|error| self.judge(&error))?;
        let id = begun.upload_id().ok_or(StorageError::NotReached)?;
        let carried = tokio::select! {
            carried = self.carry(key, id, first, &mut source, &mut read, progress) => carried,
            () = interrupted => Err(UploadError::Interrupted),
        };
        if let Err(error) = carried {
            let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
            if let Err(abort) = abort.send().await {
                let left = self.judge(&abort);
                tracing::warn!(error = %left, "parts of an upload that failed are left in the store");
            }
            return Err(error);
        }
        read.finish()
    }

    async fn carry(
        &self,
        key: &str,
        id: &str,
        first: Vec<u8>,
        source: &mut (impl AsyncRead + Unpin),
        read: &mut Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), UploadError> {
        // Dropped with this future, which ends what is on its way.
        let mut under_way = JoinSet::new();
        let mut parts = Vec::new();
        let mut next = first;
        for number in 1.. {
            if under_way.len() == PARTS_AT_ONCE {
                self.arrived(&mut under_way, &mut parts, progress).await?;
            }
            let bytes = next.len() as u64;
            under_way.spawn(self.part(key, id, number, next));
            if bytes < PART_BYTES {
                break;
            }
            next = read.part(source).await?;
            if next.is_empty() {
                break;
            }
        }
        while !under_way.is_empty() {
            self.arrived(&mut under_way, &mut parts, progress).await?;
        }
        parts.sort_by_key(CompletedPart::part_number);
        let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
        let complete = complete.multipart_upload(whole).send().await;
        complete.map_err(|error| self.judge(&error))?;
        Ok(())
    }

    fn part(
        &self,
        key: &str,
        id: &str,
        number: i32,
        content: Vec<u8>,
    ) -> impl Future<Output = Result<(CompletedPart, u64), StorageError>> + Send + use<> {
        let storage = self.clone();
        let (key, id, bytes) = (key.to_owned(), id.to_owned(), content.len() as u64);
        async move {
            let part = storage.client.upload_part().bucket(&storage.bucket).key(key).upload_id(id);
            let part = part.part_number(number).body(ByteStream::from(content)).send().await;
            let part = part.map_err(|error| storage.judge(&error))?;
            let completed = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build();
            Ok((completed, bytes))
        }
    }

    /// Waits for one part.
    async fn arrived(
        &self,
        under_way: &mut JoinSet<Result<(CompletedPart, u64), StorageError>>,
        parts: &mut Vec<CompletedPart>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), UploadError> {
        if let Some(arrived) = under_way.join_next().await {
            let (part, bytes) = arrived.map_err(io::Error::other)??;
            parts.push(part);
            progress(bytes);
        }
        Ok(())
    }
}
