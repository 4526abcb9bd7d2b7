//! What the environment says: read once, at the start, with every fault named by its variable.
//!
//! A program's settings and those of its modules are read by one [`Reader`], so that all faults are named together. Values
//! are not printed: a fault says what a variable must be, never what it is.

pub mod dotenv;
mod reader;
mod variables;

use std::fmt;

pub use reader::Reader;
pub use variables::Variables;

/// What a module takes from the environment. The default stands for it in a program that is described and does not serve:
/// its help, its documents.
pub trait Settings: Clone + Default + Send + Sync + 'static {
    /// None if a fault was noted. Reads every variable, so that each fault is noted.
    fn read(from: &mut Reader) -> Option<Self>;
}

/// One variable's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    pub variable: &'static str,
    pub fault: String,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<ConfigFault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration is not complete and right:")?;
        for ConfigFault { variable, fault } in &self.0 {
            write!(formatter, "\n  {variable} {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}
