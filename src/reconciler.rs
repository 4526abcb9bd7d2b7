//! Answers the reconciler's questions through Stripe.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use primetech_actors::reconciler::{AskError, Provider, ProviderEvent, SessionState, Standing};
use primetech_stripe::{
    CheckoutSessionDetails, CheckoutStatus, ListedEvent, PaymentProvider, PaymentStatus, ProviderError,
};
use uuid::Uuid;

/// Stripe, as the reconciler asks it.
#[derive(Clone)]
pub struct StripeProvider(pub PaymentProvider);

impl Provider for StripeProvider {
    async fn session(&self, session_id: &str) -> Result<SessionState, AskError> {
        self.0.get_checkout_session(session_id).await.map(state).map_err(refusal)
    }

    async fn find_sessions(
        &self,
        order_id: Uuid,
        made: RangeInclusive<DateTime<Utc>>,
    ) -> Result<Vec<SessionState>, AskError> {
        let found = self.0.find_checkout_sessions(order_id, made).await.map_err(refusal)?;
        Ok(found.into_iter().map(state).collect())
    }

    async fn events(
        &self,
        kinds: &'static [&'static str],
        made: RangeInclusive<DateTime<Utc>>,
    ) -> Result<Option<Vec<ProviderEvent>>, AskError> {
        let listed = self.0.list_events(kinds, made).await;
        // Whatever is refused here concerns the key or the question, and no object.
        let listed = listed.map_err(|error| AskError::Unavailable(error.to_string()))?;
        Ok(listed.map(|events| events.into_iter().filter_map(|event| provider_event(kinds, event)).collect()))
    }
}

/// One of another type than was asked for is left out.
fn provider_event(kinds: &'static [&'static str], event: ListedEvent) -> Option<ProviderEvent> {
    let kind = kinds.iter().copied().find(|kind| *kind == event.kind)?;
    let payload = event.body.to_string();
    Some(ProviderEvent { id: event.id, kind, payment_intent: event.payment_intent, payload })
}

/// A refusal of anything but the session itself (a key that is wrong, a permission that is missing) concerns all.
fn refusal(error: ProviderError) -> AskError {
    if error.is_missing() { AskError::Missing } else { AskError::Unavailable(error.to_string()) }
}

fn state(details: CheckoutSessionDetails) -> SessionState {
    let id = |name: &str| Uuid::parse_str(details.metadata.get(name)?).ok();
    let named = id("tenantId").zip(id("orderId"));
    let standing = standing(&details);
    SessionState {
        session_id: details.id,
        named,
        url: details.url,
        expires_at: details.expires_at,
        payment_intent: details.payment_intent_id,
        paid_at: details.paid_at,
        standing,
    }
}

fn standing(details: &CheckoutSessionDetails) -> Standing {
    match (&details.status, &details.payment_status) {
        // As the event would be read: complete, and nothing left to pay.
        (CheckoutStatus::Complete, PaymentStatus::Paid | PaymentStatus::NoPaymentRequired) => {
            match (details.amount_total, &details.currency) {
                (Some(amount), Some(currency)) => Standing::Paid { amount, currency: currency.clone() },
                _ => Standing::Unknown,
            }
        }
        (CheckoutStatus::Complete, _) if details.payment_failed => Standing::Failed,
        (CheckoutStatus::Complete, PaymentStatus::Unpaid) => Standing::Awaiting,
        (CheckoutStatus::Open, _) => Standing::Open,
        (CheckoutStatus::Expired, _) => Standing::Expired,
        (CheckoutStatus::Complete | CheckoutStatus::Unknown(_), _) => Standing::Unknown,
    }
}
