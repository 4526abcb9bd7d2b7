//! A stand-in for Stripe: an HTTP server on loopback that speaks as much of Stripe's API as the product uses, with a
//! pay page for people, a control API for scripts, and signed webhooks. It owns its objects and their journal.
//! Only `primetech dev` and tests start it; the product talks to it over HTTP alone, as it would to Stripe.
//!
//! It runs on a thread of its own, so that neither a busy stand-in nor a busy application holds up the other.

mod api;
mod api_error;
mod control;
mod core;
mod delivery;
mod endpoints;
mod ids;
mod journal;
mod mode;
mod model;
mod money;
mod params;
mod pay_page;
mod payments;
mod render;
mod render_payment;
mod server;
mod sessions;
mod state;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::Utc;
use hyper::Uri;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use self::core::Core;
pub use self::core::StandInClock;
use self::delivery::deliver_in_background;
use self::journal::Journal;

/// Changes reach the journal within this time, and at the stop.
const FLUSH_EVERY: Duration = Duration::from_millis(250);
const EXPIRE_EVERY: Duration = Duration::from_secs(1);

/// What a stand-in needs to know.
#[derive(Clone)]
pub struct StandInConfig {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where the journal lives; made if it is not there.
    pub data_directory: PathBuf,
    /// The API key that clients must show.
    pub secret_key: SecretString,
    /// Signs webhooks.
    pub webhook_secret: SecretString,
    /// Where events go, an `http://` address; [`StripeStandIn::set_webhook_endpoint`] can name it later.
    pub webhook_endpoint: Option<String>,
    /// The pause before the first retry of a refused webhook; each further pause is twice as long, up to a minute.
    pub retry_first_delay: Duration,
    pub clock: StandInClock,
}

impl StandInConfig {
    /// The usual settings: a free port, the machine's clock, retries after 1 s, 2 s, 4 s and so on.
    pub fn new(
        data_directory: impl Into<PathBuf>,
        secret_key: SecretString,
        webhook_secret: SecretString,
    ) -> Self {
        Self {
            port: 0,
            data_directory: data_directory.into(),
            secret_key,
            webhook_secret,
            webhook_endpoint: None,
            retry_first_delay: Duration::from_secs(1),
            clock: machine_clock(),
        }
    }
}

/// The machine's own time: the one place where the stand-in reads it. Whoever needs another passes one in.
#[allow(clippy::disallowed_methods)]
fn machine_clock() -> StandInClock {
    Arc::new(Utc::now)
}

/// A running stand-in. Dropping it stops it too, but [`StripeStandIn::stop`] waits until all is written.
pub struct StripeStandIn {
    core: Arc<Core>,
    stop: watch::Sender<bool>,
    runtime: tokio::runtime::Handle,
    thread: Option<JoinHandle<()>>,
}

impl StripeStandIn {
    /// Reads the journal, binds the port and serves.
    ///
    /// Fails where the port is taken, the directory cannot be written, or the webhook endpoint is no `http://` address.
    pub async fn start(config: StandInConfig) -> io::Result<Self> {
        let endpoint = config.webhook_endpoint.as_deref().map(parse_endpoint).transpose()?;
        let directory = config.data_directory.clone();
        let now = (config.clock)().timestamp();
        let opened = tokio::task::spawn_blocking(move || Journal::open(&directory, now)).await;
        let (journal, state) = opened.map_err(io::Error::other)??;
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, config.port)))?;
        listener.set_nonblocking(true)?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let core = Arc::new(Core::new(&config, base_url, endpoint, state));
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread_core = Arc::clone(&core);
        let thread = std::thread::Builder::new()
            .name("stripe-stand-in".to_owned())
            .spawn(move || runtime.block_on(run(thread_core, listener, journal, stopped)))?;
        Ok(Self { core, stop, runtime: handle, thread: Some(thread) })
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.core.base_url
    }

    /// Names the endpoint for the events from now on. Where there was none before, the events that an earlier run
    /// left undelivered go there too.
    pub fn set_webhook_endpoint(&self, address: &str) -> io::Result<()> {
        let endpoint = parse_endpoint(address)?;
        let is_first = self.core.endpoint().is_none();
        self.core.set_endpoint(Some(endpoint));
        if is_first {
            let left_over = self.core.state().pending_events();
            let _context = self.runtime.enter();
            deliver_in_background(&self.core, left_over);
        }
        Ok(())
    }

    /// Stops serving, cuts open connections, and writes what is not written yet.
    pub async fn stop(mut self) -> io::Result<()> {
        self.stop.send_replace(true);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await.map_err(io::Error::other)?;
        joined.map_err(|_| io::Error::other("the Stripe stand-in's thread panicked"))
    }
}

fn parse_endpoint(address: &str) -> io::Result<Uri> {
    let invalid =
        || io::Error::new(io::ErrorKind::InvalidInput, "the webhook endpoint must be an http:// address");
    let uri: Uri = address.parse().map_err(|_| invalid())?;
    if uri.scheme_str() == Some("http") && uri.host().is_some() { Ok(uri) } else { Err(invalid()) }
}

/// The thread's whole life.
async fn run(core: Arc<Core>, listener: TcpListener, journal: Journal, mut stopped: watch::Receiver<bool>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the Stripe stand-in cannot serve");
            return;
        }
    };
    tokio::spawn(server::serve(Arc::clone(&core), listener));
    tokio::spawn(expire_sessions(Arc::clone(&core)));
    if core.endpoint().is_some() {
        let left_over = core.state().pending_events();
        deliver_in_background(&core, left_over);
    }
    let mut journal = Some(journal);
    let mut interval = tokio::time::interval(FLUSH_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopping = tokio::select! {
            _ = interval.tick() => false,
            // An error means that the owner is gone, which is a stop too.
            _ = stopped.wait_for(|stop| *stop) => true,
        };
        journal = flush(&core, journal).await;
        if stopping {
            return;
        }
    }
}

/// Appends the changes on a thread for blocking work, and hands the journal back.
async fn flush(core: &Core, journal: Option<Journal>) -> Option<Journal> {
    let mut journal = journal?;
    // A rewrite copies every row while requests wait; it comes after half a gigabyte of changes.
    let rewrite = journal.is_large();
    let changes = {
        let mut state = core.state();
        let changes = state.take_changes();
        if rewrite { state.all(core.now()).collect() } else { changes }
    };
    if changes.is_empty() {
        return Some(journal);
    }
    let written = tokio::task::spawn_blocking(move || {
        if let Err(error) = if rewrite { journal.rewrite(changes) } else { journal.append(&changes) } {
            tracing::error!(%error, "the Stripe stand-in could not write its journal; a restart will forget changes");
        }
        journal
    });
    written.await.ok()
}

async fn expire_sessions(core: Arc<Core>) {
    let mut interval = tokio::time::interval(EXPIRE_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let events = sessions::expire_due(&core, &mut core.state());
        deliver_in_background(&core, events);
    }
}
