//! Assembles the OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Answer, Content, Doc, examples, general};
use crate::endpoint::{Access, Endpoint, Expects};
use crate::error::{ApiError, Code};

const ABOUT: &str = "Sell licences, downloads and services of many shops from one installation.\n\n\
    The host of a request selects the shop (tenant). Times are RFC 3339 in UTC. Money is an integer in the \
    currency's minor unit as Stripe counts it (`GET /v1/currencies`). Every answer without success is an `Error`; \
    its `meta.requestId` equals the header `x-request-id`. The headers `RateLimit-Policy` and `RateLimit` state the \
    limits of a call and the calls that remain; `RateLimit-Limit`, `-Remaining` and `-Reset` state the same for the \
    limit that is reached first. The header `Retry-After` of a refused call states when to try again. Lists are \
    newest first. Unknown fields are ignored.";

const TAGS: &[(&str, &str)] = &[
    ("auth", "Accounts and sessions"),
    ("currencies", "Currencies and the amounts that can be charged"),
    ("checkout", "From a cart to the payment page"),
    ("orders", "Orders"),
    ("invoices", "Invoices and their PDFs"),
    ("receipts", "Receipts and their PDFs"),
    ("webhooks", "Events from the payment provider"),
    ("licences", "Licences, and the calls of licence clients"),
    ("storage", "Signed URLs to the private store"),
    ("releases", "Published files"),
    ("account", "A customer's downloads"),
    ("bookings", "Bookings of services"),
    ("admin", "For administrators of a shop"),
    ("operation", "For the operator of the installation"),
];

/// The document of these endpoints, which refuse with these codes.
pub fn document(endpoints: &[Endpoint], codes: &[Code]) -> Value {
    let mut components = Map::new();
    components.insert("Error".to_owned(), error_schema(codes));
    let docs: Vec<(&Endpoint, Doc)> =
        endpoints.iter().filter_map(|endpoint| Some((endpoint, endpoint.doc?()))).collect();
    for (_, doc) in &docs {
        add_schemas(&mut components, doc);
    }
    merge_parts(&mut components);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (endpoint, doc) in &docs {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        paths.entry(endpoint.path).or_default().insert(method, operation(endpoint, doc, &components));
    }
    let tags: Vec<Value> =
        TAGS.iter().map(|(name, description)| json!({"name": name, "description": description})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Prime Tech Platform",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "session",
                    "description": "Register and login set it.",
                },
            },
        },
    })
}

fn add_schemas(components: &mut Map<String, Value>, doc: &Doc) {
    for (name, schema) in &doc.schemas {
        // Made of strings and numbers alone.
        let mut schema = serde_json::to_value(schema).unwrap_or_default();
        if !name.ends_with("Body") {
            require_all(&mut schema);
        }
        components.insert(name.clone(), schema);
    }
}

/// A shape that takes in the fields of another is shown as the one object that it is.
fn merge_parts(components: &mut Map<String, Value>) {
    let shapes = components.clone();
    for schema in components.values_mut() {
        let Some(parts) = schema["allOf"].as_array() else { continue };
        let mut properties = Map::new();
        for part in parts {
            let name = part["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
            let part = name.and_then(|name| shapes.get(name)).unwrap_or(part);
            properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        }
        *schema = json!({"type": "object", "properties": properties});
        require_all(schema);
    }
}

/// What is answered always has all its fields: one without a value is null. Only of what is sent may some be left out.
fn require_all(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(properties) = object.get("properties").and_then(Value::as_object) {
        let names: Vec<Value> = properties.keys().map(|name| json!(name)).collect();
        object.insert("required".to_owned(), Value::Array(names));
    }
}

fn operation(endpoint: &Endpoint, doc: &Doc, components: &Map<String, Value>) -> Value {
    let mut responses: BTreeMap<String, Value> = BTreeMap::new();
    for answer in &doc.answers {
        responses.insert(answer.status.to_string(), success(answer, components));
    }
    for (status, codes) in by_status(endpoint, doc) {
        responses.insert(status.to_string(), refusal(&codes));
    }
    let mut operation = json!({
        "tags": [tag(endpoint.path)],
        "summary": doc.summary,
        "operationId": operation_id(endpoint),
        "parameters": doc.parameters,
        "responses": responses,
        "security": security(endpoint),
    });
    if !doc.about.is_empty() {
        operation["description"] = json!(doc.about);
    }
    if let Some(body) = &doc.body {
        operation["requestBody"] = json!({"required": true, "content": content(body, components)});
    }
    operation
}

fn security(endpoint: &Endpoint) -> Value {
    match (endpoint.access, endpoint.expects) {
        (Access::Session | Access::Admin, _) => json!([{"session": []}]),
        // A session is looked at where there is one.
        (Access::Public, Expects::TenantAndJson) => json!([{}, {"session": []}]),
        (Access::Public, _) => json!([{}]),
    }
}

/// The group that a path is shown in: the word after `/api` or `/v1`.
fn tag(path: &str) -> &str {
    let within = path.strip_prefix("/api/").or_else(|| path.strip_prefix("/v1/"));
    within.and_then(|path| path.split('/').next()).unwrap_or("operation")
}

/// Unique by method and path, for those who generate clients: `postLicencesActivate`.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(|character: char| !character.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty() && *word != "api").map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    endpoint.method.as_str().to_ascii_lowercase() + &words.collect::<String>()
}

fn success(answer: &Answer, components: &Map<String, Value>) -> Value {
    let mut response = json!({"description": answer.description});
    if let Some(body) = &answer.content {
        response["content"] = content(body, components);
    }
    if !answer.headers.is_empty() {
        let headers: Map<String, Value> = answer
            .headers
            .iter()
            .map(|(name, about)| {
                ((*name).to_owned(), json!({"description": about, "schema": {"type": "string"}}))
            })
            .collect();
        response["headers"] = Value::Object(headers);
    }
    response
}

fn content(content: &Content, components: &Map<String, Value>) -> Value {
    let example = examples::of(&content.schema, components);
    json!({content.media_type: {"schema": content.schema, "example": example}})
}

fn by_status(endpoint: &Endpoint, doc: &Doc) -> BTreeMap<u16, Vec<Code>> {
    let has_input = !doc.parameters.is_empty() || doc.body.is_some();
    let mut codes = doc.refuses.clone();
    codes.extend(general::refusals(endpoint, has_input && endpoint.expects == Expects::TenantAndJson));
    let mut seen = BTreeSet::new();
    let mut statuses: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        if seen.insert(code.as_str()) {
            statuses.entry(code.status().as_u16()).or_default().push(code);
        }
    }
    statuses
}

fn refusal(codes: &[Code]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let description: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.message())).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| {
            let body = ApiError::new(*code).body("0190b6f0-7c1e-7a34-9d53-0242ac120002");
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            (code.as_str().to_owned(), json!({"value": body}))
        })
        .collect();
    // All properties are named here too: readers that take each part of an `allOf` by itself would find the others to be
    // too many.
    let of_these_codes = json!({
        "type": "object",
        "properties": {"error": {
            "type": "object",
            "properties": {"code": {"enum": names}, "message": {}, "details": {}},
        }},
    });
    json!({
        "description": description.join("\n\n"),
        "content": {"application/json": {
            "schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, of_these_codes]},
            "examples": examples,
        }},
    })
}

fn error_schema(codes: &[Code]) -> Value {
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "description": "The form of every answer without success.",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "enum": codes},
                "message": {"type": "string", "description": "A text for people. Programs read `code`."},
                "details": {
                    "type": "object",
                    "required": ["fieldErrors", "meta"],
                    "properties": {
                        "fieldErrors": {
                            "type": "object",
                            "description": "The faults of each field, by its path in the request.",
                            "additionalProperties": {"type": "array", "items": {"type": "string"}},
                        },
                        "meta": {
                            "type": "object",
                            "required": ["requestId"],
                            "properties": {"requestId": {"type": "string"}},
                            "additionalProperties": true,
                        },
                    },
                },
            },
        }},
    })
}
