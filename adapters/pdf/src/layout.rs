//! Where everything stands.
//!
//! Owns the design of a document: head, table (in `table`), sums, foot. Invariant: every text is on some page within
//! the margins, and the sums stand on the page of the last row.

use crate::contents::{Contents, Tone};
use crate::document::Paper;
use crate::error::PrintError;
use crate::lines::{self, Line};
use crate::page::{Ink, Mark, Page, PartId, PartKind, Parts};
use crate::text::{Shaper, Style};
use crate::weight::Weight;

/// Margins that fit both papers.
const SIDE: f32 = 54.0;
const TOP: f32 = 56.0;
const BOTTOM: f32 = 66.0;

/// How far the foot's baseline is from the lower edge.
const FOOT: f32 = 34.0;

/// The head has to leave room for the table, so what is in it has a limit. An address of a dozen lines and a name of
/// 300 characters fit; more ends in an ellipsis.
const MOST_LINES_OF_NAME: usize = 6;
const MOST_LINES_OF_ADDRESS: usize = 14;
const MOST_LINES_OF_FACT: usize = 3;

/// Lines stand this many times their size apart.
const LEADING: f32 = 1.42;

pub const fn plain(size: f32) -> Style {
    Style { weight: Weight::Regular, size, tabular: false }
}

pub const fn bold(size: f32) -> Style {
    Style { weight: Weight::Bold, size, tabular: false }
}

pub const fn figures(weight: Weight, size: f32) -> Style {
    Style { weight, size, tabular: true }
}

/// The finished pages.
#[derive(Debug)]
pub struct Sheets {
    pub width: f32,
    pub height: f32,
    pub pages: Vec<Page>,
    pub parts: Parts,
}

pub fn lay_out(shaper: &mut Shaper<'_>, paper: Paper, contents: &Contents) -> Result<Sheets, PrintError> {
    let (width, height) = match paper {
        Paper::A4 => (595.276, 841.89),
        Paper::Letter => (612.0, 792.0),
    };
    let mut layout = Layout {
        shaper,
        contents,
        width,
        height,
        y: TOP,
        pages: vec![Page::default()],
        parts: Parts::default(),
    };
    layout.head()?;
    layout.table()?;
    layout.feet()?;
    Ok(Sheets { width, height, pages: layout.pages, parts: layout.parts })
}

pub struct Layout<'l, 'f> {
    pub shaper: &'l mut Shaper<'f>,
    pub contents: &'l Contents,
    width: f32,
    height: f32,
    /// Where the next thing goes, on the last page.
    pub y: f32,
    pages: Vec<Page>,
    pub parts: Parts,
}

impl Layout<'_, '_> {
    pub const fn left(&self) -> f32 {
        SIDE
    }

    pub fn right(&self) -> f32 {
        self.width - SIDE
    }

    /// Between the margins.
    pub fn content_width(&self) -> f32 {
        self.right() - self.left()
    }

    /// What is left of the page.
    pub fn room(&self) -> f32 {
        self.height - BOTTOM - self.y
    }

    /// What a page has that carries on from another.
    pub fn room_of_a_page(&self) -> f32 {
        self.height - BOTTOM - TOP
    }

    pub fn turn_page(&mut self) {
        self.pages.push(Page::default());
        self.y = TOP;
    }

    pub fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.marks.push(mark);
        }
    }

    /// Draws a line whose box begins at `y`.
    pub fn text(&mut self, line: Line, x: f32, y: f32, ink: Ink, part: Option<PartId>) {
        let baseline = y + baseline_in_line(line.style.size);
        self.mark(Mark::Text { line, x, baseline, ink, part });
    }

    /// The same, ending at `right`.
    pub fn text_ending_at(&mut self, line: Line, right: f32, y: f32, ink: Ink, part: Option<PartId>) {
        let x = right - line.width;
        self.text(line, x, y, ink, part);
    }

    /// Draws lines under each other, and answers where they end.
    pub fn column(&mut self, lines: Vec<Line>, x: f32, y: f32, ink: Ink, part: Option<PartId>) -> f32 {
        let mut y = y;
        for line in lines {
            let height = height_of(&line);
            self.text(line, x, y, ink, part);
            y += height;
        }
        y
    }

    fn head(&mut self) -> Result<(), PrintError> {
        let seller_end = self.seller()?;
        let title_end = self.title()?;
        self.y = seller_end.max(title_end) + 24.0;
        let top = self.y;
        let bill_to_end = self.bill_to(top)?;
        let facts_end = self.facts(top)?;
        self.y = bill_to_end.max(facts_end) + 26.0;
        self.headline()?;
        self.y += 18.0;
        Ok(())
    }

    fn seller(&mut self) -> Result<f32, PrintError> {
        let contents = self.contents;
        let width = self.content_width() * 0.56;
        let part = self.parts.add(PartKind::Paragraph, None);
        let name = lines::limited(self.shaper, &contents.seller.name, bold(13.0), width, MOST_LINES_OF_NAME)?;
        let mut y = self.column(name, self.left(), TOP + 2.0, Ink::Black, Some(part)) + 2.0;
        let address = &contents.seller.address;
        let mut most = MOST_LINES_OF_ADDRESS;
        for (index, address_line) in address.iter().enumerate() {
            let is_last = index + 1 == address.len();
            if most == 1 && !is_last {
                // There is room for one more: it takes all the rest, and an ellipsis says that it is not all.
                let rest = lines::limited(self.shaper, &address[index..].join(", "), plain(9.0), width, 1)?;
                y = self.column(rest, self.left(), y, Ink::Grey, Some(part));
                break;
            }
            let limit = if is_last { most } else { most - 1 };
            let lines = lines::limited(self.shaper, address_line, plain(9.0), width, limit)?;
            most -= lines.len();
            y = self.column(lines, self.left(), y, Ink::Grey, Some(part));
        }
        Ok(y)
    }

    fn title(&mut self) -> Result<f32, PrintError> {
        let contents = self.contents;
        let part = self.parts.add(PartKind::Title, None);
        let title = lines::single(self.shaper, contents.kind, bold(26.0))?;
        self.text_ending_at(title, self.right(), TOP - 8.0, Ink::Accent, Some(part));
        let word = lines::fitted(self.shaper, &contents.status.word, bold(8.5), self.content_width() * 0.4)?;
        let (height, padding) = (17.0, 9.0);
        let width = word.width + 2.0 * padding;
        let (x, y) = (self.right() - width, TOP + 32.0);
        let (under, ink) = match contents.status.tone {
            Tone::Plain => (Ink::Accent, Ink::White),
            Tone::Open => (Ink::Shade, Ink::Accent),
            Tone::Struck => (Ink::Black, Ink::White),
        };
        self.mark(Mark::Badge { x, y, width, height, ink: under });
        let part = self.parts.add(PartKind::Paragraph, None);
        let inset = (height - word.style.size * LEADING) / 2.0;
        self.text(word, x + padding, y + inset, ink, Some(part));
        Ok(y + height)
    }

    fn bill_to(&mut self, top: f32) -> Result<f32, PrintError> {
        let contents = self.contents;
        let width = self.content_width() * 0.46;
        let heading = self.parts.add(PartKind::Heading, None);
        let label = lines::single(self.shaper, "Bill to", bold(8.5))?;
        self.text(label, self.left(), top, Ink::Grey, Some(heading));
        let part = self.parts.add(PartKind::Paragraph, None);
        let mut y = top + 15.0;
        if let Some(name) = &contents.bill_to_name {
            let name = lines::limited(self.shaper, name, bold(10.0), width, MOST_LINES_OF_NAME + 2)?;
            y = self.column(name, self.left(), y, Ink::Black, Some(part));
        }
        let email =
            lines::limited(self.shaper, &contents.bill_to_email, plain(9.5), width, MOST_LINES_OF_NAME)?;
        Ok(self.column(email, self.left(), y, Ink::Black, Some(part)))
    }

    fn facts(&mut self, top: f32) -> Result<f32, PrintError> {
        let contents = self.contents;
        let table = self.parts.add(PartKind::Table, None);
        let x = self.left() + self.content_width() * 0.51;
        let mut labels = Vec::new();
        for (label, _) in &contents.facts {
            labels.push(lines::single(self.shaper, label, plain(9.0))?);
        }
        let value_x = x + labels.iter().map(|label| label.width).fold(0.0, f32::max) + 16.0;
        let mut y = top;
        for (label, (_, value)) in labels.into_iter().zip(&contents.facts) {
            let row = self.parts.add(PartKind::Row, Some(table));
            let heading = self.parts.add(PartKind::RowHeading, Some(row));
            self.text(label, x, y, Ink::Grey, Some(heading));
            let cell = self.parts.add(PartKind::Cell, Some(row));
            let width = self.right() - value_x;
            let value = lines::limited(self.shaper, value, plain(9.0), width, MOST_LINES_OF_FACT)?;
            y = self.column(value, value_x, y, Ink::Black, Some(cell)).max(y + 9.0 * LEADING) + 2.0;
        }
        Ok(y)
    }

    fn headline(&mut self) -> Result<(), PrintError> {
        let contents = self.contents;
        let part = self.parts.add(PartKind::Paragraph, None);
        let headline = lines::paragraph(self.shaper, &contents.headline, bold(16.0), self.content_width())?;
        self.y = self.column(headline, self.left(), self.y, Ink::Black, Some(part));
        if let Some(note) = contents.note {
            let part = self.parts.add(PartKind::Paragraph, None);
            let note = lines::paragraph(self.shaper, note, plain(9.5), self.content_width())?;
            self.y = self.column(note, self.left(), self.y + 1.0, Ink::Grey, Some(part));
        }
        Ok(())
    }

    /// The number on every page, because pages get parted; and the mark of a document that no longer counts.
    fn feet(&mut self) -> Result<(), PrintError> {
        let contents = self.contents;
        let style = plain(8.0);
        let count = self.pages.len();
        let text = format!("{} · {}", contents.title(), contents.seller.name);
        let name = lines::fitted(self.shaper, &text, style, self.content_width() - 70.0)?;
        let watermark = match contents.status.tone {
            Tone::Struck => Some(lines::single(self.shaper, &contents.status.word, bold(1.0))?),
            Tone::Plain | Tone::Open => None,
        };
        let (left, width, baseline) = (self.left(), self.content_width(), self.height - FOOT);
        for (index, page) in self.pages.iter_mut().enumerate() {
            let number = lines::single(self.shaper, &format!("{} / {count}", index + 1), style)?;
            let x = left + width - number.width;
            page.marks.push(Mark::Rule {
                x: left,
                y: baseline - 15.0,
                width,
                thickness: 0.5,
                ink: Ink::Pale,
            });
            page.marks.push(Mark::Text { line: name.clone(), x: left, baseline, ink: Ink::Grey, part: None });
            page.marks.push(Mark::Text { line: number, x, baseline, ink: Ink::Grey, part: None });
            if let Some(line) = &watermark {
                page.marks.insert(0, Mark::Watermark { line: line.clone() });
            }
        }
        Ok(())
    }
}

pub fn height_of(line: &Line) -> f32 {
    line.style.size * LEADING
}

/// Where in its box a line's letters stand, so that capitals look centred.
fn baseline_in_line(size: f32) -> f32 {
    size * (LEADING + 0.72) / 2.0
}
