//! Holds every answer that any test of this crate gets against the OpenAPI document: its status is described, its body
//! has the shape described there and no field beyond, and a refusal's code is one that the endpoint is said to have.
//! Times are in UTC and say so by a `Z`.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use primetech::routes::Endpoint;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Answer;

static ENDPOINTS: LazyLock<Vec<Endpoint>> = LazyLock::new(endpoints);
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = document(&ENDPOINTS, &codes());
    document["components"]["schemas"].as_object_mut().unwrap().values_mut().for_each(close);
    document
});

/// Schemas that were compiled, by their place in the document.
type Compiled = HashMap<String, &'static Validator>;
static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

/// Refuses fields that are not described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}

/// The endpoint that a path is of: literal segments go before parameters.
fn endpoint(method: &Method, path: &str) -> Option<&'static Endpoint> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |endpoint: &&'static Endpoint| {
        let (pattern, path) = (endpoint.path.split('/'), path.split('/'));
        endpoint.method.as_str() == method.as_str()
            && pattern.clone().count() == path.clone().count()
            && pattern.zip(path).all(|(pattern, segment)| pattern.starts_with('{') || pattern == segment)
    };
    ENDPOINTS.iter().filter(fits).min_by_key(|endpoint| endpoint.path.matches('{').count())
}

/// The validator of a schema of the document.
pub fn validator(schema: &Value) -> &'static Validator {
    let mut compiled = COMPILED.lock().unwrap();
    compiled.entry(schema.to_string()).or_insert_with(|| {
        let mut whole = schema.clone();
        whole["components"] = DOCUMENT["components"].clone();
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        Box::leak(Box::new(validator))
    })
}

/// Panics where the answer is not one of those described.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    let Some(endpoint) = endpoint(method, path).filter(|endpoint| endpoint.doc.is_some()) else { return };
    let method = method.as_str().to_ascii_lowercase();
    let operation = &DOCUMENT["paths"][endpoint.path][&method];
    let response = &operation["responses"][answer.status.as_str()];
    let whose = format!("{method} {}", endpoint.path);
    assert!(response.is_object(), "{whose} does not say that it answers {}: {}", answer.status, answer.text);
    let Some((media_type, content)) =
        response["content"].as_object().and_then(|content| content.iter().next())
    else {
        assert_eq!(answer.text, "", "{whose} says that {} has no body", answer.status);
        return;
    };
    if media_type == "application/json" {
        let errors: Vec<String> = validator(&content["schema"])
            .iter_errors(&answer.json())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{whose} answers {} otherwise than described: {errors:#?}", answer.status);
        for time in times(&answer.json()) {
            assert!(time.ends_with('Z'), "{whose} tells a time as {time}");
        }
    }
    for name in response["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
        assert!(answer.headers.contains_key(name), "{whose} promises the header {name}");
    }
}

/// All texts in a value that are times.
fn times(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if chrono::DateTime::parse_from_rfc3339(text).is_ok() => vec![text],
        Value::Array(values) => values.iter().flat_map(times).collect(),
        Value::Object(object) => object.values().flat_map(times).collect(),
        _ => Vec::new(),
    }
}
