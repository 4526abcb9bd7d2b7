//! The rules of payment: the effect of each fact on an order. Needs no database.
//!
//! Facts may arrive in any order. Each is folded into what is known, and what is known decides the status. So the
//! outcome does not depend on the order of arrival.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::event::{IntentEvent, SessionEvent};
use super::events::Standing;
use super::refunds::{Failure, Refunds, Sum};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderStatus {
    Pending,
    Paid,
    Failed,
    Expired,
    Refunded,
}

impl OrderStatus {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "PENDING" => Some(Self::Pending),
            "PAID" => Some(Self::Paid),
            "FAILED" => Some(Self::Failed),
            "EXPIRED" => Some(Self::Expired),
            "REFUNDED" => Some(Self::Refunded),
            _ => None,
        }
    }

    /// Also the payment's status.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Failed => "FAILED",
            Self::Expired => "EXPIRED",
            Self::Refunded => "REFUNDED",
        }
    }

    pub(super) fn of_invoice(self) -> &'static str {
        match self {
            Self::Pending => "OPEN",
            Self::Paid => "PAID",
            Self::Failed | Self::Expired => "VOID",
            Self::Refunded => "REFUNDED",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DisputeStatus {
    Open,
    Won,
    Lost,
}

impl DisputeStatus {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "OPEN" => Some(Self::Open),
            "WON" => Some(Self::Won),
            "LOST" => Some(Self::Lost),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Won => "WON",
            Self::Lost => "LOST",
        }
    }
}

/// A dispute and the last word on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dispute {
    pub id: String,
    pub status: DisputeStatus,
    /// The provider's time of that word.
    pub told_at: Option<DateTime<Utc>>,
}

impl Dispute {
    /// Whether `newer` is a later word than this one. Of two of one second, or where one bears no time, the one that ends
    /// the dispute comes after the one that begins it, and a loss last.
    fn is_followed_by(&self, newer: &Self) -> bool {
        match (self.told_at, newer.told_at) {
            (Some(known), Some(told)) if known != told => known < told,
            _ => self.status < newer.status,
        }
    }
}

/// What is known of an order and its payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub tenant_id: Uuid,
    pub order_id: Uuid,
    pub payment_id: Uuid,
    pub user_id: Uuid,
    pub status: OrderStatus,
    pub total: i64,
    pub currency: String,
    pub paid_at: Option<DateTime<Utc>>,
    pub amount_refunded: i64,
    pub session_id: Option<String>,
    pub payment_intent: Option<String>,
    /// Whether there may be sessions beside the one that was paid.
    pub has_other_sessions: bool,
    pub disputes: Vec<Dispute>,
    pub refunds: Refunds,
}

impl Account {
    /// Folds in what happened to the Checkout Session, at the provider's time `at`. An error: the event can never
    /// succeed, nothing is changed.
    pub(super) fn hear_session(
        &mut self,
        session_id: &str,
        payment_intent: Option<&str>,
        what: &SessionEvent,
        at: DateTime<Utc>,
    ) -> Result<(), String> {
        if let SessionEvent::Paid { amount, currency } = what
            && (*amount != self.total || *currency != self.currency)
        {
            return Err(format!(
                "paid {amount} {currency}, but the order is over {} {}",
                self.total, self.currency
            ));
        }
        let is_paid_now = matches!(what, SessionEvent::Paid { .. });
        if is_paid_now
            && self.is_paid()
            && let (Some(known), Some(other)) = (self.payment_intent.as_deref(), payment_intent)
            && known != other
        {
            return Err(format!("the order is paid by {known} already: refund {other} at the provider"));
        }
        // Another session's end says nothing: the order ends with the one that its customer was given last. Where that one
        // is not known yet, and there were others before, this may be one of those.
        let is_present = match &self.session_id {
            Some(present) => present == session_id,
            None => !self.has_other_sessions,
        };
        if self.session_id.is_none() && (is_present || is_paid_now) {
            self.session_id = Some(session_id.to_owned());
        }
        if self.payment_intent.is_none() || (is_paid_now && !self.is_paid()) {
            self.payment_intent = payment_intent.map(str::to_owned).or(self.payment_intent.take());
        }
        match (what, self.status) {
            // Money was taken: whatever was thought before, and by whichever of its sessions, the order is paid.
            (
                SessionEvent::Paid { .. },
                OrderStatus::Pending | OrderStatus::Failed | OrderStatus::Expired,
            ) => {
                self.status = OrderStatus::Paid;
                self.paid_at = Some(at);
                self.has_other_sessions |= !is_present;
            }
            (SessionEvent::AsyncFailed, OrderStatus::Pending) if is_present => {
                self.status = OrderStatus::Failed;
            }
            (SessionEvent::Expired, OrderStatus::Pending) if is_present => self.status = OrderStatus::Expired,
            _ => {}
        }
        Ok(())
    }

    /// Folds in that no Checkout Session was ever given out. One that was noted meanwhile goes its own way.
    pub(super) fn hear_abandoned(&mut self) {
        if self.session_id.is_none() && self.status == OrderStatus::Pending {
            self.status = OrderStatus::Expired;
        }
    }

    /// Whether refunds and disputes can be settled: there is a payment that they are about.
    pub(super) fn is_paid(&self) -> bool {
        self.paid_at.is_some()
    }

    /// Whether the order was paid by this payment intent, as far as is known.
    pub(super) fn is_paid_by(&self, payment_intent: &str) -> bool {
        self.is_paid() && self.payment_intent.as_deref() == Some(payment_intent)
    }

    /// Whether it was paid by another one: this one's money is none of the order's.
    pub(super) fn is_paid_otherwise(&self, payment_intent: &str) -> bool {
        self.is_paid() && self.payment_intent.as_deref().is_some_and(|known| known != payment_intent)
    }

    /// Folds in a refund or dispute of a paid order, told by this event at the provider's time `at`.
    pub(super) fn hear_intent(&mut self, event_id: &str, at: Option<DateTime<Utc>>, what: &IntentEvent) {
        match what {
            IntentEvent::Refunded { in_full, amount_refunded } => {
                let event_id = event_id.to_owned();
                self.refunds.hear_sum(Sum { event_id, amount: *amount_refunded, in_full: *in_full, at });
                self.settle_refunds();
            }
            IntentEvent::RefundFailed { refund_id, amount } => {
                self.refunds.hear_failure(Failure { refund_id: refund_id.clone(), amount: *amount, at });
                self.settle_refunds();
            }
            IntentEvent::Disputed { dispute_id } => self.hear_dispute(dispute_id, DisputeStatus::Open, at),
            IntentEvent::DisputeClosed { dispute_id, lost } => {
                let closed = if *lost { DisputeStatus::Lost } else { DisputeStatus::Won };
                self.hear_dispute(dispute_id, closed, at);
            }
        }
    }

    fn settle_refunds(&mut self) {
        let refunded = self.refunds.refunded();
        self.amount_refunded = refunded.amount;
        self.status = if refunded.in_full { OrderStatus::Refunded } else { OrderStatus::Paid };
    }

    fn hear_dispute(&mut self, id: &str, status: DisputeStatus, told_at: Option<DateTime<Utc>>) {
        let told = Dispute { id: id.to_owned(), status, told_at };
        match self.disputes.iter_mut().find(|known| known.id == told.id) {
            Some(known) if known.is_followed_by(&told) => *known = told,
            Some(_) => {}
            None => self.disputes.push(told),
        }
    }

    /// Where the money is, by all that is known.
    pub(super) fn standing(&self) -> Standing {
        let any = |wanted| self.disputes.iter().any(|dispute| dispute.status == wanted);
        if self.status == OrderStatus::Refunded || any(DisputeStatus::Lost) {
            Standing::Reversed
        } else if any(DisputeStatus::Open) {
            Standing::Disputed
        } else {
            Standing::Settled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            tenant_id: Uuid::nil(),
            order_id: Uuid::nil(),
            payment_id: Uuid::nil(),
            user_id: Uuid::nil(),
            status: OrderStatus::Pending,
            total: 500,
            currency: "USD".to_owned(),
            paid_at: None,
            amount_refunded: 0,
            session_id: Some("cs".to_owned()),
            payment_intent: None,
            has_other_sessions: false,
            disputes: Vec::new(),
            refunds: Refunds::default(),
        }
    }

    fn paid() -> SessionEvent {
        SessionEvent::Paid { amount: 500, currency: "USD".to_owned() }
    }

    const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

    #[test]
    fn expired_then_paid_ends_paid_and_so_does_the_reverse() -> Result<(), String> {
        for order in [[SessionEvent::Expired, paid()], [paid(), SessionEvent::Expired]] {
            let mut account = account();
            for what in &order {
                account.hear_session("cs", Some("pi"), what, NOW)?;
            }
            assert_eq!(account.status, OrderStatus::Paid);
        }
        Ok(())
    }

    #[test]
    fn the_end_of_an_earlier_session_does_not_end_an_attempt_whose_session_is_not_known() -> Result<(), String>
    {
        for end in [SessionEvent::Expired, SessionEvent::AsyncFailed] {
            let mut account = Account { session_id: None, has_other_sessions: true, ..account() };
            account.hear_session("cs_earlier", Some("pi_earlier"), &end, NOW)?;
            assert_eq!((account.status, account.session_id.clone()), (OrderStatus::Pending, None));
            account.hear_session("cs_earlier", Some("pi"), &paid(), NOW)?;
            assert_eq!(account.status, OrderStatus::Paid);
            let mut only = Account { session_id: None, ..super::tests::account() };
            only.hear_session("cs", None, &SessionEvent::Expired, NOW)?;
            assert_eq!(only.status, OrderStatus::Expired, "the only session is the present one");
        }
        Ok(())
    }

    #[test]
    fn a_wrong_amount_changes_nothing() {
        let mut account = account();
        let before = account.clone();
        let wrong = SessionEvent::Paid { amount: 499, currency: "USD".to_owned() };
        assert!(account.hear_session("cs", Some("pi"), &wrong, NOW).is_err());
        assert_eq!(account, before);
    }

    fn second(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    fn disputed(id: &str) -> IntentEvent {
        IntentEvent::Disputed { dispute_id: id.to_owned() }
    }

    fn closed(id: &str, lost: bool) -> IntentEvent {
        IntentEvent::DisputeClosed { dispute_id: id.to_owned(), lost }
    }

    fn paid_account() -> Account {
        Account {
            status: OrderStatus::Paid,
            paid_at: Some(NOW),
            payment_intent: Some("pi".to_owned()),
            ..account()
        }
    }

    /// The account after these words in each order of their coming, which must not matter.
    fn after(told: &[(&str, i64, IntentEvent)]) -> (OrderStatus, i64, Standing) {
        let mut outcomes = Vec::new();
        for rotation in 0..told.len() {
            for backwards in [false, true] {
                let mut told = told.to_vec();
                told.rotate_left(rotation);
                if backwards {
                    told.reverse();
                }
                let mut account = paid_account();
                for (event_id, at, what) in &told {
                    account.hear_intent(event_id, second(*at), what);
                }
                outcomes.push((account.status, account.amount_refunded, account.standing()));
            }
        }
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
        outcomes[0]
    }

    #[test]
    fn a_dispute_that_was_closed_is_not_opened_again_by_its_late_beginning() {
        for (lost, standing) in [(false, Standing::Settled), (true, Standing::Reversed)] {
            for (opened_at, closed_at) in [(second(1), second(2)), (second(1), second(1)), (None, None)] {
                let words = [(opened_at, disputed("dp")), (closed_at, closed("dp", lost))];
                for order in [[0, 1], [1, 0]] {
                    let mut account = paid_account();
                    for at in order {
                        let (told_at, what) = &words[at];
                        account.hear_intent("evt", *told_at, what);
                    }
                    assert_eq!(account.standing(), standing);
                }
            }
        }
    }

    #[test]
    fn the_last_word_of_a_dispute_counts_and_a_lost_one_prevails_over_others() {
        let opened = ("evt_1", 1, disputed("dp"));
        let (won, lost) = (closed("dp", false), closed("dp", true));
        let turned = after(&[opened.clone(), ("evt_2", 2, lost.clone()), ("evt_3", 3, won.clone())]);
        assert_eq!(turned, (OrderStatus::Paid, 0, Standing::Settled));
        let turned = after(&[opened.clone(), ("evt_2", 2, won.clone()), ("evt_3", 3, lost.clone())]);
        assert_eq!(turned, (OrderStatus::Paid, 0, Standing::Reversed));
        let other = ("evt_4", 9, closed("other", true));
        assert_eq!(after(&[opened, ("evt_2", 8, won), other]).2, Standing::Reversed);
    }

    #[test]
    fn a_won_dispute_does_not_undo_a_refund() {
        let refunded = IntentEvent::Refunded { in_full: true, amount_refunded: 500 };
        let outcome =
            after(&[("evt_1", 1, disputed("dp")), ("evt_2", 2, refunded), ("evt_3", 3, closed("dp", false))]);
        assert_eq!(outcome, (OrderStatus::Refunded, 500, Standing::Reversed));
    }

    #[test]
    fn a_refund_that_fails_later_leaves_the_order_paid() {
        let refunded = IntentEvent::Refunded { in_full: true, amount_refunded: 500 };
        let failed = IntentEvent::RefundFailed { refund_id: "re".to_owned(), amount: 500 };
        let outcome = after(&[("evt_1", 1, refunded), ("evt_2", 2, failed.clone()), ("evt_3", 2, failed)]);
        assert_eq!(outcome, (OrderStatus::Paid, 0, Standing::Settled));
    }

    #[test]
    fn one_of_two_disputes_still_open_keeps_the_licences_suspended() {
        let outcome = after(&[
            ("evt_1", 1, disputed("one")),
            ("evt_2", 1, disputed("two")),
            ("evt_3", 2, closed("one", false)),
        ]);
        assert_eq!(outcome.2, Standing::Disputed);
    }

    #[test]
    fn whichever_session_is_paid_pays_and_an_earlier_ones_end_ends_nothing() -> Result<(), String> {
        let mut account = account();
        account.hear_session("cs_earlier", None, &SessionEvent::Expired, NOW)?;
        assert_eq!(account.status, OrderStatus::Pending);
        account.hear_session("cs_earlier", Some("pi"), &paid(), NOW)?;
        assert_eq!((account.status, account.payment_intent.as_deref()), (OrderStatus::Paid, Some("pi")));
        account.hear_session("cs", None, &SessionEvent::Expired, NOW)?;
        assert_eq!(account.status, OrderStatus::Paid);
        let before = account.clone();
        assert!(account.hear_session("cs", Some("pi_other"), &paid(), NOW).is_err(), "paid twice");
        assert_eq!(account, before);
        Ok(())
    }
}
