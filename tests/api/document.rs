//! The OpenAPI document, the route table and the contract say the same. (What is answered is held against the document
//! by every other test: see `conformance`.)

use std::collections::BTreeSet;

use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use primetech::routes::{Access, Expects};
use reqwest::Method;
use serde_json::{Value, json};

use crate::conformance::DESCRIBED;
use crate::harness::{DEMO, Shop};

/// `METHOD /path` of every line of the contract that names one; the stand-in's own is none.
fn of_contract() -> BTreeSet<String> {
    let contract = std::fs::read_to_string("_spec/contract.md").unwrap();
    let quoted = contract.split('`').skip(1).step_by(2);
    quoted
        .filter(|quoted| ["GET /", "POST /", "PATCH /"].iter().any(|method| quoted.starts_with(method)))
        .filter(|quoted| !quoted.contains(" /v1/checkout/sessions"))
        .map(|quoted| quoted.split('?').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_paths_served_are_those_of_the_contract() {
    let served: BTreeSet<String> = endpoints()
        .iter()
        .filter(|endpoint| endpoint.path != "/docs/{file}")
        .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
        .collect();
    assert_eq!(served, of_contract());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_is_described_and_nothing_else_is() {
    let shop = Shop::open().await;
    let served = shop.send(0, Method::GET, "any.host", "/openapi.json", &[], None).await.expect(200).json();
    assert_eq!(served["openapi"], "3.1.0");
    let described: BTreeSet<String> = served["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (path, method)))
        .map(|(path, method)| format!("{} {path}", method.to_ascii_uppercase()))
        .collect();
    let table: BTreeSet<String> =
        endpoints().iter().map(|endpoint| format!("{} {}", endpoint.method, endpoint.path)).collect();
    assert_eq!(described, table);
    for endpoint in endpoints() {
        let operation = &served["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let parameters: BTreeSet<&str> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let of_path: BTreeSet<&str> = endpoint
            .path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        assert_eq!(parameters, of_path, "{}", endpoint.path);
        let public = endpoint.access == Access::Public;
        assert_eq!(operation["security"] == json!([{"session": []}]), !public, "{}", endpoint.path);
    }
    assert_eq!(references(&served).into_iter().find(|at| served.pointer(&at[1..]).is_none()), None);
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(reference) if name == "$ref" => vec![reference.to_owned()],
                _ => references(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_example_fits_its_schema() {
    let document = document(&endpoints(), &codes());
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            let bodies = std::iter::once(&operation["requestBody"])
                .chain(operation["responses"].as_object().unwrap().values());
            for (_, content) in bodies.filter_map(|body| body["content"].as_object()).flatten() {
                let examples = content["examples"].as_object().into_iter().flatten();
                let examples = examples.map(|(_, example)| &example["value"]).chain(content.get("example"));
                for example in examples {
                    let faults: Vec<String> = DESCRIBED
                        .validator(&content["schema"])
                        .iter_errors(example)
                        .map(|e| e.to_string())
                        .collect();
                    assert!(faults.is_empty(), "{path}: {example} {faults:?}");
                    seen += 1;
                }
            }
            for parameter in operation["parameters"].as_array().unwrap() {
                if let Some(example) = parameter["schema"].get("example") {
                    assert!(
                        DESCRIBED.validator(&parameter["schema"]).is_valid(example),
                        "{path}: {parameter}"
                    );
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

/// What the document says of a body is what the endpoint takes: its example is found faultless, and without a required
/// field that very field is named.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_taken_as_they_are_described() {
    let shop = Shop::open().await;
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let document = document(&endpoints(), &codes());
    let mut tried = 0;
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.expects == Expects::TenantAndJson) {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let Some(body) = operation["requestBody"]["content"].get("application/json") else { continue };
        let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
        let path = endpoint
            .path
            .split('/')
            .map(|segment| {
                let named =
                    |parameter: &&Value| segment == format!("{{{}}}", parameter["name"].as_str().unwrap());
                match operation["parameters"].as_array().unwrap().iter().find(named) {
                    Some(parameter) => parameter["schema"]["example"].as_str().unwrap(),
                    None => segment,
                }
            })
            .collect::<Vec<_>>()
            .join("/");
        // Signing in ends the session that it comes with, and the other calls need theirs.
        let answers = operation["responses"].as_object().unwrap();
        let signs_in = answers.values().any(|answer| answer["headers"].get("set-cookie").is_some());
        let cookie = if signs_in { "" } else { admin.cookie.as_str() };
        let headers = [("content-type", "application/json"), ("cookie", cookie)];
        let send = async |body: &Value| {
            shop.send(0, method.clone(), DEMO, &path, &headers, Some(body.to_string())).await
        };
        let example = &body["example"];
        let answer = send(example).await;
        assert!(!answer.text.contains("VALIDATION_ERROR"), "{path}: {example} {}", answer.text);
        for (at, left_out) in without_each_required(&body["schema"], example, &document) {
            let answer = send(&left_out).await.expect(400);
            assert_eq!(answer.faulty_fields(), [at], "{path} {left_out}");
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried}");
}

/// The example without each of the fields that have to be there, and where that field is.
fn without_each_required(schema: &Value, example: &Value, document: &Value) -> Vec<(String, Value)> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => schema,
    };
    let mut found = Vec::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let mut left_out = example.clone();
        left_out.as_object_mut().unwrap().remove(name);
        found.push((name.to_owned(), left_out));
        let property = &schema["properties"][name];
        let (inner, within, place) = match example[name].as_array() {
            Some(entries) => (&property["items"], &entries[0], format!("{name}[0]")),
            None => (property, &example[name], name.to_owned()),
        };
        for (at, left_out) in without_each_required(inner, within, document) {
            let mut whole = example.clone();
            whole[name] = if example[name].is_array() { json!([left_out]) } else { left_out };
            found.push((format!("{place}.{at}"), whole));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_to_read_it_needs_no_other_server() {
    let shop = Shop::open().await;
    let get = async |path: &str| shop.send(0, Method::GET, "any.host", path, &[], None).await;
    let page = get("/docs").await.expect(200);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(!page.text.contains("://"), "{}", page.text);
    let files: Vec<&str> = page
        .text
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|quoted| quoted.ends_with(".js") || quoted.ends_with(".css") || quoted.ends_with(".png"))
        .collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        assert!(file.starts_with("/docs/"), "{file}");
        get(file).await.expect(200);
    }
    let start = get("/docs/swagger-initializer.js").await.expect(200);
    assert!(start.text.contains("/openapi.json") && !start.text.contains("petstore"), "{}", start.text);
    assert_eq!(get("/docs/nothing.js").await.expect(404).code(), "NOT_FOUND");
}
