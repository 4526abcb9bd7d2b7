//! A file in the private object store, as its row describes it.

use std::fmt;

use uuid::Uuid;

/// Where a file lies and what it is. Bucket and key are for the store alone: `Debug` does not print them, and nothing
/// answers with them.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub bucket: String,
    pub object_key: String,
    pub size_bytes: i64,
    pub sha256: [u8; 32],
}

impl fmt::Debug for StoredFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StoredFile").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

/// Lower-case hexadecimal, as clients read and compare it.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A stored hash; the schema holds its length to 32 bytes.
pub fn sha256_of_row(bytes: &[u8]) -> sqlx::Result<[u8; 32]> {
    bytes.try_into().map_err(|_| sqlx::Error::Decode("a SHA-256 of another length".into()))
}

/// Keys are made of ids alone, never of what a user wrote: a key with `../` in it leaves its bucket in some stores.
pub mod object_key {
    use super::Uuid;

    /// The file of a release.
    pub fn of_release(tenant_id: Uuid, release_id: Uuid) -> String {
        format!("tenants/{tenant_id}/releases/{release_id}")
    }

    /// The PDF of an invoice or receipt.
    pub fn of_document(tenant_id: Uuid, document_id: Uuid) -> String {
        format!("tenants/{tenant_id}/documents/{document_id}")
    }

    /// What an administrator uploaded for a release. Nobody downloads it: it waits to be published.
    pub fn of_upload(tenant_id: Uuid, release_id: Uuid) -> String {
        format!("tenants/{tenant_id}/uploads/{release_id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_not_printed() {
        let file = StoredFile {
            bucket: "private".to_owned(),
            object_key: object_key::of_release(Uuid::nil(), Uuid::nil()),
            size_bytes: 7,
            sha256: [0; 32],
        };
        let printed = format!("{file:?}");
        assert!(!printed.contains("private") && !printed.contains("tenants"), "{printed}");
    }

    #[test]
    fn hashes_are_in_lower_case() {
        assert_eq!(hex(&[0x0a, 0xff, 0x00]), "0aff00");
    }
}
