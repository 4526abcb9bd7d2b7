//! A running service of some modules, and its clients.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::Sender;

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
use primetech_kernel::runtime::Runtime;
use primetech_kernel::tenancy::{TenantDirectory, TenantScope};
use primetech_module::{Composition, Modules, Shared};
use tokio::sync::{oneshot, watch};

use crate::client::Client;
use crate::database;
use crate::described::Described;
use crate::instance::Instance;

pub const DEMO: &str = "demo.test";
pub const ACME: &str = "acme.test";
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
    client: Client,
    _instances: Vec<Instance>,
}

impl Deref for Site {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Site {
    pub async fn open(build: Build) -> Self {
        Self::open_with(1, build).await
    }

    /// So many instances on one database.
    pub async fn open_with(instances: usize, build: Build) -> Self {
        let database_url = database::new(SEED).await;
        let (instances, described): (Vec<Instance>, Vec<Arc<Described>>) = (0..instances)
            .map(|_| {
                let database_url = database_url.clone();
                Instance::start(async move |tell, stopped| serve(&database_url, build, tell, stopped).await)
            })
            .unzip();
        let addresses = instances.iter().map(|instance| instance.address).collect();
        // All are of the same modules.
        let client = Client::new(&database_url, addresses, Arc::clone(&described[0])).await;
        Self { client, _instances: instances }
    }
}

/// Serves until `stopped`. Tells its address once it listens.
async fn serve(
    database_url: &str,
    build: Build,
    tell: Sender<(SocketAddr, Arc<Described>)>,
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
