//! The fonts of documents: those compiled in, and those of an optional folder.
//!
//! Owns which fonts there are, in which order they are asked, and what they cover. A folder's fonts are named and
//! checked at the start, and read only when the embedded ones lack a character: Chinese, Japanese and Korean fonts
//! are 20 MB each. What was read stays in memory. Invariant: the order is that of the list below, then of the folder's
//! file names, so that the same fonts make the same choice.

use std::path::Path;
use std::sync::OnceLock;

use krilla::text::Font;

use crate::error::{PrintError, PrinterError};
use crate::extra_fonts::{ExtraFonts, Selection};
use crate::weight::Weight;

/// A face among the printer's. Smaller ones are asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FaceId(usize);

/// The face of all fixed texts, and the one that draws the box of a character that no face has.
pub const fn primary(weight: Weight) -> FaceId {
    match weight {
        Weight::Regular => FaceId(0),
        Weight::Bold => FaceId(1),
    }
}

struct Embedded {
    weight: Weight,
    bytes: &'static [u8],
    font: OnceLock<Font>,
}

macro_rules! embedded {
    ($($weight:ident $file:literal,)*) => {
        vec![$(Embedded {
            weight: Weight::$weight,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/fonts/", $file)),
            font: OnceLock::new(),
        }),*]
    };
}

pub struct Fonts {
    embedded: Vec<Embedded>,
    extra: Option<ExtraFonts>,
}

impl Fonts {
    pub fn new(extra_fonts: Option<&Path>) -> Result<Self, PrinterError> {
        let embedded = embedded![
            Regular "Inter-Regular.otf",
            Bold "Inter-SemiBold.otf",
            Regular "NotoSans-Regular.ttf",
            Regular "NotoSansHebrew-Regular.ttf",
            Bold "NotoSansHebrew-Bold.ttf",
            Regular "NotoSansArabic-Regular.ttf",
            Bold "NotoSansArabic-Bold.ttf",
            Regular "NotoSansThai-Regular.ttf",
            Bold "NotoSansThai-Bold.ttf",
            Regular "NotoSansDevanagari-Regular.ttf",
            Bold "NotoSansDevanagari-Bold.ttf",
            Regular "NotoSansBengali-Regular.ttf",
            Bold "NotoSansBengali-Bold.ttf",
            Regular "NotoSansTamil-Regular.ttf",
            Bold "NotoSansTamil-Bold.ttf",
            Regular "NotoSansArmenian-Regular.ttf",
            Bold "NotoSansArmenian-Bold.ttf",
            Regular "NotoSansGeorgian-Regular.ttf",
            Bold "NotoSansGeorgian-Bold.ttf",
        ];
        Ok(Self { embedded, extra: extra_fonts.map(ExtraFonts::open).transpose()? })
    }

    /// The embedded faces: those of the weight first, then the others.
    pub fn embedded_faces(&self, weight: Weight) -> impl Iterator<Item = FaceId> {
        let of_weight = |wanted: bool| {
            self.embedded.iter().enumerate().filter(move |(_, face)| (face.weight == weight) == wanted)
        };
        of_weight(true).chain(of_weight(false)).map(|(index, _)| FaceId(index))
    }

    /// The first face of the folder that has all of `characters`.
    pub fn extra_face(&self, weight: Weight, characters: &[char]) -> Result<Option<FaceId>, PrintError> {
        let Some(extra) = &self.extra else { return Ok(None) };
        Ok(extra.covering(weight, characters)?.map(|index| FaceId(self.embedded.len() + index)))
    }

    /// Whether it is one of the program's own faces for Latin, Greek and Cyrillic.
    pub fn is_primary(&self, face: FaceId) -> bool {
        face == primary(Weight::Regular) || face == primary(Weight::Bold)
    }

    /// The face as the shaper reads it.
    pub fn shaper(&self, face: FaceId) -> Result<rustybuzz::Face<'_>, PrintError> {
        let selection = self.selection(face)?;
        let mut shaper = rustybuzz::Face::from_slice(selection.bytes, selection.index)
            .ok_or_else(|| PrintError::Assembly("a font cannot be read by the shaper".to_owned()))?;
        if let Some(weight) = selection.variation {
            shaper.set_variations(&[rustybuzz::Variation {
                tag: rustybuzz::ttf_parser::Tag::from_bytes(b"wght"),
                value: weight,
            }]);
        }
        Ok(shaper)
    }

    /// The face as the file carries it: subset to what was drawn.
    pub fn font(&self, face: FaceId) -> Result<Font, PrintError> {
        let FaceId(index) = face;
        let unreadable = || PrintError::Assembly("a font cannot be embedded".to_owned());
        if let Some(embedded) = self.embedded.get(index) {
            if let Some(font) = embedded.font.get() {
                return Ok(font.clone());
            }
            let font = Font::new(embedded.bytes.into(), 0).ok_or_else(unreadable)?;
            return Ok(embedded.font.get_or_init(|| font).clone());
        }
        match &self.extra {
            Some(extra) => extra.font(index - self.embedded.len())?.ok_or_else(unreadable),
            None => Err(unreadable()),
        }
    }

    fn selection(&self, FaceId(index): FaceId) -> Result<Selection<'_>, PrintError> {
        if let Some(embedded) = self.embedded.get(index) {
            return Ok(Selection { bytes: embedded.bytes, index: 0, variation: None });
        }
        match &self.extra {
            Some(extra) => extra.selection(index - self.embedded.len()),
            None => Err(PrintError::Assembly("a face of no font was asked for".to_owned())),
        }
    }
}
