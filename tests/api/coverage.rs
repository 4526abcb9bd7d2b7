//! `_spec/coverage.md` names the tests of every endpoint and of every rule: it is whole, and what it names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use primetech::compose::endpoints;

/// Names in backticks, of a line of a table.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The lines that are about calls, each with the tests it names.
fn of_endpoints(coverage: &str) -> BTreeMap<String, Vec<&str>> {
    let lines = coverage.lines().filter(|line| line.starts_with("| `"));
    lines
        .filter_map(|line| {
            let mut names = quoted(line);
            let call = names.next().filter(|call| call.contains(" /"))?;
            Some((call.to_owned(), names.collect()))
        })
        .collect()
}

/// Every function of a source file that is marked as a test, or stands in a block of properties.
fn tests_of(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tests = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("test(");
            continue;
        }
        let Some((before, after)) = line.split_once("fn ") else {
            is_test &= line.is_empty() || line.starts_with("//");
            continue;
        };
        if is_test && ["", "async "].contains(&before) {
            tests.insert(after.split(['(', '<']).next().unwrap_or_default().to_owned());
        }
        is_test = false;
    }
    tests
}

#[test]
fn every_endpoint_is_in_the_table_of_tests_and_nothing_else_is() {
    let coverage = fs::read_to_string("_spec/coverage.md").unwrap();
    let listed = of_endpoints(&coverage);
    let table: BTreeSet<String> =
        endpoints().iter().map(|endpoint| format!("{} {}", endpoint.method, endpoint.path)).collect();
    assert_eq!(listed.keys().cloned().collect::<BTreeSet<_>>(), table);
    for (call, tests) in listed {
        assert!(!tests.is_empty(), "{call} has no test");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let coverage = fs::read_to_string("_spec/coverage.md").unwrap();
    let mut files: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut seen = 0;
    for name in coverage.lines().filter(|line| line.starts_with('|')).flat_map(quoted) {
        let Some((file, test)) = name.split_once("::") else { continue };
        let path = format!("{file}.rs");
        let tests = files.entry(file).or_insert_with(|| tests_of(Path::new(&path)));
        assert!(tests.contains(test), "there is no test {test} in {path}");
        seen += 1;
    }
    assert!(seen > 150, "{seen}");
    // Where a line names something else than a call, a test or a script, a name is misspelt.
    for line in coverage.lines().filter(|line| line.starts_with('|')) {
        let tests = line.rsplit(" | ").next().unwrap_or_default();
        for name in quoted(tests) {
            assert!(name.contains("::") || Path::new(name).exists(), "{name} is neither a test nor a file");
        }
    }
}
