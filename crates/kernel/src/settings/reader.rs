use std::fmt::Display;

use super::variables::Variables;
use super::{ConfigFault, ConfigFaults};

/// Reads variables and notes what is wrong with them. A value is None only if a fault was noted.
pub struct Reader {
    variables: Variables,
    faults: Vec<ConfigFault>,
}

impl Reader {
    pub fn new(variables: Variables) -> Self {
        Self { variables, faults: Vec::new() }
    }

    /// A variable that has to be set.
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

    /// `Some(None)` if the variable is not set. What `check` says follows the variable's name: "must be …".
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

    /// With a value for a variable that is not set.
    pub fn or<T, E: Display>(
        &mut self,
        variable: &'static str,
        default: T,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.optional(variable, check).map(|value| value.unwrap_or(default))
    }

    /// Notes a fault. `fault` follows the variable's name and does not repeat its value.
    pub fn fault(&mut self, variable: &'static str, fault: impl Display) {
        self.faults.push(ConfigFault { variable, fault: fault.to_string() });
    }

    /// The value, or all faults.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, ConfigFaults> {
        match config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => Err(ConfigFaults(self.faults)),
        }
    }
}
