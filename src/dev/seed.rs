//! The two shops that a development installation begins with.

use chrono::{DateTime, TimeDelta, Utc};
use primetech_accounts::Role;
use primetech_accounts::operator::{self, NewAccount};
use primetech_actors::identifiers::LicenceKey;
use primetech_actors::random;
use primetech_actors::stored_file::object_key;
use primetech_module::Seed;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::DevError;
use crate::integrations::storage::Storage;

struct Shop {
    slug: &'static str,
    name: &'static str,
    address: &'static [&'static str],
    hosts: &'static [&'static str],
    products: &'static [Product],
    has_expired_licence: bool,
}

struct Product {
    sku: &'static str,
    kind: &'static str,
    name: &'static str,
    unit_amount: i64,
    currency: &'static str,
    /// A version of which there is a file to download.
    released: Option<&'static str>,
}

const SHOPS: &[Shop] = &[
    Shop {
        slug: "demo",
        name: "Demo Software",
        address: &["Demo Software Ltd", "1 Example Street", "12345 Exampleton"],
        hosts: &["127.0.0.1", "localhost", "demo.localhost"],
        products: &[
            product("editor-pro", "LICENCE", "Editor Pro", 4900, "USD", Some("2.1.0")),
            product("icon-pack", "DOWNLOAD", "Icon pack", 1900, "USD", Some("1.4.2")),
            product("setup-call", "SERVICE", "Set-up call", 15_000, "USD", None),
            product("editor-pro-eur", "LICENCE", "Editor Pro", 4500, "EUR", None),
            product("editor-pro-jpy", "LICENCE", "Editor Pro", 7000, "JPY", None),
        ],
        has_expired_licence: true,
    },
    Shop {
        slug: "acme",
        name: "Acme Tools",
        address: &["Acme Tools GmbH", "Beispielweg 2", "10115 Berlin"],
        hosts: &["acme.localhost"],
        products: &[
            product("acme-suite", "LICENCE", "Acme Suite", 9900, "USD", Some("7.0.1")),
            product("acme-presets", "DOWNLOAD", "Acme presets", 900, "USD", Some("3.0.0")),
            product("acme-consulting", "SERVICE", "Consulting hour", 12_000, "USD", None),
        ],
        has_expired_licence: false,
    },
];

/// What the documentation's examples send customers back to, beside the shops themselves.
const RETURN_ORIGINS: &[&str] = &["https://example.com", "https://shop.example"];

const fn product(
    sku: &'static str,
    kind: &'static str,
    name: &'static str,
    unit_amount: i64,
    currency: &'static str,
    released: Option<&'static str>,
) -> Product {
    Product { sku, kind, name, unit_amount, currency, released }
}

fn login(shop: &Shop, who: &str) -> (String, String) {
    (format!("{who}@{}.example", shop.slug), format!("{}-{who}-development", shop.slug))
}

/// Seeds a new installation, all or nothing; one that was seeded before is left as it is. Modules see to that themselves:
/// their seeds are called each time.
pub(super) async fn seed(
    database_url: &str,
    storage: &Storage,
    modules: &[Seed],
    now: DateTime<Utc>,
) -> Result<(), DevError> {
    let mut connection = PgConnection::connect(database_url).await?;
    let mut transaction = connection.begin().await?;
    let (seeded,): (bool,) =
        sqlx::query_as("SELECT EXISTS (SELECT 1 FROM tenants)").fetch_one(&mut *transaction).await?;
    if !seeded {
        for shop in SHOPS {
            seed_shop(&mut transaction, storage, shop, now).await?;
        }
    }
    transaction.commit().await?;
    for seed in modules {
        let mut transaction = connection.begin().await?;
        seed(&mut transaction, now).await?;
        transaction.commit().await?;
    }
    Ok(connection.close().await?)
}

async fn seed_shop(
    connection: &mut PgConnection,
    storage: &Storage,
    shop: &Shop,
    now: DateTime<Utc>,
) -> Result<(), DevError> {
    let tenant_id = random::row_id(now);
    sqlx::query(
        "INSERT INTO tenants (id, slug, name, address, return_origins, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant_id)
    .bind(shop.slug)
    .bind(shop.name)
    .bind(shop.address)
    .bind(RETURN_ORIGINS)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    for host in shop.hosts {
        sqlx::query("INSERT INTO tenant_domains (tenant_id, id, host, created_at) VALUES ($1, $2, $3, $4)")
            .bind(tenant_id)
            .bind(random::row_id(now))
            .bind(host)
            .bind(now)
            .execute(&mut *connection)
            .await?;
    }
    seed_user(connection, tenant_id, shop, "admin", Role::Admin, now).await?;
    let customer = seed_user(connection, tenant_id, shop, "customer", Role::Customer, now).await?;
    for product in shop.products {
        let product_id = seed_product(connection, tenant_id, product, now).await?;
        if let Some(version) = product.released {
            seed_release(connection, storage, tenant_id, product_id, product, version, now).await?;
        }
        if shop.has_expired_licence && product.sku == shop.products[0].sku {
            seed_expired_licence(connection, tenant_id, product_id, customer, now).await?;
        }
    }
    Ok(())
}

async fn seed_user(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    shop: &Shop,
    who: &str,
    role: Role,
    now: DateTime<Utc>,
) -> Result<Uuid, DevError> {
    let (email, password) = login(shop, who);
    let name = Some(format!("{} {who}", shop.name));
    let new = NewAccount { email, name, role, password: password.into(), email_verified: true };
    Ok(operator::seed(connection, now, tenant_id, new).await?.id)
}

async fn seed_product(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    product: &Product,
    now: DateTime<Utc>,
) -> Result<Uuid, DevError> {
    let id = random::row_id(now);
    sqlx::query(
        "INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(product.sku)
    .bind(product.kind)
    .bind(product.name)
    .bind(product.unit_amount)
    .bind(product.currency)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(id)
}

async fn seed_release(
    connection: &mut PgConnection,
    storage: &Storage,
    tenant_id: Uuid,
    product_id: Uuid,
    product: &Product,
    version: &str,
    now: DateTime<Utc>,
) -> Result<(), DevError> {
    let id = random::row_id(now);
    let content = format!("{} {version}: a file to try downloads with.\n", product.name).into_bytes();
    let object_key = object_key::of_release(tenant_id, id);
    let (size, sha256) = (content.len() as i64, Sha256::digest(&content));
    storage.put(&object_key, "application/octet-stream", content).await?;
    sqlx::query(
        "INSERT INTO releases (tenant_id, id, product_id, version, channel, platform, file_name, size_bytes, sha256,
                               notes, bucket, object_key, created_at, published_at)
         VALUES ($1, $2, $3, $4, 'stable', 'any', $5, $6, $7, $8, $9, $10, $11, $11)",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(product_id)
    .bind(version)
    .bind(format!("{}-{version}.txt", product.sku))
    .bind(size)
    .bind(sha256.as_slice())
    .bind(format!("The first files of {version}."))
    .bind(storage.bucket())
    .bind(object_key)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

async fn seed_expired_licence(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    product_id: Uuid,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DevError> {
    let made = now - TimeDelta::days(395);
    sqlx::query(
        "INSERT INTO licences (tenant_id, id, key, status, product_id, user_id, expires_at, created_at)
         VALUES ($1, $2, $3, 'ACTIVE', $4, $5, $6, $7)",
    )
    .bind(tenant_id)
    .bind(random::row_id(made))
    .bind(LicenceKey::generate().as_str())
    .bind(product_id)
    .bind(user_id)
    .bind(now - TimeDelta::days(30))
    .bind(made)
    .execute(connection)
    .await?;
    Ok(())
}

/// The shops as `dev.json` tells of them.
pub(super) async fn description(database_url: &str) -> Result<Value, DevError> {
    let mut connection = PgConnection::connect(database_url).await?;
    let mut shops = Vec::new();
    for shop in SHOPS {
        let licences: Vec<(String,)> = sqlx::query_as(
            "SELECT l.key FROM licences l JOIN tenants t ON t.id = l.tenant_id
             WHERE t.slug = $1 AND l.order_id IS NULL AND l.status = 'ACTIVE' AND l.expires_at < now()
             ORDER BY l.created_at LIMIT 1",
        )
        .bind(shop.slug)
        .fetch_all(&mut connection)
        .await?;
        let user = |who| {
            let (email, password) = login(shop, who);
            json!({ "email": email, "password": password })
        };
        let products: Vec<Value> = shop
            .products
            .iter()
            .map(|product| {
                json!({
                    "sku": product.sku,
                    "kind": product.kind,
                    "unitAmount": product.unit_amount,
                    "currency": product.currency,
                })
            })
            .collect();
        let licences: Vec<Value> =
            licences.into_iter().map(|(key,)| json!({ "key": key, "status": "EXPIRED" })).collect();
        shops.push(json!({
            "slug": shop.slug,
            "host": shop.hosts[0],
            "admin": user("admin"),
            "customer": user("customer"),
            "products": products,
            "licences": licences,
        }));
    }
    connection.close().await?;
    Ok(Value::Array(shops))
}
