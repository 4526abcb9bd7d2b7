//! From a text to glyphs.
//!
//! Owns which face draws which character, and how a stretch of one face, script and direction becomes glyphs. `lines`
//! calls it. Invariant: every character leads to a glyph, and every glyph knows its characters; what no face has
//! becomes the box that fonts bring for that, and is reported.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use krilla::text::{GlyphId, KrillaGlyph};
use rustybuzz::ttf_parser::Tag;
use rustybuzz::{Direction, Feature, ShapePlan, UnicodeBuffer};
use unicode_bidi::Level;
use unicode_script::{Script, UnicodeScript as _};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::error::PrintError;
use crate::fonts::{FaceId, Fonts, primary};
use crate::weight::Weight;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    pub weight: Weight,
    /// In points.
    pub size: f32,
    /// Figures of one width, so that columns of them line up.
    pub tabular: bool,
}

/// What a reader takes for one character: never split, and drawn by one face.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub range: Range<usize>,
    pub level: Level,
    pub face: FaceId,
    pub script: Script,
    pub missing: Vec<char>,
}

impl Cluster {
    fn joins(&self, other: &Self) -> bool {
        self.face == other.face && self.script == other.script && self.level == other.level
    }
}

/// Glyphs of one face, from left to right. Measures are in em.
#[derive(Debug, Clone)]
pub struct Piece {
    pub face: FaceId,
    /// Where it begins in the text of the paragraph.
    pub start: usize,
    pub right_to_left: bool,
    /// What the glyphs' ranges are of.
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    pub advance: f32,
    /// How far its glyphs are moved up or down, at the most.
    pub lift: f32,
}

/// What decides how characters become glyphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Manner {
    face: FaceId,
    right_to_left: bool,
    script: u32,
    tabular: bool,
}

impl Manner {
    const fn direction(self) -> Direction {
        if self.right_to_left { Direction::RightToLeft } else { Direction::LeftToRight }
    }

    fn script(self) -> rustybuzz::Script {
        rustybuzz::Script::from_iso15924_tag(Tag(self.script)).unwrap_or(rustybuzz::script::COMMON)
    }
}

/// Shapes the texts of one document, and keeps the faces it has opened.
pub struct Shaper<'f> {
    fonts: &'f Fonts,
    faces: BTreeMap<FaceId, rustybuzz::Face<'f>>,
    plans: BTreeMap<Manner, ShapePlan>,
}

impl<'f> Shaper<'f> {
    pub fn new(fonts: &'f Fonts) -> Self {
        Self { fonts, faces: BTreeMap::new(), plans: BTreeMap::new() }
    }

    /// Splits a text, whose `levels` are per byte, and finds each cluster's face.
    pub fn clusters(
        &mut self,
        text: &str,
        weight: Weight,
        levels: &[Level],
    ) -> Result<Vec<Cluster>, PrintError> {
        let mut clusters: Vec<Cluster> = Vec::new();
        for (start, cluster) in text.grapheme_indices(true) {
            let (face, missing) = self.choose(cluster, weight, clusters.last().map(|before| before.face))?;
            clusters.push(Cluster {
                range: start..start + cluster.len(),
                level: levels[start],
                face,
                script: cluster
                    .chars()
                    .map(|character| character.script())
                    .find(is_real)
                    .unwrap_or(Script::Common),
                missing,
            });
        }
        // Punctuation and spaces take the script that they stand in.
        let mut script =
            clusters.iter().map(|cluster| cluster.script).find(is_real).unwrap_or(Script::Common);
        for cluster in &mut clusters {
            if is_real(&cluster.script) {
                script = cluster.script;
            }
            cluster.script = script;
        }
        Ok(clusters)
    }

    /// The glyphs of some clusters that follow each other and have one level.
    pub fn pieces(
        &mut self,
        text: &str,
        clusters: &[Cluster],
        tabular: bool,
    ) -> Result<Vec<Piece>, PrintError> {
        let mut pieces = Vec::new();
        for group in clusters.chunk_by(Cluster::joins) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            pieces.push(self.piece(text, first.range.start..last.range.end, first, tabular)?);
        }
        if clusters.first().is_some_and(|first| first.level.is_rtl()) {
            pieces.reverse();
        }
        Ok(pieces)
    }

    fn piece(
        &mut self,
        text: &str,
        range: Range<usize>,
        like: &Cluster,
        tabular: bool,
    ) -> Result<Piece, PrintError> {
        let part = &text[range.clone()];
        let mut buffer = UnicodeBuffer::new();
        // What stands before and after decides how Arabic letters join, also across the end of a line.
        buffer.set_pre_context(&text[..range.start]);
        buffer.push_str(part);
        buffer.set_post_context(&text[range.end..]);
        let manner = Manner {
            face: like.face,
            right_to_left: like.level.is_rtl(),
            script: like.script.as_iso15924_tag(),
            tabular,
        };
        buffer.set_direction(manner.direction());
        buffer.set_script(manner.script());
        let (face, plan) = self.plan(manner)?;
        let shaped = rustybuzz::shape_with_plan(face, plan, buffer);

        let em = |units: i32| units as f32 / face.units_per_em() as f32;
        let mut starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        starts.sort_unstable();
        starts.dedup();
        let end_of = |start: usize| {
            let next = starts.partition_point(|other| *other <= start);
            starts.get(next).copied().unwrap_or(part.len())
        };
        let mut glyphs = Vec::with_capacity(shaped.len());
        let (mut advance, mut lift) = (0.0, 0.0_f32);
        for (info, position) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()) {
            let start = info.cluster as usize;
            let (width, up) = (em(position.x_advance), em(position.y_offset));
            glyphs.push(KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                width,
                em(position.x_offset),
                up,
                0.0,
                start..end_of(start),
                None,
            ));
            advance += width;
            lift = lift.max(up.abs());
        }
        Ok(Piece {
            face: like.face,
            start: range.start,
            right_to_left: like.level.is_rtl(),
            text: part.to_owned(),
            glyphs,
            advance,
            lift,
        })
    }

    /// The face for a cluster, and what it lacks of it.
    fn choose(
        &mut self,
        cluster: &str,
        weight: Weight,
        before: Option<FaceId>,
    ) -> Result<(FaceId, Vec<char>), PrintError> {
        let needed: Vec<char> = cluster.chars().filter(|character| !is_ignorable(*character)).collect();
        // A space between two words does not part them.
        if let Some(before) = before
            && needed.iter().all(|character| character.is_whitespace())
            && self.has_all(before, &needed)?
        {
            return Ok((before, Vec::new()));
        }
        let fonts = self.fonts;
        for face in fonts.embedded_faces(weight) {
            if self.has_all(face, &needed)? {
                return Ok((face, Vec::new()));
            }
        }
        if let Some(face) = fonts.extra_face(weight, &needed)? {
            return Ok((face, Vec::new()));
        }
        let fallback = primary(weight);
        let face = self.face(fallback)?;
        let missing = needed.into_iter().filter(|character| face.glyph_index(*character).is_none()).collect();
        Ok((fallback, missing))
    }

    fn has_all(&mut self, face: FaceId, characters: &[char]) -> Result<bool, PrintError> {
        let face = self.face(face)?;
        Ok(characters.iter().all(|character| face.glyph_index(*character).is_some()))
    }

    /// The face, and how it is shaped, which takes longer to find out than to do.
    fn plan(&mut self, manner: Manner) -> Result<(&rustybuzz::Face<'f>, &ShapePlan), PrintError> {
        self.face(manner.face)?;
        let face = &self.faces[&manner.face];
        let is_primary = self.fonts.is_primary(manner.face);
        let plan = self.plans.entry(manner).or_insert_with(|| {
            let mut features = Vec::new();
            if manner.tabular {
                features.push(Feature::new(Tag::from_bytes(b"tnum"), 1, ..));
            }
            if is_primary {
                // Inter would print "->" as an arrow; an invoice prints what was written.
                features.push(Feature::new(Tag::from_bytes(b"calt"), 0, ..));
            }
            ShapePlan::new(face, manner.direction(), Some(manner.script()), None, &features)
        });
        Ok((face, plan))
    }

    fn face(&mut self, face: FaceId) -> Result<&rustybuzz::Face<'f>, PrintError> {
        match self.faces.entry(face) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(self.fonts.shaper(face)?)),
        }
    }
}

fn is_real(script: &Script) -> bool {
    !matches!(script, Script::Common | Script::Inherited | Script::Unknown)
}

/// Characters that are not drawn, so no face has to have them (Unicode's Default_Ignorable_Code_Point).
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
