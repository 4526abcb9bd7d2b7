//! From a text to lines of a given width.
//!
//! Owns where a line may end (UAX 14; in a word that is wider than the line, between any two grapheme clusters) and in
//! which order its pieces stand (UAX 9, each text by its own first strong character). `layout` calls it. Invariant: no
//! line is wider than asked for unless a single cluster is, and the lines together have all characters of the text.

use std::collections::BTreeSet;
use std::ops::Range;

use unicode_bidi::{Level, ParagraphBidiInfo};

use crate::error::PrintError;
use crate::text::{Cluster, Piece, Shaper, Style};

/// One line, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Line {
    pub style: Style,
    /// From left to right.
    pub pieces: Vec<Piece>,
    /// In points, without the space at which the line was broken.
    pub width: f32,
    /// The characters of which only a box is drawn.
    pub missing: Vec<char>,
    /// Where it begins in the text of its paragraph.
    start: usize,
}

impl Line {
    /// Its pieces in the order in which they are read, each with where it stands from the line's left end, in em.
    pub fn as_read(&self) -> Vec<(f32, &Piece)> {
        let mut x = 0.0;
        let mut placed = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            placed.push((x, piece));
            x += piece.advance;
        }
        placed.sort_by_key(|(_, piece)| piece.start);
        placed
    }

    /// How far marks above and below are from where they usually are, in em.
    pub fn lift(&self) -> f32 {
        self.pieces.iter().map(|piece| piece.lift).fold(0.0, f32::max)
    }
}

/// Rounding in the sums of advances.
const SLACK: f32 = 0.01;

/// All lines of a text; none of an empty one.
pub fn paragraph(
    shaper: &mut Shaper<'_>,
    text: &str,
    style: Style,
    width: f32,
) -> Result<Vec<Line>, PrintError> {
    let text = clean(text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    Paragraph::new(shaper, &text, style)?.lines(shaper, width)
}

/// At most `most` lines; what does not fit is replaced by an ellipsis.
pub fn limited(
    shaper: &mut Shaper<'_>,
    text: &str,
    style: Style,
    width: f32,
    most: usize,
) -> Result<Vec<Line>, PrintError> {
    let mut lines = paragraph(shaper, text, style, width)?;
    if lines.len() > most {
        let text = clean(text);
        lines.truncate(most);
        if let Some(last) = lines.pop() {
            lines.push(shortened(shaper, &text[last.start..], style, width)?);
        }
    }
    Ok(lines)
}

/// One line, as wide as it gets.
pub fn single(shaper: &mut Shaper<'_>, text: &str, style: Style) -> Result<Line, PrintError> {
    let text = clean(text);
    let paragraph = Paragraph::new(shaper, &text, style)?;
    paragraph.line(shaper, 0..paragraph.clusters.len())
}

/// One line, shortened to the width where it must be.
pub fn fitted(shaper: &mut Shaper<'_>, text: &str, style: Style, width: f32) -> Result<Line, PrintError> {
    let whole = single(shaper, text, style)?;
    if whole.width <= width + SLACK { Ok(whole) } else { shortened(shaper, text, style, width) }
}

fn shortened(shaper: &mut Shaper<'_>, text: &str, style: Style, width: f32) -> Result<Line, PrintError> {
    let text = clean(text);
    let paragraph = Paragraph::new(shaper, &text, style)?;
    let advances = paragraph.advances(shaper)?;
    let mut fitting = advances.len();
    let mut sum: f32 = advances.iter().sum();
    loop {
        while fitting > 0 && sum > width {
            fitting -= 1;
            sum -= advances[fitting];
        }
        let end = paragraph.clusters.get(fitting).map_or(text.len(), |cluster| cluster.range.start);
        let line = single(shaper, &format!("{}…", text[..end].trim_end()), style)?;
        if line.width <= width + SLACK || fitting == 0 {
            return Ok(line);
        }
        fitting -= 1;
        sum -= advances[fitting];
    }
}

/// The text in one paragraph: what would break it, or cannot be printed or put into the file's metadata, is replaced.
pub fn clean(text: &str) -> String {
    let printable = |character: char| match character {
        '\u{2028}' | '\u{2029}' => ' ',
        character if character.is_control() => ' ',
        '\u{fdd0}'..='\u{fdef}' => char::REPLACEMENT_CHARACTER,
        character if u32::from(character) & 0xfffe == 0xfffe => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    text.chars().map(printable).collect::<String>().trim().to_owned()
}

struct Paragraph<'t> {
    text: &'t str,
    style: Style,
    bidi: ParagraphBidiInfo<'t>,
    clusters: Vec<Cluster>,
}

/// The last end that is allowed in a line that must end before `before`; without one, a word is cut there.
fn earlier_end(start: usize, before: usize, allowed: &[bool]) -> usize {
    let end = (start + 1..=before).rev().find(|end| allowed[end - 1]);
    end.unwrap_or(before.max(start + 1))
}

impl<'t> Paragraph<'t> {
    fn new(shaper: &mut Shaper<'_>, text: &'t str, style: Style) -> Result<Self, PrintError> {
        let bidi = ParagraphBidiInfo::new(text, None);
        let clusters = shaper.clusters(text, style.weight, &bidi.levels)?;
        Ok(Self { text, style, bidi, clusters })
    }

    /// The width of each cluster, in points, where it stands in the whole text.
    fn advances(&self, shaper: &mut Shaper<'_>) -> Result<Vec<f32>, PrintError> {
        let mut advances = vec![0.0; self.clusters.len()];
        for run in self.clusters.chunk_by(|one, next| one.level == next.level) {
            let mut pieces = shaper.pieces(self.text, run, self.style.tabular)?;
            if run[0].level.is_rtl() {
                pieces.reverse();
            }
            let mut start = run[0].range.start;
            for piece in pieces {
                for glyph in &piece.glyphs {
                    let at = start + glyph.text_range.start;
                    let index = self.clusters.partition_point(|cluster| cluster.range.end <= at);
                    advances[index] += glyph.x_advance * self.style.size;
                }
                start += piece.text.len();
            }
        }
        Ok(advances)
    }

    fn lines(&self, shaper: &mut Shaper<'_>, width: f32) -> Result<Vec<Line>, PrintError> {
        let whole = self.line(shaper, 0..self.clusters.len())?;
        if whole.width <= width + SLACK {
            return Ok(vec![whole]);
        }
        let advances = self.advances(shaper)?;
        let ends: BTreeSet<usize> = unicode_linebreak::linebreaks(self.text).map(|(end, _)| end).collect();
        let allowed: Vec<bool> =
            self.clusters.iter().map(|cluster| ends.contains(&cluster.range.end)).collect();
        let mut lines = Vec::new();
        let mut start = 0;
        while start < self.clusters.len() {
            let mut end = self.end_of_line(start, width, &advances, &allowed);
            let mut line = self.line(shaper, start..end)?;
            // Letters at the end of a line may take another shape or lose their kerning, and need more room.
            while line.width > width + SLACK && end > start + 1 {
                end = earlier_end(start, end - 1, &allowed);
                line = self.line(shaper, start..end)?;
            }
            lines.push(line);
            start = end;
            while start < self.clusters.len() && self.is_space(start) {
                start += 1;
            }
        }
        Ok(lines)
    }

    /// The cluster after the last one of the line.
    fn end_of_line(&self, start: usize, width: f32, advances: &[f32], allowed: &[bool]) -> usize {
        let mut sum = 0.0;
        for (index, advance) in advances.iter().enumerate().skip(start) {
            sum += advance;
            // Spaces at the end hang over.
            if sum > width + SLACK && !self.is_space(index) {
                return earlier_end(start, index, allowed);
            }
        }
        self.clusters.len()
    }

    fn line(&self, shaper: &mut Shaper<'_>, range: Range<usize>) -> Result<Line, PrintError> {
        let mut end = range.end;
        while end > range.start && self.is_space(end - 1) {
            end -= 1;
        }
        let clusters = &self.clusters[range.start..end];
        let start = self.clusters.get(range.start).map_or(0, |cluster| cluster.range.start);
        let mut pieces = Vec::new();
        if let Some(last) = clusters.last() {
            // Spaces at the edge of a line take the paragraph's level, not the one they were split with. A cluster has
            // its first character's level, so that none is cut where a mark is of another direction than its letter.
            let levels = self.bidi.reordered_levels(start..last.range.end);
            let levelled: Vec<Cluster> = clusters
                .iter()
                .map(|cluster| Cluster { level: levels[cluster.range.start], ..cluster.clone() })
                .collect();
            let runs: Vec<&[Cluster]> = levelled.chunk_by(|one, next| one.level == next.level).collect();
            let run_levels: Vec<Level> = runs.iter().map(|run| run[0].level).collect();
            for index in ParagraphBidiInfo::reorder_visual(&run_levels) {
                pieces.extend(shaper.pieces(self.text, runs[index], self.style.tabular)?);
            }
        }
        let width = pieces.iter().map(|piece| piece.advance).sum::<f32>() * self.style.size;
        if end < range.end && range.end < self.clusters.len() {
            // So that whoever copies the text, or has it read aloud, gets two words.
            let space = &self.clusters[end..=end];
            pieces.extend(shaper.pieces(self.text, space, self.style.tabular)?);
        }
        let missing = clusters.iter().flat_map(|cluster| cluster.missing.iter().copied()).collect();
        Ok(Line { style: self.style, pieces, width, missing, start })
    }

    fn is_space(&self, index: usize) -> bool {
        self.text[self.clusters[index].range.clone()].chars().all(char::is_whitespace)
    }
}
