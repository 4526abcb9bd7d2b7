//! An application on a thread of its own, on a database of its own.
//!
//! `TEST_DATABASE_URL` names a PostgreSQL server on which databases may be made.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::mpsc::Sender;
use std::time::Duration;

use actix::Addr;
use primetech::app::{Application, Options};
use primetech::config::{Config, Variables};
use primetech::limits::Limits;
use primetech::schema;
use primetech_accounts::{Register, Role, SessionActor, SignedIn};
use primetech_actors::clock::{ManualClock, SharedClock, SystemClock};
use primetech_actors::system::Actors;
use primetech_actors::tenancy::{Resolution, Tenant};
use primetech_testkit::Instance;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use url::Url;
use uuid::Uuid;

use crate::client::Call;
use crate::endpoints;

/// Two tenants that are on and one that is off.
const SEED: &str = "
    INSERT INTO tenants (id, slug, name, active, created_at) VALUES
        ('00000000-0000-7000-8000-000000000001', 'demo', 'Demo', true, now()),
        ('00000000-0000-7000-8000-000000000002', 'acme', 'Acme', true, now()),
        ('00000000-0000-7000-8000-000000000003', 'gone', 'Gone', false, now());
    INSERT INTO tenant_domains (tenant_id, id, host, created_at) VALUES
        ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'demo.localhost', now()),
        ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'demo.example', now()),
        ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), '::1', now()),
        ('00000000-0000-7000-8000-000000000002', gen_random_uuid(), 'acme.localhost', now()),
        ('00000000-0000-7000-8000-000000000003', gen_random_uuid(), 'gone.localhost', now());";

/// A running application. Stops when it is dropped.
pub struct Running {
    // Ends before the actors go.
    instance: Instance,
    pub address: SocketAddr,
    pub actors: Actors,
    pub session: Addr<SessionActor>,
}

impl Running {
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(self.address, method, path)
    }

    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    /// Asks it to stop, and does not wait.
    pub fn ask_to_stop(&mut self) {
        self.instance.ask_to_stop();
    }

    /// Waits until it has stopped.
    pub fn wait(&mut self) {
        self.instance.wait();
    }

    /// The tenant of a seeded host.
    pub fn tenant(&self, host: &str) -> Arc<Tenant> {
        match runtime().block_on(self.actors.tenants.resolve(host)).unwrap() {
            Resolution::Active(tenant) => tenant,
            other => panic!("{host} is {other:?}"),
        }
    }

    /// Registers a user and gives the cookie that carries its session.
    pub fn cookie_of_new_user(&self, host: &str, role: Role) -> String {
        let email = format!("{}@example.com", Uuid::from_u128(rand::random_id()));
        let message = Register {
            scope: self.tenant(host).scope(),
            email: email.clone(),
            password: "a long enough password".into(),
            name: None,
            replaces: Vec::new(),
            request_id: None,
        };
        let signed_in: SignedIn =
            runtime().block_on(primetech_actors::ask::ask(&self.session, message)).unwrap();
        if role == Role::Admin {
            let change = format!("UPDATE users SET role = 'ADMIN' WHERE email = '{email}'");
            runtime().block_on(execute(&migrated_database(), &change));
        }
        format!("session={}", signed_in.token.expose())
    }
}

/// Distinct numbers, for names that must not meet.
mod rand {
    pub fn random_id() -> u128 {
        primetech_actors::random::opaque_id().as_u128()
    }
}

pub fn start() -> Running {
    start_with(limits(), &[])
}

/// The usual limits, but for the time that a load balancer would need.
pub fn limits() -> Limits {
    Limits { shutdown_notice: Duration::ZERO, ..Limits::default() }
}

/// With limits and variables in place of the usual ones.
pub fn start_with(limits: Limits, changes: &[(&str, &str)]) -> Running {
    start_on(&migrated_database(), limits, changes)
}

/// With a clock that the test moves.
pub fn start_clocked(clock: Arc<ManualClock>, changes: &[(&str, &str)]) -> Running {
    start_as(&migrated_database(), limits(), clock, changes)
}

pub fn start_on(database_url: &str, limits: Limits, changes: &[(&str, &str)]) -> Running {
    start_as(database_url, limits, Arc::new(SystemClock), changes)
}

fn start_as(database_url: &str, limits: Limits, clock: SharedClock, changes: &[(&str, &str)]) -> Running {
    let config = Config::parse(variables(database_url, changes)).unwrap();
    type Told = (SocketAddr, (Actors, Addr<SessionActor>));
    let serve = async move |tell: Sender<Told>, stopped: oneshot::Receiver<()>| {
        let options = Options {
            limits,
            clock,
            threads: Some(2),
            adjust_endpoints: |endpoints| [endpoints, endpoints::all()].concat(),
            ..Options::default()
        };
        let application = Application::build(config, options).unwrap();
        let state = application.state();
        let session = state.accounts.actor().clone();
        tell.send((application.address(), (state.actors.clone(), session))).unwrap();
        let until = async move {
            let _ = stopped.await;
        };
        application.run_until(until).await.unwrap();
    };
    let (instance, (actors, session)) = Instance::start(serve);
    Running { address: instance.address, instance, actors, session }
}

/// Everything that a process needs, on a free port.
pub fn variables(database_url: &str, changes: &[(&str, &str)]) -> Variables {
    [
        ("NODE_ENV", "test"),
        ("PORT", "0"),
        ("DATABASE_URL", database_url),
        ("SESSION_SECRET", "a secret for tests, of enough bytes"),
        ("APP_BASE_URL", "https://front.example"),
        ("STRIPE_SECRET_KEY", "sk_test_x"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_x"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("S3_BUCKET_PRIVATE", "private"),
        ("MAIL_FROM", "shop@example.com"),
        ("MAIL_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/mail")),
        ("LICENCE_SIGNING_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        // Tests call more often than people; those of the limits switch them on.
        ("RATE_LIMIT", "off"),
    ]
    .iter()
    .chain(changes)
    .copied()
    .collect()
}

/// A server that nobody runs: the connection is refused at once.
pub const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/none";

/// The database of this test process, with its schema and three tenants.
pub fn migrated_database() -> String {
    static DATABASE: OnceLock<String> = OnceLock::new();
    let made = DATABASE.get_or_init(|| {
        let url = empty_database();
        runtime().block_on(async {
            schema::migrate(&SecretString::from(url.as_str())).await.unwrap();
            execute(&url, SEED).await;
        });
        url
    });
    made.clone()
}

/// A new database without a schema.
pub fn empty_database() -> String {
    let server = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL names a PostgreSQL server");
    let name = format!("edge_{:032x}", rand::random_id());
    runtime().block_on(execute(&server, &format!("CREATE DATABASE {name}")));
    let mut url = Url::parse(&server).unwrap();
    url.set_path(&name);
    url.into()
}

pub async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}
