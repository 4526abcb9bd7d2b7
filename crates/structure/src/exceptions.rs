//! A table of exceptions that can only shrink.

use std::collections::BTreeSet;
use std::fmt::Debug;

/// Compares what breaks a rule with what is allowed to break it today. The error names what is new, which must be mended,
/// and what is gone, which must leave the table: so the table never allows more than there is.
pub fn only<T: Ord + Debug>(
    rule: &str,
    found: impl IntoIterator<Item = T>,
    allowed: impl IntoIterator<Item = T>,
) -> Result<(), String> {
    let (found, allowed): (BTreeSet<T>, BTreeSet<T>) =
        (found.into_iter().collect(), allowed.into_iter().collect());
    let list = |heading: &str, entries: Vec<&T>| match entries.is_empty() {
        true => String::new(),
        false => entries.iter().fold(format!("\n{heading}"), |text, entry| format!("{text}\n    {entry:?},")),
    };
    let new = list("New, to be mended:", found.difference(&allowed).collect());
    let gone = list("Gone, to be taken off the table:", allowed.difference(&found).collect());
    match new.is_empty() && gone.is_empty() {
        true => Ok(()),
        false => Err(format!("{rule}{new}{gone}")),
    }
}

#[cfg(test)]
mod tests {
    use super::only;

    #[test]
    fn what_is_new_fails() {
        let message = only("No x.", ["a", "b"], ["a"]).unwrap_err();
        assert_eq!(message, "No x.\nNew, to be mended:\n    \"b\",");
    }

    #[test]
    fn what_is_gone_fails() {
        let message = only("No x.", ["a"], ["a", "b"]).unwrap_err();
        assert_eq!(message, "No x.\nGone, to be taken off the table:\n    \"b\",");
    }

    #[test]
    fn what_is_as_the_table_says_passes() {
        assert_eq!(only("No x.", ["b", "a"], ["a", "b"]), Ok(()));
    }
}
