//! The same Idempotency-Key twice, for each endpoint of the route table that takes one. A new endpoint is tried without
//! a line here.

use std::collections::BTreeMap;

use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use primetech::routes::Endpoint;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, DEMO, Shop, Visitor};
use crate::isolation::{furnish, rows_of};

async fn send(shop: &Shop, visitor: &Visitor, endpoint: &Endpoint, key: &str, body: &Value) -> Answer {
    let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
    let headers =
        [("content-type", "application/json"), ("idempotency-key", key), ("cookie", visitor.cookie.as_str())];
    shop.send(0, method, DEMO, endpoint.path, &headers, Some(body.to_string())).await
}

/// What a repeated request must not change. The log of the audit is sealed, and messages are sent, at their own time.
async fn settled_rows(shop: &Shop) -> BTreeMap<String, String> {
    let mut rows = rows_of(shop, "demo").await;
    rows.retain(|table, _| !table.starts_with("audit_") && table != "outbox_messages");
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_with_a_key_answers_a_repeat_as_the_first_and_does_nothing_again() {
    let shop = Shop::open().await;
    let (owner, known) = furnish(&shop).await;
    let document = document(&endpoints(), &codes());
    let mut tried = Vec::new();
    for endpoint in &endpoints() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let takes_a_key = |parameters: &Vec<Value>| {
            parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key")
        };
        if !operation["parameters"].as_array().is_some_and(takes_a_key) {
            continue;
        }
        let path = endpoint.path;
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let body = known.fill(example, true);
        // Keys are the sender's, whatever endpoint they come to.
        let (repeated, contested) = (format!("repeated-{path}"), format!("at-once-{path}"));
        let first = send(&shop, &owner, endpoint, &repeated, &body).await;
        assert!(first.status.is_success(), "{path}: {} {}", first.status, first.text);
        assert!(!first.headers.contains_key("idempotency-replayed"), "{path}");
        let before = settled_rows(&shop).await;

        let again = send(&shop, &owner, endpoint, &repeated, &body).await;
        assert_eq!((again.status, &again.text), (first.status, &first.text), "{path}");
        assert_eq!(again.headers["idempotency-replayed"], "true", "{path}");
        let mut other = body.clone();
        other["andMore"] = json!(true);
        let other = send(&shop, &owner, endpoint, &repeated, &other).await;
        assert_eq!(other.expect(422).code(), "IDEMPOTENCY_KEY_REUSED", "{path}");
        let malformed = send(&shop, &owner, endpoint, &"k".repeat(256), &body).await;
        assert_eq!(malformed.expect(400).code(), "VALIDATION_ERROR", "{path}");
        assert_eq!(settled_rows(&shop).await, before, "{path}: nothing is done again");

        // At once, with a new key: one is done, and each answer is its answer or says that it is under way.
        let at_once =
            futures_util::future::join_all((0..8).map(|_| send(&shop, &owner, endpoint, &contested, &body)))
                .await;
        let done: Vec<&Answer> = at_once.iter().filter(|answer| answer.status == first.status).collect();
        assert!(!done.is_empty(), "{path}");
        for answer in &at_once {
            if answer.status == first.status {
                assert_eq!(answer.text, done[0].text, "{path}");
            } else {
                assert_eq!(
                    (answer.status.as_u16(), answer.code().as_str()),
                    (409, "IDEMPOTENCY_IN_PROGRESS"),
                    "{path}"
                );
            }
        }
        tried.push(path);
    }
    assert!(tried.contains(&"/api/checkout/start") && tried.contains(&"/api/bookings"), "{tried:?}");
}
