//! The text of files, by their paths from the repository's root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Files by path, with `/` between folders.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<String, String>);

impl Tree {
    /// A made-up tree, for tests of the rules themselves.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    /// All files below `folder` whose names end with `.extension`.
    pub fn read(folder: &str, extension: &str) -> io::Result<Self> {
        let mut tree = Self::default();
        let mut open = vec![root().join(folder)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|found| found == extension) {
                    tree.0.insert(from_root(&path), fs::read_to_string(&path)?);
                }
            }
        }
        Ok(tree)
    }

    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A path below the repository's root, as rules name it.
pub fn from_root(path: &Path) -> String {
    let root = root();
    let parts = path.strip_prefix(&root).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
