//! Holds answers to an OpenAPI document: an answer's status is described, its body has the shape described there and no
//! field beyond, and a refusal's code is one that the endpoint is said to have. Times are in UTC and say so by a `Z`.

use std::collections::HashMap;
use std::sync::Mutex;

use jsonschema::Validator;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::Code;
use primetech_http::openapi::document;
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::Answer;

/// Schemas that were compiled, by their text.
type Compiled = HashMap<String, &'static Validator>;

/// The document of some endpoints.
pub struct Described {
    endpoints: Vec<Endpoint>,
    document: Value,
    compiled: Mutex<Compiled>,
}

impl Described {
    pub fn new(endpoints: Vec<Endpoint>, codes: &[Code]) -> Self {
        let mut document = document(&endpoints, codes);
        document["components"]["schemas"].as_object_mut().unwrap().values_mut().for_each(close);
        Self { endpoints, document, compiled: Mutex::default() }
    }

    /// The endpoint that a path is of: literal segments go before parameters.
    fn endpoint(&self, method: &Method, path: &str) -> Option<&Endpoint> {
        let path = path.split('?').next().unwrap_or_default();
        let fits = |endpoint: &&Endpoint| {
            let (pattern, path) = (endpoint.path.split('/'), path.split('/'));
            endpoint.method.as_str() == method.as_str()
                && pattern.clone().count() == path.clone().count()
                && pattern.zip(path).all(|(pattern, segment)| pattern.starts_with('{') || pattern == segment)
        };
        self.endpoints.iter().filter(fits).min_by_key(|endpoint| endpoint.path.matches('{').count())
    }

    /// The validator of a schema of the document.
    pub fn validator(&self, schema: &Value) -> &'static Validator {
        let mut compiled = self.compiled.lock().unwrap();
        compiled.entry(schema.to_string()).or_insert_with(|| {
            let mut whole = schema.clone();
            whole["components"] = self.document["components"].clone();
            let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
            Box::leak(Box::new(validator))
        })
    }

    /// Panics if the answer is not one of those described.
    #[track_caller]
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let Some(endpoint) = self.endpoint(method, path).filter(|endpoint| endpoint.doc.is_some()) else {
            return;
        };
        let method = method.as_str().to_ascii_lowercase();
        let operation = &self.document["paths"][endpoint.path][&method];
        let response = &operation["responses"][answer.status.as_str()];
        let whose = format!("{method} {}", endpoint.path);
        assert!(
            response.is_object(),
            "{whose} does not say that it answers {}: {}",
            answer.status,
            answer.text
        );
        let Some((media_type, content)) =
            response["content"].as_object().and_then(|content| content.iter().next())
        else {
            assert_eq!(answer.text, "", "{whose} says that {} has no body", answer.status);
            return;
        };
        if media_type == "application/json" {
            let errors: Vec<String> = self
                .validator(&content["schema"])
                .iter_errors(&answer.json())
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(
                errors.is_empty(),
                "{whose} answers {} otherwise than described: {errors:#?}",
                answer.status
            );
            for time in times(&answer.json()) {
                assert!(time.ends_with('Z'), "{whose} tells a time as {time}");
            }
        }
        for name in response["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(answer.headers.contains_key(name), "{whose} promises the header {name}");
        }
    }
}

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

/// All texts in a value that are times.
fn times(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if chrono::DateTime::parse_from_rfc3339(text).is_ok() => vec![text],
        Value::Array(values) => values.iter().flat_map(times).collect(),
        Value::Object(object) => object.values().flat_map(times).collect(),
        _ => Vec::new(),
    }
}
