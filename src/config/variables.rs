use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use super::{ConfigFault, ConfigFaults};

/// The file beneath the environment, in the working directory.
const DOTENV: &str = ".env";

/// Names and values, as given. `Debug` prints no values.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// The process's environment, and beneath it the `.env` file where there is one.
    pub fn load() -> Result<Self, ConfigFaults> {
        let mut variables = Self::from_file(Path::new(DOTENV))?;
        for (name, value) in std::env::vars_os() {
            // An empty variable counts as missing, so the file's value stands.
            if let Ok(name) = name.into_string()
                && !value.is_empty()
            {
                variables.0.insert(name, value);
            }
        }
        Ok(variables)
    }

    pub(super) fn from_file(path: &Path) -> Result<Self, ConfigFaults> {
        // What the parser says of a bad line quotes the line, which may hold a secret.
        let unreadable = |fault: &str| {
            ConfigFaults(vec![ConfigFault { variable: DOTENV, fault: format!("cannot be read: {fault}") }])
        };
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(error) if error.not_found() => return Ok(Self::default()),
            Err(_) => return Err(unreadable("the file cannot be opened")),
        };
        let mut variables = Self::default();
        for (at, line) in lines.enumerate() {
            let (name, value) =
                line.map_err(|_| unreadable(&format!("entry {} is not of the form NAME=value", at + 1)))?;
            variables.0.insert(name, value.into());
        }
        Ok(variables)
    }

    /// All of them, for a process that is started with them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_os_str()))
    }

    /// None where it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, &'static str> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) if value.is_empty() => Ok(None),
            Some(value) => value.to_str().map(Some).ok_or("is not valid UTF-8"),
        }
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
