//! What breaks a rule of the source's structure. `tests/tree.rs` holds the product to the rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::File;
use crate::sql;
use crate::tokens::{self, Token};

/// A domain's files that may name the HTTP edge: those in a folder `http`, its errors, and the table of its contents.
pub fn may_name_http(path: &str) -> bool {
    path.contains("/http/") || ["/error.rs", "/lib.rs"].iter().any(|name| path.ends_with(name))
}

/// Whether the HTTP edge or its library is named.
pub fn names_http(file: &File) -> bool {
    tokens::words(&file.tokens).iter().any(|word| ["primetech_http", "actix_web"].contains(word))
}

/// Whether SQL belongs into this file.
pub fn is_store(path: &str) -> bool {
    path.ends_with("/store.rs") || path.contains("/store/")
}

/// How many times a file asks the database: by a function of sqlx that takes SQL, or by a text that is a statement.
/// A statement that is handed to such a function counts once.
pub fn queries(file: &File) -> usize {
    let mut calls = 0;
    tokens::each_level(&file.tokens, &mut |level| calls += calls_of_sqlx(level));
    let texts = tokens::texts(&file.tokens);
    calls.max(texts.iter().filter(|text| sql::is_statement(text)).count())
}

fn calls_of_sqlx(level: &[Token]) -> usize {
    let takes_sql = |word: &str| word.starts_with("query") || ["raw_sql", "QueryBuilder"].contains(&word);
    let mut calls = 0;
    for (at, token) in level.iter().enumerate() {
        if !token.is_word("sqlx") {
            continue;
        }
        let path = level[at + 1..].iter().take_while(|token| !token.is_mark(';') && !token.is_mark('<'));
        let path = path.take_while(|token| !matches!(token, Token::Group('(', _)));
        let path: Vec<Token> = path.cloned().collect();
        calls += usize::from(tokens::words(&path).iter().any(|word| takes_sql(word)));
    }
    calls
}

/// The part of the product that a file belongs to, which owns tables: a domain, a part of the kernel, an adapter.
pub fn part_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let depth = match parts[..] {
        ["src", ..] => 2,
        ["actors", "src", ..] => 3,
        ["crates", "kernel", ..] => 4,
        ["dev", ..] => 1,
        _ => 2,
    };
    parts[..depth.min(parts.len())].join("/").trim_end_matches(".rs").to_owned()
}

/// By table, the parts that write to it.
pub fn writers<'f>(files: impl IntoIterator<Item = &'f File>) -> BTreeMap<String, BTreeSet<String>> {
    let mut writers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        for text in tokens::texts(&file.tokens) {
            for table in sql::written(text) {
                writers.entry(table).or_default().insert(part_of(&file.path));
            }
        }
    }
    writers
}

/// By part, the tables that it declares on its `Surface`: `.tables(&["…"])`.
pub fn declared<'f>(files: impl IntoIterator<Item = &'f File>) -> BTreeMap<String, BTreeSet<String>> {
    let mut declared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        tokens::each_level(&file.tokens, &mut |level| {
            for call in level.windows(3) {
                if let [dot, name, Token::Group('(', list)] = call
                    && dot.is_mark('.')
                    && name.is_word("tables")
                    && !list.is_empty()
                {
                    let tables = tokens::texts(list).into_iter().map(str::to_owned);
                    declared.entry(part_of(&file.path)).or_default().extend(tables);
                }
            }
        });
    }
    declared
}

/// The crates whose modules `compose.rs` lists, in its order: each `.with(…)` names a type that a `use` brings from them, or
/// what `let name = Type::…` made of one.
pub fn composed(compose: &[Token]) -> Vec<String> {
    let mut brought: BTreeMap<&str, &str> = BTreeMap::new();
    let mut at = 0;
    while at < compose.len() {
        if compose[at].is_word("use") {
            let length = compose[at..].iter().position(|token| token.is_mark(';')).unwrap_or(0);
            let names = tokens::words(&compose[at + 1..at + length.max(1)]);
            if let Some((source, names)) = names.split_first() {
                brought.extend(names.iter().map(|name| (*name, *source)));
            }
            at += length;
        }
        at += 1;
    }
    tokens::each_level(compose, &mut |level| {
        for binding in level.windows(4) {
            if let [word, Token::Word(name), equals, Token::Word(made)] = binding
                && word.is_word("let")
                && equals.is_mark('=')
                && let Some(source) = brought.get(made.as_str()).copied()
            {
                brought.insert(name, source);
            }
        }
    });
    let mut composed = Vec::new();
    tokens::each_level(compose, &mut |level| {
        for call in level.windows(3) {
            if let [dot, name, Token::Group('(', argument)] = call
                && dot.is_mark('.')
                && name.is_word("with")
            {
                let words = tokens::words(argument);
                composed.extend(words.iter().find_map(|word| {
                    brought
                        .get(word)
                        .filter(|source| **source != "std")
                        .map(|source| source.replace('_', "-"))
                }));
            }
        }
    });
    composed
}

/// What is named too early: pairs of a domain and one that it depends on and that is listed after it, or not at all.
pub fn too_early(order: &[String], depends_on: &BTreeMap<String, BTreeSet<String>>) -> Vec<(String, String)> {
    let place = |domain: &String| order.iter().position(|listed| listed == domain).unwrap_or(usize::MAX);
    let pairs =
        depends_on.iter().flat_map(|(domain, others)| others.iter().map(move |other| (domain, other)));
    pairs
        .filter(|(_, other)| depends_on.contains_key(*other))
        .filter(|(domain, other)| place(other) >= place(domain))
        .map(|(domain, other)| (domain.clone(), other.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{
        composed, declared, is_store, may_name_http, names_http, part_of, queries, too_early, writers,
    };
    use crate::modules::File;
    use crate::tokens;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), tokens: tokens::read(text).unwrap().tokens, only_for_tests: false }
    }

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_domain_that_names_http_is_found() {
        assert!(names_http(&file("actors/a/src/actor.rs", "use primetech_http::error::Code;")));
        assert!(names_http(&file("actors/a/src/actor.rs", "fn f() -> actix_web::HttpResponse { todo!() }")));
        assert!(!names_http(&file("actors/a/src/actor.rs", "use actix::Actor; // not actix_web")));
        assert!(!may_name_http("actors/a/src/actor.rs") && may_name_http("actors/a/src/http/create.rs"));
    }

    #[test]
    fn a_query_outside_of_a_store_is_found() {
        let asked = [
            "fn f() { sqlx::query(\"SELECT 1\") }",
            "use sqlx::{PgConnection, query_as}; fn f() { query_as(sql) }",
            "fn f() { g(sqlx::query_scalar::<_, i64>(sql)) }",
            "fn f() { let b = sqlx::QueryBuilder::new(start); }",
            "const SQL: &str = \"WITH a AS (SELECT 1) SELECT * FROM a\";",
            "fn f() { connection.execute(\"DELETE FROM a\") }",
        ];
        for text in asked {
            assert_eq!(queries(&file("actors/a/src/actor.rs", text)), 1, "{text}");
        }
        assert_eq!(
            queries(&file("actors/a/src/actor.rs", "use sqlx::PgPool; fn f(q: sqlx::Error) { query(q) }")),
            0
        );
        assert!(is_store("actors/a/src/store.rs") && is_store("actors/a/src/store/reads.rs"));
        assert!(!is_store("actors/a/src/actor.rs") && !is_store("actors/a/src/restore.rs"));
    }

    #[test]
    fn two_writers_of_a_table_are_found() {
        let files = [
            file("actors/src/webhook/store.rs", "const A: &str = \"UPDATE licences SET status = 1\";"),
            file("actors/licences/src/store.rs", "const A: &str = \"INSERT INTO licences VALUES (1)\";"),
            file(
                "actors/licences/src/http/create.rs",
                "const A: &str = \"SELECT 1 FROM orders FOR UPDATE\";",
            ),
        ];
        let expected =
            BTreeMap::from([("licences".to_owned(), set(&["actors/licences", "actors/src/webhook"]))]);
        assert_eq!(writers(&files), expected);
    }

    #[test]
    fn parts_are_domains_and_parts_of_the_kernel() {
        for (path, part) in [
            ("actors/src/webhook/fulfil/mod.rs", "actors/src/webhook"),
            ("actors/bookings/src/store.rs", "actors/bookings"),
            ("crates/kernel/src/invalidation.rs", "crates/kernel/src/invalidation"),
            ("crates/kernel/src/outbox/store.rs", "crates/kernel/src/outbox"),
            ("src/dev/seed.rs", "src/dev"),
            ("dev/src/seed.rs", "dev"),
        ] {
            assert_eq!(part_of(path), part);
        }
    }

    #[test]
    fn the_tables_of_a_surface_are_found() {
        let files = [file(
            "actors/a/src/lib.rs",
            "fn f() { on.codes(C).tables(&[\"b\", \"c\"]); description.tables(); }",
        )];
        assert_eq!(declared(&files), BTreeMap::from([("actors/a".to_owned(), set(&["b", "c"]))]));
    }

    #[test]
    fn the_order_of_the_composition_is_read() {
        let text = "use std::sync::Arc; use primetech_sales::Sales; use primetech_bookings::{Bookings, Mail};
                    fn f() { Modules::default().with(&Arc::new(Platform)).with(&Sales::new()).with(&Bookings::new(Mail)) }";
        assert_eq!(composed(&tokens::read(text).unwrap().tokens), ["primetech-sales", "primetech-bookings"]);
        let text = "use primetech_accounts::Accounts;
                    fn f() { let accounts = Accounts::new(); (Modules::default().with(&accounts), accounts) }";
        assert_eq!(composed(&tokens::read(text).unwrap().tokens), ["primetech-accounts"]);
    }

    #[test]
    fn a_domain_that_names_a_later_one_is_found() {
        let order = ["sales".to_owned(), "bookings".to_owned()];
        let depends_on = |domain: &str, other: &str| {
            BTreeMap::from([
                (domain.to_owned(), set(&[other, "kernel"])),
                (other.to_owned(), BTreeSet::new()),
            ])
        };
        assert_eq!(
            too_early(&order, &depends_on("sales", "bookings")),
            [("sales".into(), "bookings".into())]
        );
        assert_eq!(too_early(&order, &depends_on("bookings", "sales")), []);
        assert_eq!(
            too_early(&order, &depends_on("sales", "unlisted")),
            [("sales".into(), "unlisted".into())]
        );
    }
}
