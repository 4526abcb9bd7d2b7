//! Pages to a file.
//!
//! Owns how marks, structure and metadata become PDF. Invariant: nothing comes from a clock, a random source or the
//! machine; the dates are the document's own.

use std::num::NonZeroU16;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Rect, Transform};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Node, SpanTag, TableHeaderScope, Tag, TagGroup, TagKind, TagTree,
};
use krilla::text::KrillaGlyph;
use krilla::{Document, SerializeSettings};

use crate::contents::Contents;
use crate::error::PrintError;
use crate::fonts::Fonts;
use crate::layout::Sheets;
use crate::lines::Line;
use crate::page::{Ink, Mark, PartId, PartKind, Parts};

/// Marks above or under letters that go further than this, in em, are cut off: a name must not paint over the rest of
/// the page.
const MOST_LIFT: f32 = 0.45;

/// English, as the fixed texts are.
const LANGUAGE: &str = "en";

pub fn draw(fonts: &Fonts, contents: &Contents, sheets: &Sheets) -> Result<Vec<u8>, PrintError> {
    let mut document = Document::new_with(SerializeSettings::default());
    let mut leaves: Vec<Vec<Node>> = sheets.parts.parts.iter().map(|_| Vec::new()).collect();
    for page in &sheets.pages {
        let settings = PageSettings::from_wh(sheets.width, sheets.height)
            .ok_or_else(|| PrintError::Assembly("the paper has no size".to_owned()))?;
        let mut drawn = document.start_page_with(settings);
        let mut surface = drawn.surface();
        for mark in &page.marks {
            match mark {
                Mark::Text { line, x, baseline, ink, part } => {
                    let tag = match part {
                        Some(_) => ContentTag::Span(SpanTag::empty()),
                        None => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)),
                    };
                    let identifier =
                        write(&mut surface, fonts, line, Point::from_xy(*x, *baseline), *ink, tag)?;
                    if let Some(PartId(part)) = part {
                        leaves[*part].push(identifier.into());
                    }
                }
                Mark::Rule { x, y, width, thickness, ink } => {
                    paint(&mut surface, rectangle(*x, *y, *width, *thickness), *ink);
                }
                Mark::Badge { x, y, width, height, ink } => {
                    paint(&mut surface, badge(*x, *y, *width, *height), *ink);
                }
                Mark::Watermark { line } => watermark(&mut surface, fonts, line, sheets)?,
            }
        }
        surface.finish();
        drawn.finish();
    }
    document.set_metadata(metadata(contents));
    document.set_tag_tree(tree(&sheets.parts, leaves));
    document.finish().map_err(|error| PrintError::Assembly(format!("{error:?}")))
}

fn metadata(contents: &Contents) -> Metadata {
    Metadata::new()
        .title(contents.title())
        .authors(vec![contents.seller.name.clone()])
        .creator("Prime Tech Platform".to_owned())
        .language(LANGUAGE.to_owned())
        .document_id(contents.identifier.clone())
        .creation_date(moment(contents.dated))
}

fn moment(moment: DateTime<Utc>) -> krilla::metadata::DateTime {
    // Each of these fits: months to seconds are below 60.
    let small = |number: u32| u8::try_from(number).unwrap_or_default();
    krilla::metadata::DateTime::new(u16::try_from(moment.year()).unwrap_or_default())
        .month(small(moment.month()))
        .day(small(moment.day()))
        .hour(small(moment.hour()))
        .minute(small(moment.minute()))
        .second(small(moment.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

fn write(
    surface: &mut Surface<'_>,
    fonts: &Fonts,
    line: &Line,
    at: Point,
    ink: Ink,
    tag: ContentTag<'_>,
) -> Result<krilla::tagging::Identifier, PrintError> {
    let size = line.style.size;
    let clip = (line.lift() > MOST_LIFT)
        .then(|| rectangle(at.x - size, at.y - 1.2 * size, line.width + 2.0 * size, 1.65 * size))
        .flatten();
    if let Some(clip) = &clip {
        surface.push_clip_path(clip, &FillRule::NonZero);
    }
    surface.set_fill(Some(fill(ink)));
    let identifier = surface.start_tagged(tag);
    let drawn = glyphs(surface, fonts, line, at, size, false);
    surface.end_tagged();
    if clip.is_some() {
        surface.pop();
    }
    drawn.map(|()| identifier)
}

fn glyphs(
    surface: &mut Surface<'_>,
    fonts: &Fonts,
    line: &Line,
    at: Point,
    size: f32,
    outlined: bool,
) -> Result<(), PrintError> {
    for (x, piece) in line.as_read() {
        let font = fonts.font(piece.face)?;
        let mut draw = |x: f32, glyphs: &[KrillaGlyph]| {
            let at = Point::from_xy(at.x + x * size, at.y);
            surface.draw_glyphs(at, glyphs, font.clone(), &piece.text, size, outlined);
        };
        if piece.right_to_left {
            // One by one, so that the file has them in the order in which they are read.
            let mut x = x + piece.advance;
            for cluster in piece.glyphs.chunk_by(|one, next| one.text_range == next.text_range).rev() {
                x -= cluster.iter().map(|glyph| glyph.x_advance).sum::<f32>();
                draw(x, cluster);
            }
        } else {
            draw(x, &piece.glyphs);
        }
    }
    Ok(())
}

/// Drawn as outlines, so that the word is not found between the lines when the text is searched or copied; the status
/// stands on the first page as text.
fn watermark(
    surface: &mut Surface<'_>,
    fonts: &Fonts,
    line: &Line,
    sheets: &Sheets,
) -> Result<(), PrintError> {
    let length = (sheets.width.powi(2) + sheets.height.powi(2)).sqrt() * 0.62;
    let size = (length / line.width.max(1.0)).min(170.0);
    let (x, y) = (sheets.width / 2.0, sheets.height * 0.56);
    surface.push_transform(&Transform::from_rotate_at(-42.0, x, y));
    surface.set_fill(Some(fill(Ink::Shade)));
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Watermark)));
    let at = Point::from_xy(x - line.width * size / 2.0, y + size * 0.36);
    let drawn = glyphs(surface, fonts, line, at, size, true);
    surface.end_tagged();
    surface.pop();
    drawn
}

fn paint(surface: &mut Surface<'_>, path: Option<Path>, ink: Ink) {
    let Some(path) = path else { return };
    surface.set_fill(Some(fill(ink)));
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
    surface.draw_path(&path);
    surface.end_tagged();
}

fn rectangle(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.push_rect(Rect::from_xywh(x, y, width, height)?);
    path.finish()
}

/// Two half circles and what is between them.
fn badge(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    let radius = height / 2.0;
    // How far the control points of a quarter circle are from its ends.
    let bend = radius * 0.552_284_7;
    let (left, right, top, bottom, middle) = (x + radius, x + width - radius, y, y + height, y + radius);
    let mut path = PathBuilder::new();
    path.move_to(left, top);
    path.line_to(right, top);
    path.cubic_to(right + bend, top, right + radius, middle - bend, right + radius, middle);
    path.cubic_to(right + radius, middle + bend, right + bend, bottom, right, bottom);
    path.line_to(left, bottom);
    path.cubic_to(left - bend, bottom, left - radius, middle + bend, left - radius, middle);
    path.cubic_to(left - radius, middle - bend, left - bend, top, left, top);
    path.close();
    path.finish()
}

fn fill(ink: Ink) -> Fill {
    let color = match ink {
        Ink::Black => rgb::Color::new(0x16, 0x18, 0x1d),
        Ink::Grey => rgb::Color::new(0x5b, 0x61, 0x6e),
        Ink::Pale => rgb::Color::new(0xd5, 0xd9, 0xe0),
        Ink::Shade => rgb::Color::new(0xe9, 0xed, 0xf3),
        Ink::Accent => rgb::Color::new(0x1d, 0x4e, 0x89),
        Ink::White => rgb::Color::white(),
    };
    Fill { paint: color.into(), opacity: NormalizedF32::ONE, rule: FillRule::NonZero }
}

/// The parts in their order, each with the texts that name it.
fn tree(parts: &Parts, leaves: Vec<Vec<Node>>) -> TagTree {
    let mut groups: Vec<TagGroup> = Vec::new();
    for (part, leaves) in parts.parts.iter().zip(leaves) {
        groups.push(TagGroup::with_children(tag(part.kind), leaves));
    }
    // A part stands after the one it is within, so going backwards each is whole when it is taken.
    let mut roots = Vec::new();
    for part in parts.parts.iter().rev() {
        let Some(group) = groups.pop() else { break };
        match part.within {
            Some(PartId(within)) => groups[within].children.insert(0, group.into()),
            None => roots.push(group),
        }
    }
    let mut tree = TagTree::new().with_lang(Some(LANGUAGE.to_owned()));
    for root in roots.into_iter().rev() {
        tree.push(root);
    }
    tree
}

fn tag(kind: PartKind) -> TagKind {
    let heading = |level| Tag::Hn(NonZeroU16::MIN.saturating_add(level), None).into();
    match kind {
        PartKind::Title => heading(0),
        PartKind::Heading => heading(1),
        PartKind::Paragraph => Tag::P.into(),
        PartKind::Table => Tag::Table.into(),
        PartKind::TableHead => Tag::THead.into(),
        PartKind::TableBody => Tag::TBody.into(),
        PartKind::Row => Tag::TR.into(),
        PartKind::ColumnHeading => Tag::TH(TableHeaderScope::Column).into(),
        PartKind::RowHeading => Tag::TH(TableHeaderScope::Row).into(),
        PartKind::Cell => Tag::TD.into(),
    }
}
