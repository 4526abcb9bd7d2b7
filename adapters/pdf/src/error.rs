//! Why a printer cannot be set up, and why a document could not be made.

use std::path::PathBuf;

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
