//! The tables and shapes of the contract, read from its text, are those of the OpenAPI document. What is answered is
//! held against the document by every other test of this crate (see `conformance`), so the contract binds the answers.

use std::collections::{BTreeMap, BTreeSet};

use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use primetech::routes::Access;
use serde_json::Value;

/// Calls that need no session (contract: "no session", and all of accounts but `me`).
const PUBLIC: [&str; 15] = [
    "POST /api/auth/login",
    "POST /api/auth/logout",
    "POST /api/auth/register",
    "POST /api/auth/request-password-reset",
    "POST /api/auth/reset-password",
    "POST /api/auth/verify-email",
    "POST /api/bookings",
    "POST /api/licences/activate",
    "POST /api/licences/deactivate",
    "POST /api/licences/validate",
    "POST /api/webhooks/stripe",
    "POST /v1/auth/resend-verification",
    "GET /api/bookings/track",
    "GET /api/releases",
    "GET /v1/currencies",
];

fn contract() -> String {
    std::fs::read_to_string("_spec/contract.md").unwrap().replace("\\|", "|")
}

/// A shape as the contract writes it: `{id, name|null, items: [{sku}], note?}`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// Not taken apart.
    Value,
    Object(BTreeMap<String, Field>),
    List(Box<Shape>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    shape: Shape,
    nullable: bool,
    optional: bool,
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn shape(text: &str) -> Shape {
        let mut reader = Reader(text);
        let shape = reader.value();
        assert_eq!(reader.0.trim(), "", "the rest of {text}");
        shape
    }

    fn takes(&mut self, sign: char) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Names, numbers and quoted words.
    fn word(&mut self) -> &str {
        let text = self.0.trim_start();
        let end = text.find(|it: char| !(it.is_ascii_alphanumeric() || "\"_-".contains(it)));
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        assert!(!word.is_empty(), "a word is missing at {text:?}");
        self.0 = rest;
        word
    }

    fn value(&mut self) -> Shape {
        if self.takes('[') {
            let inner = self.value();
            assert!(self.takes(']'), "{}", self.0);
            return Shape::List(Box::new(inner));
        }
        if !self.takes('{') {
            self.word();
            return Shape::Value;
        }
        let mut fields = BTreeMap::new();
        while !self.takes('}') {
            let (name, field) = self.field();
            fields.insert(name, field);
            self.takes(',');
        }
        Shape::Object(fields)
    }

    fn field(&mut self) -> (String, Field) {
        let name = self.word().to_owned();
        let optional = self.takes('?');
        let shape = if self.takes(':') { self.value() } else { Shape::Value };
        let mut nullable = false;
        while self.takes('|') {
            nullable |= self.word() == "null";
        }
        (name, Field { shape, nullable, optional })
    }
}

/// Text and what is quoted in it, in turn.
fn parts(text: &str) -> Vec<(&str, Option<&str>)> {
    let parts: Vec<&str> = text.split('`').collect();
    parts.chunks(2).map(|pair| (pair[0], pair.get(1).copied())).collect()
}

fn is_upper_case(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Shapes with a name, and the statuses told right after them.
fn named_shapes(contract: &str) -> BTreeMap<String, (Shape, BTreeSet<String>)> {
    let parts = parts(contract);
    let mut named = BTreeMap::new();
    for (at, (_, name)) in parts.iter().enumerate() {
        let (Some(name), Some((" = ", Some(shape)))) = (name, parts.get(at + 1)) else { continue };
        let statuses = parts[at + 2..].iter().map_while(|(before, word)| {
            let word = word.filter(|word| is_upper_case(word))?;
            matches!(before.trim(), "" | ";").then(|| word.to_owned())
        });
        named.insert((*name).to_owned(), (Reader::shape(shape), statuses.collect()));
    }
    named
}

struct Document(Value);

impl Document {
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.resolve(self.0.pointer(&reference[1..]).unwrap()),
            None => schema,
        }
    }

    /// The schema of a value that is there, and whether it may be null.
    fn nullable<'a>(&'a self, schema: &'a Value) -> (&'a Value, bool) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let other = choices.iter().find(|choice| choice["type"] != "null").unwrap();
            return (self.resolve(other), choices.iter().any(|choice| choice["type"] == "null"));
        }
        let types = schema["type"].as_array();
        (schema, types.is_some_and(|types| types.contains(&Value::from("null"))))
    }

    /// Every difference between a shape and a schema. A field that has a shape's name has that shape.
    fn differences(&self, shape: &Shape, schema: &Value, named: &Named, at: &str) -> Vec<String> {
        let (schema, _) = self.nullable(schema);
        match shape {
            Shape::Value => Vec::new(),
            Shape::List(inner) if schema["items"].is_object() => {
                self.differences(inner, &schema["items"], named, &format!("{at}[]"))
            }
            Shape::List(_) => vec![format!("{at} is no list")],
            Shape::Object(fields) => {
                let empty = serde_json::Map::new();
                let properties = schema["properties"].as_object().unwrap_or(&empty);
                let required: Vec<&str> =
                    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let names: BTreeSet<&String> = fields.keys().chain(properties.keys()).collect();
                let mut found = Vec::new();
                for name in names {
                    let at = format!("{at}.{name}");
                    let (Some(field), Some(property)) = (fields.get(name), properties.get(name)) else {
                        found.push(format!("{at} is in one of them only"));
                        continue;
                    };
                    if field.optional == required.contains(&name.as_str()) {
                        found.push(format!("{at} is required in one of them only"));
                    }
                    // A field that may be left out may be null as well.
                    if field.nullable != self.nullable(property).1 && !field.optional {
                        found.push(format!("{at} may be null in one of them only"));
                    }
                    let shape = match &field.shape {
                        Shape::Value => named.get(name).unwrap_or(&Shape::Value),
                        other => other,
                    };
                    found.extend(self.differences(shape, property, named, &at));
                }
                found
            }
        }
    }

    /// The values that a schema of words allows.
    fn words(&self, schema: &Value) -> BTreeSet<String> {
        let (schema, _) = self.nullable(schema);
        let listed = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let pattern = schema["pattern"].as_str().and_then(|it| it.strip_prefix("^(")?.strip_suffix(")$"));
        listed.chain(pattern.into_iter().flat_map(|words| words.split('|'))).map(str::to_owned).collect()
    }
}

type Named = BTreeMap<String, Shape>;

fn documented() -> Document {
    Document(document(&endpoints(), &codes()))
}

/// A line of the contract's tables that is about a call.
struct Row {
    method: String,
    path: String,
    query: BTreeSet<String>,
    sent: String,
    answered: String,
}

fn rows(contract: &str) -> Vec<Row> {
    let lines = contract.lines().filter(|line| line.starts_with("| `"));
    lines
        .filter_map(|line| {
            // Cells may be empty.
            let line = line.trim_matches(['|', ' ']).replace("| |", "|  |");
            let mut cells = line.split(" | ");
            let (method, path) = cells.next()?.trim_matches('`').split_once(' ')?;
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let query = query.split('&').filter_map(|pair| pair.split('=').next()).map(str::to_owned);
            let is_call = ["GET", "POST", "PATCH"].contains(&method);
            is_call.then(|| Row {
                method: method.to_ascii_lowercase(),
                path: path.to_owned(),
                query: query.filter(|name| !name.is_empty()).collect(),
                sent: cells.next().unwrap_or_default().to_owned(),
                answered: cells.next().unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

/// The last status that a text names.
fn status_in(text: &str) -> Option<u16> {
    let mut numbers = text.split(|it: char| !it.is_ascii_digit()).filter(|word| word.len() == 3);
    numbers.next_back().and_then(|number| number.parse().ok())
}

#[test]
fn every_shape_is_described_as_the_contract_has_it() {
    let (contract, document) = (contract(), documented());
    let shapes = named_shapes(&contract);
    let of = |name: &str| shapes.get(name).unwrap_or_else(|| panic!("no shape of {name}"));
    let named: Named = shapes.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect();
    for (name, schema) in [
        ("user", "User"),
        ("order", "Order"),
        ("invoice", "Invoice"),
        ("receipt", "Receipt"),
        ("licence", "Licence"),
        ("activation", "Activation"),
        ("release", "Release"),
        ("booking", "Booking"),
    ] {
        let (shape, statuses) = of(name);
        let schema = &document.0["components"]["schemas"][schema];
        assert_eq!(document.differences(shape, schema, &named, name), Vec::<String>::new());
        if schema["properties"]["status"].is_object() && name != "booking" {
            assert_eq!(document.words(&schema["properties"]["status"]), *statuses, "{name}");
        }
    }
    let after = |label: &str| -> BTreeSet<String> {
        let listed = parts(contract.split_once(label).unwrap().1);
        listed.iter().map_while(|(_, word)| word.filter(|it| is_upper_case(it)).map(str::to_owned)).collect()
    };
    let codes = &document.0["components"]["schemas"]["ValidationCode"];
    let told = after("Validation codes:");
    assert!(told.is_superset(&document.words(codes)) && document.words(codes).len() == 7, "{told:?}");
    let statuses: BTreeSet<String> =
        ["NEW", "CONFIRMED", "IN_PROGRESS", "COMPLETED", "CANCELLED"].map(str::to_owned).into();
    let booking = &document.0["components"]["schemas"]["Booking"]["properties"]["status"];
    assert_eq!(document.words(booking), statuses);
}

#[test]
fn every_call_takes_and_answers_what_its_line_says() {
    let (contract, document) = (contract(), documented());
    let mut named: Named = named_shapes(&contract).into_iter().map(|(name, (it, _))| (name, it)).collect();
    let customer = named["booking"].clone();
    let history = contract.split('`').find(|quoted| quoted.starts_with("history: ")).unwrap();
    let Shape::Object(history) = Reader::shape(&format!("{{{history}}}")) else { unreachable!() };
    let Shape::Object(mut administrator) = customer.clone() else { unreachable!() };
    administrator.extend(history);
    let (mut bodies, mut answers, mut refusals) = (0, 0, 0);
    let mut found = Vec::new();
    for Row { method, path, query, sent, answered } in rows(&contract) {
        let operation = &document.0["paths"][&path][&method];
        assert!(operation.is_object(), "{method} {path}");
        let is_admin = path.starts_with("/api/admin/");
        named.insert(
            "booking".to_owned(),
            if is_admin { Shape::Object(administrator.clone()) } else { customer.clone() },
        );
        let documented: BTreeSet<String> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .filter(|name| name != "limit" && name != "cursor")
            .collect();
        if !sent.contains("status=") {
            assert_eq!(documented, query, "{path}");
        }
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let shapes: Vec<&str> =
            parts(&sent).into_iter().filter_map(|(_, it)| it.filter(|it| it.starts_with('{'))).collect();
        assert_eq!(body.is_null(), shapes.is_empty(), "{path}: {sent}");
        if let Some(shape) = united(&shapes) {
            found.extend(document.differences(&shape, body, &named, &format!("{path} takes")));
            bodies += 1;
        }
        let mut status = None;
        for (before, quoted) in parts(&answered) {
            status = status_in(before).or(status);
            let Some(quoted) = quoted else { continue };
            let at = format!("{path} answers");
            let of_status =
                |status: u16| &operation["responses"][status.to_string()]["content"]["application/json"];
            if before.ends_with("list of ") || before.ends_with("list of published ") {
                let items = &document.resolve(&of_status(200)["schema"])["properties"]["items"]["items"];
                let shape = named.get(quoted).cloned().unwrap_or_else(|| Reader::shape(quoted));
                found.extend(document.differences(&shape, items, &named, &at));
                answers += 1;
            } else if quoted.starts_with('{') && status_in(before).is_some() {
                let schema = &of_status(status.unwrap())["schema"];
                assert!(schema.is_object(), "{at}: {quoted}");
                found.extend(document.differences(&Reader::shape(quoted), schema, &named, &at));
                answers += 1;
            } else if let Some(code) = codes().into_iter().find(|code| code.as_str() == quoted) {
                assert_eq!(Some(code.status().as_u16()), status, "{path}: {quoted}");
                let refusal = of_status(code.status().as_u16())["examples"][quoted].is_object();
                assert!(refusal, "{path} is not said to refuse with {quoted}");
                refusals += 1;
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    assert_eq!((bodies, answers, refusals), (13, 26, 16), "a line of the contract was not understood");
}

/// One shape of several ways to send: what is not in all of them may be left out.
fn united(shapes: &[&str]) -> Option<Shape> {
    let mut ways = shapes.iter().map(|shape| match Reader::shape(shape) {
        Shape::Object(fields) => fields,
        other => panic!("{other:?} is no object"),
    });
    let mut all = ways.next()?;
    for way in ways {
        all.iter_mut().for_each(|(name, field)| field.optional |= !way.contains_key(name));
        for (name, field) in way {
            all.entry(name).or_insert(Field { optional: true, ..field });
        }
    }
    Some(Shape::Object(all))
}

#[test]
fn every_code_is_of_the_contract_with_its_status() {
    let contract = contract();
    let quoted: BTreeSet<&str> = contract.split('`').skip(1).step_by(2).collect();
    for code in codes() {
        assert!(quoted.contains(code.as_str()), "{} is not in the contract", code.as_str());
    }
    let mut seen = 0;
    for line in contract.lines().filter(|line| line.starts_with("| ")) {
        let Some((statuses, rest)) = line[2..].split_once(" | ") else { continue };
        let statuses: Vec<u16> = statuses.split(", ").filter_map(|status| status.parse().ok()).collect();
        for (_, quoted) in parts(rest).iter().filter(|_| !statuses.is_empty()) {
            let code = codes().into_iter().find(|code| Some(code.as_str()) == *quoted);
            if let Some(code) = code {
                assert!(statuses.contains(&code.status().as_u16()), "{line}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 19, "codes of the general table");
}

#[test]
fn who_may_call_is_as_the_contract_says() {
    let is_of_the_api = |path: &str| path.starts_with("/api/") || path.starts_with("/v1/");
    for endpoint in endpoints().iter().filter(|endpoint| is_of_the_api(endpoint.path)) {
        let call = format!("{} {}", endpoint.method, endpoint.path);
        let expected = if endpoint.path.starts_with("/api/admin/") {
            Access::Admin
        } else if PUBLIC.contains(&call.as_str()) {
            Access::Public
        } else {
            Access::Session
        };
        assert_eq!(endpoint.access, expected, "{call}");
    }
}

#[test]
fn shapes_are_read_as_they_are_written() {
    let Shape::Object(fields) = Reader::shape("{id, name|null, list: [{a, b: 1}], kind: \"x\"|\"y\", note?}")
    else {
        panic!("an object");
    };
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["id", "kind", "list", "name", "note"]);
    assert!(fields["name"].nullable && !fields["kind"].nullable && fields["note"].optional);
    assert!(matches!(&fields["list"].shape, Shape::List(inner) if matches!(**inner, Shape::Object(_))));
}
