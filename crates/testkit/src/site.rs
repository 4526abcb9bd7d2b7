//! A running service of some modules, and its clients.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::cookie::SameSite;
use futures_util::future::LocalBoxFuture;
use primetech_accounts::{AccountMail, Accounts, LinkNotice, SessionSettings, TokenSecret};
use primetech_http::context::{Authenticated, Authenticator, HttpContext, HttpParts};
use primetech_http::error::Code;
use primetech_http::layers::address::TrustedProxies;
use primetech_http::layers::cookies::CookieSettings;
use primetech_http::limits::Limits;
use primetech_http::rate_limits::{RateLimitSettings, RateLimiter};
use primetech_http::{listener, service};
use primetech_kernel::batch::BatchLimits;
use primetech_kernel::clock::SystemClock;
use primetech_kernel::database::Database;
use primetech_kernel::invalidation::{self, CacheEpoch};
use primetech_kernel::outbox::{
    Courier, CourierSettings, Delivery, DeliveryError, Destination, MailAllowances,
};
use primetech_kernel::random;
use primetech_kernel::runtime::Runtime;
use primetech_kernel::tenancy::{TenantDirectory, TenantScope};
use primetech_module::{Composition, Modules, Shared};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::{oneshot, watch};

use crate::answer::{Answer, cookie_of};
use crate::database;
use crate::described::Described;

pub const DEMO: &str = "demo.test";
pub const ACME: &str = "acme.test";
pub const PASSWORD: &str = "correct horse battery staple";
const SECRET: &str = "a secret for tests, of enough bytes";

/// Two tenants with the same products.
const SEED: &str = "
    INSERT INTO tenants (id, slug, name, active, created_at) VALUES
        ('00000000-0000-7000-8000-000000000001', 'demo', 'Demo', true, now()),
        ('00000000-0000-7000-8000-000000000002', 'acme', 'Acme', true, now());
    INSERT INTO tenant_domains (tenant_id, id, host, created_at) VALUES
        ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'demo.test', now()),
        ('00000000-0000-7000-8000-000000000002', gen_random_uuid(), 'acme.test', now());
    INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
        SELECT t.id, gen_random_uuid(), p.sku, p.kind, p.name, p.amount, 'USD', now(), now()
        FROM tenants t, (VALUES
            ('editor', 'LICENCE', 'Editor', 4900),
            ('icons', 'DOWNLOAD', 'Icons', 1900),
            ('call', 'SERVICE', 'Call', 15000)) AS p (sku, kind, name, amount);";

/// Adds the modules under test to those that are there.
pub type Build = fn(&Runtime, Modules) -> Modules;

/// Some modules, served by one or more processes' worth of threads on one database.
pub struct Site {
    pub database_url: String,
    pub pool: PgPool,
    described: Arc<Described>,
    instances: Vec<Instance>,
    http: reqwest::Client,
}

/// A signed-in user of a tenant.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub host: &'static str,
    pub cookie: String,
    pub email: String,
}

impl Site {
    pub async fn open(build: Build) -> Self {
        Self::open_with(1, build).await
    }

    /// So many instances on one database.
    pub async fn open_with(instances: usize, build: Build) -> Self {
        let database_url = database::new(SEED).await;
        let mut described = None;
        let instances = (0..instances)
            .map(|_| {
                let (instance, of_instance) = Instance::start(&database_url, build);
                described = Some(of_instance);
                instance
            })
            .collect();
        let pool = PgPool::connect(&database_url).await.unwrap();
        let described = described.expect("at least one instance");
        Self { database_url, pool, described, instances, http: reqwest::Client::new() }
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
        let address = self.instances[instance % self.instances.len()].address;
        let mut request =
            self.http.request(method.clone(), format!("http://{address}{path}")).header("host", host);
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

    pub async fn get_as(&self, visitor: &Visitor, path: &str) -> Answer {
        let headers = [("cookie", visitor.cookie.as_str())];
        self.send(0, Method::GET, visitor.host, path, &headers, None).await
    }

    pub async fn register(&self, host: &'static str) -> Visitor {
        let email = format!("{}@example.com", random::opaque_id().simple());
        let body = json!({"email": email, "password": PASSWORD, "name": "Jane"});
        let answer = self.post(0, host, "/api/auth/register", &body).await.expect(201);
        Visitor { host, cookie: cookie_of(&answer), email }
    }

    pub async fn make_admin(&self, visitor: &Visitor) {
        sqlx::query("UPDATE users SET role = 'ADMIN' WHERE email = $1")
            .bind(&visitor.email)
            .execute(&self.pool)
            .await
            .unwrap();
        for instance in 0..self.instances.len() {
            let headers = [("cookie", visitor.cookie.as_str())];
            let is_admin = async || {
                let me = self.send(instance, Method::GET, visitor.host, "/api/auth/me", &headers, None).await;
                me.json()["user"]["role"] == "ADMIN"
            };
            until("the role is known", is_admin).await;
        }
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }
}

/// Waits until `holds`, for ten seconds at the most.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(10), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Instance {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Instance {
    fn start(database_url: &str, build: Build) -> (Self, Arc<Described>) {
        let database_url = database_url.to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(serve(&database_url, build, tell, stopped));
        });
        let (address, described) = told.recv().unwrap();
        (Self { address, stop: Some(stop), thread: Some(thread) }, described)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("an instance did not end well");
        }
    }
}

/// Serves until `stopped`. Tells its address once it listens.
async fn serve(
    database_url: &str,
    build: Build,
    tell: std::sync::mpsc::Sender<(SocketAddr, Arc<Described>)>,
    stopped: oneshot::Receiver<()>,
) {
    let database = Database::connect_lazy(&database_url.into(), 8).unwrap();
    let clock = Arc::new(SystemClock);
    let runtime = Runtime::start(database.clone(), clock.clone(), 2, BatchLimits::default());
    let caches = Arc::new(CacheEpoch::default());
    let sessions = SessionSettings { secret: TokenSecret::new(SECRET.into()), hashes_at_once: 2 };
    let allowances = MailAllowances::unlimited();
    let accounts = Accounts::new(&runtime, sessions, Arc::clone(&caches), Arc::new(NoMail), allowances);
    let composition = build(&runtime, Modules::default().with(&accounts)).compose().unwrap();
    let modules = composition.shared();
    let Composition { endpoints, codes, reactions, workers, .. } = composition;
    database.heard_by(reactions).map_err(|_| "the database has listeners already").unwrap();
    let listener = invalidation::listen(database.clone(), Arc::clone(&caches));
    let limits = Limits::default();
    let context = HttpContext::new(HttpParts {
        limits,
        cookies: CookieSettings { secure: false, same_site: SameSite::Lax },
        trusted_proxies: TrustedProxies::loopback(),
        app_base_url: "https://front.example".parse().unwrap(),
        tenants: TenantDirectory::new(database.clone(), caches),
        authenticator: Box::new(Sessions(accounts)),
        rate_limiter: RateLimiter::new(
            RateLimitSettings { limits: None, redis_url: None, secret: &SECRET.into() },
            clock.clone(),
        )
        .unwrap(),
    });
    let (end, ends) = watch::channel(false);
    let courier = actix_web::rt::spawn(
        Courier {
            database: database.clone(),
            clock,
            signal: database.outbox().clone(),
            settings: CourierSettings::default(),
            destination: ToModules(modules.clone()),
        }
        .run(ends.clone()),
    );
    let workers: Vec<_> =
        workers.into_iter().map(|worker| actix_web::rt::spawn(worker.run(ends.clone()))).collect();
    let codes: Vec<Code> = Code::ALL.iter().copied().chain(codes).collect();
    let described = Arc::new(Described::new(endpoints.clone(), &codes));
    let application = move || {
        let modules = modules.clone();
        service::service(&context, &endpoints, move |config| modules.configure(config))
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (server, address) = listener::listen(address, 2, limits, false, application).unwrap();
    let handle = server.handle();
    tell.send((address, described)).unwrap();
    actix_web::rt::spawn(async move {
        let _ended = stopped.await;
        let _nobody_left = end.send(true);
        handle.stop(true).await;
    });
    server.await.unwrap();
    for task in [courier].into_iter().chain(workers) {
        task.await.unwrap();
    }
    listener.abort();
}

/// Who is signed in, by the accounts of the site.
struct Sessions(Arc<Accounts>);

impl Authenticator for Sessions {
    fn session<'a>(&'a self, tenant: &'a TenantScope, token: &'a str) -> Authenticated<'a> {
        Box::pin(self.0.sessions().resolve(tenant, token))
    }
}

/// Each message goes to the module that hears its topic.
struct ToModules(Shared);

impl Destination for ToModules {
    async fn deliver(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        self.0.deliver(delivery).await
    }
}

/// The mails of accounts go nowhere: what they say is the program's matter.
struct NoMail;

impl AccountMail for NoMail {
    fn link(&self, _: Delivery, _: LinkNotice) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async { Ok(()) })
    }
}
