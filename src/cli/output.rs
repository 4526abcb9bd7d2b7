//! The output of the operator's commands: tables for people or one JSON document for scripts, on standard output.
//!
//! Every command returns a [`Reply`], and only [`print`] writes it. If the reader closes the pipe (`| head`), the
//! writing ends without an error. Messages to the person at the terminal go to standard error.

use std::fmt::Write as _;
use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

/// Between two columns.
const GAP: &str = "  ";

/// What stands for a value that there is not.
const NOTHING: &str = "-";

/// A command's result, in both of its forms.
#[derive(Debug)]
pub(super) struct Reply {
    json: String,
    text: String,
    notes: Vec<String>,
    succeeded: bool,
}

impl Reply {
    /// `value` is what scripts read, `text` what people do. Lines of `text` end with a line feed, the last one too.
    pub fn new(value: &impl Serialize, text: String) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string_pretty(value)? + "\n";
        Ok(Self { json, text, notes: Vec::new(), succeeded: true })
    }

    /// Adds a message for the person at the terminal, on standard error in both forms.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The command did its work, and what it found is not as it must be: exit code 1.
    pub fn succeeded(mut self, succeeded: bool) -> Self {
        self.succeeded = succeeded;
        self
    }

    pub fn is_success(&self) -> bool {
        self.succeeded
    }

    /// Writes it. An error is one of the output, such as a full disk.
    pub fn print(&self, as_json: bool) -> io::Result<()> {
        print(if as_json { &self.json } else { &self.text })?;
        for note in &self.notes {
            say(note);
        }
        Ok(())
    }
}

/// Writes to standard output. A reader that has gone away has read all that it wanted.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Tells the person at the terminal. Where standard error is closed, nobody wants to know.
pub(super) fn say(message: &str) {
    let _nobody_listens = writeln!(io::stderr().lock(), "primetech: {message}");
}

/// Rows beneath their headings, in aligned columns.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A heading that begins with `>` stands over numbers: its column is aligned to the right.
    pub fn new(headings: &[&'static str]) -> Self {
        let right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let headings = headings.iter().map(|heading| heading.trim_start_matches('>')).collect();
        Self { headings, right, rows: Vec::new() }
    }

    /// As many cells as there are headings. An empty one is shown as `-`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let visible = |cell: String| if cell.is_empty() { NOTHING.to_owned() } else { plain(&cell) };
        self.rows.push(cells.into_iter().map(visible).collect());
    }

    /// With `none` in place of a table without rows.
    pub fn text(&self, none: &str) -> String {
        if self.rows.is_empty() {
            return format!("{none}\n");
        }
        let headings: Vec<String> = self.headings.iter().map(|&heading| heading.to_owned()).collect();
        let mut widths: Vec<usize> = headings.iter().map(|heading| heading.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let blanks = " ".repeat(widths.get(at).map_or(0, |width| width.saturating_sub(cell.width())));
                let gap = if at == 0 { "" } else { GAP };
                if self.right.get(at) == Some(&true) {
                    line.extend([gap, &blanks, cell]);
                } else {
                    line.extend([gap, cell, &blanks]);
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// One thing, a line for each of its properties.
#[derive(Debug, Default)]
pub(super) struct Record(Vec<(&'static str, String)>);

impl Record {
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty value is shown as `-`.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.0.push((name, if value.is_empty() { NOTHING.to_owned() } else { plain(&value) }));
        self
    }

    pub fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.0 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:width$}{GAP}{value}");
        }
        text
    }
}

/// A time as people and scripts read it: UTC, whole seconds.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn time_or(time_or_none: Option<DateTime<Utc>>, none: &str) -> String {
    time_or_none.map_or_else(|| none.to_owned(), time)
}

pub(super) fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// The word by which JSON names one of an enumeration.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => NOTHING.to_owned(),
    }
}

/// What came from outside must not command the terminal.
pub(super) fn plain(text: &str) -> String {
    let is_format = |character| matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|character| if character.is_control() || is_format(character) { '\u{fffd}' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_also_with_wide_characters() {
        let mut table = Table::new(&["NAME", ">AMOUNT", "ACTIVE"]);
        table.row(["Editor".to_owned(), "4900".to_owned(), "yes".to_owned()]);
        table.row(["図形".to_owned(), "5".to_owned(), String::new()]);
        let wanted = "NAME    AMOUNT  ACTIVE\nEditor    4900  yes\n図形         5  -\n";
        assert_eq!(table.text("nothing"), wanted);
        assert_eq!(Table::new(&["NAME"]).text("nothing"), "nothing\n");
    }

    #[test]
    fn a_record_has_a_line_for_each_property() {
        let record = Record::new().with("key", "LIC").with("expires", "");
        assert_eq!(record.text(), "key      LIC\nexpires  -\n");
    }

    #[test]
    fn names_do_not_command_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc\u{202e}d"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
    }
}
