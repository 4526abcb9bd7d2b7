//! Between tenants, for every endpoint of the route table: asked with what is another tenant's, it answers as if asked
//! with what nobody has, and changes nothing there.
//!
//! A new endpoint is tried without a line here; one with a new sort of id fails until the id stands in [`Known`].

use std::collections::BTreeMap;

use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use primetech::routes::{Access, Endpoint, Expects};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, Answer, DEMO, Shop, Visitor, token_in, until};

/// What the other tenant has, and in its place what nobody has, by the name under which a client sends it.
pub struct Known(pub BTreeMap<&'static str, (String, String)>);

impl Known {
    /// Values as they are sent: of each name that is known, the one or the other.
    pub fn fill(&self, example: &Value, theirs: bool) -> Value {
        match example {
            Value::Object(object) => object
                .iter()
                .map(|(name, value)| match self.0.get(name.as_str()) {
                    Some((other, nobodys)) => (name.clone(), json!(if theirs { other } else { nobodys })),
                    None => (name.clone(), self.fill(value, theirs)),
                })
                .collect(),
            Value::Array(values) => values.iter().map(|value| self.fill(value, theirs)).collect(),
            _ => example.clone(),
        }
    }

    pub fn path(&self, endpoint: &Endpoint, operation: &Value, theirs: bool) -> String {
        let of = |name: &str| {
            let (other, nobodys) =
                self.0.get(name).unwrap_or_else(|| panic!("{}: what is another's {name}?", endpoint.path));
            if theirs { other.clone() } else { nobodys.clone() }
        };
        let segment = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'))
        {
            Some(name) => of(name),
            None => segment.to_owned(),
        };
        let path = endpoint.path.split('/').map(segment).collect::<Vec<_>>().join("/");
        let parameters = operation["parameters"].as_array().unwrap().iter();
        let query: Vec<String> = parameters
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .map(|parameter| parameter["name"].as_str().unwrap())
            .map(|name| format!("{name}={}", of(name)))
            .collect();
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// The answer without what has to differ: its request's id, what was asked for, and what was made just now.
    pub fn leveled(&self, answer: &Answer) -> (u16, Value) {
        let mut text = answer.text.clone();
        for (other, nobodys) in self.0.values() {
            text = text.replace(other.as_str(), "…").replace(nobodys.as_str(), "…");
        }
        let mut body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if body["error"].is_object() {
            body["error"]["details"]["meta"]["requestId"] = Value::Null;
        }
        for made in ["id", "createdAt"] {
            if body["user"].is_object() {
                body["user"][made] = Value::Null;
            }
        }
        (answer.status.as_u16(), body)
    }
}

pub async fn call(
    shop: &Shop,
    endpoint: &Endpoint,
    host: &str,
    visitor: Option<&Visitor>,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(visitor.map(|visitor| ("cookie", visitor.cookie.as_str())));
    shop.send(0, method, host, path, &headers, body.map(Value::to_string)).await
}

/// A tenant with something of everything.
pub async fn furnish(shop: &Shop) -> (Visitor, Known) {
    let release = shop.publish("demo", "icons", "1.0", "icons").await;
    shop.execute(
        "INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
         SELECT id, gen_random_uuid(), 'only-here', 'SERVICE', 'Only here', 100, 'USD', now(), now()
         FROM tenants WHERE slug = 'demo'",
    )
    .await;
    let owner = shop.register(DEMO).await;
    let (started, key) = shop.buy_licence(&owner).await;
    let icons = shop.check_out(&owner, json!([{"sku": "icons", "quantity": 1}])).await;
    shop.deliver(0, &shop.paid_event(&icons, "pi_icons")).await.expect(200);
    let activation = json!({"licKey": key, "fingerprint": "their-device"});
    shop.post(0, DEMO, "/api/licences/activate", &activation).await.expect(201);
    let booking = json!({"serviceSku": "call", "name": "Jane", "email": owner.email});
    let booking = shop.post(0, DEMO, "/api/bookings", &booking).await.expect(201).json();
    let order_id = started["order"]["id"].as_str().unwrap().to_owned();
    let order =
        shop.get_as(&owner, &format!("/api/orders/{order_id}")).await.expect(200).json()["order"].clone();
    until("the link is mailed", async || token_in(shop, "/verify-email").is_some()).await;
    let of = |value: &Value| value.as_str().unwrap().to_owned();
    let (invoice, receipt) = (of(&order["invoiceNumber"]), of(&order["receiptNumber"]));
    let unused = |number: &str| format!("{}999999", &number[..9]);
    let nobodys_id = "01900000-0000-7000-8000-00000000ffff".to_owned();
    let known = [
        ("orderId", (order_id, nobodys_id.clone())),
        ("releaseId", (release.id.to_string(), nobodys_id)),
        ("invNumber", (invoice.clone(), unused(&invoice))),
        ("rcpNumber", (receipt.clone(), unused(&receipt))),
        ("key", (key.clone(), "LIC-ZZZZ-ZZZZ-ZZZ0".to_owned())),
        ("licKey", (key, "LIC-ZZZZ-ZZZZ-ZZZ1".to_owned())),
        ("bkgRef", (of(&booking["booking"]["bkgRef"]), "BKG-ZZZZZZZ0".to_owned())),
        ("email", (owner.email.clone(), "nobody@example.com".to_owned())),
        ("sku", ("only-here".to_owned(), "nowhere".to_owned())),
        ("serviceSku", ("only-here".to_owned(), "nowhere-at-all".to_owned())),
        ("token", (token_in(shop, "/verify-email").unwrap(), "A".repeat(43))),
        ("id", (invoice.clone(), unused(&invoice))),
    ];
    (owner, Known(known.into_iter().collect()))
}

/// All rows of a tenant, as one hash for each table.
pub async fn rows_of(shop: &Shop, slug: &str) -> BTreeMap<String, String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY 1",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    let mut rows = BTreeMap::new();
    for table in tables {
        let sql = format!(
            "SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t
             WHERE tenant_id = (SELECT id FROM tenants WHERE slug = '{slug}')"
        );
        let hash = shop.text(&sql).await;
        rows.insert(table, hash);
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_for_another_tenants_ids_as_for_nobodys() {
    let shop = Shop::open().await;
    let (_, known) = furnish(&shop).await;
    let (customer, admin) = (shop.register(ACME).await, shop.register(ACME).await);
    shop.make_admin(&admin).await;
    let settled = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'";
    until("all mails are sent", async || shop.count(settled).await == 0).await;
    let unsealed = "SELECT count(*) FROM audit_unsealed";
    until("the audit log is sealed", async || shop.count(unsealed).await == 0).await;
    let before = rows_of(&shop, "demo").await;
    let document = document(&endpoints(), &codes());
    let mut tried = 0;
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.expects == Expects::TenantAndJson) {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let example = operation["requestBody"]["content"]["application/json"].get("example");
        if endpoint.path == "/api/auth/logout" {
            continue; // it would end the session that the others are called with
        }
        for visitor in [None, Some(&customer), Some(&admin)] {
            let ask = async |theirs: bool| {
                let body = example.map(|example| known.fill(example, theirs));
                let path = known.path(endpoint, operation, theirs);
                call(&shop, endpoint, ACME, visitor, &path, body.as_ref()).await
            };
            let (theirs, nobodys) = (ask(true).await, ask(false).await);
            assert_eq!(known.leveled(&theirs), known.leveled(&nobodys), "{}", endpoint.path);
            assert!(theirs.status.as_u16() < 500, "{}: {}", endpoint.path, theirs.text);
            tried += 1;
        }
    }
    assert!(tried >= 3 * 25, "{tried}");
    assert_eq!(rows_of(&shop, "demo").await, before, "the other tenant is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_takes_another_tenants_session_for_none() {
    let shop = Shop::open().await;
    let (_, known) = furnish(&shop).await;
    let admin = shop.register(ACME).await;
    shop.make_admin(&admin).await;
    let document = document(&endpoints(), &codes());
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.expects == Expects::TenantAndJson) {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let path = known.path(endpoint, operation, true);
        // Without a body nothing is done that could be done once only.
        let foreign = call(&shop, endpoint, DEMO, Some(&admin), &path, None).await;
        let none = call(&shop, endpoint, DEMO, None, &path, None).await;
        assert_eq!(known.leveled(&foreign), known.leveled(&none), "{}", endpoint.path);
        if endpoint.access != Access::Public {
            assert_eq!(foreign.expect(401).code(), "AUTH_REQUIRED", "{}", endpoint.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_shows_anything_of_another_tenant() {
    let shop = Shop::open().await;
    let (_, known) = furnish(&shop).await;
    let admin = shop.register(ACME).await;
    shop.make_admin(&admin).await;
    let mut lists = 0;
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.expects == Expects::TenantAndJson) {
        let answer = match endpoint.method.as_str() {
            "GET" if !endpoint.path.contains('{') => {
                call(&shop, endpoint, ACME, Some(&admin), endpoint.path, None).await
            }
            _ => continue,
        };
        for (other, _) in known.0.values() {
            assert!(!answer.text.contains(other.as_str()), "{}: {}", endpoint.path, answer.text);
        }
        lists += usize::from(answer.status.is_success() && answer.json()["items"].is_array());
    }
    assert!(lists >= 5, "{lists}");
}
