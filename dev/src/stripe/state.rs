//! The stand-in's memory: tables in the order of creation, and which of their rows the journal has not seen yet.
//! Invariant: every change to a row goes through a method here that marks it, so that none is lost at a restart.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::model::{Delivery, Event, Payment, SavedAnswer, Session, SessionStatus};

/// Beyond these the oldest rows are forgotten: a load test must not eat the machine's memory.
const MAX_SESSIONS: usize = 500_000;
const MAX_PAYMENTS: usize = 500_000;
const MAX_KEPT_ANSWERS: usize = 500_000;
const MAX_EVENTS: usize = 30_000;
/// Stripe forgets an idempotency key after a day at the earliest.
const SAVED_ANSWER_SECONDS: i64 = 24 * 3_600;

/// Rows by id, and the ids in the order in which they came.
#[derive(Debug)]
struct Table<T> {
    by_number: BTreeMap<u64, T>,
    numbers: HashMap<String, u64>,
    next: u64,
    limit: usize,
}

impl<T> Table<T> {
    fn new(limit: usize) -> Self {
        Self { by_number: BTreeMap::new(), numbers: HashMap::new(), next: 0, limit }
    }

    fn get(&self, id: &str) -> Option<&T> {
        self.by_number.get(self.numbers.get(id)?)
    }

    /// Puts a row in its place, a new one at the end; answers with the id of the row that had to go for it.
    fn put(&mut self, id: &str, row: T, id_of: impl Fn(&T) -> &str) -> Option<T> {
        if let Some(number) = self.numbers.get(id) {
            self.by_number.insert(*number, row);
            return None;
        }
        self.numbers.insert(id.to_owned(), self.next);
        self.by_number.insert(self.next, row);
        self.next += 1;
        if self.by_number.len() <= self.limit {
            return None;
        }
        let (_, oldest) = self.by_number.pop_first()?;
        self.numbers.remove(id_of(&oldest));
        Some(oldest)
    }

    fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.by_number.values().rev()
    }

    fn oldest_first(&self) -> impl Iterator<Item = &T> {
        self.by_number.values()
    }
}

/// One line of the journal: a row as it is after a change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", content = "row", rename_all = "snake_case")]
pub(super) enum Record {
    Session(Box<Session>),
    Payment(Box<Payment>),
    Event(Event),
    Answer(SavedAnswer),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Dirty {
    Session(String),
    Payment(String),
    Event(String),
    Answer(String),
}

/// What a request with an idempotency key finds.
#[derive(Debug)]
pub(super) enum KeyState {
    /// The key is now held by this request, until [`State::release_key`].
    Held,
    Saved(SavedAnswer),
    OtherParameters,
    InUse,
}

#[derive(Debug)]
pub(super) struct State {
    sessions: Table<Session>,
    payments: Table<Payment>,
    events: Table<Event>,
    answers: Table<SavedAnswer>,
    intent_by_charge: HashMap<String, String>,
    intent_by_refund: HashMap<String, String>,
    /// Open sessions by the second at which they expire.
    expiring: BTreeMap<i64, HashSet<String>>,
    keys_in_use: HashSet<String>,
    /// In the order of the changes, so that the journal keeps the order of creation; a row may come twice.
    dirty: Vec<Dirty>,
    /// Events kept back while webhooks are on hold.
    pub(super) held_events: Vec<String>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            sessions: Table::new(MAX_SESSIONS),
            payments: Table::new(MAX_PAYMENTS),
            events: Table::new(MAX_EVENTS),
            answers: Table::new(MAX_KEPT_ANSWERS),
            intent_by_charge: HashMap::new(),
            intent_by_refund: HashMap::new(),
            expiring: BTreeMap::new(),
            keys_in_use: HashSet::new(),
            dirty: Vec::new(),
            held_events: Vec::new(),
        }
    }

    pub(super) fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.get(id)
    }

    pub(super) fn sessions_newest_first(&self) -> impl Iterator<Item = &Session> {
        self.sessions.newest_first()
    }

    pub(super) fn put_session(&mut self, session: Session) {
        self.dirty.push(Dirty::Session(session.id.clone()));
        self.load_session(session);
    }

    fn load_session(&mut self, session: Session) {
        let id = session.id.clone();
        if session.status == SessionStatus::Open {
            self.expiring.entry(session.expires_at).or_default().insert(id.clone());
        } else {
            self.no_longer_expiring(&session);
        }
        if let Some(forgotten) = self.sessions.put(&id, session, |row| &row.id) {
            self.no_longer_expiring(&forgotten);
        }
    }

    fn no_longer_expiring(&mut self, session: &Session) {
        if let Some(ids) = self.expiring.get_mut(&session.expires_at) {
            ids.remove(&session.id);
            if ids.is_empty() {
                self.expiring.remove(&session.expires_at);
            }
        }
    }

    /// Open sessions whose time is over.
    pub(super) fn sessions_due(&self, now: i64) -> Vec<String> {
        self.expiring.range(..=now).flat_map(|(_, ids)| ids.iter().cloned()).collect()
    }

    /// By payment intent or charge id.
    pub(super) fn payment(&self, id: &str) -> Option<&Payment> {
        self.payments.get(id).or_else(|| self.payments.get(self.intent_by_charge.get(id)?))
    }

    pub(super) fn payment_of_refund(&self, refund_id: &str) -> Option<&Payment> {
        self.payments.get(self.intent_by_refund.get(refund_id)?)
    }

    pub(super) fn put_payment(&mut self, payment: Payment) {
        self.dirty.push(Dirty::Payment(payment.intent_id.clone()));
        self.load_payment(payment);
    }

    fn load_payment(&mut self, payment: Payment) {
        let id = payment.intent_id.clone();
        self.intent_by_charge.insert(payment.charge_id.clone(), id.clone());
        for refund in &payment.refunds {
            self.intent_by_refund.insert(refund.id.clone(), id.clone());
        }
        if let Some(forgotten) = self.payments.put(&id, payment, |row| &row.intent_id) {
            self.intent_by_charge.remove(&forgotten.charge_id);
            for refund in &forgotten.refunds {
                self.intent_by_refund.remove(&refund.id);
            }
        }
    }

    pub(super) fn event(&self, id: &str) -> Option<&Event> {
        self.events.get(id)
    }

    pub(super) fn events_newest_first(&self) -> impl Iterator<Item = &Event> {
        self.events.newest_first()
    }

    pub(super) fn put_event(&mut self, event: Event) {
        self.dirty.push(Dirty::Event(event.id.clone()));
        self.load_event(event);
    }

    fn load_event(&mut self, event: Event) {
        let id = event.id.clone();
        self.events.put(&id, event, |row| &row.id);
    }

    pub(super) fn mark_delivery(&mut self, event_id: &str, delivery: Delivery) {
        if let Some(event) = self.events.get(event_id)
            && event.delivery != delivery
        {
            let event = Event { delivery, ..event.clone() };
            self.put_event(event);
        }
    }

    pub(super) fn pending_events(&self) -> Vec<String> {
        let pending = self.events.oldest_first().filter(|event| event.delivery == Delivery::Pending);
        pending.map(|event| event.id.clone()).collect()
    }

    /// Takes an idempotency key for a request, or tells why it cannot be taken.
    pub(super) fn take_key(&mut self, key: &str, fingerprint: &[u8; 32], now: i64) -> KeyState {
        if let Some(saved) = self.answers.get(key)
            && now - saved.at < SAVED_ANSWER_SECONDS
        {
            if saved.fingerprint == *fingerprint {
                return KeyState::Saved(saved.clone());
            }
            return KeyState::OtherParameters;
        }
        if self.keys_in_use.insert(key.to_owned()) { KeyState::Held } else { KeyState::InUse }
    }

    /// Ends the hold of [`State::take_key`]; an answer to keep is given to later requests with the key.
    pub(super) fn release_key(&mut self, key: &str, answer: Option<SavedAnswer>) {
        self.keys_in_use.remove(key);
        if let Some(answer) = answer {
            self.dirty.push(Dirty::Answer(key.to_owned()));
            self.answers.put(key, answer, |row| &row.key);
        }
    }

    /// Puts a row of the journal back. It is not marked: the journal has it.
    pub(super) fn load(&mut self, record: Record) {
        match record {
            Record::Session(session) => self.load_session(*session),
            Record::Payment(payment) => self.load_payment(*payment),
            Record::Event(event) => self.load_event(event),
            Record::Answer(answer) => {
                let key = answer.key.clone();
                self.answers.put(&key, answer, |row| &row.key);
            }
        }
    }

    /// The rows changed since the last call, each once, as it is now.
    pub(super) fn take_changes(&mut self) -> Vec<Record> {
        let dirty = std::mem::take(&mut self.dirty);
        let record = |dirty| match dirty {
            Dirty::Session(id) => self.sessions.get(&id).cloned().map(|row| Record::Session(Box::new(row))),
            Dirty::Payment(id) => self.payments.get(&id).cloned().map(|row| Record::Payment(Box::new(row))),
            Dirty::Event(id) => self.events.get(&id).cloned().map(Record::Event),
            Dirty::Answer(id) => self.answers.get(&id).cloned().map(Record::Answer),
        };
        let mut seen = HashSet::with_capacity(dirty.len());
        dirty.into_iter().filter(|change| seen.insert(change.clone())).filter_map(record).collect()
    }

    /// All rows worth keeping, oldest first; answers whose time is over are left out.
    pub(super) fn all(&self, now: i64) -> impl Iterator<Item = Record> {
        let sessions = self.sessions.oldest_first().cloned().map(|row| Record::Session(Box::new(row)));
        let payments = self.payments.oldest_first().cloned().map(|row| Record::Payment(Box::new(row)));
        let events = self.events.oldest_first().cloned().map(Record::Event);
        let answers = self.answers.oldest_first().filter(move |row| now - row.at < SAVED_ANSWER_SECONDS);
        sessions.chain(payments).chain(events).chain(answers.cloned().map(Record::Answer))
    }
}
