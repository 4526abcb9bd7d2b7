//! The operator's folder of further fonts.
//!
//! Owns which files count, and what each face of them covers. Called by `fonts` alone.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use krilla::text::Font;
use rustybuzz::ttf_parser::{self, Tag};

use crate::error::{PrintError, PrinterError};
use crate::weight::Weight;

/// More is a folder that was not meant for this.
const MOST_FILES: usize = 64;

/// The largest free fonts have 20 to 40 MB; each that is used stays in memory.
const LARGEST_FILE: u64 = 64 << 20;

/// What marks a font file: TrueType, OpenType with PostScript outlines, Apple's TrueType, a collection.
const SIGNATURES: [[u8; 4]; 4] = [[0, 1, 0, 0], *b"OTTO", *b"true", *b"ttcf"];

/// The bytes and the place in them of one face.
pub struct Selection<'f> {
    pub bytes: &'f [u8],
    pub index: u32,
    /// The weight to set where the font is variable.
    pub variation: Option<f32>,
}

pub struct ExtraFonts {
    files: Vec<File>,
    faces: OnceLock<Vec<Face>>,
}

struct File {
    path: PathBuf,
    bytes: OnceLock<Arc<Vec<u8>>>,
}

struct Face {
    file: usize,
    index: u32,
    weight: Weight,
    variation: Option<f32>,
    /// The characters it has, in order.
    covers: Arc<Vec<RangeInclusive<u32>>>,
    /// Made once: that hashes the whole file.
    font: OnceLock<Font>,
}

impl ExtraFonts {
    /// Names and checks the folder's font files; they are read when first needed.
    pub fn open(folder: &Path) -> Result<Self, PrinterError> {
        let unreadable = |source| PrinterError::Folder { folder: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if has_font_extension(&path) {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(PrinterError::NoFonts { folder: folder.to_owned() });
        }
        if paths.len() > MOST_FILES {
            return Err(PrinterError::TooManyFonts { folder: folder.to_owned(), most: MOST_FILES });
        }
        for path in &paths {
            check(path)?;
        }
        let files = paths.into_iter().map(|path| File { path, bytes: OnceLock::new() }).collect();
        Ok(Self { files, faces: OnceLock::new() })
    }

    /// The first face that has all of the characters: of those of the weight, then of the others.
    pub fn covering(&self, weight: Weight, characters: &[char]) -> Result<Option<usize>, PrintError> {
        let faces = self.faces()?;
        let of_weight = |wanted: bool| {
            faces
                .iter()
                .position(|face| (face.weight == weight) == wanted && covers_all(&face.covers, characters))
        };
        Ok(of_weight(true).or_else(|| of_weight(false)))
    }

    pub fn selection(&self, index: usize) -> Result<Selection<'_>, PrintError> {
        let face = self.face(index)?;
        let bytes = self.bytes(&self.files[face.file])?;
        Ok(Selection { bytes: bytes.as_slice(), index: face.index, variation: face.variation })
    }

    /// The face as the file carries it. None where it cannot be embedded.
    pub fn font(&self, index: usize) -> Result<Option<Font>, PrintError> {
        let face = self.face(index)?;
        if let Some(font) = face.font.get() {
            return Ok(Some(font.clone()));
        }
        let data = Arc::clone(self.bytes(&self.files[face.file])?).into();
        let font = match face.variation {
            Some(weight) => {
                Font::new_variable(data, face.index, &[(krilla::text::Tag::new(b"wght"), weight)])
            }
            None => Font::new(data, face.index),
        };
        Ok(font.map(|font| face.font.get_or_init(|| font).clone()))
    }

    fn face(&self, index: usize) -> Result<&Face, PrintError> {
        let absent = || PrintError::Assembly("a face of no font was asked for".to_owned());
        self.faces()?.get(index).ok_or_else(absent)
    }

    fn faces(&self) -> Result<&[Face], PrintError> {
        if let Some(faces) = self.faces.get() {
            return Ok(faces);
        }
        let mut faces = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            // Not kept: most of the files of a folder are never drawn with.
            let bytes = read(&file.path)?;
            faces_of(index, &bytes, &mut faces)
                .map_err(|what| PrintError::Font { path: file.path.clone(), what })?;
        }
        Ok(self.faces.get_or_init(|| faces))
    }

    fn bytes<'f>(&self, file: &'f File) -> Result<&'f Arc<Vec<u8>>, PrintError> {
        if let Some(bytes) = file.bytes.get() {
            return Ok(bytes);
        }
        let bytes = Arc::new(read(&file.path)?);
        Ok(file.bytes.get_or_init(|| bytes))
    }
}

fn has_font_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["ttf", "otf", "ttc", "otc"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn check(path: &Path) -> Result<(), PrinterError> {
    use std::io::Read as _;

    let unreadable = |source| PrinterError::Font { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.len() > LARGEST_FILE {
        return Err(unreadable(std::io::Error::other("larger than 64 MiB")));
    }
    let mut signature = [0; 4];
    file.read_exact(&mut signature).map_err(unreadable)?;
    if SIGNATURES.contains(&signature) {
        Ok(())
    } else {
        Err(unreadable(std::io::Error::other("not a font file")))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PrintError> {
    std::fs::read(path).map_err(|error| PrintError::Font { path: path.to_owned(), what: error.to_string() })
}

fn faces_of(file: usize, bytes: &[u8], faces: &mut Vec<Face>) -> Result<(), String> {
    let count = ttf_parser::fonts_in_collection(bytes).unwrap_or(1);
    for index in 0..count {
        let face = ttf_parser::Face::parse(bytes, index).map_err(|error| error.to_string())?;
        let tables = face.tables();
        // Fonts of pictures (colour emoji) would take up room and show nothing.
        let has_outlines = tables.glyf.is_some() || tables.cff.is_some() || tables.cff2.is_some();
        if face.is_italic() || face.is_monospaced() || !has_outlines {
            continue;
        }
        let covers = Arc::new(coverage(&face));
        let axis = face.variation_axes().into_iter().find(|axis| axis.tag == Tag::from_bytes(b"wght"));
        match axis {
            // One file stands for both weights.
            Some(axis) => {
                for (weight, value) in [(Weight::Regular, 400.0), (Weight::Bold, 600.0)] {
                    let variation = Some(f32::clamp(value, axis.min_value, axis.max_value));
                    faces.push(Face {
                        file,
                        index,
                        weight,
                        variation,
                        covers: Arc::clone(&covers),
                        font: OnceLock::new(),
                    });
                }
            }
            None => {
                let weight = if face.weight().to_number() >= 600 { Weight::Bold } else { Weight::Regular };
                faces.push(Face { file, index, weight, variation: None, covers, font: OnceLock::new() });
            }
        }
    }
    Ok(())
}

fn coverage(face: &ttf_parser::Face<'_>) -> Vec<RangeInclusive<u32>> {
    let mut characters = Vec::new();
    for table in face.tables().cmap.iter().flat_map(|cmap| cmap.subtables) {
        if table.is_unicode() {
            table.codepoints(|character| characters.push(character));
        }
    }
    characters.sort_unstable();
    characters.dedup();
    let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
    for character in characters {
        match ranges.last_mut() {
            Some(last) if last.end() + 1 == character => *last = *last.start()..=character,
            _ => ranges.push(character..=character),
        }
    }
    ranges
}

fn covers_all(ranges: &[RangeInclusive<u32>], characters: &[char]) -> bool {
    characters.iter().all(|character| {
        let character = u32::from(*character);
        let after = ranges.partition_point(|range| *range.start() <= character);
        after.checked_sub(1).is_some_and(|before| ranges[before].contains(&character))
    })
}
