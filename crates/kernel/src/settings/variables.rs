use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use super::{ConfigFault, ConfigFaults, dotenv};

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

    /// Of a `.env` file. None where there is no such file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigFaults> {
        let faults = |faults: Vec<String>| {
            ConfigFaults(faults.into_iter().map(|fault| ConfigFault { variable: DOTENV, fault }).collect())
        };
        let file = match std::fs::read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(faults(vec![format!("cannot be read: {}", error.kind())])),
        };
        let assignments =
            dotenv::parse(&file).map_err(|lines| faults(lines.iter().map(ToString::to_string).collect()))?;
        Ok(assignments.into_iter().collect())
    }

    /// All of them, for a process that is started with them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_os_str()))
    }

    /// None if it is missing or empty.
    pub fn get(&self, name: &str) -> Result<Option<&str>, &'static str> {
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
