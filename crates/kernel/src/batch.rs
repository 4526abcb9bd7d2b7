//! Group commit: requests that arrive while one batch is being committed become the next batch.
//!
//! One transaction is in flight per queue. It holds the contested row locks once for the whole batch and pays for one
//! commit, so the safest way is also the fastest. There is no timer: a request that finds the queue idle starts at
//! once. Every request is answered after its batch is committed, and never before.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::database::lane::Lane;
use crate::database::tx::{CommitOutcome, Tries};
use crate::database::{BatchTx, Database};
use crate::fault::Fault;
use crate::queue_figures::QueueFigures;
use crate::trace;

/// One kind of contested work, done for many requests at a time.
pub trait Batch: Sized + 'static {
    type Item: 'static;
    /// What an item is answered with where it is done …
    type Done: 'static;
    /// … and where it is refused.
    type Error: From<Fault> + 'static;

    /// Names the work in logs and metrics.
    const NAME: &'static str;

    /// The tenants whose rows are open from the start, so that a batch of reads need not ask for them: that is a round
    /// trip. A batch that certainly writes opens them itself, with [`BatchTx::open_tenants_to_write`].
    fn tenants(&self, _items: &[Self::Item]) -> Vec<Uuid> {
        Vec::new()
    }

    /// Does the work for all `items` inside `tx` and gives one reply per item, in their order. The caller commits.
    ///
    /// May be called again with the same items after a rollback, together or one by one: it must keep no state of its
    /// own. Rows are locked in a sorted order, so that two processes cannot deadlock.
    fn run(
        &self,
        tx: &mut BatchTx,
        items: &[Self::Item],
    ) -> impl Future<Output = sqlx::Result<Vec<Reply<Self>>>>;
}

/// The answer to one item.
pub type Reply<B> = Result<<B as Batch>::Done, <B as Batch>::Error>;

/// How much may wait, and how much is taken at once.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Requests waiting beyond this number are refused at once with [`Fault::Overloaded`].
    pub queue: usize,
    /// The largest batch: bounds how long a row stays locked and how much work one fault can undo.
    pub batch: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        // Some tenths of a second of work, however slow the machine: who would wait longer is told so at once.
        Self { queue: 1024, batch: 256 }
    }
}

/// The queue of an actor, bound to the actor's thread.
pub struct BatchQueue<B: Batch> {
    shared: Rc<Shared<B>>,
}

struct Shared<B: Batch> {
    work: B,
    lane: Rc<Lane>,
    limits: BatchLimits,
    figures: QueueFigures,
    state: RefCell<State<B>>,
}

struct State<B: Batch> {
    waiting: VecDeque<Waiting<B>>,
    running: bool,
}

struct Waiting<B: Batch> {
    item: B::Item,
    since: Instant,
    /// Of whoever asks.
    span: Span,
    answer: oneshot::Sender<Reply<B>>,
}

impl<B: Batch> BatchQueue<B> {
    pub fn new(work: B, database: &Database, limits: BatchLimits) -> Self {
        let state = RefCell::new(State { waiting: VecDeque::new(), running: false });
        let figures = QueueFigures::of(B::NAME);
        let lane = Lane::of_thread(database);
        Self { shared: Rc::new(Shared { work, lane, limits, figures, state }) }
    }

    /// Queues `item` and gives the future of its reply. The work goes on if the future is dropped.
    pub fn submit(&self, item: B::Item) -> impl Future<Output = Reply<B>> + use<B> {
        let (answer, reply) = oneshot::channel();
        let mut state = self.shared.state.borrow_mut();
        let admitted = state.waiting.len() < self.shared.limits.queue;
        if admitted {
            let since = Instant::now();
            state.waiting.push_back(Waiting { item, since, span: Span::current(), answer });
            self.shared.figures.waiting(state.waiting.len(), since);
            if !state.running {
                state.running = true;
                actix::spawn(drive(Rc::clone(&self.shared)));
            }
        } else {
            metrics::counter!("batch_refused_total", "actor" => B::NAME).increment(1);
        }
        async move {
            if !admitted {
                return Err(Fault::Overloaded.into());
            }
            // The sender is dropped unanswered only when the whole thread ends.
            reply.await.unwrap_or_else(|_| Err(Fault::OutcomeUnknown.into()))
        }
    }
}

/// Runs batches until nothing waits.
async fn drive<B: Batch>(shared: Rc<Shared<B>>) {
    loop {
        let batch: Vec<Waiting<B>> = {
            if shared.state.borrow().waiting.is_empty() {
                shared.figures.taken(0, None);
                shared.lane.rest().await;
            }
            let mut state = shared.state.borrow_mut();
            let size = state.waiting.len().min(shared.limits.batch);
            if size == 0 {
                state.running = false;
                return;
            }
            let batch: Vec<Waiting<B>> = state.waiting.drain(..size).collect();
            shared.figures.taken(state.waiting.len(), batch.first().map(|first| first.since));
            batch
        };
        if let Some(oldest) = batch.first() {
            metrics::histogram!("batch_wait_seconds", "actor" => B::NAME)
                .record(oldest.since.elapsed().as_secs_f64());
        }
        metrics::histogram!("batch_size", "actor" => B::NAME).record(batch.len() as f64);

        let span = span_of(&batch);
        let (items, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.item, (waiting.answer, waiting.span))).unzip();
        let replies = run_isolating(&shared, &items).instrument(span).await;
        for ((answer, _span), reply) in answers.into_iter().zip(replies) {
            // A client that went away does not undo its work.
            let _gone = answer.send(reply);
        }
    }
}

/// A batch is part of the trace of its oldest request, follows from the others', and leaves its number in each.
fn span_of<B: Batch>(batch: &[Waiting<B>]) -> Span {
    let number = BATCHES.fetch_add(1, Ordering::Relaxed);
    let oldest = batch.first().map_or_else(Span::none, |waiting| waiting.span.clone());
    let span = tracing::info_span!(
        target: trace::TARGET,
        parent: &oldest,
        "batch",
        otel.name = B::NAME,
        actor = B::NAME,
        batch = number,
        size = batch.len(),
    );
    if span.is_disabled() {
        return span;
    }
    for waiting in batch {
        waiting.span.record("batch", number);
    }
    for other in batch.iter().skip(1) {
        span.follows_from(&other.span);
    }
    span
}

/// Numbers the batches of a process, for logs and traces.
static BATCHES: AtomicU64 = AtomicU64::new(1);

/// Runs all items together; where one of them spoils the batch, each on its own, so that only that one fails.
async fn run_isolating<B: Batch>(shared: &Shared<B>, items: &[B::Item]) -> Vec<Reply<B>> {
    match run_once(shared, items).await {
        Ok(replies) => replies,
        Err(Spoiled::All(fault)) => items.iter().map(|_| Err(fault.clone().into())).collect(),
        Err(Spoiled::ByAnItem(fault)) if items.len() == 1 => vec![Err(fault.into())],
        Err(Spoiled::ByAnItem(fault)) => {
            metrics::counter!("batch_isolated_total", "actor" => B::NAME).increment(1);
            tracing::warn!(actor = B::NAME, size = items.len(), %fault, "a batch failed; running its items one by one");
            let mut replies = Vec::with_capacity(items.len());
            for item in items {
                replies.push(match run_once(shared, std::slice::from_ref(item)).await {
                    Ok(mut reply) => reply.pop().unwrap_or_else(|| Err(Fault::internal("no reply").into())),
                    Err(Spoiled::All(fault) | Spoiled::ByAnItem(fault)) => Err(fault.into()),
                });
            }
            replies
        }
    }
}

enum Spoiled {
    /// Another grouping of the items would fare no better.
    All(Fault),
    /// One of the items cannot be done, or panics; the others may be fine. Nothing was committed.
    ByAnItem(Fault),
}

async fn run_once<B: Batch>(shared: &Shared<B>, items: &[B::Item]) -> Result<Vec<Reply<B>>, Spoiled> {
    let mut tries = Tries::new();
    loop {
        // A panic unwinds out of `run` only, which comes before the commit: the transaction is rolled back.
        let attempt = AssertUnwindSafe(async {
            let span = tracing::debug_span!(target: trace::TARGET, "begin");
            let begun = shared.lane.begin(shared.work.tenants(items)).instrument(span);
            let mut tx = begun.await?;
            let worked = async {
                let replies = shared.work.run(&mut tx, items).await?;
                let wrote_messages = tx.settle_events(shared.lane.database().reactions()).await?;
                sqlx::Result::Ok((replies, wrote_messages))
            };
            match worked.await {
                Ok((replies, wrote_messages)) => Ok((tx, replies, wrote_messages)),
                Err(error) => {
                    shared.lane.roll_back(tx).await;
                    Err(error)
                }
            }
        });
        let error = match attempt.catch_unwind().await {
            Err(_) => return Err(Spoiled::ByAnItem(Fault::internal("a panic while working on a batch"))),
            Ok(Ok((_, replies, _))) if replies.len() != items.len() => {
                return Err(Spoiled::All(Fault::internal(
                    "a batch gave another number of replies than it had items",
                )));
            }
            Ok(Ok((tx, replies, wrote_messages))) => {
                let begun = Instant::now();
                let span = tracing::debug_span!(target: trace::TARGET, "commit");
                let outcome = shared.lane.commit(tx).instrument(span).await;
                metrics::histogram!("batch_commit_seconds", "actor" => B::NAME)
                    .record(begun.elapsed().as_secs_f64());
                match outcome {
                    CommitOutcome::Committed => {
                        if wrote_messages {
                            shared.lane.database().outbox().raise();
                        }
                        return Ok(replies);
                    }
                    CommitOutcome::Unknown => return Err(Spoiled::All(Fault::OutcomeUnknown)),
                    CommitOutcome::Aborted(error) => error,
                }
            }
            Ok(Err(error)) => error,
        };
        match crate::fault::kind_of(&error) {
            crate::fault::FailureKind::Statement => return Err(Spoiled::ByAnItem(error.into())),
            _ => tries.again_after(error).map_err(Spoiled::All)?,
        }
    }
}
