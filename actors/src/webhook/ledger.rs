//! The rules of payment: the effect of each fact on an order. Needs no database.
//!
//! Facts may arrive in any order. Each is folded into what is known, and what is known decides the status. So the
//! outcome does not depend on the order of arrival.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::event::{IntentEvent, SessionEvent};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub disputes: Vec<(String, DisputeStatus)>,
}

/// What is to become of the licences of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LicenceFate {
    Active,
    Suspended,
    Revoked,
}

impl Account {
    /// Folds in what happened to the Checkout Session. An error: the event can never succeed, nothing is changed.
    pub(super) fn hear_session(
        &mut self,
        session_id: &str,
        payment_intent: Option<&str>,
        what: &SessionEvent,
        now: DateTime<Utc>,
    ) -> Result<(), String> {
        if self.session_id.as_deref().is_some_and(|known| known != session_id) {
            return Err("the order is paid by another Checkout Session".to_owned());
        }
        if let SessionEvent::Paid { amount, currency } = what
            && (*amount != self.total || *currency != self.currency)
        {
            return Err(format!(
                "paid {amount} {currency}, but the order is over {} {}",
                self.total, self.currency
            ));
        }
        self.session_id = Some(session_id.to_owned());
        if self.payment_intent.is_none() {
            self.payment_intent = payment_intent.map(str::to_owned);
        }
        match (what, self.status) {
            // Money was taken: whatever was thought before, the order is paid.
            (
                SessionEvent::Paid { .. },
                OrderStatus::Pending | OrderStatus::Failed | OrderStatus::Expired,
            ) => {
                self.status = OrderStatus::Paid;
                self.paid_at = Some(now);
            }
            (SessionEvent::AsyncFailed, OrderStatus::Pending) => self.status = OrderStatus::Failed,
            (SessionEvent::Expired, OrderStatus::Pending) => self.status = OrderStatus::Expired,
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

    /// Folds in a refund or dispute of a paid order.
    pub(super) fn hear_intent(&mut self, what: &IntentEvent) {
        match what {
            IntentEvent::Refunded { in_full, amount_refunded } => {
                // Partial refunds are told as a growing sum; an older one may arrive later.
                self.amount_refunded = self.amount_refunded.max(*amount_refunded);
                if *in_full {
                    self.status = OrderStatus::Refunded;
                }
            }
            IntentEvent::Disputed { dispute_id } => {
                // One that was closed already stays closed.
                if !self.disputes.iter().any(|(id, _)| id == dispute_id) {
                    self.disputes.push((dispute_id.clone(), DisputeStatus::Open));
                }
            }
            IntentEvent::DisputeClosed { dispute_id, lost } => {
                let closed = if *lost { DisputeStatus::Lost } else { DisputeStatus::Won };
                match self.disputes.iter_mut().find(|(id, _)| id == dispute_id) {
                    Some((_, status)) => *status = closed,
                    None => self.disputes.push((dispute_id.clone(), closed)),
                }
            }
        }
    }

    /// What all that is known means for the licences.
    pub(super) fn licence_fate(&self) -> LicenceFate {
        let any = |wanted| self.disputes.iter().any(|(_, status)| *status == wanted);
        if self.status == OrderStatus::Refunded || any(DisputeStatus::Lost) {
            LicenceFate::Revoked
        } else if any(DisputeStatus::Open) {
            LicenceFate::Suspended
        } else {
            LicenceFate::Active
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
            disputes: Vec::new(),
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
    fn a_wrong_amount_changes_nothing() {
        let mut account = account();
        let before = account.clone();
        let wrong = SessionEvent::Paid { amount: 499, currency: "USD".to_owned() };
        assert!(account.hear_session("cs", Some("pi"), &wrong, NOW).is_err());
        assert_eq!(account, before);
    }

    #[test]
    fn a_dispute_that_was_closed_is_not_opened_again_by_its_late_beginning() {
        let created = IntentEvent::Disputed { dispute_id: "dp".to_owned() };
        for (lost, fate) in [(false, LicenceFate::Active), (true, LicenceFate::Revoked)] {
            let closed = IntentEvent::DisputeClosed { dispute_id: "dp".to_owned(), lost };
            for order in [[&created, &closed], [&closed, &created]] {
                let mut account = account();
                order.iter().for_each(|what| account.hear_intent(what));
                assert_eq!(account.licence_fate(), fate);
            }
        }
    }

    #[test]
    fn a_won_dispute_does_not_undo_a_refund() {
        let mut account = account();
        account.hear_intent(&IntentEvent::Disputed { dispute_id: "dp".to_owned() });
        account.hear_intent(&IntentEvent::Refunded { in_full: true, amount_refunded: 500 });
        account.hear_intent(&IntentEvent::DisputeClosed { dispute_id: "dp".to_owned(), lost: false });
        assert_eq!((account.status, account.licence_fate()), (OrderStatus::Refunded, LicenceFate::Revoked));
    }

    #[test]
    fn one_of_two_disputes_still_open_keeps_the_licences_suspended() {
        let mut account = account();
        for id in ["one", "two"] {
            account.hear_intent(&IntentEvent::Disputed { dispute_id: id.to_owned() });
        }
        account.hear_intent(&IntentEvent::DisputeClosed { dispute_id: "one".to_owned(), lost: false });
        assert_eq!(account.licence_fate(), LicenceFate::Suspended);
    }
}
