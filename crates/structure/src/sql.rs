//! The tables that SQL writes to, and those that it makes. Keywords in capitals, as the product writes them.

use std::collections::BTreeSet;

/// In place of a table's name that the text leaves to the time when it runs.
pub const NAMED_AT_RUN_TIME: &str = "(named at run time)";

/// The tables that `text` inserts into, updates, deletes from or empties, if it is SQL at all.
pub fn written(text: &str) -> BTreeSet<String> {
    let words = words(text);
    let goes_on = text.ends_with(char::is_whitespace);
    let word = |at: usize| words.get(at).map_or("", |word| word.as_str());
    // The name after the keywords; none if this is no statement.
    let table = |at: usize| {
        let at = if ["ONLY", "TABLE"].contains(&word(at)) { at + 1 } else { at };
        match word(at) {
            "" if goes_on => Some(NAMED_AT_RUN_TIME.to_owned()),
            "" => None,
            name if name.starts_with(['{', '$', '%']) => Some(NAMED_AT_RUN_TIME.to_owned()),
            name => Some(name.trim_start_matches("public.").to_owned()),
        }
    };
    let mut tables = BTreeSet::new();
    for at in 0..words.len() {
        let before = if at == 0 { "" } else { word(at - 1) };
        let found = match (word(at), word(at + 1)) {
            ("INSERT" | "MERGE", "INTO") | ("DELETE", "FROM") => table(at + 2),
            ("TRUNCATE", _) => table(at + 1),
            // `FOR UPDATE`, `FOR NO KEY UPDATE` and `DO UPDATE` name no table.
            ("UPDATE", _) if !["FOR", "KEY", "DO", "OR", "ON"].contains(&before) => {
                let is_statement = (at + 2..at + 6).any(|at| word(at) == "SET") || word(at + 1).is_empty();
                table(at + 1).filter(|_| is_statement)
            }
            _ => None,
        };
        tables.extend(found);
    }
    tables
}

/// Whether `text` is, or begins, a statement.
pub fn is_statement(text: &str) -> bool {
    let words = words(text);
    let begins = |keywords: &[&str]| keywords.iter().zip(&words).all(|(keyword, word)| keyword == word);
    !written(text).is_empty()
        || (words.get(1).is_some_and(|word| !word.starts_with('{')) && begins(&["SELECT"]))
        || (words.len() > 2 && begins(&["WITH"]) && text.contains(" AS "))
}

/// The tables that a migration makes.
pub fn made(migration: &str) -> BTreeSet<String> {
    named_after(migration, "CREATE")
}

/// The tables that a migration drops.
pub fn dropped(migration: &str) -> BTreeSet<String> {
    named_after(migration, "DROP")
}

fn named_after(migration: &str, verb: &str) -> BTreeSet<String> {
    let lines = migration.lines().map(|line| line.split("--").next().unwrap_or_default());
    let words = words(&lines.collect::<Vec<_>>().join("\n"));
    let mut tables = BTreeSet::new();
    for (at, pair) in words.windows(2).enumerate() {
        if pair[0] == verb && pair[1] == "TABLE" {
            let name = words[at + 2..].iter().find(|word| !["IF", "NOT", "EXISTS"].contains(&word.as_str()));
            tables.extend(name.cloned());
        }
    }
    tables
}

fn words(text: &str) -> Vec<String> {
    text.split(|character: char| character.is_whitespace() || "(),;\"".contains(character))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{NAMED_AT_RUN_TIME, dropped, is_statement, made, written};

    #[track_caller]
    fn assert_written(text: &str, tables: &[&str]) {
        assert_eq!(written(text).iter().map(String::as_str).collect::<Vec<_>>(), tables, "{text}");
    }

    #[test]
    fn each_kind_of_write_is_found() {
        assert_written("INSERT INTO a (x) SELECT y FROM b", &["a"]);
        assert_written(
            "WITH n AS (UPDATE a AS t SET x = 1 FROM b), m AS (DELETE FROM c) UPDATE d SET y = 2",
            &["a", "c", "d"],
        );
        assert_written("UPDATE ONLY public.a SET x = 1", &["a"]);
        assert_written("TRUNCATE TABLE a", &["a"]);
        assert_written("MERGE INTO a USING b ON true", &["a"]);
    }

    #[test]
    fn locks_and_conflicts_write_nothing_of_their_own() {
        assert_written("SELECT 1 FROM a FOR UPDATE SKIP LOCKED", &[]);
        assert_written("SELECT 1 FROM a FOR NO KEY UPDATE OF a", &[]);
        assert_written("INSERT INTO a VALUES (1) ON CONFLICT (x) DO UPDATE SET y = 2", &["a"]);
    }

    #[test]
    fn prose_writes_nothing() {
        assert_written("could not update the order", &[]);
        assert_written("UPDATE licences", &[]);
        assert!(!is_statement("SELECT"));
        assert!(!is_statement("with the key"));
    }

    #[test]
    fn a_table_that_is_put_in_later_is_seen() {
        for text in ["DELETE FROM ", "UPDATE {table} SET x = 1", "INSERT INTO {} (x) VALUES (1)", "UPDATE "] {
            assert_written(text, &[NAMED_AT_RUN_TIME]);
        }
    }

    #[test]
    fn reads_are_statements() {
        assert!(is_statement("SELECT 1"));
        assert!(is_statement("WITH a AS (SELECT 1) SELECT * FROM a"));
    }

    #[test]
    fn the_tables_of_a_migration_are_found() {
        let migration = "CREATE TABLE a (x int);\n-- CREATE TABLE b (\nCREATE TABLE IF NOT EXISTS c(y int); DROP TABLE IF EXISTS d;";
        assert_eq!(made(migration).into_iter().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(dropped(migration).into_iter().collect::<Vec<_>>(), ["d"]);
    }
}
