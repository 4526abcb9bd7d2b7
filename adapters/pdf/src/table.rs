//! The table of what was sold, and the sums under it.
//!
//! Owns the columns and the page breaks. Invariant: each page with rows has the columns' headings; a row is parted only
//! if no page could hold it; the sums stand under the last row, on its page.

use crate::contents::Row;
use crate::error::PrintError;
use crate::layout::{Layout, bold, figures, height_of, plain};
use crate::lines::{self, Line};
use crate::page::{Ink, Mark, PartId, PartKind};
use crate::weight::Weight;

const GAP: f32 = 16.0;
const PADDING: f32 = 5.0;
const HEADING_HEIGHT: f32 = 22.0;

/// Amounts get smaller before they leave the description less than this.
const LEAST_DESCRIPTION: f32 = 150.0;

/// Sizes of amounts, as wanted and as needed.
const SIZES: [f32; 4] = [9.5, 8.5, 7.5, 6.5];

const HEADINGS: usize = 4;

/// Where the columns are.
struct Columns {
    description_width: f32,
    /// Where quantity, unit price and total end.
    ends: [f32; 3],
    figures: f32,
}

/// A row, ready to be placed.
struct Prepared {
    description: Vec<(Line, Ink)>,
    figures: [Line; 3],
}

impl Prepared {
    fn height(&self) -> f32 {
        self.description.iter().map(|(line, _)| height_of(line)).sum::<f32>() + 2.0 * PADDING
    }
}

impl Layout<'_, '_> {
    pub fn table(&mut self) -> Result<(), PrintError> {
        let contents = self.contents;
        let columns = self.columns()?;
        let sums = self.sums()?;
        let sums_height: f32 = sums.iter().map(|(label, _)| sum_height(label)).sum::<f32>() + 12.0;
        let table = self.parts.add(PartKind::Table, None);
        let head = self.parts.add(PartKind::TableHead, Some(table));
        let body = self.parts.add(PartKind::TableBody, Some(table));

        if contents.rows.is_empty() && self.room() < HEADING_HEIGHT + sums_height {
            self.turn_page();
        }
        let mut headed = false;
        for (index, row) in contents.rows.iter().enumerate() {
            let row = self.prepare(row, &columns)?;
            let below = if index + 1 == contents.rows.len() { sums_height } else { 0.0 };
            let heading = if headed { 0.0 } else { HEADING_HEIGHT };
            let turning_helps = |height| height + heading > self.room() && self.on_one_page(height);
            let turns = turning_helps(row.height() + below) || turning_helps(row.height());
            if turns {
                self.turn_page();
            }
            if turns || !headed {
                // The first is part of the text, the others repeat it.
                self.headings(&columns, (!headed).then_some(head))?;
                headed = true;
            }
            self.row(row, &columns, body, below)?;
        }
        if !headed {
            self.headings(&columns, Some(head))?;
        }
        if self.room() < sums_height {
            self.turn_page();
        }
        self.place_sums(sums);
        Ok(())
    }

    fn on_one_page(&self, height: f32) -> bool {
        height + HEADING_HEIGHT <= self.room_of_a_page()
    }

    /// Amounts are as wide as the widest; the description takes the rest.
    fn columns(&mut self) -> Result<Columns, PrintError> {
        let contents = self.contents;
        let mut chosen = None;
        for size in SIZES {
            let mut widths = [0.0_f32; 3];
            for (width, heading) in widths.iter_mut().zip(&self.heading_texts()[1..]) {
                *width = lines::single(self.shaper, heading, bold(8.5))?.width;
            }
            for row in &contents.rows {
                for (width, text) in widths.iter_mut().zip([&row.quantity, &row.unit_amount, &row.total]) {
                    let line = lines::single(self.shaper, text, figures(Weight::Regular, size))?;
                    *width = width.max(line.width);
                }
            }
            let taken: f32 = widths.iter().map(|width| width + GAP).sum();
            let description_width = self.content_width() - taken;
            let total = self.right();
            let unit_amount = total - widths[2] - GAP;
            let quantity = unit_amount - widths[1] - GAP;
            chosen = Some(Columns { description_width, ends: [quantity, unit_amount, total], figures: size });
            if description_width >= LEAST_DESCRIPTION {
                break;
            }
        }
        chosen.ok_or_else(|| PrintError::Assembly("no size for amounts".to_owned()))
    }

    fn heading_texts(&self) -> [String; HEADINGS] {
        let currency = &self.contents.currency;
        [
            "Description".to_owned(),
            "Quantity".to_owned(),
            format!("Unit price, {currency}"),
            format!("Total, {currency}"),
        ]
    }

    /// Those with a `head` to stand in are part of the text; the others are ornaments.
    fn headings(&mut self, columns: &Columns, head: Option<PartId>) -> Result<(), PrintError> {
        let row = head.map(|head| self.parts.add(PartKind::Row, Some(head)));
        let y = self.y;
        for (index, text) in self.heading_texts().iter().enumerate() {
            let part = row.map(|row| self.parts.add(PartKind::ColumnHeading, Some(row)));
            let line = lines::single(self.shaper, text, bold(8.5))?;
            match index.checked_sub(1) {
                None => self.text(line, self.left(), y, Ink::Grey, part),
                Some(number) => self.text_ending_at(line, columns.ends[number], y, Ink::Grey, part),
            }
        }
        let (x, width) = (self.left(), self.content_width());
        self.mark(Mark::Rule { x, y: y + HEADING_HEIGHT - 5.0, width, thickness: 1.2, ink: Ink::Accent });
        self.y += HEADING_HEIGHT - 4.0;
        Ok(())
    }

    fn prepare(&mut self, row: &Row, columns: &Columns) -> Result<Prepared, PrintError> {
        let width = columns.description_width;
        let name = lines::paragraph(self.shaper, &row.name, plain(9.5), width)?;
        let sku = lines::paragraph(self.shaper, &row.sku, plain(8.0), width)?;
        let description = name.into_iter().map(|line| (line, Ink::Black));
        let style = figures(Weight::Regular, columns.figures);
        Ok(Prepared {
            description: description.chain(sku.into_iter().map(|line| (line, Ink::Grey))).collect(),
            figures: [
                lines::single(self.shaper, &row.quantity, style)?,
                lines::single(self.shaper, &row.unit_amount, style)?,
                lines::single(self.shaper, &row.total, style)?,
            ],
        })
    }

    /// Under the row, `below` is kept free: what stands there is not to be parted from the row's last line.
    fn row(
        &mut self,
        prepared: Prepared,
        columns: &Columns,
        body: PartId,
        below: f32,
    ) -> Result<(), PrintError> {
        let row = self.parts.add(PartKind::Row, Some(body));
        let cell = self.parts.add(PartKind::Cell, Some(row));
        self.y += PADDING;
        let first = self.y;
        let mut description = prepared.description.into_iter();
        // The amounts follow the first line of the description, as they are read.
        if let Some((line, ink)) = description.next() {
            self.y += height_of(&line);
            self.text(line, self.left(), first, ink, Some(cell));
        }
        for (number, line) in prepared.figures.into_iter().enumerate() {
            let part = self.parts.add(PartKind::Cell, Some(row));
            // Where amounts are smaller than the words, both stand on one line all the same.
            let y = first + (9.5 - line.style.size) * 1.07;
            self.text_ending_at(line, columns.ends[number], y, Ink::Black, Some(part));
        }
        while let Some((line, ink)) = description.next() {
            let height = height_of(&line);
            let reserved = if description.len() == 0 { PADDING + below } else { 0.0 };
            if self.room() < height + reserved {
                self.turn_page();
                self.headings(columns, None)?;
                self.y += PADDING;
            }
            self.text(line, self.left(), self.y, ink, Some(cell));
            self.y += height;
        }
        self.y += PADDING;
        let (x, y, width) = (self.left(), self.y, self.content_width());
        self.mark(Mark::Rule { x, y, width, thickness: 0.5, ink: Ink::Pale });
        Ok(())
    }

    fn sums(&mut self) -> Result<Vec<(Line, Line)>, PrintError> {
        let mut sums = Vec::new();
        for sum in &self.contents.sums {
            let (label, amount) = if sum.strong {
                (bold(11.0), figures(Weight::Bold, 11.0))
            } else {
                (plain(9.5), figures(Weight::Regular, 9.5))
            };
            let label = lines::single(self.shaper, sum.label, label)?;
            sums.push((label, lines::single(self.shaper, &sum.amount, amount)?));
        }
        Ok(sums)
    }

    fn place_sums(&mut self, sums: Vec<(Line, Line)>) {
        let widest = |lines: &mut dyn Iterator<Item = f32>| lines.fold(0.0_f32, f32::max);
        let labels = widest(&mut sums.iter().map(|(label, _)| label.width));
        let amounts = widest(&mut sums.iter().map(|(_, amount)| amount.width));
        let x = (self.left() + self.content_width() * 0.58).min(self.right() - amounts - GAP - labels);
        let table = self.parts.add(PartKind::Table, None);
        self.y += 8.0;
        for (label, amount) in sums {
            let height = sum_height(&label);
            if label.style.weight == Weight::Bold {
                let (y, width) = (self.y + 2.0, self.right() - x);
                self.mark(Mark::Rule { x, y, width, thickness: 0.8, ink: Ink::Black });
            }
            let row = self.parts.add(PartKind::Row, Some(table));
            let heading = self.parts.add(PartKind::RowHeading, Some(row));
            let cell = self.parts.add(PartKind::Cell, Some(row));
            let y = self.y + (height - height_of(&label)) / 2.0 + 1.0;
            self.text(label, x, y, Ink::Black, Some(heading));
            self.text_ending_at(amount, self.right(), y, Ink::Black, Some(cell));
            self.y += height;
        }
    }
}

fn sum_height(label: &Line) -> f32 {
    if label.style.weight == Weight::Bold { 25.0 } else { 19.0 }
}
