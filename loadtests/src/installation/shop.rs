use primetech_actors::clock::{Clock, SystemClock};
use primetech_actors::random;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Installation, run_id};
use crate::Failure;
use crate::http::{SetupClient, Template};

pub const LICENCE_SKU: &str = "editor";
pub const SERVICE_SKU: &str = "call";
const PASSWORD: &str = "correct horse battery staple";

/// A tenant that was made for a run.
#[derive(Debug, Clone)]
pub struct Shop {
    pub tenant_id: Uuid,
    /// Also the tenant's slug, and the beginning of the ids of its payments.
    pub tag: String,
    pub host: String,
    pub licence_product: Uuid,
    pub service_product: Uuid,
}

/// A signed-in user of a shop.
#[derive(Debug, Clone)]
pub struct Customer {
    pub user_id: Uuid,
    pub email: String,
    pub password: &'static str,
    pub cookie: String,
}

impl Shop {
    pub(super) async fn open(pool: &PgPool) -> Result<Self, Failure> {
        let now = SystemClock.now();
        let tag = format!("load-{}", run_id());
        let shop = Self {
            tenant_id: random::row_id(now),
            host: format!("{tag}.test"),
            tag,
            licence_product: random::row_id(now),
            service_product: random::row_id(now),
        };
        let mut transaction = pool.begin().await?;
        sqlx::query("INSERT INTO tenants (id, slug, name, created_at) VALUES ($1, $2, $2, $3)")
            .bind(shop.tenant_id)
            .bind(&shop.tag)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO tenant_domains (tenant_id, id, host, created_at) VALUES ($1, $2, $3, $4)")
            .bind(shop.tenant_id)
            .bind(random::row_id(now))
            .bind(&shop.host)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
             VALUES ($1, $2, $4, 'LICENCE', 'Editor', 4900, 'USD', $6, $6),
                    ($1, $3, $5, 'SERVICE', 'Call', 15000, 'USD', $6, $6)",
        )
        .bind(shop.tenant_id)
        .bind(shop.licence_product)
        .bind(shop.service_product)
        .bind(LICENCE_SKU)
        .bind(SERVICE_SKU)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(shop)
    }

    /// Registers a customer, as any would.
    pub async fn register(&self, installation: &Installation) -> Result<Customer, Failure> {
        let target = installation.targets.first().ok_or("no process serves")?;
        let mut client = SetupClient::open(*target).await?;
        let email = format!("{}@example.com", run_id());
        let body = json!({"email": email, "password": PASSWORD, "name": "Jane"});
        let register = Template::post("/api/auth/register", &self.host);
        let called = client.call(&register, &body).await?.expect(201, "a registration")?;
        let user_id = called.body["user"]["id"].as_str().ok_or("a user without an id")?.parse()?;
        let cookie = called.cookie.ok_or("a registration without a cookie")?;
        Ok(Customer { user_id, email, password: PASSWORD, cookie })
    }

    /// The same, with the role of an admin, who signs in anew so that every process knows of it.
    pub async fn register_admin(&self, installation: &Installation) -> Result<Customer, Failure> {
        let mut admin = self.register(installation).await?;
        sqlx::query("UPDATE users SET role = 'ADMIN' WHERE tenant_id = $1 AND id = $2")
            .bind(self.tenant_id)
            .bind(admin.user_id)
            .execute(&installation.pool)
            .await?;
        let target = installation.targets.first().ok_or("no process serves")?;
        let mut client = SetupClient::open(*target).await?;
        let login = Template::post("/api/auth/login", &self.host);
        let body = json!({"email": admin.email, "password": admin.password});
        let called = client.call(&login, &body).await?.expect(200, "a login")?;
        admin.cookie = called.cookie.ok_or("a login without a cookie")?;
        Ok(admin)
    }
}
