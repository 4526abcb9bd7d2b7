//! The SQL of documents.

use chrono::{DateTime, Utc};

use super::messages::*;
use crate::database::tx::TenantTx;
use crate::order::Viewer;
use crate::order::store::{find_invoice, find_receipt};
use crate::stored_file::{StoredFile, sha256_of_row};

#[derive(sqlx::FromRow)]
struct DocumentRow {
    bucket: String,
    object_key: String,
    size_bytes: i64,
    sha256: Vec<u8>,
}

/// What is to be printed of a subject, where the viewer may see it.
pub(super) async fn find_printed(
    tx: &mut TenantTx,
    viewer: &Viewer,
    subject: &DocumentSubject,
) -> sqlx::Result<Option<ToPrint>> {
    match subject {
        DocumentSubject::Invoice(number) => {
            Ok(find_invoice(tx, viewer, number.as_str()).await?.map(ToPrint::Invoice))
        }
        DocumentSubject::Receipt(number) => {
            let Some(receipt) = find_receipt(tx, viewer, number.as_str()).await? else { return Ok(None) };
            let invoice = find_invoice(tx, viewer, &receipt.invoice_number).await?;
            // A receipt's invoice is its order's: seen by whoever sees the receipt.
            let invoice = invoice.ok_or(sqlx::Error::RowNotFound)?;
            Ok(Some(ToPrint::Receipt(receipt, invoice)))
        }
    }
}

/// The seller that was copied to the invoice when it was issued, whatever became of the tenant since.
pub(super) async fn seller(tx: &mut TenantTx, printed: &ToPrint) -> sqlx::Result<SellerRecord> {
    #[derive(sqlx::FromRow)]
    struct Row {
        seller_name: String,
        seller_address: Vec<String>,
        seller_tax_id: Option<String>,
        seller_paper: String,
    }
    let (ToPrint::Invoice(invoice) | ToPrint::Receipt(_, invoice)) = printed;
    let row: Row = sqlx::query_as(
        "SELECT seller_name, seller_address, seller_tax_id, seller_paper FROM invoices
         WHERE tenant_id = $1 AND number = $2",
    )
    .bind(tx.tenant_id())
    .bind(&invoice.number)
    .fetch_one(tx.connection())
    .await?;
    let paper =
        PaperSize::parse(&row.seller_paper).ok_or_else(|| sqlx::Error::Decode("an unknown sheet".into()))?;
    Ok(SellerRecord { name: row.seller_name, address: row.seller_address, tax_id: row.seller_tax_id, paper })
}

pub(super) async fn find_stored(
    tx: &mut TenantTx,
    subject: &DocumentSubject,
    revision: &Revision,
) -> sqlx::Result<Option<StoredFile>> {
    let row: Option<DocumentRow> = sqlx::query_as(
        "SELECT bucket, object_key, size_bytes, sha256 FROM documents
         WHERE tenant_id = $1 AND kind = $2 AND number = $3 AND revision = $4",
    )
    .bind(tx.tenant_id())
    .bind(subject.kind())
    .bind(subject.number())
    .bind(revision.as_str())
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        Ok(StoredFile {
            sha256: sha256_of_row(&row.sha256)?,
            bucket: row.bucket,
            object_key: row.object_key,
            size_bytes: row.size_bytes,
        })
    })
    .transpose()
}

/// Writes the document unless there is one of this revision. No constraint is named: of two that are written at the
/// same moment, the id may be found taken before the revision is.
pub(super) async fn record(
    tx: &mut TenantTx,
    document: &RecordDocument,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO documents (tenant_id, id, kind, number, revision, bucket, object_key, size_bytes, sha256,
                                created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(document.id)
    .bind(document.subject.kind())
    .bind(document.subject.number())
    .bind(document.revision.as_str())
    .bind(&document.file.bucket)
    .bind(&document.file.object_key)
    .bind(document.file.size_bytes)
    .bind(document.file.sha256.as_slice())
    .bind(now)
    .execute(tx.connection())
    .await?;
    Ok(())
}
