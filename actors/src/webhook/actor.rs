use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use actix::{Actor, Context, Handler, ResponseFuture};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::event::{Content, Event, IntentFact, RECONCILED, Reference, SessionFact, Subject};
use super::ledger::Account;
use super::messages::*;
use super::settlement::{self, Changed};
use super::store::{self, Settled};
use crate::batch::{Batch, BatchLimits, BatchQueue, Reply};
use crate::clock::SharedClock;
use crate::database::BatchTx;
use crate::database::Database;
use crate::fault::Fault;
use crate::outbox::{MailAllowances, OutboxSignal};
use crate::stored_file::hex;

/// Deals with provider events, many in one transaction: stores them, works out what follows for each order, and writes
/// it. Rows are locked in one order in every process: payment intents, orders, counters, licences, events.
pub struct WebhookActor {
    database: Database,
    clock: SharedClock,
    outbox: OutboxSignal,
    events: Rc<BatchQueue<EventBatch>>,
}

impl WebhookActor {
    pub fn new(
        database: Database,
        clock: SharedClock,
        outbox: OutboxSignal,
        allowances: MailAllowances,
        limits: BatchLimits,
    ) -> Self {
        let batch = EventBatch { clock: clock.clone(), allowances };
        let events = Rc::new(BatchQueue::new(batch, &database, limits));
        Self { database, clock, outbox, events }
    }
}

impl Actor for WebhookActor {
    type Context = Context<Self>;
}

crate::ask::carry_spans!(WebhookActor);

/// An event in the batch.
#[derive(Clone)]
struct Arrival {
    event: Event,
    payload: String,
    /// Run again by hand: what was failed or ignored before is looked at anew.
    again: bool,
}

impl Arrival {
    fn new(payload: String) -> Self {
        // A signed body that is no event has nothing to be stored under but itself.
        let unreadable = |payload: &str| Event {
            id: format!("unreadable_{}", hex(&Sha256::digest(payload.as_bytes()))),
            kind: "unreadable".to_owned(),
            created: None,
            content: Content::Malformed {
                fault: "the body is not an event".to_owned(),
                subject: Subject::default(),
            },
        };
        match Event::parse(&payload) {
            Some(event) => Self { event, payload, again: false },
            None => {
                let event = unreadable(&payload);
                // Stored as a JSON string, whatever it was.
                let payload = serde_json::Value::String(payload).to_string();
                Self { event, payload, again: false }
            }
        }
    }
}

struct EventBatch {
    clock: SharedClock,
    allowances: MailAllowances,
}

impl Batch for EventBatch {
    type Item = Arrival;
    type Done = Handled;
    type Error = Fault;
    const NAME: &'static str = "webhook.events";

    async fn run(&self, tx: &mut BatchTx, arrivals: &[Arrival]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        tx.open_platform_to_write().await?;
        let ids: BTreeSet<&str> = arrivals.iter().map(|arrival| arrival.event.id.as_str()).collect();
        let stored = store::statuses(tx.connection(), &ids).await?;

        // The first of equal arrivals works; what was dealt with before is a duplicate.
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut work: Vec<&Arrival> = Vec::new();
        let mut handled: Vec<Option<Handled>> = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let id = arrival.event.id.as_str();
            let is_open = match stored.get(id).map(|(status, is_awaiting)| (status.as_str(), *is_awaiting)) {
                None | Some(("PENDING", _) | ("IGNORED", true)) => true,
                Some(("FAILED", _)) => arrival.again,
                Some(_) => false,
            };
            if is_open && seen.insert(id) {
                work.push(arrival);
                handled.push(None);
            } else {
                handled.push(Some(Handled::Duplicate));
            }
        }
        if work.is_empty() {
            return Ok(arrivals.iter().map(|_| Ok(Handled::Duplicate)).collect());
        }
        let outcomes = match process(tx, now, &self.allowances, &work).await? {
            Ok(outcomes) => outcomes,
            // Rolled back as a whole; one by one, only those that cannot have a number are answered so.
            Err(settlement::ReceiptsExhausted) => {
                return Err(sqlx::Error::Protocol(
                    "the receipt numbers of a tenant's year are used up".into(),
                ));
            }
        };
        Ok(arrivals
            .iter()
            .zip(handled)
            .map(|(arrival, handled)| {
                Ok(handled.unwrap_or_else(|| {
                    outcomes.get(&arrival.event.id).copied().unwrap_or(Handled::Processed)
                }))
            })
            .collect())
    }
}

/// What the events of a batch are about.
struct Routing {
    /// The order behind each of the provider's ids.
    orders: HashMap<String, (Uuid, Uuid)>,
    tenants: BTreeSet<Uuid>,
}

impl Routing {
    /// A session's order: by its id, or, where we never heard of it, by what we told the provider.
    fn of_session(&self, fact: &SessionFact) -> Option<(Uuid, Uuid)> {
        self.orders.get(&fact.session_id).copied().or_else(|| self.marked(fact.named))
    }

    fn of_intent(&self, fact: &IntentFact) -> Option<(Uuid, Uuid)> {
        self.orders.get(&fact.payment_intent).copied().or_else(|| self.marked(fact.named))
    }

    /// The order of a mark, if the mark is ours: it names a tenant of this installation.
    fn marked(&self, named: Option<(Uuid, Uuid)>) -> Option<(Uuid, Uuid)> {
        named.filter(|(tenant_id, _)| self.tenants.contains(tenant_id))
    }

    /// Whether what cannot be read is about a payment of ours, or might be.
    fn concerns_us(&self, subject: &Subject) -> bool {
        self.marked(subject.named).is_some()
            || match &subject.reference {
                Reference::Known(id) => self.orders.contains_key(id),
                Reference::Absent => false,
                Reference::Unreadable => true,
            }
    }
}

/// Works all open events of a batch out and writes what follows.
async fn process(
    tx: &mut BatchTx,
    now: DateTime<Utc>,
    allowances: &MailAllowances,
    arrivals: &[&Arrival],
) -> sqlx::Result<Result<HashMap<String, Handled>, settlement::ReceiptsExhausted>> {
    let mut intents: BTreeSet<&str> = BTreeSet::new();
    let mut refs: BTreeSet<&str> = BTreeSet::new();
    // Tenants that marks name.
    let mut named: BTreeSet<Uuid> = BTreeSet::new();
    for arrival in arrivals {
        match &arrival.event.content {
            Content::Session(fact) => {
                refs.insert(&fact.session_id);
                intents.extend(fact.payment_intent.as_deref());
                named.extend(fact.named.map(|(tenant_id, _)| tenant_id));
            }
            Content::Intent(fact) => {
                refs.insert(&fact.payment_intent);
                intents.insert(&fact.payment_intent);
                named.extend(fact.named.map(|(tenant_id, _)| tenant_id));
            }
            Content::Abandoned { tenant_id, .. } => {
                named.insert(*tenant_id);
            }
            Content::Malformed { subject, .. } => {
                if let Reference::Known(id) = &subject.reference {
                    refs.insert(id);
                }
                named.extend(subject.named.map(|(tenant_id, _)| tenant_id));
            }
            Content::Nothing => {}
        }
    }
    store::lock_intents(tx.connection(), &intents).await?;
    // Refunds and disputes that came before a payment of this batch.
    let waiting: Vec<Arrival> = store::lock_waiting(tx.connection(), &intents)
        .await?
        .into_iter()
        .filter(|stored| !arrivals.iter().any(|arrival| arrival.event.id == stored.provider_event_id))
        .filter_map(|stored| {
            Some(Arrival { event: Event::parse(&stored.payload)?, payload: stored.payload, again: false })
        })
        .collect();
    // What they say of themselves holds as when they came.
    for stored in &waiting {
        if let Content::Intent(fact) = &stored.event.content {
            refs.insert(&fact.payment_intent);
            named.extend(fact.named.map(|(tenant_id, _)| tenant_id));
        }
    }
    let orders = store::resolve_refs(tx.connection(), &refs).await?;
    let tenants = store::known_tenants(tx.connection(), &named).await?;
    let routing = Routing { orders, tenants };

    let mut wanted: BTreeSet<(Uuid, Uuid)> = BTreeSet::new();
    for arrival in waiting.iter().chain(arrivals.iter().copied()) {
        wanted.extend(match &arrival.event.content {
            Content::Session(fact) => routing.of_session(fact),
            Content::Intent(fact) => routing.of_intent(fact),
            Content::Abandoned { tenant_id, order_id } => {
                routing.tenants.contains(tenant_id).then_some((*tenant_id, *order_id))
            }
            Content::Nothing | Content::Malformed { .. } => None,
        });
    }
    tx.open_tenants(wanted.iter().map(|(tenant_id, _)| *tenant_id)).await?;
    let before = if wanted.is_empty() {
        BTreeMap::new()
    } else {
        store::lock_accounts(tx.connection(), &wanted).await?
    };
    let mut after = before.clone();

    // Payments first, then what is about payments: within a batch nothing needs to wait for its neighbour.
    let mut settled: Vec<Settled<'_>> = Vec::new();
    for arrival in arrivals {
        if let Content::Session(fact) = &arrival.event.content {
            settled.push(hear_session(arrival, fact, routing.of_session(fact), &mut after, now));
        }
    }
    for arrival in waiting.iter().chain(arrivals.iter().copied()) {
        match &arrival.event.content {
            Content::Intent(fact) => {
                let order = order_of_intent(&after, &fact.payment_intent).or_else(|| routing.of_intent(fact));
                settled.push(hear_intent(arrival, fact, order, &mut after));
            }
            Content::Nothing => settled.push(ended(arrival, "IGNORED", None, None)),
            Content::Malformed { fault, subject } if routing.concerns_us(subject) => {
                settled.push(ended(arrival, "FAILED", Some(fault.clone()), None));
            }
            Content::Malformed { .. } => settled.push(ended(arrival, "IGNORED", None, None)),
            Content::Abandoned { tenant_id, order_id } => {
                let order = (*tenant_id, *order_id);
                settled.push(match after.get_mut(&order) {
                    Some(account) => {
                        account.hear_abandoned();
                        ended(arrival, "PROCESSED", None, Some(order))
                    }
                    None => ended(arrival, "FAILED", Some("there is no such order".to_owned()), None),
                });
            }
            Content::Session(_) => {}
        }
    }

    let changes: Vec<Changed> = before
        .into_iter()
        .filter_map(|(order, before)| after.remove(&order).map(|after| Changed { before, after }))
        .collect();
    if let Err(exhausted) = settlement::write(tx, now, allowances, &changes).await? {
        return Ok(Err(exhausted));
    }
    store::settle(tx.connection(), now, &settled).await?;
    Ok(Ok(settled.into_iter().map(|event| (event.event.id.clone(), handled(&event))).collect()))
}

fn handled(settled: &Settled<'_>) -> Handled {
    match settled.status {
        "PROCESSED" => Handled::Processed,
        "IGNORED" => Handled::Ignored,
        "PENDING" => Handled::Waiting,
        _ => Handled::Failed,
    }
}

fn ended<'a>(
    arrival: &'a Arrival,
    status: &'static str,
    error: Option<String>,
    order: Option<(Uuid, Uuid)>,
) -> Settled<'a> {
    let Arrival { event, payload, .. } = arrival;
    if let Some(error) = &error {
        tracing::warn!(event = %event.id, kind = %event.kind, %error, "a provider event can never succeed");
        metrics::counter!("webhook_events_failed_total").increment(1);
    }
    Settled { event, payload, status, error, awaiting: None, order }
}

fn hear_session<'a>(
    arrival: &'a Arrival,
    fact: &SessionFact,
    order: Option<(Uuid, Uuid)>,
    accounts: &mut BTreeMap<(Uuid, Uuid), Account>,
    now: DateTime<Utc>,
) -> Settled<'a> {
    let Some(order) = order else { return ended(arrival, "IGNORED", None, None) };
    let Some(account) = accounts.get_mut(&order) else {
        return waiting(arrival, "PENDING", &fact.session_id, Some(order));
    };
    let order = Some(order);
    // Paid when it was paid, however late the news.
    let at = arrival.event.created.unwrap_or(now);
    match account.hear_session(&fact.session_id, fact.payment_intent.as_deref(), &fact.what, at) {
        Ok(()) => ended(arrival, "PROCESSED", None, order),
        Err(reason) => ended(arrival, "FAILED", Some(reason), order),
    }
}

fn order_of_intent(accounts: &BTreeMap<(Uuid, Uuid), Account>, intent: &str) -> Option<(Uuid, Uuid)> {
    accounts
        .iter()
        .find(|(_, account)| account.payment_intent.as_deref() == Some(intent))
        .map(|(order, _)| *order)
}

fn hear_intent<'a>(
    arrival: &'a Arrival,
    fact: &IntentFact,
    order: Option<(Uuid, Uuid)>,
    accounts: &mut BTreeMap<(Uuid, Uuid), Account>,
) -> Settled<'a> {
    match order.and_then(|order| accounts.get_mut(&order)) {
        Some(account) if account.is_paid_by(&fact.payment_intent) => {
            let Event { id, created, .. } = &arrival.event;
            account.hear_intent(id, *created, &fact.what);
            ended(arrival, "PROCESSED", None, order)
        }
        // Money that came on top of what paid the order, and goes back: the order keeps what it has.
        Some(account) if account.is_paid_otherwise(&fact.payment_intent) => {
            ended(arrival, "IGNORED", None, order)
        }
        // Not paid yet as far as we know: it takes effect with the payment.
        _ if order.is_some() => waiting(arrival, "PENDING", &fact.payment_intent, order),
        // Most likely none of ours, for it bears no mark. Should a payment with its intent come, it is taken up.
        _ => waiting(arrival, "IGNORED", &fact.payment_intent, None),
    }
}

/// Stored until a payment with this id comes.
fn waiting<'a>(
    arrival: &'a Arrival,
    status: &'static str,
    awaiting: &str,
    order: Option<(Uuid, Uuid)>,
) -> Settled<'a> {
    let Arrival { event, payload, .. } = arrival;
    Settled { event, payload, status, error: None, awaiting: Some(awaiting.to_owned()), order }
}

/// Notes a failure that another try can mend, so that an operator sees it; the provider sends the event again.
async fn note_failure(database: &Database, clock: &SharedClock, arrival: &Arrival, fault: &Fault) {
    let noted = async {
        let mut tx = database.platform_tx().await?;
        store::note_failure(
            tx.connection(),
            clock.now(),
            &arrival.event,
            &arrival.payload,
            &fault.to_string(),
        )
        .await?;
        tx.commit().await
    };
    if let Err(error) = noted.await {
        tracing::warn!(event = %arrival.event.id, %error, "a failed provider event could not be noted");
    }
}

impl WebhookActor {
    fn deal_with(&self, arrival: Arrival) -> impl Future<Output = Result<Handled, Fault>> + use<> {
        let answer = self.events.submit(arrival.clone());
        let (database, clock, outbox) = (self.database.clone(), self.clock.clone(), self.outbox.clone());
        async move {
            let answer = answer.await;
            // How late the provider's news are. What the reconciler asked for is none of them.
            let is_news = !arrival.event.id.starts_with(RECONCILED);
            if let (Ok(Handled::Processed | Handled::Ignored), Some(created), true) =
                (&answer, arrival.event.created, is_news)
            {
                let lag = (clock.now() - created).as_seconds_f64().max(0.0);
                metrics::histogram!("webhook_lag_seconds").record(lag);
            }
            match &answer {
                Ok(Handled::Processed) => outbox.raise(),
                Ok(_) => {}
                // Where the database is not there or too busy, another statement would only add to it.
                Err(Fault::Internal(_)) => {
                    if let Err(fault) = &answer {
                        note_failure(&database, &clock, &arrival, fault).await;
                    }
                }
                Err(_) => {}
            }
            answer
        }
    }
}

impl Handler<Deliver> for WebhookActor {
    type Result = ResponseFuture<Result<Handled, Fault>>;

    fn handle(&mut self, message: Deliver, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.deal_with(Arrival::new(message.payload)))
    }
}

impl Handler<Retry> for WebhookActor {
    type Result = ResponseFuture<Result<Option<Handled>, Fault>>;

    fn handle(&mut self, message: Retry, context: &mut Self::Context) -> Self::Result {
        use actix::AsyncContext;
        let database = self.database.clone();
        let this = context.address();
        Box::pin(async move {
            let mut tx = database.platform_tx().await?;
            let found = store::find(tx.connection(), &message.provider_event_id).await?;
            tx.commit().await?;
            let Some(stored) = found else { return Ok(None) };
            let Some(event) = Event::parse(&stored.payload) else { return Ok(Some(Handled::Failed)) };
            let arrival = Arrival { event, payload: stored.payload, again: true };
            crate::ask::ask(&this, Again(arrival)).await.map(Some)
        })
    }
}

#[derive(actix::Message)]
#[rtype(result = "Result<Handled, Fault>")]
struct Again(Arrival);

impl Handler<Again> for WebhookActor {
    type Result = ResponseFuture<Result<Handled, Fault>>;

    fn handle(&mut self, message: Again, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.deal_with(message.0))
    }
}
