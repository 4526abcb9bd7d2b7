//! The two shops that a development installation begins with.

use chrono::{DateTime, Utc};
use primetech_accounts::Role;
use primetech_accounts::operator::{self, NewAccount};
use primetech_actors::clock::{Clock, SystemClock};
use primetech_actors::database::Database;
use primetech_actors::random;
use primetech_actors::stored_file::{StoredFile, object_key};
use primetech_actors::tenancy::registry;
use primetech_downloads::{self as downloads, NewRelease, PublishError, ReleaseName};
use primetech_module::Seed;
use primetech_s3::Storage;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::DevError;

struct Shop {
    slug: &'static str,
    name: &'static str,
    address: &'static [&'static str],
    hosts: &'static [&'static str],
    products: &'static [Product],
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

/// Seeds the shops of a new installation, all or nothing; those of one that was seeded before are left as they are.
/// Releases are published if they are not there. Modules see to that themselves: their seeds are called each time.
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
            seed_shop(&mut transaction, shop, now).await?;
        }
    }
    transaction.commit().await?;
    let database = Database::connect_lazy(&database_url.into(), 1)?;
    for shop in SHOPS {
        publish_releases(&database, storage, shop).await?;
    }
    for seed in modules {
        let mut transaction = connection.begin().await?;
        seed(&mut transaction, now).await?;
        transaction.commit().await?;
    }
    Ok(connection.close().await?)
}

async fn seed_shop(connection: &mut PgConnection, shop: &Shop, now: DateTime<Utc>) -> Result<(), DevError> {
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
    seed_user(connection, tenant_id, shop, "customer", Role::Customer, now).await?;
    for product in shop.products {
        seed_product(connection, tenant_id, product, now).await?;
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
) -> Result<(), DevError> {
    let (email, password) = login(shop, who);
    let name = Some(format!("{} {who}", shop.name));
    let new = NewAccount { email, name, role, password: password.into(), email_verified: true };
    operator::seed(connection, now, tenant_id, new).await?;
    Ok(())
}

async fn seed_product(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    product: &Product,
    now: DateTime<Utc>,
) -> Result<(), DevError> {
    sqlx::query(
        "INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
    )
    .bind(tenant_id)
    .bind(random::row_id(now))
    .bind(product.sku)
    .bind(product.kind)
    .bind(product.name)
    .bind(product.unit_amount)
    .bind(product.currency)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores and publishes a file of each released version that is not there, as the operator's command does.
async fn publish_releases(database: &Database, storage: &Storage, shop: &Shop) -> Result<(), DevError> {
    let Some(tenant) = registry::find(database, shop.slug).await? else { return Ok(()) };
    for (product, version) in shop.products.iter().filter_map(|product| Some((product, product.released?))) {
        let name = ReleaseName {
            sku: product.sku.to_owned(),
            version: version.to_owned(),
            channel: "stable".to_owned(),
            platform: "any".to_owned(),
        };
        let target = match downloads::prepare(database, tenant.scope(), &name).await {
            Ok(target) => target,
            Err(PublishError::Fault(fault)) => return Err(fault.into()),
            // It is there already, or the product is a person's own by now.
            Err(_) => continue,
        };
        let id = random::row_id(SystemClock.now());
        let content = format!("{} {version}: a file to try downloads with.\n", product.name).into_bytes();
        let file = StoredFile {
            bucket: storage.bucket().to_owned(),
            object_key: object_key::of_release(tenant.id, id),
            size_bytes: content.len() as i64,
            sha256: Sha256::digest(&content).into(),
        };
        storage.put(&file.object_key, "application/octet-stream", content).await?;
        let release = NewRelease {
            id,
            version: name.version,
            channel: name.channel,
            platform: name.platform,
            file_name: format!("{}-{version}.txt", product.sku),
            notes: Some(format!("The first files of {version}.")),
            file,
        };
        downloads::publish(database, &SystemClock, &target, &release).await?;
    }
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
