//! Examples of objects, made from the examples of their fields.

use serde_json::{Map, Value, json};

/// How deep shapes may lie in each other; none is its own part.
const DEEPEST: usize = 16;

/// A value that fits `schema`.
pub(super) fn of(schema: &Value, components: &Map<String, Value>) -> Value {
    at(schema, components, 0)
}

fn at(schema: &Value, components: &Map<String, Value>, depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(example) = schema.get("examples").and_then(|examples| examples.get(0)) {
        return example.clone();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return components.get(name).map_or(Value::Null, |schema| at(schema, components, depth + 1));
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema[choice].as_array() {
            // What may be null as well is shown as it is when it is there.
            let shown = choices.iter().find(|choice| choice["type"] != "null");
            return shown.map_or(Value::Null, |schema| at(schema, components, depth + 1));
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.first().cloned().unwrap_or_default();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => Value::Object(
            schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, property)| (name.clone(), at(property, components, depth + 1)))
                .collect(),
        ),
        Some("array") => json!([at(&schema["items"], components, depth + 1)]),
        Some("boolean") => json!(true),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => json!("2026-01-31T12:00:00Z"),
            Some("uuid") => json!("0190b6f0-7c1e-7a34-9d53-0242ac120002"),
            Some("uri") => json!("https://example.com/"),
            _ => json!("text"),
        },
        _ => Value::Null,
    }
}
