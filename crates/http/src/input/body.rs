use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::faults::Faults;
use super::field::Field;

/// The fields of a JSON object: the body, or an object within it.
pub struct Body<'a> {
    /// None where this is no object, which was recorded: its fields are then nobody's fault any more.
    object: Option<&'a Map<String, Value>>,
    /// Where this object is, as a client writes it; empty for the body itself.
    place: String,
    faults: &'a mut Faults,
}

impl<'a> Body<'a> {
    pub(super) fn of(value: &'a Value, faults: &'a mut Faults) -> Self {
        Self::at(value, String::new(), faults)
    }

    fn at(value: &'a Value, place: String, faults: &'a mut Faults) -> Self {
        let object = value.as_object();
        if object.is_none() {
            faults.add(if place.is_empty() { "body" } else { &place }, "must be an object");
        }
        Self { object, place, faults }
    }

    /// A string that has to be there.
    pub fn required<T, E: Display>(&mut self, name: &str, rule: impl Fn(&str) -> Result<T, E>) -> Field<T> {
        let field = self.optional(name, rule);
        self.demand(name, field)
    }

    /// A string that may be left out.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &str,
        rule: impl Fn(&str) -> Result<T, E>,
    ) -> Field<Option<T>> {
        self.read(name, |value, place, faults| match value {
            Value::String(text) => faults.judge(place, rule(text)),
            _ => faults.fault(place, "must be a string"),
        })
    }

    /// An integer that has to be there: neither a fraction nor a string of digits.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<u32>) -> Field<u32> {
        let field = self.optional_integer(name, range);
        self.demand(name, field)
    }

    pub fn optional_integer(&mut self, name: &str, range: RangeInclusive<u32>) -> Field<Option<u32>> {
        self.read(name, |value, place, faults| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            match number.filter(|number| range.contains(number)) {
                Some(number) => Field::value(number),
                None => {
                    let (least, most) = (range.start(), range.end());
                    faults.fault(place, format_args!("must be an integer from {least} to {most}"))
                }
            }
        })
    }

    /// A list of objects that has to be there. A list of another length is not read further.
    pub fn list<T>(
        &mut self,
        name: &str,
        length: RangeInclusive<usize>,
        mut entry: impl FnMut(&mut Body<'_>) -> Field<T>,
    ) -> Field<Vec<T>> {
        let field = self.read(name, |value, place, faults| {
            let Value::Array(entries) = value else {
                return faults.fault(place, "must be a list");
            };
            if !length.contains(&entries.len()) {
                let (least, most) = (length.start(), length.end());
                return faults.fault(place, format_args!("must have {least} to {most} entries"));
            }
            // Every entry is read, also after a faulty one.
            let read: Vec<Option<T>> = entries
                .iter()
                .enumerate()
                .map(|(at, value)| {
                    entry(&mut Body::at(value, format!("{place}[{at}]"), &mut *faults)).into_option()
                })
                .collect();
            match read.into_iter().collect() {
                Some(values) => Field::value(values),
                None => Field::none(), // the entry recorded why
            }
        });
        self.demand(name, field)
    }

    /// An object that has to be there.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Body<'_>) -> Field<T>) -> Field<T> {
        let field =
            self.read(name, |value, place, faults| read(&mut Body::at(value, place.to_owned(), faults)));
        self.demand(name, field)
    }

    /// Records a fault of a field of this object that only shows when several are looked at together.
    pub fn fault(&mut self, name: &str, message: impl Display) {
        let place = self.place_of(name);
        self.faults.add(&place, message);
    }

    fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value, &str, &mut Faults) -> Field<T>,
    ) -> Field<Option<T>> {
        let Some(object) = self.object else {
            return Field::none(); // recorded by `at`
        };
        match object.get(name) {
            None | Some(Value::Null) => Field::value(None),
            Some(value) => read(value, &self.place_of(name), self.faults).map(Some),
        }
    }

    fn demand<T>(&mut self, name: &str, field: Field<Option<T>>) -> Field<T> {
        match field.into_option() {
            Some(Some(value)) => Field::value(value),
            Some(None) => self.faults.missing(&self.place_of(name)),
            None => Field::none(), // recorded where it was read
        }
    }

    fn place_of(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }
}
