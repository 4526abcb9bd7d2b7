//! The reference: what the contract promises, in memory and one operation after the other.
//!
//! Written from the contract's tables. It keeps facts and works out what follows from all of them, which is what "the
//! effect is that of once, in order" means.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::operation::{Booking, Cart, Fact, Leaver, Licence, Operation, Reader, UNKNOWN, is_won};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shop {
    orders: Vec<Order>,
    /// The cart that an idempotency key came with first, and the order that it made.
    keys: BTreeMap<u8, (Cart, usize)>,
    receipts: u32,
    bookings: Vec<(Booking, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Order {
    cart: Cart,
    /// The receipt's number, once money was taken.
    receipt: Option<u32>,
    /// What ended it before any money was taken.
    ended: Option<&'static str>,
    /// What its checkout was answered with last.
    answered: &'static str,
    /// Attempts at the provider.
    attempts: u32,
    /// The largest sum that was told, and whether it was all.
    refunded: i64,
    is_refunded: bool,
    failed_refunds: BTreeSet<u8>,
    is_refunded_again: bool,
    /// When the last word was said, and what it was.
    disputes: BTreeMap<u8, (u32, Dispute)>,
    licences: Vec<LicenceState>,
    /// A session told of the payment intent before money was taken.
    knows_intent: bool,
    heard: BTreeSet<String>,
    /// Of those heard, those that need a payment first, and whether they bear the order's mark.
    about_payment: BTreeMap<String, bool>,
    /// Of those heard, those that can never succeed.
    impossible: BTreeSet<String>,
    meaningless: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dispute {
    Open,
    Won,
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct LicenceState {
    is_revoked_by_operator: bool,
    has_lapsed: bool,
    device: Option<u8>,
    activations: u32,
}

impl Order {
    fn is_paid(&self) -> bool {
        self.receipt.is_some()
    }

    fn status(&self) -> &'static str {
        match (self.is_paid(), self.ended) {
            (true, _) if self.refunds().1 => "REFUNDED",
            (true, _) => "PAID",
            (false, Some(ended)) => ended,
            (false, None) => "PENDING",
        }
    }

    fn invoice_status(&self) -> &'static str {
        match self.status() {
            "PENDING" => "OPEN",
            "FAILED" | "EXPIRED" => "VOID",
            other => other,
        }
    }

    /// How much is refunded in the end, and whether it is all. Every failure is of a refund that was told before, but what
    /// is refunded once more.
    fn refunds(&self) -> (i64, bool) {
        if self.is_refunded_again {
            return (self.cart.total(), true);
        }
        let failed: i64 = self.failed_refunds.iter().map(|refund| refund_amount(self.cart, *refund)).sum();
        ((self.refunded - failed).max(0), self.is_refunded && self.failed_refunds.is_empty())
    }

    fn any_dispute(&self, wanted: Dispute) -> bool {
        self.disputes.values().any(|(_, dispute)| *dispute == wanted)
    }

    fn dispute(&self) -> &'static str {
        let words = [(Dispute::Lost, "LOST"), (Dispute::Open, "OPEN"), (Dispute::Won, "WON")];
        let found = words.iter().find(|(dispute, _)| self.is_paid() && self.any_dispute(*dispute));
        found.map_or("none", |(_, word)| word)
    }

    /// Whether the money is gone.
    fn is_taken_back(&self) -> bool {
        self.is_paid() && (self.refunds().1 || self.any_dispute(Dispute::Lost))
    }

    fn licence_status(&self, licence: &LicenceState) -> &'static str {
        if self.is_taken_back() || licence.is_revoked_by_operator {
            "REVOKED"
        } else if self.any_dispute(Dispute::Open) {
            "SUSPENDED"
        } else if licence.has_lapsed {
            "EXPIRED"
        } else {
            "ACTIVE"
        }
    }

    fn event_status(&self, name: &str) -> &'static str {
        if self.impossible.contains(name) {
            "FAILED"
        } else if self.meaningless.contains(name) {
            "IGNORED"
        } else if let Some(is_marked) = self.about_payment.get(name).filter(|_| !self.is_paid()) {
            if *is_marked || self.knows_intent { "PENDING" } else { "IGNORED" }
        } else {
            "PROCESSED"
        }
    }

    fn hear(&mut self, fact: Fact, receipts: &mut u32) {
        let name = fact.name();
        if !self.heard.insert(name.clone()) {
            return;
        }
        match fact {
            Fact::Paid | Fact::PaidLater | Fact::PaidByTheFirst if !self.is_paid() => {
                *receipts += 1;
                self.receipt = Some(*receipts);
                self.licences = vec![LicenceState::default(); self.cart.licences().into()];
            }
            Fact::BankRefused => {
                self.knows_intent = true;
                self.end("FAILED");
            }
            Fact::Unpaid => self.knows_intent = true,
            Fact::Expired => self.end("EXPIRED"),
            Fact::FirstExpired if self.attempts == 1 => self.end("EXPIRED"),
            Fact::Paid | Fact::PaidLater | Fact::PaidByTheFirst | Fact::FirstExpired => {}
            Fact::PaidTooLittle | Fact::PaidInOtherCurrency => drop(self.impossible.insert(name)),
            Fact::Unhandled => drop(self.meaningless.insert(name)),
            Fact::RefundedPartly(hundreds) => {
                self.refunded = self.refunded.max(i64::from(hundreds) * 100);
                self.about_payment.insert(name, true);
            }
            Fact::Refunded => {
                self.refunded = self.cart.total();
                self.is_refunded = true;
                self.about_payment.insert(name, true);
            }
            Fact::RefundFailed(refund) => {
                self.failed_refunds.insert(refund);
                self.about_payment.insert(name, false);
            }
            Fact::RefundedAgain => {
                self.is_refunded_again = true;
                self.about_payment.insert(name, true);
            }
            Fact::Disputed(dispute) => self.hear_of_dispute(fact, dispute, Dispute::Open),
            Fact::DisputeClosed(dispute) => {
                let closed = if is_won(dispute) { Dispute::Won } else { Dispute::Lost };
                self.hear_of_dispute(fact, dispute, closed);
            }
            Fact::DisputeTurned(dispute) => {
                let turned = if is_won(dispute) { Dispute::Lost } else { Dispute::Won };
                self.hear_of_dispute(fact, dispute, turned);
            }
        }
    }

    fn hear_of_dispute(&mut self, fact: Fact, dispute: u8, word: Dispute) {
        let last = self.disputes.entry(dispute).or_insert((0, word));
        if fact.happened() > last.0 {
            *last = (fact.happened(), word);
        }
        self.about_payment.insert(fact.name(), false);
    }

    fn end(&mut self, status: &'static str) {
        if !self.is_paid() && self.ended.is_none() {
            self.ended = Some(status);
        }
    }

    fn seen(&self, at: usize) -> Value {
        let licences: Vec<Value> = self
            .licences
            .iter()
            .enumerate()
            .map(|(unit, licence)| {
                json!({
                    "unit": unit,
                    "status": self.licence_status(licence),
                    "device": licence.device.map(device_name),
                    "activations": licence.activations,
                })
            })
            .collect();
        let events: BTreeMap<&str, &str> =
            self.heard.iter().map(|name| (name.as_str(), self.event_status(name))).collect();
        let items = if self.is_paid() { self.cart.items().len() } else { 0 };
        json!({
            "invoice_number": at + 1,
            "order": self.status(),
            "invoice": self.invoice_status(),
            "payment": self.status(),
            "total": self.cart.total(),
            "refunded": if self.is_paid() { self.refunds().0 } else { 0 },
            "receipt_number": self.receipt,
            "entitlements": items,
            "entitlements_revoked": if self.is_taken_back() { items } else { 0 },
            "licences": licences,
            "events": events,
        })
    }
}

/// Three refunds of a hundred, and a fourth of the rest.
pub fn refund_amount(cart: Cart, refund: u8) -> i64 {
    if refund < 4 { 100 } else { cart.total() - 300 }
}

pub fn device_name(device: u8) -> String {
    format!("device-{device}")
}

fn may_become(from: Booking, to: Booking) -> bool {
    allowed(from).contains(&to)
}

fn allowed(from: Booking) -> &'static [Booking] {
    match from {
        Booking::New => &[Booking::Cancelled, Booking::Confirmed],
        Booking::Confirmed => &[Booking::Cancelled, Booking::InProgress],
        Booking::InProgress => &[Booking::Completed],
        Booking::Completed | Booking::Cancelled => &[],
    }
}

impl Shop {
    /// The operation with its numbers brought into the range of what is known now; none where it has no object.
    pub fn bind(&self, operation: Operation) -> Option<Operation> {
        let order = |order: u8| (!self.orders.is_empty()).then(|| order % self.orders.len() as u8);
        let booking = |booking: u8| (!self.bookings.is_empty()).then(|| booking % self.bookings.len() as u8);
        let licence = |licence: Licence| {
            let order = order(licence.order)?;
            let units = self.orders[usize::from(order)].licences.len() as u8;
            Some(Licence { order, unit: if units == 0 { UNKNOWN } else { licence.unit % units } })
        };
        let known = |wanted: Licence| licence(wanted).filter(|licence| licence.unit != UNKNOWN);
        Some(match operation {
            Operation::TryAgain { order: at } => Operation::TryAgain { order: order(at)? },
            Operation::Deliver { order: at, fact } => Operation::Deliver { order: order(at)?, fact },
            Operation::ReadOrder { order: at, by } => Operation::ReadOrder { order: order(at)?, by },
            Operation::ReadInvoice { order: at } => Operation::ReadInvoice { order: order(at)? },
            Operation::Activate { licence: it, device } => {
                Operation::Activate { licence: licence(it)?, device }
            }
            Operation::Deactivate { licence: it, by } => Operation::Deactivate { licence: licence(it)?, by },
            Operation::Validate { licence: it, device } => {
                Operation::Validate { licence: licence(it)?, device }
            }
            Operation::ReadLicence { licence: it, by } => {
                Operation::ReadLicence { licence: licence(it)?, by }
            }
            Operation::Revoke { licence: it } => Operation::Revoke { licence: known(it)? },
            Operation::Lapse { licence: it } => Operation::Lapse { licence: known(it)? },
            Operation::MoveBooking { booking: at, to } => {
                Operation::MoveBooking { booking: booking(at)?, to }
            }
            Operation::TrackBooking { booking: at } => Operation::TrackBooking { booking: booking(at)? },
            Operation::CheckOut { .. } | Operation::Book => operation,
        })
    }

    /// Does it, and gives the answer that a client gets.
    pub fn apply(&mut self, operation: &Operation) -> String {
        match *operation {
            Operation::CheckOut { cart, key } => self.check_out(cart, key),
            Operation::TryAgain { order } => {
                let found = &mut self.orders[usize::from(order)];
                if !found.is_paid() {
                    found.attempts += 1;
                    // An order that ended waits for its payment again.
                    found.ended = None;
                }
                found.answered = found.status();
                format!("201 {} invoice {} again", found.answered, order + 1)
            }
            Operation::Deliver { order, fact } => {
                self.orders[usize::from(order)].hear(fact, &mut self.receipts);
                r#"200 {"received":true}"#.to_owned()
            }
            Operation::ReadOrder { order, by } => match by {
                Reader::Nobody => "401 AUTH_REQUIRED".to_owned(),
                Reader::Stranger => "404 NOT_FOUND".to_owned(),
                Reader::Owner | Reader::Admin => {
                    let found = &self.orders[usize::from(order)];
                    let receipt = found.receipt.map_or("none".to_owned(), |number| number.to_string());
                    let (status, dispute) = (found.status(), found.dispute());
                    format!("200 {status} dispute {dispute} invoice {} receipt {receipt}", order + 1)
                }
            },
            Operation::ReadInvoice { order } => {
                let found = &self.orders[usize::from(order)];
                format!("200 {} {} {}", order + 1, found.invoice_status(), found.is_paid())
            }
            Operation::Activate { licence, device } => self.activate(licence, device),
            Operation::Deactivate { licence, by } => self.deactivate(licence, by),
            Operation::Validate { licence, device } => self.validate(licence, device),
            Operation::ReadLicence { licence, by } => match (by, self.licence(licence)) {
                (Reader::Nobody, _) => "401 AUTH_REQUIRED".to_owned(),
                (Reader::Stranger, _) | (_, None) => "404 LICENCE_NOT_FOUND".to_owned(),
                (Reader::Owner | Reader::Admin, Some((order, found))) => {
                    let device = found.device.map_or("none".to_owned(), device_name);
                    format!("200 {} on {device}", order.licence_status(found))
                }
            },
            Operation::Revoke { licence } => {
                // True where that changed anything.
                let is_revoked = self
                    .licence(licence)
                    .is_some_and(|(order, found)| order.licence_status(found) == "REVOKED");
                if let Some(found) = self.licence_mut(licence) {
                    found.is_revoked_by_operator = true;
                }
                format!("revoked {}", !is_revoked)
            }
            Operation::Lapse { licence } => {
                if let Some(found) = self.licence_mut(licence) {
                    found.has_lapsed = true;
                }
                "lapsed".to_owned()
            }
            Operation::Book => {
                self.bookings.push((Booking::New, 0));
                "201 NEW".to_owned()
            }
            Operation::MoveBooking { booking, to } => {
                let (status, moves) = &mut self.bookings[usize::from(booking)];
                if may_become(*status, to) {
                    (*status, *moves) = (to, *moves + 1);
                    format!("200 {}", to.name())
                } else {
                    let allowed: Vec<&str> = allowed(*status).iter().map(|status| status.name()).collect();
                    let (from, to, allowed) = (status.name(), to.name(), allowed.join(" "));
                    format!("409 BOOKING_INVALID_TRANSITION {from} {to} [{allowed}]")
                }
            }
            Operation::TrackBooking { booking } => {
                format!("200 {}", self.bookings[usize::from(booking)].0.name())
            }
        }
    }

    fn check_out(&mut self, cart: Cart, key: u8) -> String {
        match self.keys.get(&key) {
            Some((first, _)) if *first != cart => return "422 IDEMPOTENCY_KEY_REUSED".to_owned(),
            Some((_, order)) => {
                let answered = self.orders[*order].answered;
                return format!("201 {answered} invoice {} over {} replayed true", order + 1, cart.total());
            }
            None => {}
        }
        let at = self.orders.len();
        self.keys.insert(key, (cart, at));
        self.orders.push(Order {
            cart,
            receipt: None,
            ended: None,
            answered: "PENDING",
            attempts: 1,
            refunded: 0,
            is_refunded: false,
            failed_refunds: BTreeSet::new(),
            is_refunded_again: false,
            disputes: BTreeMap::new(),
            licences: Vec::new(),
            knows_intent: false,
            heard: BTreeSet::new(),
            about_payment: BTreeMap::new(),
            impossible: BTreeSet::new(),
            meaningless: BTreeSet::new(),
        });
        format!("201 PENDING invoice {} over {} replayed false", at + 1, cart.total())
    }

    fn licence(&self, licence: Licence) -> Option<(&Order, &LicenceState)> {
        let order = &self.orders[usize::from(licence.order)];
        order.licences.get(usize::from(licence.unit)).map(|found| (order, found))
    }

    fn licence_mut(&mut self, licence: Licence) -> Option<&mut LicenceState> {
        self.orders[usize::from(licence.order)].licences.get_mut(usize::from(licence.unit))
    }

    fn activate(&mut self, licence: Licence, device: u8) -> String {
        let Some((order, found)) = self.licence(licence) else {
            return "404 LICENCE_NOT_FOUND".to_owned();
        };
        match (order.licence_status(found), found.device) {
            ("ACTIVE", Some(active)) if active == device => {
                format!("200 created false on {}", device_name(device))
            }
            ("ACTIVE", Some(_)) => "409 LICENCE_MAX_ACTIVATIONS".to_owned(),
            ("ACTIVE", None) => {
                if let Some(found) = self.licence_mut(licence) {
                    found.device = Some(device);
                    found.activations += 1;
                }
                format!("201 created true on {}", device_name(device))
            }
            (status, _) => format!("403 LICENCE_{status}"),
        }
    }

    fn deactivate(&mut self, licence: Licence, by: Leaver) -> String {
        if matches!(by, Leaver::Session(Reader::Nobody)) {
            return "401 AUTH_REQUIRED".to_owned();
        }
        let Some((order, found)) = self.licence(licence).filter(|_| by != Leaver::Session(Reader::Stranger))
        else {
            return "404 LICENCE_NOT_FOUND".to_owned();
        };
        let is_here = match by {
            Leaver::Device(device) => found.device == Some(device),
            Leaver::Session(_) => found.device.is_some(),
        };
        if !is_here {
            return "409 LICENCE_NOT_ACTIVE_HERE".to_owned();
        }
        let answer = format!("200 {} on none", order.licence_status(found));
        if let Some(found) = self.licence_mut(licence) {
            found.device = None;
        }
        answer
    }

    fn validate(&self, licence: Licence, device: Option<u8>) -> String {
        let Some((order, found)) = self.licence(licence) else {
            return "200 false LICENCE_NOT_FOUND none".to_owned();
        };
        let status = order.licence_status(found);
        let code = match (status, device, found.device) {
            ("ACTIVE", None, _) => "VALID",
            ("ACTIVE", Some(_), None) => "NOT_ACTIVATED",
            ("ACTIVE", Some(asked), Some(active)) if asked == active => "VALID",
            ("ACTIVE", Some(_), Some(_)) => "FINGERPRINT_MISMATCH",
            (status, ..) => &format!("LICENCE_{status}"),
        };
        format!("200 {} {code} {status}", code == "VALID")
    }

    /// Everything that can be seen of the tenant.
    pub fn seen(&self) -> Value {
        let orders: Vec<Value> = self.orders.iter().enumerate().map(|(at, order)| order.seen(at)).collect();
        let bookings: Vec<Value> = self
            .bookings
            .iter()
            // The customer is mailed of the booking and of each change.
            .map(|(status, moves)| json!({"status": status.name(), "events": moves + 1}))
            .collect();
        json!({
            "orders": orders,
            "bookings": bookings,
            "booking_mails": self.bookings.iter().map(|(_, moves)| moves + 1).sum::<u32>(),
            "paid_mails": self.receipts,
            "last_invoice": self.orders.len(),
            "last_receipt": self.receipts,
        })
    }
}
