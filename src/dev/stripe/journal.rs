//! Keeps the stand-in's memory over a restart: a file of JSON lines, each a row as it was after a change. Changes are
//! appended off the request path; at the start the file is read, and written anew (to a temporary file, then
//! renamed) with each row once. A crash may cut the last line: that one is passed over.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::state::{Record, State};

const FILE_NAME: &str = "stripe-stand-in.jsonl";

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
}

impl Journal {
    /// Reads what an earlier run left into a new state, and opens the journal for what comes.
    pub(super) fn open(directory: &Path, now: i64) -> io::Result<(Self, State)> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join(FILE_NAME);
        let state = read(&path)?;
        write_anew(&path, &state, now)?;
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok((Self { file }, state))
    }

    /// Appends rows. Blocking; they are with the operating system when it returns, and so survive the process.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut lines = Vec::with_capacity(records.len() * 1_024);
        for record in records {
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines)
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
        match serde_json::from_slice(&line?) {
            Ok(record) => state.load(record),
            Err(_) => damaged += 1,
        }
    }
    if damaged > 0 {
        tracing::warn!(damaged, path = %path.display(), "passed over damaged lines of the Stripe stand-in's journal");
    }
    Ok(state)
}

fn write_anew(path: &Path, state: &State, now: i64) -> io::Result<()> {
    let temporary: PathBuf = path.with_extension("jsonl.new");
    let mut writer = BufWriter::new(File::create(&temporary)?);
    for record in state.all(now) {
        serde_json::to_writer(&mut writer, &record)?;
        writer.write_all(b"\n")?;
    }
    writer.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    std::fs::rename(&temporary, path)
}
