//! Identifiers are checked wherever one comes in: for every endpoint of the route table.

use std::collections::BTreeSet;

use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use primetech::routes::{Endpoint, Expects};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{DEMO, Shop};

fn of_tenants() -> impl Iterator<Item = Endpoint> {
    endpoints().into_iter().filter(|endpoint| endpoint.expects == Expects::TenantAndJson)
}

fn operation<'a>(document: &'a Value, endpoint: &Endpoint) -> &'a Value {
    &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()]
}

/// The example without its form: each is close to it, and none is of it.
fn malformed(example: &str) -> BTreeSet<String> {
    let shorter = &example[..example.len() - 1];
    let mut all: BTreeSet<String> =
        [format!("{example}0"), shorter.to_owned(), format!("%20{example}"), "x".to_owned()].into();
    // UUIDs may be of either case, the others are upper case.
    if example.starts_with(|first: char| first.is_ascii_uppercase()) {
        all.insert(example.to_lowercase());
        all.insert(example.replacen(|it: char| it.is_ascii_digit(), "-", 1));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_identifier_in_a_path_is_a_validation_error_that_names_it() {
    let shop = Shop::open().await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let document = document(&endpoints(), &codes());
    let mut parameters_seen = BTreeSet::new();
    for endpoint in of_tenants() {
        let operation = operation(&document, &endpoint);
        let body = &operation["requestBody"]["content"]["application/json"]["example"];
        let all = operation["parameters"].as_array().unwrap().iter();
        for parameter in all.filter(|parameter| parameter["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            parameters_seen.insert(name.to_owned());
            for value in malformed(parameter["schema"]["example"].as_str().unwrap()) {
                let path = endpoint.path.replace(&format!("{{{name}}}"), &value);
                let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
                let headers = [("content-type", "application/json"), ("cookie", admin.cookie.as_str())];
                let body = body.is_object().then(|| body.to_string());
                let answer = shop.send(0, method, DEMO, &path, &headers, body).await.expect(400);
                assert_eq!(answer.code(), "VALIDATION_ERROR", "{path}");
                assert_eq!(answer.faulty_fields(), [name], "{path}");
            }
        }
    }
    let expected = ["bkgRef", "invNumber", "licKey", "orderId", "rcpNumber", "releaseId"];
    assert!(parameters_seen.iter().eq(expected), "{parameters_seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_value_in_a_body_or_query_is_a_validation_error_that_names_it() {
    let shop = Shop::open().await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let document = document(&endpoints(), &codes());
    let mut tried = 0;
    for endpoint in of_tenants() {
        let operation = operation(&document, &endpoint);
        let content = &operation["requestBody"]["content"]["application/json"];
        let Some(reference) = content["schema"]["$ref"].as_str() else { continue };
        let schema = document.pointer(&reference[1..]).unwrap();
        for (name, property) in schema["properties"].as_object().unwrap() {
            if property["pattern"].is_null() {
                continue;
            }
            let path = endpoint.path.replace("{bkgRef}", "BKG-00000000");
            let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
            let headers = [("content-type", "application/json"), ("cookie", admin.cookie.as_str())];
            for value in [json!("?!"), json!(""), json!(7), json!({}), json!(["x"])] {
                let mut body = content["example"].clone();
                body[name] = value;
                let answer = shop
                    .send(0, method.clone(), DEMO, &path, &headers, Some(body.to_string()))
                    .await
                    .expect(400);
                assert_eq!(answer.faulty_fields(), [name.as_str()], "{path} {body}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 7 * 5, "{tried}");
    let track = "/api/bookings/track?bkgRef=bkg-7k2pm4qx&email=jane@example.com";
    let answer = shop.send(0, Method::GET, DEMO, track, &[], None).await.expect(400);
    assert_eq!(answer.faulty_fields(), ["bkgRef"]);
}
