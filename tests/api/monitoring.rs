//! What operators read and are woken by: every figure that is documented is shown, and every figure that an alert, a
//! dashboard or an objective is about is a documented one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{DEMO, Shop, event, until};

/// What others than this product show: Prometheus itself, and the exporter of the machine.
const OTHERS: [&str; 3] = ["up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"];

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in the table of `docs/metrics.md`.
fn documented() -> BTreeSet<String> {
    let text = file("docs/metrics.md");
    let names = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// The names that a process shows: each family has a line of its type.
fn shown(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// The metrics that a PromQL expression names.
fn named_in(expression: &str) -> BTreeSet<String> {
    // Without what stands in quotes, braces and brackets, and without lists of labels, what is left is words.
    let mut plain = String::new();
    let (mut depth, mut in_quotes) = (0_u32, false);
    for character in expression.chars() {
        match character {
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if depth == 0 => plain.push(character),
            _ => {}
        }
    }
    for keyword in ["by", "without", "on", "ignoring", "group_left", "group_right"] {
        while let Some(at) = find_list(&plain, keyword) {
            let end = at + plain[at..].find(')').unwrap();
            plain.replace_range(at..=end, " ");
        }
    }
    let is_word = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let mut names = BTreeSet::new();
    let mut rest = plain.as_str();
    while let Some(begin) = rest.find(is_word) {
        rest = &rest[begin..];
        let end = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_function = after.trim_start().starts_with('(');
        let is_operator = ["and", "or", "unless", "bool", "offset"].contains(&word);
        if !is_function && !is_operator && !word.starts_with(|first: char| first.is_ascii_digit()) {
            names.insert(word.to_owned());
        }
        rest = after;
    }
    names
}

/// Where `keyword (` begins, as a word of its own.
fn find_list(text: &str, keyword: &str) -> Option<usize> {
    text.match_indices(keyword).map(|(at, _)| at).find(|at| {
        let is_begin = text[..*at].chars().next_back().is_none_or(|before| !before.is_ascii_alphanumeric());
        is_begin && text[at + keyword.len()..].trim_start().starts_with('(')
    })
}

/// The expressions of a file of Prometheus rules, and the names that the rules record.
fn rules(text: &str) -> (Vec<String>, BTreeSet<String>) {
    let (mut expressions, mut recorded) = (Vec::new(), BTreeSet::new());
    let mut lines = text.lines().peekable();
    let indent = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next() {
        let item = line.trim_start().trim_start_matches("- ");
        if let Some(name) = item.strip_prefix("record:") {
            recorded.insert(name.trim().to_owned());
        }
        let Some(expression) = item.strip_prefix("expr:") else { continue };
        let mut expression = expression.trim().trim_start_matches(">-").to_owned();
        while lines.peek().is_some_and(|next| indent(next) > indent(line)) {
            expression.push(' ');
            expression.push_str(lines.next().unwrap().trim());
        }
        expressions.push(expression);
    }
    (expressions, recorded)
}

/// The values of all members called `expr`.
fn expressions_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "expr" => found.push(text.clone()),
                    other => expressions_in(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions_in(item, found)),
        _ => {}
    }
}

/// The queries in a document: its blocks marked `promql`.
fn queries(text: &str) -> Vec<String> {
    let blocks = text.split("```promql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_names_in_an_expression_are_found() {
    let names = |text| named_in(text).into_iter().collect::<Vec<_>>();
    assert_eq!(
        names(
            "histogram_quantile(0.95, sum by (le, route) (rate(a_bucket{job=\"x\"}[5m]))) > 0.5 or vector(0)"
        ),
        ["a_bucket"]
    );
    assert_eq!(names("b{x=~\"sum(c)\"} / on (instance) group_left () d offset 5m"), ["b", "d"]);
    let (expressions, recorded) =
        rules("- record: x:y\n  expr: >-\n    a\n    / b\n- alert: Z\n  expr: up == 0\n  for: 1m\n");
    assert_eq!(expressions, [" a / b", "up == 0"]);
    assert!(recorded.contains("x:y"));
}

#[test]
fn alerts_dashboard_and_objectives_are_about_figures_that_exist() {
    let documented = documented();
    let (mut expressions, recorded) = rules(&file("infra/prometheus/alerts.yml"));
    let of_rules = expressions.len();
    expressions_in(&serde_json::from_str(&file("infra/grafana/primetech.json")).unwrap(), &mut expressions);
    let of_dashboard = expressions.len() - of_rules;
    expressions.extend(queries(&file("docs/slo.md")));
    let of_objectives = expressions.len() - of_rules - of_dashboard;
    assert!(of_rules > 15 && of_dashboard > 20 && of_objectives > 8, "all were read");
    for expression in &expressions {
        let names = named_in(expression);
        assert!(!names.is_empty(), "{expression}");
        for name in names {
            let family = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|part| name.strip_suffix(part).filter(|family| documented.contains(*family)))
                .unwrap_or(&name);
            let exists = documented.contains(family) || recorded.contains(family) || OTHERS.contains(&family);
            assert!(exists, "{name} in {expression}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_figure_is_shown_and_no_other() {
    // With a Redis that is lost from the start, which shows too.
    let changes =
        [("REDIS_URL", "redis://127.0.0.1:1"), ("RATE_LIMIT", "on"), ("RECONCILE_EVERY_SECONDS", "1")];
    let shop = Shop::open_as(1, &changes).await;
    let buyer = shop.register(DEMO).await;
    let (_, key) = shop.buy_licence(&buyer).await;
    let activation = json!({"licKey": key, "fingerprint": "a-device"});
    shop.post(0, DEMO, "/api/licences/activate", &activation).await.expect(201);
    let unknown = json!({"licKey": "LIC-AAAA-BBBB-CCCC", "fingerprint": "a-device"});
    shop.post(0, DEMO, "/api/licences/activate", &unknown).await.expect(404);
    let mut failing = event("checkout.session.completed", json!({"id": 7, "payment_status": "unpaid"}));
    shop.deliver(0, &failing).await.expect(200);
    failing["id"] = json!("evt_ignored");
    failing["type"] = json!("customer.created");
    failing["created"] = json!(1_700_000_000);
    shop.deliver(0, &failing).await.expect(200);
    shop.execute(
        "INSERT INTO outbox_messages (tenant_id, id, topic, payload, next_attempt_at, created_at)
         SELECT tenant_id, gen_random_uuid(), 'mail.unheard-of', jsonb_build_object('userId', id), now(), now() FROM users",
    )
    .await;
    let page = async || shop.send(0, Method::GET, "any.host", "/metrics", &[], None).await.expect(200).text;
    let documented = documented();
    until("all are shown", async || documented.is_subset(&shown(&page().await))).await;
    let text = page().await;
    assert_eq!(shown(&text), documented, "{text}");
    let value = |series: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(series));
        line.unwrap_or_else(|| panic!("no {series}")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("activation_refusals_total{reason=\"not_found\"}"), 1.0);
    assert_eq!(value("webhook_events_failed_total"), 1.0);
    assert_eq!(value("webhook_lag_seconds_count"), 1.0, "one told when it was made, and was dealt with");
    assert_eq!(value("webhook_lag_seconds_bucket{le=\"86400\"}"), 0.0, "years ago");
    assert_eq!(value("rate_limits_shared"), 0.0);
    assert!(value("database_connections_open") <= value("database_connections_limit"));
    assert!(value("outbox_delivery_seconds_count{topic=\"mail.") >= 1.0);
    assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 3.0);
    until("the mail that nobody knows was given up", async || {
        page().await.lines().any(|line| line == "outbox_failures_total{dead=\"true\"} 1")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_the_number_of_series_stays() {
    let shop = Shop::open().await;
    let series = async || {
        let page = shop.send(0, Method::GET, "any.host", "/metrics", &[], None).await.expect(200).text;
        page.lines().filter(|line| !line.starts_with('#') && line.contains("http_")).count()
    };
    let ask = async |number: usize| {
        for method in
            [Method::GET, Method::POST, Method::from_bytes(format!("M{number}").as_bytes()).unwrap()]
        {
            let path = format!("/api/unknown-{number}/{number}");
            let id = format!("request-{number}");
            shop.send(0, method, DEMO, &path, &[("x-request-id", &id)], None).await;
        }
        let host = format!("tenant-{number}.test");
        shop.send(0, Method::GET, &host, "/api/auth/me", &[], None).await.expect(404);
        shop.send(0, Method::GET, DEMO, &format!("/api/orders/ORD-20260101-{number:04}"), &[], None).await;
    };
    ask(1).await;
    series().await;
    let before = series().await;
    assert!(before > 20, "{before}");
    for number in 2..60 {
        ask(number).await;
    }
    assert_eq!(series().await, before);
}
