use std::collections::BTreeMap;
use std::fmt::Display;

use super::Field;
use crate::error::ApiError;

/// The faults found so far, by field. The only maker of fields without a value.
#[derive(Default)]
pub(super) struct Faults(BTreeMap<String, Vec<String>>);

impl Faults {
    pub fn add(&mut self, field: &str, message: impl Display) {
        self.0.entry(field.to_owned()).or_default().push(message.to_string());
    }

    pub fn fault<T>(&mut self, field: &str, message: impl Display) -> Field<T> {
        self.add(field, message);
        Field::none()
    }

    pub fn missing<T>(&mut self, field: &str) -> Field<T> {
        self.fault(field, "is required")
    }

    pub fn judge<T, E: Display>(&mut self, field: &str, verdict: Result<T, E>) -> Field<T> {
        match verdict {
            Ok(value) => Field::value(value),
            Err(flaw) => self.fault(field, flaw),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_result(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::validation(self.0)) }
    }
}
