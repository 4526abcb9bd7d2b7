//! The plans of the statements that the product really issues, as PostgreSQL explains them while they run: none may
//! read a large table from end to end, nor more rows than it can have use for.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use loadtests::http::{SetupClient, Template};
use loadtests::installation::Installation;
use loadtests::load::{self, Load, Workload};
use loadtests::scenarios::{MoveMany, Scenario, Validate};
use loadtests::seed::{Amount, PASSWORD, fill};
use loadtests::stock::{self, Population, licence_key, seeded_host};
use serde_json::{Value, json};

use crate::{installation, within_a_system};

const SMALL_TENANTS: Amount = Amount { tenants: 300, licences: 9_000, orders: 6_000, users: 8 };
const LICENCES_OF_LARGE_SHOP: u64 = 8_000;

const LARGE_TENANTS: Amount = Amount { tenants: 4, licences: 20_000, orders: 12_000, users: 600 };

/// From so many rows on a table counts as large.
const LARGE: f64 = 2_000.0;

/// A statement that reads more rows of a large table than this does not find them by its index: the largest page has a
/// hundred rows, and so has the largest batch of these runs. A tenant has 3000 orders and 5000 licences.
const MOST_ROWS: f64 = 300.0;

/// What waits is counted for the operator, however much that is, by an index of nothing else.
const COUNTED: &str = "FROM outbox_messages WHERE status = 'PENDING' AND next_attempt_at <= $1";

/// How often each request is made: after five times PostgreSQL may take another plan, one for all parameters.
const TIMES: usize = 8;

/// Every statement is explained, those of triggers and constraints too.
const SETTINGS: &[(&str, &str)] = &[
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_timing", "off"),
    ("auto_explain.log_format", "json"),
    ("auto_explain.log_nested_statements", "on"),
    ("log_line_prefix", "%a|"),
    // As on a disk without heads. There are some tens of thousands of rows here and millions where it matters: with the
    // usual 4, reading a table of this size from end to end is rightly thought cheaper than a hundred looks at its index.
    ("random_page_cost", "1.1"),
];

/// A table that a statement reads, and how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    table: String,
    how: String,
    statement: String,
}

/// Large tenants: their pages and batches must not read all that is theirs.
#[test]
fn no_hot_statement_reads_a_large_table_from_end_to_end() {
    within_a_system(async {
        let installation = installation(1, SETTINGS).await;
        fill(&installation.pool, LARGE_TENANTS, false).await.unwrap();
        contend(&installation, Population::seeded(LARGE_TENANTS.tenants, LARGE_TENANTS.licences)).await;
        browse(&installation).await;
        let tables = check(installation).await;
        assert!(tables >= 15, "{tables} large tables");
    });
}

/// One large shop among many small ones: what is known of tenants on average is wrong for it, and the statements that
/// name many tenants at once must find each row by its own key nevertheless.
#[test]
fn a_large_shop_among_many_small_ones_is_read_by_key() {
    within_a_system(async {
        let installation = installation(1, SETTINGS).await;
        fill(&installation.pool, SMALL_TENANTS, false).await.unwrap();
        let shop = installation.open_shop().await.unwrap();
        stock::licences(&installation.pool, &shop, LICENCES_OF_LARGE_SHOP).await.unwrap();
        stock::activations(&installation.pool, &shop, LICENCES_OF_LARGE_SHOP).await.unwrap();
        installation.settle().await.unwrap();
        contend(&installation, Population::of_shop(&shop, LICENCES_OF_LARGE_SHOP)).await;
        contend(&installation, Population::seeded(SMALL_TENANTS.tenants, SMALL_TENANTS.licences)).await;
        check(installation).await;
    });
}

/// Looks at all plans, ends the installation, and tells how many large tables there were.
async fn check(installation: Installation) -> usize {
    let large = large_tables(&installation).await;
    let log = std::fs::read_to_string(installation.postgres().unwrap().log()).unwrap();
    installation.close().await.unwrap();
    let plans = plans(&log);
    let mut faults: BTreeSet<Fault> = BTreeSet::new();
    let mut read: BTreeMap<String, usize> = BTreeMap::new();
    for plan in &plans {
        look(&plan["Plan"], plan["Query Text"].as_str().unwrap(), &large, &mut faults, &mut read);
    }
    assert!(faults.is_empty(), "{} of {} plans: {faults:#?}", faults.len(), plans.len());
    // Nothing is shown by tables that no statement read.
    for table in ["licences", "activations", "orders", "payments", "payment_refs"] {
        assert!(read.contains_key(table), "no plan reads {table}; {} plans read {read:?}", plans.len());
    }
    large.len()
}

async fn large_tables(installation: &Installation) -> BTreeSet<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND reltuples >= $1",
    )
    .bind(LARGE)
    .fetch_all(&installation.pool)
    .await
    .unwrap();
    tables.into_iter().collect()
}

/// Contested requests, in batches.
async fn contend(installation: &Installation, population: Population) {
    let load =
        Load { clients: 32, warm_up: Duration::ZERO, duration: Duration::from_secs(1), rate: Some(400.0) };
    let workloads: [Rc<dyn Workload>; 5] = [
        Rc::new(Validate::among(population.clone())),
        Rc::new(MoveMany::among(population, load.clients)),
        Scenario::CheckoutOneTenant.prepare(installation, &load).await.unwrap(),
        Scenario::WebhookStorm.prepare(installation, &load).await.unwrap(),
        Scenario::BookingRace.prepare(installation, &load).await.unwrap(),
    ];
    for workload in workloads {
        let measured = load::run(installation, workload, load).await.unwrap();
        assert_eq!(measured.faults(), 0);
    }
}

/// Every other request of a seeded tenant, a few times.
async fn browse(installation: &Installation) {
    let mut client = SetupClient::open(installation.targets[0]).await.unwrap();
    let host = seeded_host(1);
    let admin = sign_in(&mut client, &host, 0).await;
    let customer = sign_in(&mut client, &host, 1).await;
    let text = async |sql: &'static str| -> String {
        sqlx::query_scalar(sql).bind(&host).fetch_one(&installation.pool).await.unwrap()
    };
    let order = text(
        "SELECT o.id::text FROM orders o JOIN tenant_domains d ON d.tenant_id = o.tenant_id AND d.host = $1
         ORDER BY o.created_at DESC LIMIT 1",
    )
    .await;
    let number = text(
        "SELECT o.number FROM orders o JOIN tenant_domains d ON d.tenant_id = o.tenant_id AND d.host = $1
         ORDER BY o.created_at DESC LIMIT 1",
    )
    .await;
    let invoice = text(
        "SELECT i.number FROM invoices i JOIN tenant_domains d ON d.tenant_id = i.tenant_id AND d.host = $1
         ORDER BY i.number DESC LIMIT 1",
    )
    .await;
    let release = text(
        "SELECT r.id::text FROM releases r JOIN tenant_domains d ON d.tenant_id = r.tenant_id AND d.host = $1
         LIMIT 1",
    )
    .await;
    let booking = text(
        "SELECT b.ref FROM bookings b JOIN tenant_domains d ON d.tenant_id = b.tenant_id AND d.host = $1
         ORDER BY b.created_at DESC LIMIT 1",
    )
    .await;
    let receipt = invoice.replace("INV", "RCP");
    // The tenant of number 1 has the licences 1, 5, 9 and so on.
    let key = licence_key(1 + LARGE_TENANTS.tenants);
    for time in 0..TIMES {
        for cookie in [&admin, &customer] {
            for path in [
                "/api/auth/me",
                "/api/orders",
                "/api/licences",
                "/api/releases",
                "/api/account/downloads",
                &format!("/api/orders/{order}"),
                &format!("/api/orders/{number}"),
                &format!("/api/invoices/{invoice}"),
                &format!("/api/receipts/{receipt}"),
                &format!("/api/licences/{key}"),
                &format!("/api/bookings/track?bkgRef={booking}&email=guest-1%40example.com"),
            ] {
                ask(&mut client, "GET", &host, path, cookie, None).await;
            }
            let download = json!({"operation": "download", "resource": {"type": "release", "id": release}});
            ask(&mut client, "POST", &host, "/api/storage/signed-url", cookie, Some(download)).await;
            ask(
                &mut client,
                "POST",
                &host,
                &format!("/api/account/downloads/{release}/signed-url"),
                cookie,
                None,
            )
            .await;
        }
        let next = next_page(&mut client, &host, &admin).await;
        ask(&mut client, "GET", &host, &format!("/api/orders?cursor={next}"), &admin, None).await;
        ask(&mut client, "GET", &host, &format!("/api/licences?cursor={next}"), &admin, None).await;
        for query in ["", "?status=NEW", "?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z"] {
            ask(&mut client, "GET", &host, &format!("/api/admin/bookings{query}"), &admin, None).await;
        }
        ask(&mut client, "POST", &host, &format!("/api/invoices/{invoice}/pdf"), &admin, None).await;
        ask(&mut client, "POST", &host, &format!("/api/receipts/{receipt}/pdf"), &admin, None).await;
        let fresh = format!("plan-{time}-{}", loadtests::installation::run_id());
        let register = json!({"email": format!("{fresh}@example.com"), "password": PASSWORD});
        ask(&mut client, "POST", &host, "/api/auth/register", "", Some(register)).await;
        let reset = json!({"email": format!("{fresh}@example.com")});
        ask(&mut client, "POST", &host, "/api/auth/request-password-reset", "", Some(reset)).await;
        let token = json!({"token": "A".repeat(43), "password": "another horse battery staple"});
        ask(&mut client, "POST", &host, "/api/auth/verify-email", "", Some(token.clone())).await;
        ask(&mut client, "POST", &host, "/api/auth/reset-password", "", Some(token)).await;
        let leave = json!({"licKey": key});
        ask(&mut client, "POST", &host, "/api/licences/deactivate", &admin, Some(leave)).await;
        let (checkout, book) = (
            json!({"items": [{"sku": "editor", "quantity": 2}]}),
            json!({"serviceSku": "call", "name": "Jane", "email": "jane@example.com"}),
        );
        for (path, body) in [("/api/checkout/start", checkout), ("/api/bookings", book)] {
            for _ in 0..2 {
                let template = Template::post(path, &host)
                    .header("cookie", &customer)
                    .header("idempotency-key", &format!("{fresh}{path}"));
                let called = client.call(&template, &body).await.unwrap();
                assert_eq!(called.status, 201, "{path}: {}", called.body);
            }
        }
        sign_in(&mut client, &host, 2).await;
    }
}

async fn ask(
    client: &mut SetupClient,
    method: &str,
    host: &str,
    path: &str,
    cookie: &str,
    body: Option<Value>,
) -> Value {
    let template =
        if method == "GET" { Template::get(path, host) } else { Template::with_body(method, path, host) };
    let called =
        client.call(&template.header("cookie", cookie), &body.unwrap_or_else(|| json!({}))).await.unwrap();
    // Refused is fine: whatever was asked for was looked for. Seeded files are in no store.
    let has_no_file = called.body["error"]["code"] == "STORAGE_UNAVAILABLE";
    assert!(called.status < 500 || has_no_file, "{method} {path}: {} {}", called.status, called.body);
    called.body
}

async fn next_page(client: &mut SetupClient, host: &str, cookie: &str) -> String {
    let page = ask(client, "GET", host, "/api/orders?limit=100", cookie, None).await;
    page["nextCursor"].as_str().expect("a second page of orders").to_owned()
}

async fn sign_in(client: &mut SetupClient, host: &str, user: usize) -> String {
    let body = json!({"email": format!("user-{user}@{host}"), "password": PASSWORD});
    let called = client.call(&Template::post("/api/auth/login", host), &body).await.unwrap();
    called.expect(200, "a seeded user's login").unwrap().cookie.unwrap()
}

/// The product's plans in PostgreSQL's log: an entry's further lines begin with a tab.
fn plans(log: &str) -> Vec<Value> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with("plan:") {
            continue;
        }
        let mut text = String::new();
        while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
            text.push_str(more);
        }
        if line.starts_with("primetech|") {
            plans.push(serde_json::from_str(&text).expect("a plan as JSON"));
        }
    }
    assert!(
        plans.len() > 1_000,
        "{} plans: is the module auto_explain of PostgreSQL installed?",
        plans.len()
    );
    plans
}

/// Walks a plan.
fn look(
    node: &Value,
    statement: &str,
    large: &BTreeSet<String>,
    faults: &mut BTreeSet<Fault>,
    read: &mut BTreeMap<String, usize>,
) {
    let figure = |name: &str| node[name].as_f64().unwrap_or(0.0);
    let kind = node["Node Type"].as_str().unwrap_or_default();
    if let Some(table) = node["Relation Name"].as_str().filter(|table| large.contains(*table))
        && kind.ends_with("Scan")
    {
        *read.entry(table.to_owned()).or_default() += 1;
        let rows = (figure("Actual Rows")
            + figure("Rows Removed by Filter")
            + figure("Rows Removed by Index Recheck"))
            * figure("Actual Loops");
        let how = match kind {
            // One that was planned and never begun read nothing, but would.
            "Seq Scan" => Some("a sequential scan".to_owned()),
            _ if rows > MOST_ROWS
                && !(statement.contains("count(*) AS due") && statement.ends_with(COUNTED)) =>
            {
                Some(format!("{kind} of more than {MOST_ROWS} rows by {}", condition(node)))
            }
            _ => None,
        };
        faults.extend(how.map(|how| Fault { table: table.to_owned(), how, statement: statement.to_owned() }));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        look(child, statement, large, faults, read);
    }
}

/// By what a scan finds its rows, its bitmap's index scan included.
fn condition(node: &Value) -> &str {
    let own = node["Index Cond"].as_str().or_else(|| node["Recheck Cond"].as_str());
    own.unwrap_or("no condition")
}
