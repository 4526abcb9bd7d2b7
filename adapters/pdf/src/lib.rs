//! Invoices and receipts as PDF files, made in process.
//!
//! Owns the look of a document and the fonts. The code that stores documents calls a [`Printer`]; nothing here knows of
//! a domain, of tenants' rows, HTTP or the store. Printing takes some milliseconds of processor time (seconds for the first use of a
//! folder's fonts), so call it where blocking is allowed. Invariant: the same data, paper and fonts give the same
//! bytes.

mod contents;
mod document;
mod draw;
mod error;
mod extra_fonts;
mod fonts;
mod layout;
#[cfg(test)]
mod layout_tests;
#[cfg(test)]
mod line_tests;
mod lines;
mod money;
mod page;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod weight;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use unicode_script::UnicodeScript as _;

use contents::Contents;
use fonts::Fonts;
use page::Mark;

pub use document::{BillTo, Invoice, Item, Paper, Receipt, Seller};
pub use error::{PrintError, PrinterError};

/// Part of a stored document's revision: raised when the layout changes.
pub const LAYOUT: &str = "2";

/// A finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdf {
    pub bytes: Vec<u8>,
    /// How many characters no font had a glyph for. They are printed as visible boxes.
    pub missing_glyphs: usize,
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

    pub fn invoice(&self, paper: Paper, seller: &Seller, invoice: &Invoice) -> Result<Pdf, PrintError> {
        self.print(paper, &Contents::of_invoice(seller, invoice))
    }

    /// The invoice lends the lines and whom the receipt is made out to.
    pub fn receipt(
        &self,
        paper: Paper,
        seller: &Seller,
        receipt: &Receipt,
        invoice: &Invoice,
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
