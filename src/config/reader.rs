use std::fmt::Display;

use super::variables::Variables;
use super::{ConfigFault, ConfigFaults};

/// Reads variables and notes what is wrong with them. A value is None only where a fault was noted.
pub(super) struct Reader {
    variables: Variables,
    faults: Vec<ConfigFault>,
}

impl Reader {
    pub fn new(variables: Variables) -> Self {
        Self { variables, faults: Vec::new() }
    }

    pub fn required<T, E: Display>(
        &mut self,
        variable: &'static str,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.optional(variable, check)?;
        if value.is_none() {
            self.fault(variable, "is missing");
        }
        value
    }

    /// `Some(None)` where the variable is not set.
    pub fn optional<T, E: Display>(
        &mut self,
        variable: &'static str,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        let verdict = match self.variables.get(variable) {
            Ok(None) => return Some(None),
            Ok(Some(text)) => check(text).map_err(|flaw| flaw.to_string()),
            Err(flaw) => Err(flaw.to_owned()),
        };
        match verdict {
            Ok(value) => Some(Some(value)),
            Err(flaw) => {
                self.fault(variable, flaw);
                None
            }
        }
    }

    pub fn or<T, E: Display>(
        &mut self,
        variable: &'static str,
        default: T,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.optional(variable, check).map(|value| value.unwrap_or(default))
    }

    pub fn fault(&mut self, variable: &'static str, fault: impl Display) {
        self.faults.push(ConfigFault { variable, fault: fault.to_string() });
    }

    pub fn finish<T>(self, config: Option<T>) -> Result<T, ConfigFaults> {
        match config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => Err(ConfigFaults(self.faults)),
        }
    }
}
