//! Clients of one or more instances on one database.

use std::net::SocketAddr;
use std::sync::Arc;

use primetech_kernel::random;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::answer::{Answer, cookie_of};
use crate::described::Described;
use crate::until;

pub const PASSWORD: &str = "correct horse battery staple";

/// A signed-in user of a tenant.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub host: &'static str,
    pub cookie: String,
    pub email: String,
}

/// Asks instances, and their database. Each answer is held to the OpenAPI document.
pub struct Client {
    pub pool: PgPool,
    addresses: Vec<SocketAddr>,
    described: Arc<Described>,
    http: reqwest::Client,
}

impl Client {
    pub async fn new(database_url: &str, addresses: Vec<SocketAddr>, described: Arc<Described>) -> Self {
        let pool = PgPool::connect(database_url).await.unwrap();
        Self { pool, addresses, described, http: reqwest::Client::new() }
    }

    /// The number of instances.
    pub fn instances(&self) -> usize {
        self.addresses.len()
    }

    /// `instance` counts round: whatever it is, there is one.
    fn request(&self, instance: usize, method: Method, host: &str, path: &str) -> reqwest::RequestBuilder {
        let address = self.addresses[instance % self.addresses.len()];
        self.http.request(method, format!("http://{address}{path}")).header("host", host)
    }

    pub async fn send(
        &self,
        instance: usize,
        method: Method,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = self.request(instance, method.clone(), host, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = Answer::read(request.send().await.unwrap()).await;
        self.described.check(&method, path, &answer);
        answer
    }

    pub async fn post(&self, instance: usize, host: &str, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send(instance, Method::POST, host, path, &headers, Some(body.to_string())).await
    }

    pub async fn post_as(&self, instance: usize, visitor: &Visitor, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("cookie", visitor.cookie.as_str())];
        self.send(instance, Method::POST, visitor.host, path, &headers, Some(body.to_string())).await
    }

    pub async fn get_as(&self, visitor: &Visitor, path: &str) -> Answer {
        self.get_from(0, visitor, path).await
    }

    pub async fn get_from(&self, instance: usize, visitor: &Visitor, path: &str) -> Answer {
        let headers = [("cookie", visitor.cookie.as_str())];
        self.send(instance, Method::GET, visitor.host, path, &headers, None).await
    }

    /// With a `cookie` header of any bytes.
    pub async fn get_with_cookies(&self, host: &str, path: &str, cookies: &[u8]) -> Answer {
        let request = self.request(0, Method::GET, host, path).header("cookie", cookies);
        Answer::read(request.send().await.unwrap()).await
    }

    pub async fn register(&self, host: &'static str) -> Visitor {
        let email = format!("{}@example.com", random::opaque_id().simple());
        let body = json!({"email": email, "password": PASSWORD, "name": "Jane"});
        let answer = self.post(0, host, "/api/auth/register", &body).await.expect(201);
        Visitor { host, cookie: cookie_of(&answer), email }
    }

    /// Done when every instance knows the role.
    pub async fn make_admin(&self, visitor: &Visitor) {
        sqlx::query("UPDATE users SET role = 'ADMIN' WHERE email = $1")
            .bind(&visitor.email)
            .execute(&self.pool)
            .await
            .unwrap();
        for instance in 0..self.instances() {
            let is_admin = async || {
                let me = self.get_from(instance, visitor, "/api/auth/me").await;
                me.json()["user"]["role"] == "ADMIN"
            };
            until("the role is known", is_admin).await;
        }
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn text(&self, sql: &str) -> String {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }
}
