//! Keeps the stand-in's memory over a restart: a file of JSON lines, each a row as it was after a change. Changes are
//! appended off the request path; at the start the file is read, and written anew (to a temporary file, then
//! renamed) with each row once. A crash may cut the last line: that one is passed over.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::state::{Record, State};

const FILE_NAME: &str = "stripe-stand-in.jsonl";
/// A journal beyond this, and twice as long as when it was last written anew, is written anew.
const LARGE: u64 = 512 * 1_024 * 1_024;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    length_when_new: u64,
    /// The last append broke off; the next one begins a new line, or its first row would be lost as well.
    torn: bool,
}

impl Journal {
    /// Reads what an earlier run left into a new state, and opens the journal for what comes.
    pub(super) fn open(directory: &Path, now: i64) -> io::Result<(Self, State)> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join(FILE_NAME);
        let state = read(&path)?;
        let (file, length) = write_anew(&path, state.all(now))?;
        Ok((Self { path, file, length, length_when_new: length, torn: false }, state))
    }

    pub(super) fn is_large(&self) -> bool {
        self.length > LARGE && self.length > 2 * self.length_when_new
    }

    /// Puts these rows, which are all there are, in the place of what was written so far. Blocking.
    pub(super) fn rewrite(&mut self, records: Vec<Record>) -> io::Result<()> {
        let (file, length) = write_anew(&self.path, records.into_iter())?;
        (self.file, self.length, self.length_when_new, self.torn) = (file, length, length, false);
        Ok(())
    }

    /// Appends rows. Blocking; they are with the operating system when it returns, and so survive the process.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut lines = Vec::with_capacity(records.len() * 1_024);
        if self.torn {
            lines.push(b'\n');
        }
        for record in records {
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        self.torn = true;
        self.file.write_all(&lines)?;
        self.torn = false;
        self.length += lines.len() as u64;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<State> {
    let mut state = State::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(state),
        Err(error) => return Err(error),
    };
    let mut damaged = 0_u64;
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        match serde_json::from_slice(&line) {
            Ok(record) => state.load(record),
            Err(_) if line.is_empty() => {}
            Err(_) => damaged += 1,
        }
    }
    if damaged > 0 {
        tracing::warn!(damaged, path = %path.display(), "passed over damaged lines of the Stripe stand-in's journal");
    }
    Ok(state)
}

/// The new file, open for what comes after, and its length.
fn write_anew(path: &Path, records: impl Iterator<Item = Record>) -> io::Result<(File, u64)> {
    let temporary: PathBuf = path.with_extension("jsonl.new");
    let mut writer = BufWriter::new(File::create(&temporary)?);
    for record in records {
        serde_json::to_writer(&mut writer, &record)?;
        writer.write_all(b"\n")?;
    }
    writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&temporary, path)?;
    let file = OpenOptions::new().append(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::stripe::model::{Delivery, Event};

    fn event(id: &str, delivery: Delivery) -> Event {
        Event { id: id.to_owned(), kind: "test".to_owned(), created: 1, payload: "{}".to_owned(), delivery }
    }

    #[test]
    fn a_rewritten_journal_keeps_each_row_as_it_is_now_and_takes_more() {
        let directory = tempfile::TempDir::new().unwrap();
        let (mut journal, mut state) = Journal::open(directory.path(), 0).unwrap();
        for _ in 0..100 {
            state.put_event(event("evt_1", Delivery::Pending));
            state.mark_delivery("evt_1", Delivery::Delivered);
            journal.append(&state.take_changes()).unwrap();
        }
        let long = std::fs::metadata(directory.path().join(FILE_NAME)).unwrap().len();
        assert_eq!(journal.length, long);
        journal.rewrite(state.all(0).collect()).unwrap();
        assert!(journal.length < long / 50);
        journal.torn = true;
        state.put_event(event("evt_2", Delivery::Pending));
        journal.append(&state.take_changes()).unwrap();

        let (_, state) = Journal::open(directory.path(), 0).unwrap();
        let ids: Vec<_> = state.events_newest_first().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, ["evt_2", "evt_1"]);
        assert_eq!(state.event("evt_1").map(|event| event.delivery), Some(Delivery::Delivered));
        assert_eq!(state.pending_events(), ["evt_2"]);
    }
}
