//! The rules of the source's structure. Each has a table of what breaks it today: what is new fails, and so does an entry
//! that is no longer needed, so that the tables only shrink.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::LazyLock;

use structure::modules::{Crate, File};
use structure::tree::Tree;
use structure::workspace::{Product, Workspace};
use structure::{exceptions, graph, rules, sql, tokens};

static PRODUCT: LazyLock<Product> = LazyLock::new(|| Product::read().unwrap());

/// The product's files, without those of unit tests.
fn files() -> impl Iterator<Item = &'static File> {
    PRODUCT.crates.iter().flat_map(Crate::files).filter(|file| !file.only_for_tests)
}

#[track_caller]
fn only<T: Ord + Debug>(
    rule: &str,
    found: impl IntoIterator<Item = T>,
    allowed: impl IntoIterator<Item = T>,
) {
    if let Err(message) = exceptions::only(rule, found, allowed) {
        panic!("{message}");
    }
}

/// Crates that use each other in a circle, for tests.
const CIRCLES_OF_CRATES: &[&[&str]] = &[
    // The load tests run the product, and its tests check what the load tests check.
    &["loadtests", "primetech"],
];

#[test]
fn no_crate_uses_itself_through_others() {
    let circles = graph::circles(&Workspace::read().unwrap().uses());
    let known = CIRCLES_OF_CRATES.iter().map(|circle| circle.iter().map(|name| (*name).to_owned()).collect());
    only("Crates use each other in one direction.", circles, known);
}

/// Files that use each other in a circle, a line for each circle.
const CIRCLES: &[&[&str]] = &[
    &["actors/src/catalogue/mod.rs", "actors/src/catalogue/store.rs"],
    &["actors/src/reconciler/events.rs", "actors/src/reconciler/sweep.rs"],
    &["actors/src/webhook/actor.rs", "actors/src/webhook/overview.rs", "actors/src/webhook/store.rs"],
    &["crates/module/src/lib.rs", "crates/module/src/surface.rs"],
    &[
        "src/app.rs",
        "src/compose.rs",
        "src/routes/checkout/start.rs",
        "src/routes/currencies/list.rs",
        "src/routes/docs/asset.rs",
        "src/routes/docs/openapi.rs",
        "src/routes/docs/page.rs",
        "src/routes/health/alive.rs",
        "src/routes/health/metrics.rs",
        "src/routes/health/ready.rs",
        "src/routes/invoices/get.rs",
        "src/routes/invoices/pdf.rs",
        "src/routes/mod.rs",
        "src/routes/orders/get.rs",
        "src/routes/orders/list.rs",
        "src/routes/pdf.rs",
        "src/routes/receipts/get.rs",
        "src/routes/receipts/pdf.rs",
        "src/routes/webhooks/stripe.rs",
    ],
    &["src/cli/completions.rs", "src/cli/dev.rs", "src/cli/mod.rs", "src/cli/serve.rs"],
    &[
        "crates/kernel/src/settings/mod.rs",
        "crates/kernel/src/settings/reader.rs",
        "crates/kernel/src/settings/variables.rs",
    ],
    &["src/config/checks.rs", "src/config/mod.rs"],
    &[
        "dev/src/postgres/initialise.rs",
        "dev/src/postgres/leftover.rs",
        "dev/src/postgres/mod.rs",
        "dev/src/postgres/server.rs",
    ],
    &[
        "dev/src/stripe/api.rs",
        "dev/src/stripe/control.rs",
        "dev/src/stripe/core.rs",
        "dev/src/stripe/delivery.rs",
        "dev/src/stripe/endpoints.rs",
        "dev/src/stripe/mod.rs",
        "dev/src/stripe/pay_page.rs",
        "dev/src/stripe/payments.rs",
        "dev/src/stripe/server.rs",
        "dev/src/stripe/sessions.rs",
    ],
];

#[test]
fn no_file_uses_itself_through_others() {
    let circles = PRODUCT.crates.iter().flat_map(|one| graph::circles(&one.uses()));
    let known = CIRCLES.iter().map(|circle| circle.iter().map(|file| (*file).to_owned()).collect());
    only("Files of a crate use each other in one direction.", circles, known);
}

/// Files of domains that name the HTTP edge though they are no part of theirs.
const HTTP_IN_DOMAINS: &[&str] = &[];

#[test]
fn a_domain_names_http_only_at_its_edge() {
    let domains: BTreeSet<&str> = PRODUCT
        .workspace
        .members
        .iter()
        .filter(|member| member.is_domain())
        .map(|m| m.folder.as_str())
        .collect();
    assert!(!domains.is_empty());
    let of_domains = files().filter(|file| file.path.starts_with("actors/"));
    let found = of_domains.filter(|file| !rules::may_name_http(&file.path) && rules::names_http(file));
    only(
        "In a domain, only http/, error.rs and lib.rs name primetech_http and actix_web.",
        found.map(|file| file.path.as_str()),
        HTTP_IN_DOMAINS.iter().copied(),
    );
}

#[test]
fn the_kernel_names_no_http() {
    let mut kernel = files().filter(|file| file.path.starts_with("crates/kernel/")).peekable();
    assert!(kernel.peek().is_some());
    only(
        "The kernel names neither primetech_http nor actix_web.",
        kernel.filter(|file| rules::names_http(file)).map(|file| file.path.as_str()),
        [],
    );
}

#[test]
fn an_adapter_names_no_http_edge() {
    let mut adapters = files().filter(|file| file.path.starts_with("adapters/")).peekable();
    assert!(adapters.peek().is_some());
    only(
        "An adapter names neither primetech_http nor actix_web.",
        adapters.filter(|file| rules::names_http(file)).map(|file| file.path.as_str()),
        [],
    );
}

/// A domain says by a trait what it needs of an outside service; the program gives it the adapter.
#[test]
fn no_domain_and_no_part_of_its_ground_depends_on_an_adapter() {
    let members = &PRODUCT.workspace.members;
    let adapters: BTreeSet<&String> =
        members.iter().filter(|member| member.is_adapter()).map(|member| &member.name).collect();
    assert!(!adapters.is_empty());
    let below = members.iter().filter(|member| member.is_domain() || member.folder.starts_with("crates/"));
    let found = below.flat_map(|member| {
        let named = member.depends_on.iter().filter(|name| adapters.contains(name));
        named.map(|name| (member.name.as_str(), name.as_str()))
    });
    only("The crates in actors and crates depend on no adapter.", found, []);
}

/// Files that ask the database though they are no stores, with the number of their queries.
const QUERIES_ELSEWHERE: &[(&str, usize)] = &[
    ("actors/src/counter/series.rs", 3),
    ("actors/src/reconciler/by_hand.rs", 2),
    ("actors/src/order/attempts.rs", 8),
    ("crates/kernel/src/audit_log/verify.rs", 4),
    ("crates/kernel/src/database/inspection.rs", 9),
    ("crates/kernel/src/database/lane.rs", 9),
    ("crates/kernel/src/database/mod.rs", 3),
    ("crates/kernel/src/database/owner.rs", 2),
    ("crates/kernel/src/database/tx.rs", 2),
    ("crates/kernel/src/invalidation.rs", 2),
    ("crates/kernel/src/tenancy/directory.rs", 2),
    ("crates/kernel/src/outbox/allowances.rs", 3),
    ("crates/kernel/src/tenancy/registry.rs", 12),
    ("src/dev/environment.rs", 2),
    ("src/dev/seed.rs", 5),
    ("src/schema.rs", 1),
];

#[test]
fn only_stores_ask_the_database() {
    let others = files().filter(|file| !rules::is_store(&file.path));
    let found =
        others.map(|file| (file.path.as_str(), rules::queries(file))).filter(|(_, queries)| *queries > 0);
    only("SQL is in store.rs or in a folder store.", found, QUERIES_ELSEWHERE.iter().copied());
}

/// Tables that more than one part of the product writes to, with all that do.
const SHARED_TABLES: &[(&str, &[&str])] = &[
    ("invoices", &["actors/src/counter", "actors/src/order", "actors/src/webhook"]),
    ("mail_allowances", &["crates/kernel/src/outbox", "crates/kernel/src/sweeper"]),
    ("orders", &["actors/src/counter", "actors/src/order", "actors/src/webhook"]),
    ("payment_refs", &["actors/src/order", "actors/src/webhook"]),
    ("payments", &["actors/src/counter", "actors/src/order", "actors/src/reconciler", "actors/src/webhook"]),
    ("products", &["actors/src/catalogue", "src/dev"]),
    ("tenant_domains", &["crates/kernel/src/tenancy", "src/dev"]),
    ("tenants", &["crates/kernel/src/tenancy", "src/dev"]),
];

#[test]
fn each_table_has_one_writer() {
    let writers = rules::writers(files());
    let shared = writers.into_iter().filter(|(_, parts)| parts.len() > 1);
    only(
        "A module writes its own tables only.",
        shared.map(|(table, parts)| (table, parts.into_iter().collect::<Vec<_>>())),
        SHARED_TABLES.iter().map(|(table, parts)| {
            ((*table).to_owned(), parts.iter().map(|part| (*part).to_owned()).collect())
        }),
    );
}

#[test]
fn a_module_declares_the_tables_that_it_writes() {
    let declared = rules::declared(files());
    assert!(!declared.is_empty(), "no module declares a table");
    let mut written: BTreeMap<&String, BTreeSet<String>> =
        declared.keys().map(|part| (part, BTreeSet::new())).collect();
    for (table, parts) in rules::writers(files()) {
        for part in parts {
            if let Some(tables) = written.get_mut(&part) {
                tables.insert(table.clone());
            }
        }
    }
    for (part, tables) in &declared {
        assert_eq!(written[part], *tables, "what {part} writes, and what it declares");
    }
}

/// Tables that no part of the product writes to, and why they are there.
const UNWRITTEN_TABLES: &[(&str, &str)] = &[];

#[test]
fn each_table_is_written_by_the_product() {
    let migrations = Tree::read("migrations", "sql").unwrap();
    let mut tables: BTreeSet<String> = BTreeSet::new();
    for (_, migration) in migrations.files() {
        tables.extend(sql::made(migration));
        for dropped in sql::dropped(migration) {
            tables.remove(&dropped);
        }
    }
    let written: BTreeSet<String> = rules::writers(files()).into_keys().collect();
    only(
        "Each table of the migrations is written by the product.",
        tables.difference(&written).map(String::as_str),
        UNWRITTEN_TABLES.iter().map(|(table, _)| *table),
    );
    only(
        "Each table that is written is made by a migration.",
        written.difference(&tables).map(String::as_str),
        [sql::NAMED_AT_RUN_TIME],
    );
}

/// A person reads a file in one sitting.
const MOST_LINES: usize = 450;

/// Files that are longer.
const LONG_FILES: &[&str] = &["actors/src/webhook/actor.rs", "crates/http/src/input/rules.rs"];

#[test]
fn a_file_is_read_in_one_sitting() {
    let mut long = Vec::new();
    for file in PRODUCT.crates.iter().flat_map(Crate::files) {
        let text = std::fs::read_to_string(structure::tree::root().join(&file.path)).unwrap();
        if text.lines().count() > MOST_LINES {
            long.push(file.path.as_str());
        }
    }
    only("A file has at most 450 lines.", long, LONG_FILES.iter().copied());
}

/// Names that say nothing of what they name.
const VAGUE_FILES: [&str; 5] = ["home.rs", "patience.rs", "kept.rs", "goods.rs", "fates.rs"];
const VAGUE_WORDS: [&str; 9] =
    ["kept", "goods", "fates", "Facts", "Wire", "Desk", "presses", "Wanted", "Dealt"];

#[test]
fn names_are_the_words_of_the_field() {
    let all = || PRODUCT.crates.iter().flat_map(Crate::files);
    let is_vague = |path: &str| path.rsplit('/').next().is_some_and(|name| VAGUE_FILES.contains(&name));
    let named = all().map(|file| file.path.as_str()).filter(|path| is_vague(path));
    only("A file's name tells what is in it.", named, []);
    let identifiers = all().flat_map(|file| {
        let words = tokens::words(&file.tokens).into_iter().filter(|word| VAGUE_WORDS.contains(word));
        words.map(|word| (file.path.as_str(), word))
    });
    only("An identifier tells what it names.", identifiers, []);
}

/// What is in `actors` without a crate of its own; it names no domain that has one.
const UNDIVIDED: &str = "primetech-actors";

#[test]
fn no_domain_names_one_that_is_listed_after_it() {
    let compose = files().find(|file| file.path == "src/compose.rs").unwrap();
    let mut order = vec![UNDIVIDED.to_owned()];
    order.extend(rules::composed(&compose.tokens));
    let domains: BTreeMap<String, BTreeSet<String>> = (PRODUCT.workspace.members.iter())
        .filter(|member| member.is_domain())
        .map(|member| (member.name.clone(), member.depends_on.clone()))
        .collect();
    only(
        "compose.rs lists each domain's crate.",
        order.iter().map(String::as_str),
        domains.keys().map(String::as_str),
    );
    let too_early = rules::too_early(&order, &domains);
    assert!(too_early.is_empty(), "domains that name one that compose.rs lists after them: {too_early:?}");
}
