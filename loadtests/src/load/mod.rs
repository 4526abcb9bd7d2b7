//! Sending, and measuring what comes back.
//!
//! A closed loop (every client sends its next request when the last one is answered) finds the throughput. An open
//! loop (requests are due at fixed times, whatever became of those before) finds the latency: it is counted from the
//! time a request was due, so that a service that stalls is not spared the requests that it kept from being sent.
//!
//! All clients run on the one thread that calls [`run`].

mod cpu;
mod measured;
mod pacer;
mod recorder;

use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use tokio::task::JoinSet;

use crate::Failure;
use crate::http::{Answer, Connection};
use crate::installation::Installation;
use crate::invariants::Promise;

pub use cpu::CpuTimes;
pub use measured::{KindMeasured, Measured};
use pacer::Pacer;
use recorder::Recorder;

/// After a connection failed.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// How long the requests that are still due at the end of an open loop may take to be sent.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// How much load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections, and requests under way at the same time.
    pub clients: usize,
    /// Sent first, and not counted.
    pub warm_up: Duration,
    pub duration: Duration,
    /// Requests a second that are due; none: a closed loop.
    pub rate: Option<f64>,
}

/// A request that was written.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// Which of the workload's kinds.
    pub kind: usize,
    /// The workload's own number for it.
    pub number: u64,
}

/// What is sent, and what must hold afterwards.
pub trait Workload {
    /// The kinds of requests, for separate figures.
    fn kinds(&self) -> Vec<&'static str>;

    /// Writes a client's next request. None where nothing is left to ask for.
    fn next(&self, client: usize, request: &mut Vec<u8>) -> Option<Ticket>;

    /// Takes an answer.
    fn answered(&self, ticket: Ticket, answer: &Answer<'_>);

    /// Reads the promises back, once all is answered.
    fn promises<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>>;
}

struct Run {
    workload: Rc<dyn Workload>,
    targets: Vec<SocketAddr>,
    recorder: RefCell<Recorder>,
    ends: Instant,
    /// Nothing is left to ask for.
    exhausted: Cell<bool>,
}

/// Puts the installation under load.
pub async fn run(
    installation: &Installation,
    workload: Rc<dyn Workload>,
    load: Load,
) -> Result<Measured, Failure> {
    let begun = Instant::now();
    let whole = load.warm_up + load.duration;
    let run = Rc::new(Run {
        targets: installation.targets.clone(),
        recorder: RefCell::new(Recorder::new(&workload.kinds(), begun)?),
        workload,
        ends: begun + whole,
        exhausted: Cell::new(false),
    });
    let pacer = load.rate.map(|rate| Pacer::start(rate, whole)).transpose()?.map(Rc::new);
    let mut clients = JoinSet::new();
    for client in 0..load.clients {
        let run = Rc::clone(&run);
        match &pacer {
            None => clients.spawn_local(closed(run, client)),
            Some(pacer) => clients.spawn_local(open(run, client, Rc::clone(pacer))),
        };
    }
    let watcher = tokio::task::spawn_local(watch(Rc::clone(&run), load.rate));
    let mut times_before = CpuTimes::now(installation);
    if !load.warm_up.is_zero() {
        tokio::time::sleep(load.warm_up).await;
        run.recorder.borrow_mut().begin_anew(Instant::now());
        times_before = CpuTimes::now(installation);
    }
    while let Some(ended) = clients.join_next().await {
        ended?;
    }
    watcher.abort();
    let cpu = CpuTimes::now(installation).since(&times_before);
    let unsent = pacer.map_or(0, |pacer| pacer.unsent());
    Ok(run.recorder.borrow_mut().finish(Instant::now(), load.rate, unsent, cpu, run.exhausted.get()))
}

async fn closed(run: Rc<Run>, client: usize) {
    let mut sender = Sender::new(&run, client);
    while Instant::now() < run.ends {
        let begun = Instant::now();
        if !sender.send(&run, begun).await {
            return;
        }
    }
}

async fn open(run: Rc<Run>, client: usize, pacer: Rc<Pacer>) {
    let mut sender = Sender::new(&run, client);
    while let Some(due) = pacer.next_due().await {
        if Instant::now() > run.ends + DRAIN_LIMIT {
            pacer.give_up();
            return;
        }
        if !sender.send(&run, due).await {
            pacer.give_up();
            return;
        }
    }
}

/// One client's connection.
struct Sender {
    client: usize,
    address: SocketAddr,
    connection: Option<Connection>,
    request: Vec<u8>,
}

impl Sender {
    fn new(run: &Run, client: usize) -> Self {
        let address = run.targets[client % run.targets.len()];
        Self { client, address, connection: None, request: Vec::with_capacity(4096) }
    }

    /// Sends one request and records what came of it, `since` on. False where nothing is left.
    async fn send(&mut self, run: &Run, since: Instant) -> bool {
        self.request.clear();
        let Some(ticket) = run.workload.next(self.client, &mut self.request) else {
            run.exhausted.set(true);
            return false;
        };
        let exchanged = async {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                None => self.connection.insert(Connection::open(self.address).await?),
            };
            let answer = connection.exchange(&self.request).await?;
            let latency = since.elapsed();
            run.workload.answered(ticket, &answer);
            run.recorder.borrow_mut().note(ticket.kind, &answer, latency);
            Ok::<_, std::io::Error>(())
        };
        if let Err(error) = exchanged.await {
            self.connection = None;
            run.recorder.borrow_mut().note_failure(ticket.kind, &error, since.elapsed());
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
        true
    }
}

/// Tells a person who waits how it goes.
async fn watch(run: Rc<Run>, rate: Option<f64>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.tick().await;
    loop {
        tick.tick().await;
        let line = run.recorder.borrow_mut().progress(Instant::now());
        let left = run.ends.saturating_duration_since(Instant::now()).as_secs();
        let due = rate.map(|rate| format!(" of {rate:.0} due")).unwrap_or_default();
        eprint!("\r\x1b[K{line}{due}, {left} s left");
        if left == 0 {
            eprint!("\r\x1b[K");
        }
    }
}
