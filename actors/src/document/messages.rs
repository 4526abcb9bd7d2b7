use actix::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::fault::Fault;
use crate::identifiers::{InvoiceNumber, ReceiptNumber};
use crate::order::{InvoiceView, ReceiptView, Viewer};
use crate::stored_file::StoredFile;
use crate::tenancy::TenantScope;

/// What a document is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentSubject {
    Invoice(InvoiceNumber),
    Receipt(ReceiptNumber),
}

impl DocumentSubject {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Invoice(_) => "INVOICE",
            Self::Receipt(_) => "RECEIPT",
        }
    }

    /// The number of the invoice or receipt.
    pub fn number(&self) -> &str {
        match self {
            Self::Invoice(number) => number.as_str(),
            Self::Receipt(number) => number.as_str(),
        }
    }
}

/// Asks for the document of an invoice or receipt in its present state.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<Option<FoundDocument>, Fault>")]
pub struct FindDocument {
    pub viewer: Viewer,
    pub subject: DocumentSubject,
    /// The printer's layout: another layout makes another document.
    pub layout: &'static str,
}

/// The subject as the viewer may see it, and its document where that was made.
#[derive(Debug, Clone)]
pub struct FoundDocument {
    pub stored: Option<StoredFile>,
    pub printed: ToPrint,
    pub seller: SellerRecord,
    /// What the document says of its subject's state.
    pub revision: Revision,
}

/// All that is printed of a subject.
#[derive(Debug, Clone)]
pub enum ToPrint {
    Invoice(InvoiceView),
    /// With the invoice that it is the receipt of.
    Receipt(ReceiptView, InvoiceView),
}

/// The tenant as its documents name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellerRecord {
    pub name: String,
    pub address: Vec<String>,
    pub paper: PaperSize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaperSize {
    A4,
    Letter,
}

impl PaperSize {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "A4" => Some(Self::A4),
            "LETTER" => Some(Self::Letter),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::A4 => "A4",
            Self::Letter => "LETTER",
        }
    }
}

/// The state that a document was made of: status, sheet and layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// A receipt has no status of its own; its invoice's tells whether the money went back.
    pub(super) fn of(printed: &ToPrint, paper: PaperSize, layout: &str) -> Self {
        let (ToPrint::Invoice(invoice) | ToPrint::Receipt(_, invoice)) = printed;
        Self(format!("{} {} {layout}", invoice.status, paper.as_str()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Notes a document that now lies in the store. Answers with the one that counts: where another process was first,
/// with that one.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<StoredFile, Fault>")]
pub struct RecordDocument {
    pub scope: TenantScope,
    pub subject: DocumentSubject,
    pub revision: Revision,
    pub id: Uuid,
    pub file: StoredFile,
}

/// The id of a document: of what it is and of its bytes, so that those who make the same at the same time store it in
/// the same place, and a process that died in between leaves nothing that the next try does not take up.
pub fn document_id(
    scope: &TenantScope,
    subject: &DocumentSubject,
    revision: &Revision,
    sha256: &[u8; 32],
) -> Uuid {
    let mut hasher = Sha256::new();
    hasher.update(scope.tenant_id().as_bytes());
    for text in [subject.kind(), subject.number(), revision.as_str()] {
        hasher.update(text);
        hasher.update([0]);
    }
    hasher.update(sha256);
    let hash: [u8; 32] = hasher.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_same_document_has_the_same_id_and_another_one_another() {
        let subject = |text| DocumentSubject::Invoice(InvoiceNumber::parse(text).unwrap());
        let scope = TenantScope::proven(Uuid::from_u128(1));
        let revision = Revision("PAID A4 1".to_owned());
        let id = document_id(&scope, &subject("INV-2026-000001"), &revision, &[7; 32]);
        assert_eq!(id, document_id(&scope, &subject("INV-2026-000001"), &revision, &[7; 32]));
        let others = [
            document_id(&scope, &subject("INV-2026-000002"), &revision, &[7; 32]),
            document_id(&scope, &subject("INV-2026-000001"), &Revision("OPEN A4 1".to_owned()), &[7; 32]),
            document_id(&scope, &subject("INV-2026-000001"), &revision, &[8; 32]),
            document_id(
                &TenantScope::proven(Uuid::from_u128(2)),
                &subject("INV-2026-000001"),
                &revision,
                &[7; 32],
            ),
        ];
        assert!(others.iter().all(|other| *other != id));
    }
}
