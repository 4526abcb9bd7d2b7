//! The application: built from its configuration, and run until it is told to stop.
//!
//! A request passes, in this order (see [`crate::layers`]): the outermost layer (id, log line, panics, timeout,
//! canonical errors, security headers); the facts of the connection (host, client address); then, under `/api`,
//! tenant, rate limits, the raw body of webhooks, JSON, cookies, session, and the route table.
//!
//! Any number of applications may run in one process, each on a thread with its own actix system.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_http::{Request, Response};
use actix_service::ServiceFactory;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Server};
use actix_web::{Error, web};
use primetech_accounts::{Accounts, SessionSettings, TokenSecret};
use primetech_actors::audit_log::Sealer;
use primetech_actors::batch::BatchLimits;
use primetech_actors::clock::{SharedClock, SystemClock};
use primetech_actors::database::{Database, InvalidDatabaseUrl};
use primetech_actors::fault::Fault;
use primetech_actors::order::{Checkouts, END_SESSIONS};
use primetech_actors::outbox::{
    Courier, CourierSettings, Delivery, DeliveryError, Destination, MailAllowances,
};
use primetech_actors::reconciler::Reconciler;
use primetech_actors::sweeper::Sweeper;
use primetech_actors::system::Actors;
use primetech_http::context::{HttpContext, HttpParts};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::Code;
use primetech_http::limits::Limits;
use primetech_http::listener;
use primetech_http::rate_limits::{Bucket, InvalidRedisUrl, RateLimitSettings, RateLimiter};
use primetech_kernel::invalidation::Change;
use primetech_kernel::runtime::Runtime;
use primetech_licences::{CertificateSigner, InvalidSigningKey};
use primetech_mail::MailClientError;
use primetech_module::{Composition, Conflict, Shared, Worker};
use primetech_pdf::{Printer, PrinterError};
use primetech_s3::{Patience, Storage};
use primetech_stripe::{PaymentProvider, ProviderConfigError, ProviderTimeouts};
use tokio::sync::{oneshot, watch};

use crate::compose::{self, Adapters, Composed, Extend};
use crate::config::Config;
use crate::documents::Documents;
use crate::files::ReleaseFiles;
use crate::mail::Mailer;
use crate::metrics;
use crate::open_sessions::OpenSessions;
use crate::payment_pages::StripePages;
use crate::reconciler::StripeProvider;

pub use crate::routes::Readiness;
use crate::termination::Termination;

/// Connections to the database that are shared: for reads, and for writes that are made one by one. Queues of batches have
/// each their own beside them.
const DATABASE_CONNECTIONS: u32 = 12;

/// How long the end waits for what runs besides the requests: a message that is being delivered, a lease that is given
/// back.
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(2);

/// What every request may use. Handlers take it as `web::Data<State>`. Cheap to clone: each layer of a request does.
#[derive(Clone)]
pub struct State(Arc<Parts>);

impl Deref for State {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What a [`State`] gives access to.
pub struct Parts {
    pub config: Arc<Config>,
    pub http: HttpContext,
    pub actors: Actors,
    pub accounts: Arc<Accounts>,
    pub readiness: Readiness,
    pub payments: PaymentProvider,
    pub checkouts: Checkouts,
    pub documents: Documents,
    pub endpoints: Vec<Endpoint>,
    pub codes: Vec<Code>,
    /// Made when it is first asked for.
    pub document: OnceLock<String>,
    pub modules: Shared,
}

/// How an application is built, beyond its configuration.
pub struct Options {
    pub limits: Limits,
    pub clock: SharedClock,
    /// Threads that serve requests, and shards of the actors; by default one for each core.
    pub threads: Option<usize>,
    /// Modules beyond the product's own.
    pub extend: Extend,
    /// What becomes of the modules' endpoints before they are served.
    pub adjust_endpoints: fn(Vec<Endpoint>) -> Vec<Endpoint>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            threads: None,
            extend: compose::nothing_more(),
            adjust_endpoints: |endpoints| endpoints,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Database(#[from] InvalidDatabaseUrl),
    #[error("LICENCE_SIGNING_KEY: {0}")]
    SigningKey(#[from] InvalidSigningKey),
    #[error("the actors cannot be started: {0}")]
    Actors(Fault),
    #[error(transparent)]
    Modules(#[from] Conflicts),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("STRIPE_SECRET_KEY or STRIPE_API_BASE: {0}")]
    Payments(#[from] ProviderConfigError),
    #[error("FONT_DIR: {0}")]
    Fonts(#[from] PrinterError),
    #[error(transparent)]
    Redis(#[from] InvalidRedisUrl),
    #[error("mails cannot be sent: {0}")]
    Mail(#[from] MailClientError),
    #[error("the server failed: {0}")]
    Server(#[from] io::Error),
}

/// Everything in which the modules do not fit together.
#[derive(Debug)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(formatter, "the modules do not fit together: {}", texts.join("; "))
    }
}

impl std::error::Error for Conflicts {}

/// A server that listens and does not serve yet.
pub struct Application {
    server: Server,
    address: SocketAddr,
    state: State,
    mailer: Arc<Mailer>,
    workers: Vec<Worker>,
}

impl Application {
    /// Starts the actors and binds the port. Needs a running actix system; does not need the database to be there.
    pub fn build(config: Config, options: Options) -> Result<Self, ServeError> {
        metrics::install();
        let Options { limits, clock, threads, extend, adjust_endpoints } = options;
        let threads = threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get));
        let rate_limiter = RateLimiter::new(
            RateLimitSettings {
                limits: config.rate_limits,
                redis_url: config.redis_url.as_ref(),
                secret: &config.session_secret,
            },
            Arc::clone(&clock),
        )?;
        let runtime = start_runtime(&config, clock, threads)?;
        let mail_allowances = mail_allowances(&config);
        let licence_signer = Arc::new(CertificateSigner::new(config.licence_signing_keys.clone())?);
        let actors = Actors::start(&runtime, mail_allowances.clone());
        let wanted = SocketAddr::new(config.bind_address, config.port);
        let stripe = &config.stripe;
        let payments = PaymentProvider::new(
            stripe.secret_key.clone(),
            stripe.api_base.clone(),
            ProviderTimeouts::default(),
        )?;
        let storage = Storage::new(&config.storage, Patience::Request);
        let printer = Printer::new(config.font_directory.as_deref())?;
        let documents = Documents::new(actors.documents.clone(), printer, storage.clone(), threads);
        let config = Arc::new(config);
        let mailer = Arc::new(Mailer::new(&config, &actors)?);
        let adapters = Adapters {
            account_mail: mailer.clone(),
            customer_mail: mailer.clone(),
            user_mail: mailer.clone(),
            mail_allowances,
            licence_signer,
            object_store: Arc::new(ReleaseFiles(storage)),
            documents: Arc::new(documents.clone()),
            sessions: SessionSettings {
                secret: TokenSecret::new(config.session_secret.clone()),
                // Each takes 19 MiB and a core.
                hashes_at_once: threads,
            },
            caches: Arc::clone(&actors.caches),
        };
        let Composed { composition, accounts } = compose::compose(&runtime, &adapters, &extend)?;
        let modules = composition.shared();
        let Composition { endpoints, codes, reactions, workers, .. } = composition;
        let endpoints = adjust_endpoints(endpoints);
        if runtime.database.heard_by(reactions).is_err() {
            return Err(ServeError::Actors(Fault::internal("the database has listeners already")));
        }
        let counters = rate_limiter.clone();
        actors.caches.subscribe(move |change| {
            if let Change::Cleared(counter) = change {
                counters.forget_counter(Bucket::LoginFailures, counter);
            }
        });
        let http = HttpContext::new(HttpParts {
            limits,
            cookies: config.cookies,
            trusted_proxies: config.trusted_proxies.clone(),
            app_base_url: config.app_base_url.clone(),
            tenants: actors.tenants.clone(),
            authenticator: Box::new(accounts.sessions().clone()),
            rate_limiter,
        });
        let readiness = Readiness::default();
        let checkouts = Checkouts {
            database: actors.database.clone(),
            clock: actors.clock.clone(),
            counters: actors.counters.clone(),
            orders: actors.orders.clone(),
            pages: Arc::new(StripePages(payments.clone())),
        };
        let state = State(Arc::new(Parts {
            config,
            http,
            actors,
            accounts,
            readiness,
            payments,
            checkouts,
            documents,
            endpoints,
            codes,
            document: OnceLock::new(),
            modules,
        }));
        let of_worker = state.clone();
        let application = move || service(&of_worker);
        let strict = state.config.cookies.secure;
        let (server, address) = listener::listen(wanted, threads, limits, strict, application)
            .map_err(|error| ServeError::Listen { address: wanted, error })?;
        Ok(Self { server, address, state, mailer, workers })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Serves until the process is asked to end.
    pub async fn run(self, termination: Termination) -> Result<(), ServeError> {
        self.run_until(termination.asked()).await
    }

    /// Serves until `stop` is done: `/ready` says no first, then no connection is taken any more, and what is being
    /// answered is answered.
    pub async fn run_until(self, stop: impl Future<Output = ()> + 'static) -> Result<(), ServeError> {
        let Self { server, address: _, state, mailer, workers } = self;
        let handle = server.handle();
        let (end_background, background_ends) = watch::channel(false);
        let courier = actix_web::rt::spawn(courier(&state, mailer).run(background_ends.clone()));
        let reconciler = actix_web::rt::spawn(reconciler(&state).run(background_ends.clone()));
        let sealer =
            actix_web::rt::spawn(Sealer::new(state.actors.database.clone()).run(background_ends.clone()));
        let sweeper = Sweeper::new(state.actors.database.clone(), state.actors.clock.clone());
        let sweeper = actix_web::rt::spawn(sweeper.run(background_ends));
        let workers: Vec<_> = workers
            .into_iter()
            .map(|worker| actix_web::rt::spawn(worker.run(end_background.subscribe())))
            .collect();
        let upkeep = actix_web::rt::spawn(async {
            loop {
                tokio::time::sleep(metrics::UPKEEP).await;
                metrics::upkeep();
            }
        });
        let backlog = metrics::backlog::watch(state.actors.database.clone(), state.actors.clock.clone());
        let backlog = actix_web::rt::spawn(backlog);
        let rate_limiter = state.http.rate_limiter.clone();
        let connection = actix_web::rt::spawn(async move { rate_limiter.stay_connected().await });
        let (ended, has_ended) = oneshot::channel::<()>();
        let tell_background = end_background.clone();
        let stopper = actix_web::rt::spawn(async move {
            tokio::select! {
                () = stop => {
                    state.readiness.stop();
                    tokio::time::sleep(state.http.limits.shutdown_notice).await;
                    // What is written from here on, another process delivers.
                    let _no_receiver = tell_background.send(true);
                    handle.stop(true).await;
                }
                // The server ended by itself.
                _ = has_ended => {}
            }
        });
        let served = server.await;
        drop(ended);
        // It has nothing left to do; a panic in it would have been one of the signals'.
        let _ = stopper.await;
        // What is being delivered is finished; the rest of the outbox, and of the payments to be asked about, is given
        // back to the other processes. Most of the time that was done while requests were answered.
        let _no_receiver = end_background.send(true);
        let background = futures_util::future::join(courier, reconciler);
        if tokio::time::timeout(BACKGROUND_PATIENCE, background).await.is_err() {
            tracing::warn!(
                "what was taken could not be given back; other processes take it once its lease is over"
            );
        }
        // What is not sealed or deleted, another process seals or deletes. Each is waited for, so that the connections it
        // had go back to the pool.
        for task in [upkeep, backlog, connection, sealer, sweeper].into_iter().chain(workers) {
            task.abort();
            let _aborted = task.await;
        }
        Ok(served?)
    }
}

/// What answers the requests of an application. Each thread of its listener has one; who wants to ask without a
/// connection may make another.
pub fn service(
    state: &State,
) -> impl ServiceFactory<Request, Config = AppConfig, Response = Response<BoxBody>, Error = Error, InitError = ()>
+ use<> {
    let of_handlers = web::Data::new(state.clone());
    let modules = state.modules.clone();
    primetech_http::service::service(&state.http, &state.endpoints, move |config: &mut web::ServiceConfig| {
        config.app_data(of_handlers);
        modules.configure(config);
    })
}

/// Delivers the outbox while the application runs.
fn courier(state: &State, mailer: Arc<Mailer>) -> Courier<Deliveries> {
    let sessions = OpenSessions {
        clock: state.actors.clock.clone(),
        payments: state.payments.clone(),
        orders: state.actors.orders.clone(),
    };
    Courier {
        database: state.actors.database.clone(),
        clock: state.actors.clock.clone(),
        signal: state.actors.outbox.clone(),
        settings: CourierSettings::default(),
        destination: Deliveries { modules: state.modules.clone(), sessions, mailer },
    }
}

/// Asks the provider about payments that nothing was heard of, while the application runs.
fn reconciler(state: &State) -> Reconciler<StripeProvider> {
    let Parts { config, actors, payments, .. } = &**state;
    Reconciler::new(
        actors.database.clone(),
        actors.clock.clone(),
        actors.webhooks.clone(),
        actors.orders.clone(),
        StripeProvider(payments.clone()),
        config.reconciler,
    )
}

fn start_runtime(config: &Config, clock: SharedClock, threads: usize) -> Result<Runtime, ServeError> {
    let database = Database::connect_lazy(&config.database_url, DATABASE_CONNECTIONS)?;
    Ok(Runtime::start(database, clock, threads, BatchLimits::default()))
}

/// Bounds on the mails that strangers cause. Switched off with the rate limits.
fn mail_allowances(config: &Config) -> MailAllowances {
    match config.rate_limits {
        Some(_) => MailAllowances::new(&config.session_secret),
        None => MailAllowances::unlimited(),
    }
}

/// Where the messages of the outbox go: to the module that hears their topic, the ending of Checkout Sessions to the
/// provider, and the other mails to the mailer.
struct Deliveries {
    modules: Shared,
    sessions: OpenSessions,
    mailer: Arc<Mailer>,
}

impl Destination for Deliveries {
    async fn deliver(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        if self.modules.delivers(&delivery.topic) {
            self.modules.deliver(delivery).await
        } else if delivery.topic == END_SESSIONS {
            self.sessions.end(&delivery).await
        } else {
            self.mailer.deliver(delivery).await
        }
    }
}
