//! Pages as lists of marks: what `layout` decides and `draw` carries out.
//!
//! Owns the vocabulary between the two. Measures are in points, from the top left corner.

use crate::lines::Line;

/// Black, its greys, and one accent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Black,
    /// For what is read second.
    Grey,
    /// For hairlines.
    Pale,
    /// For what lies under the text.
    Shade,
    Accent,
    White,
}

#[derive(Debug)]
pub enum Mark {
    Text {
        line: Line,
        x: f32,
        baseline: f32,
        ink: Ink,
        part: Option<PartId>,
    },
    Rule {
        x: f32,
        y: f32,
        width: f32,
        thickness: f32,
        ink: Ink,
    },
    /// A box with round ends.
    Badge {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
    },
    /// A word across the page, under all else.
    Watermark {
        line: Line,
    },
}

#[derive(Debug, Default)]
pub struct Page {
    pub marks: Vec<Mark>,
}

/// A place in [`Parts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartId(pub usize);

/// What a part of the text is, for programs that read documents aloud or take them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    Title,
    Heading,
    Paragraph,
    Table,
    TableHead,
    TableBody,
    Row,
    ColumnHeading,
    RowHeading,
    Cell,
}

#[derive(Debug)]
pub struct Part {
    pub kind: PartKind,
    pub within: Option<PartId>,
}

/// The document's structure, in reading order. Texts name the part that they belong to; those that belong to none are
/// ornaments, like page numbers.
#[derive(Debug, Default)]
pub struct Parts {
    pub parts: Vec<Part>,
}

impl Parts {
    pub fn add(&mut self, kind: PartKind, within: Option<PartId>) -> PartId {
        self.parts.push(Part { kind, within });
        PartId(self.parts.len() - 1)
    }
}
