//! Invoices and receipts as PDF files, made in process.
//!
//! Owns the look of a document. The code that stores documents calls a [`Printer`]; nothing here knows of tenants'
//! rows, HTTP or the store. Printing takes some milliseconds of processor time (seconds for the first use of a
//! folder's fonts), so call it where blocking is allowed. Invariant: the same data, paper and fonts give the same
//! bytes.

mod contents;
mod draw;
mod extra_fonts;
mod fonts;
mod layout;
#[cfg(test)]
mod layout_tests;
#[cfg(test)]
mod line_tests;
mod lines;
mod page;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use primetech_actors::order::{InvoiceView, ReceiptView};
use unicode_script::UnicodeScript as _;

use contents::Contents;
use fonts::Fonts;
use page::Mark;

/// Part of a stored document's revision: raised when the layout changes.
pub const LAYOUT: &str = "2";

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
    pub tax_id: Option<String>,
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
    #[error("the folder of extra fonts, {folder}, has no .ttf, .otf, .ttc or .otc file")]
    NoFonts { folder: PathBuf },
    #[error("the folder of extra fonts, {folder}, has more than {most} font files")]
    TooManyFonts { folder: PathBuf, most: usize },
    #[error("the font {path} cannot be used")]
    Font { path: PathBuf, source: std::io::Error },
}

/// A document could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// A file of the folder that was usable when the printer was set up is so no longer.
    #[error("the font {path} cannot be used: {what}")]
    Font { path: PathBuf, what: String },
    #[error("the PDF could not be put together: {0}")]
    Assembly(String),
}

/// Prints documents. Cheap to clone.
#[derive(Clone)]
pub struct Printer {
    fonts: Arc<Fonts>,
}

const _: () = {
    const fn may_be_shared<T: Clone + Send + Sync + 'static>() {}
    may_be_shared::<Printer>();
};

impl Printer {
    /// `extra_fonts` is a folder of further font files, asked when the embedded fonts lack a glyph.
    pub fn new(extra_fonts: Option<&Path>) -> Result<Self, PrinterError> {
        Ok(Self { fonts: Arc::new(Fonts::new(extra_fonts)?) })
    }

    pub fn invoice(&self, paper: Paper, seller: &Seller, invoice: &InvoiceView) -> Result<Pdf, PrintError> {
        self.print(paper, &Contents::of_invoice(seller, invoice))
    }

    /// The invoice lends the lines and whom the receipt is made out to.
    pub fn receipt(
        &self,
        paper: Paper,
        seller: &Seller,
        receipt: &ReceiptView,
        invoice: &InvoiceView,
    ) -> Result<Pdf, PrintError> {
        self.print(paper, &Contents::of_receipt(seller, receipt, invoice))
    }

    fn print(&self, paper: Paper, contents: &Contents) -> Result<Pdf, PrintError> {
        let mut shaper = text::Shaper::new(&self.fonts);
        let sheets = layout::lay_out(&mut shaper, paper, contents)?;
        let bytes = draw::draw(&self.fonts, contents, &sheets)?;
        let missing: Vec<char> = sheets
            .pages
            .iter()
            .flat_map(|page| &page.marks)
            .filter_map(|mark| match mark {
                // The foot only repeats what stands elsewhere.
                Mark::Text { line, part: Some(_), .. } => Some(&line.missing),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        if !missing.is_empty() {
            // The characters themselves may be part of a name.
            let scripts: BTreeSet<&str> =
                missing.iter().map(|character| character.script().full_name()).collect();
            tracing::warn!(
                document = contents.number,
                missing = missing.len(),
                ?scripts,
                "no font has some of the characters of a document; boxes are printed in their place"
            );
        }
        Ok(Pdf { bytes, missing_glyphs: missing.len() })
    }
}
