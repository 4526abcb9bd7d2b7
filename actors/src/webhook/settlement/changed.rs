//! The changes that a batch of provider events makes to an order, and the events that tell of them.

use chrono::{DateTime, Utc};

use crate::database::BatchTx;
use crate::webhook::events::{
    DisputeChanged, OrderPaid, OrderStandingChanged, OrderStatusChanged, PaymentRefunded, RefundFailed,
    Standing,
};
use crate::webhook::ledger::{Account, OrderStatus};
use crate::webhook::refunds::Failure;

/// An account before and after the events of a batch.
pub struct Changed {
    pub before: Account,
    pub after: Account,
}

impl Changed {
    pub(super) fn became_paid(&self) -> bool {
        !self.before.is_paid() && self.after.is_paid()
    }

    pub(super) fn is_refunded_now(&self) -> bool {
        self.before.status != OrderStatus::Refunded && self.after.status == OrderStatus::Refunded
    }

    /// Refunds of which it was not known that they failed.
    pub(super) fn failed_refunds(&self) -> impl Iterator<Item = &Failure> {
        let known = &self.before.refunds.failures;
        let is_new = |failure: &&Failure| known.iter().all(|known| known.refund_id != failure.refund_id);
        self.after.refunds.failures.iter().filter(is_new)
    }

    /// Emits an event for each thing that changed. Each is an entry of the audit log, or is heard by other domains.
    pub(super) fn tell(&self, tx: &mut BatchTx, now: DateTime<Utc>) {
        let Account { tenant_id, order_id, payment_id, .. } = self.after;
        let (from, to) = (self.before.status, self.after.status);
        if from != to {
            let (from, to) = (from.as_str().to_owned(), to.as_str().to_owned());
            tx.emit(now, OrderStatusChanged { tenant_id, order_id, from, to });
        }
        let (from, to) = (self.before.amount_refunded, self.after.amount_refunded);
        if to > from {
            tx.emit(now, PaymentRefunded { tenant_id, order_id, payment_id, from, to });
        }
        for Failure { refund_id, amount, .. } in self.failed_refunds() {
            let (refund_id, amount) = (refund_id.clone(), *amount);
            tx.emit(now, RefundFailed { tenant_id, order_id, payment_id, refund_id, amount, from, to });
        }
        for dispute in &self.after.disputes {
            let known = self.before.disputes.iter().find(|known| known.id == dispute.id);
            let from = known.map(|known| known.status);
            if from != Some(dispute.status) {
                let (dispute_id, to) = (dispute.id.clone(), dispute.status.as_str().to_owned());
                let from = from.map(|status| status.as_str().to_owned());
                tx.emit(now, DisputeChanged { tenant_id, order_id, payment_id, dispute_id, from, to });
            }
        }
        if self.became_paid() {
            let Account { user_id, total, ref currency, .. } = self.after;
            let currency = currency.clone();
            tx.emit(now, OrderPaid { tenant_id, order_id, user_id, total, currency });
        }
        let standing = |account: &Account| match account.is_paid() {
            true => account.standing(),
            false => Standing::Settled,
        };
        let (from, standing) = (standing(&self.before), standing(&self.after));
        if from != standing {
            tx.emit(now, OrderStandingChanged { tenant_id, order_id, standing });
        }
    }
}
