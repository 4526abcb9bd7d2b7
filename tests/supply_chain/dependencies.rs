use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::tree::{name_of, texts};
use super::workspace::packages_of;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What Cargo knows about every library of the lock file, for all platforms.
fn packages() -> Vec<Value> {
    packages_of(&["--all-features"])
}

/// The texts of a list of `deny.toml`: of those in quotes between its brackets.
fn list(name: &str) -> BTreeSet<String> {
    let text = include_str!("../../deny.toml");
    let after = text.split(&format!("\n{name} = [")).nth(1).unwrap_or_else(|| panic!("no list {name}"));
    let inside = after.split("\n]").next().unwrap();
    let lines = inside.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

/// Whether an SPDX expression (or the older `A/B`) can be met with the allowed licences alone.
fn can_be_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = either(&tokens, &mut at, allowed);
    assert_eq!(at, tokens.len(), "not understood: {expression}");
    met
}

fn either(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = both(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(tokens, at, allowed);
    }
    met
}

fn both(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(tokens, at, allowed);
    }
    met
}

fn one(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let token = tokens[*at];
    *at += 1;
    if token == "(" {
        let met = either(tokens, at, allowed);
        assert_eq!(tokens.get(*at), Some(&")"));
        *at += 1;
        return met;
    }
    if tokens.get(*at) == Some(&"WITH") {
        // An exception only ever permits more; the licence is asked about without it.
        *at += 2;
    }
    allowed.contains(token)
}

#[test]
fn every_library_may_be_used_where_nothing_is_given_back() {
    let allowed = list("allow");
    assert!(allowed.len() >= 5 && !allowed.iter().any(|licence| licence.contains("GPL")));
    let refused: Vec<String> = packages()
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(|licence| can_be_met(licence, &allowed)))
        .map(|package| format!("{} {}", package["name"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "Apache-2.0".to_owned(), "ISC".to_owned()]);
    for met in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/GPL-3.0",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(can_be_met(met, &allowed), "{met}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "MIT AND (GPL-3.0 OR AGPL-3.0)", "LGPL-2.1-or-later", "mit"]
    {
        assert!(!can_be_met(refused, &allowed), "{refused}");
    }
}

#[test]
fn every_library_comes_from_the_one_registry_with_its_checksum() {
    for package in packages() {
        match package["source"].as_str() {
            Some(source) => assert_eq!(source, CRATES_IO, "{}", package["name"]),
            None => assert_eq!(package["license"], "Apache-2.0", "{} is our own", package["name"]),
        }
    }
    let texts = texts();
    let locks: Vec<_> = texts.iter().filter(|(file, _)| name_of(file) == "Cargo.lock").collect();
    for workspace in ["Cargo.lock", "fuzz/Cargo.lock"] {
        assert!(locks.iter().any(|(file, _)| file == workspace), "{workspace}");
    }
    for (_, lock) in locks {
        let packages = lock.split("[[package]]").skip(1);
        for package in packages.filter(|package| package.contains("\nsource = ")) {
            assert!(package.contains(&format!("\nsource = \"{CRATES_IO}\"")), "{package}");
            let checksum = package.split("\nchecksum = \"").nth(1).and_then(|rest| rest.split('"').next());
            assert!(
                checksum.is_some_and(|sum| sum.len() == 64 && sum.bytes().all(|it| it.is_ascii_hexdigit())),
                "{package}"
            );
        }
    }
}

#[test]
fn libraries_that_are_kept_out_are_out() {
    let banned = list("deny");
    assert!(banned.contains("aws-lc-sys") && banned.contains("openssl-sys"));
    let names: BTreeSet<String> =
        packages().iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.intersection(&banned).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Libraries that are there in several versions, because those that ask for them differ. One more is worth a look: it
/// is code twice, and a mistake in it is mended twice.
#[test]
fn no_more_libraries_are_there_twice_than_are_known() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        versions.entry(name.to_owned()).or_default().insert(version.to_owned());
    }
    let twice: Vec<_> = versions.iter().filter(|(_, versions)| versions.len() > 1).collect();
    assert!(twice.len() <= 24, "{}: {twice:#?}", twice.len());
    for single in ["rustls", "ring", "sqlx", "tokio", "actix-web", "hyper", "serde", "subtle", "secrecy"] {
        assert_eq!(versions.get(single).map(BTreeSet::len), Some(1), "{single}");
    }
}
