//! Why a command failed, and its exit code.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use primetech_actors::fault::Fault;

use crate::config::ConfigFaults;
use crate::schema::SchemaMismatch;

/// What `--help` says of exit codes.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or failed, 2 wrong arguments, 3 the database \
                                     cannot be reached. Results are written to standard output, messages to standard \
                                     error.";

const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Arguments, each with what is wrong with it.
    #[error("invalid arguments:{}", listed(.0))]
    Arguments(Vec<(&'static str, String)>),
    /// Understood, and not done.
    #[error("{0}")]
    Refused(String),
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    #[error(transparent)]
    Configuration(#[from] ConfigFaults),
    #[error(transparent)]
    Schema(#[from] SchemaMismatch),
    #[error("the result cannot be written: {0}")]
    Output(#[from] io::Error),
    #[error("the result cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn listed(faults: &[(&'static str, String)]) -> String {
    faults.iter().map(|(name, fault)| format!("\n  {name} {fault}")).collect()
}

impl Failure {
    pub fn refused(reason: impl Display) -> Self {
        Self::Refused(reason.to_string())
    }

    /// One argument's fault.
    pub fn argument(name: &'static str, fault: impl Display) -> Self {
        Self::Arguments(vec![(name, fault.to_string())])
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Arguments(_) => ExitCode::from(USAGE),
            Self::Unreachable(_) => ExitCode::from(UNREACHABLE),
            _ => ExitCode::FAILURE,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::DatabaseUnavailable(reason) => Self::Unreachable(reason.to_string()),
            Fault::OutcomeUnknown => Self::Refused(
                "could not confirm whether the change was written: check for it before you try again"
                    .to_owned(),
            ),
            Fault::Overloaded => {
                Self::Refused("a concurrent change got in the way; nothing was written, try again".to_owned())
            }
            Fault::Internal(reason) => Self::Refused(reason.to_string()),
        }
    }
}

/// Checks arguments, and notes all that is wrong with them. A value is none only where a fault was noted.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<(&'static str, String)>);

impl Checks {
    pub fn new() -> Self {
        Self::default()
    }

    /// `name` is the argument's, as it is typed; what `rule` says follows it ("must be …").
    pub fn value<T, E: Display>(
        &mut self,
        name: &'static str,
        text: &str,
        rule: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match rule(text) {
            Ok(value) => Some(value),
            Err(flaw) => {
                self.fault(name, flaw);
                None
            }
        }
    }

    /// `Some(None)` where it was not given.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &'static str,
        text: Option<&str>,
        rule: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match text {
            None => Some(None),
            Some(text) => self.value(name, text, rule).map(Some),
        }
    }

    /// Each of several, told apart by what they are where one is wrong.
    pub fn each<T, E: Display>(
        &mut self,
        name: &'static str,
        texts: &[String],
        rule: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let values: Vec<Option<T>> = texts
            .iter()
            .map(|text| {
                self.value(name, text, |text| {
                    rule(text).map_err(|flaw| format!("{flaw} (it is {:?})", super::output::plain(text)))
                })
            })
            .collect();
        values.into_iter().collect()
    }

    pub fn fault(&mut self, name: &'static str, fault: impl Display) {
        self.0.push((name, fault.to_string()));
    }

    /// The values, where nothing was wrong with any.
    pub fn finish<T>(self, values: Option<T>) -> Result<T, Failure> {
        match values {
            Some(values) if self.0.is_empty() => Ok(values),
            _ => Err(Failure::Arguments(self.0)),
        }
    }
}
