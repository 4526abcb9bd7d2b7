//! The PDFs of invoices and receipts: printed and stored at the first request, found at later ones.
//!
//! Connects the domain that records documents, the printer and the store, and holds no transaction while either
//! works. Two processes that print the same document make the same bytes under the same key, and one row.

use std::fmt;
use std::sync::Arc;

use actix_web::web;
use primetech_actors::ask::ask;
use primetech_actors::document::{
    DocumentActor, DocumentSubject, FindDocument, FoundDocument, PaperSize, RecordDocument, SellerRecord,
    ToPrint, document_id,
};
use primetech_actors::fault::Fault;
use primetech_actors::order::{InvoiceView, ReceiptView, Viewer};
use primetech_actors::shard::Shards;
use primetech_actors::stored_file::{StoredFile, object_key};
use primetech_pdf::{BillTo, Invoice, Item, LAYOUT, Paper, Pdf, PrintError, Printer, Receipt, Seller};
use primetech_s3::{SignedUrl, Storage, StorageError, Terms};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

const PDF: &str = "application/pdf";

/// Why there is no URL to a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("there is no such invoice or receipt")]
    NotFound,
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Prints, stores and finds documents. Cheap to clone.
#[derive(Clone)]
pub struct Documents {
    actors: Shards<DocumentActor>,
    printer: Printer,
    storage: Storage,
    /// Printing takes a core; the rest waits its turn, off the threads that serve.
    print_slots: Arc<Semaphore>,
}

impl Documents {
    pub fn new(
        actors: Shards<DocumentActor>,
        printer: Printer,
        storage: Storage,
        print_slots: usize,
    ) -> Self {
        Self { actors, printer, storage, print_slots: Arc::new(Semaphore::new(print_slots)) }
    }

    /// A URL to the document of the subject's present state, or `NotFound` where the viewer may not see it.
    pub async fn deliver(
        &self,
        viewer: Viewer,
        subject: DocumentSubject,
        terms: Terms,
    ) -> Result<SignedUrl, DocumentError> {
        let file_name = file_name(&subject);
        let file = self.file(viewer, subject).await?;
        Ok(self.storage.presign_download(&file, &file_name, PDF, terms).await?)
    }

    async fn file(&self, viewer: Viewer, subject: DocumentSubject) -> Result<StoredFile, DocumentError> {
        let scope = viewer.scope;
        let find = FindDocument { viewer, subject: subject.clone(), layout: LAYOUT };
        let found = ask(self.actors.of(&scope), find).await?;
        let FoundDocument { stored, printed, seller, revision } = found.ok_or(DocumentError::NotFound)?;
        if let Some(stored) = &stored
            && self.storage.holds(stored).await?
        {
            return Ok(stored.clone());
        }
        let pdf = self.print(seller, printed).await?;
        let sha256 = Sha256::digest(&pdf.bytes).into();
        let id = document_id(&scope, &subject, &revision, &sha256);
        let file = StoredFile {
            bucket: self.storage.bucket().to_owned(),
            object_key: object_key::of_document(scope.tenant_id(), id),
            size_bytes: i64::try_from(pdf.bytes.len()).map_err(internal)?,
            sha256,
        };
        if let Some(lost) = stored
            && lost != file
        {
            return Err(internal("a stored document is gone and can no longer be made the same"));
        }
        self.storage.put(&file.object_key, PDF, pdf.bytes).await?;
        let record = RecordDocument { scope, subject, revision, id, file };
        Ok(ask(self.actors.of(&scope), record).await?)
    }

    async fn print(&self, seller: SellerRecord, printed: ToPrint) -> Result<Pdf, DocumentError> {
        let _slot = self.print_slots.acquire().await.map_err(internal)?;
        let printer = self.printer.clone();
        let pdf = web::block(move || print(&printer, seller, printed)).await.map_err(internal)?;
        pdf.map_err(internal)
    }
}

fn internal(cause: impl fmt::Display) -> DocumentError {
    Fault::internal(cause.to_string()).into()
}

/// What a subject's document is saved as.
pub fn file_name(subject: &DocumentSubject) -> String {
    format!("{}.pdf", subject.number())
}

fn print(printer: &Printer, seller: SellerRecord, printed: ToPrint) -> Result<Pdf, PrintError> {
    let paper = match seller.paper {
        PaperSize::A4 => Paper::A4,
        PaperSize::Letter => Paper::Letter,
    };
    let seller = Seller { name: seller.name, address: seller.address, tax_id: seller.tax_id };
    match printed {
        ToPrint::Invoice(printed) => printer.invoice(paper, &seller, &invoice(printed)),
        ToPrint::Receipt(printed, of) => printer.receipt(paper, &seller, &receipt(printed), &invoice(of)),
    }
}

/// An invoice as the printer takes it.
fn invoice(invoice: InvoiceView) -> Invoice {
    let items = invoice.lines.into_iter().map(|line| Item {
        sku: line.sku,
        name: line.name,
        quantity: line.quantity,
        unit_amount: line.unit_amount,
        total: line.total,
    });
    Invoice {
        number: invoice.number,
        status: invoice.status,
        order_id: invoice.order_id,
        order_number: invoice.order_number,
        currency: invoice.currency,
        subtotal: invoice.subtotal,
        tax: invoice.tax,
        total: invoice.total,
        items: items.collect(),
        bill_to: BillTo { name: invoice.bill_to.name, email: invoice.bill_to.email },
        issued_at: invoice.issued_at,
        paid_at: invoice.paid_at,
    }
}

/// A receipt as the printer takes it.
fn receipt(receipt: ReceiptView) -> Receipt {
    Receipt {
        number: receipt.number,
        order_id: receipt.order_id,
        order_number: receipt.order_number,
        invoice_number: receipt.invoice_number,
        currency: receipt.currency,
        total: receipt.total,
        paid_at: receipt.paid_at,
        issued_at: receipt.issued_at,
        provider: receipt.provider,
        provider_payment_id: receipt.provider_payment_id,
    }
}
