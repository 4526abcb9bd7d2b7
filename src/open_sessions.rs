//! Ends the Checkout Sessions of a paid order that can still be paid, at the payment provider. Called by the courier.

use chrono::{DateTime, TimeDelta, Utc};
use primetech_actors::ask::ask;
use primetech_actors::clock::SharedClock;
use primetech_actors::order::{ListAttempts, OrderActor};
use primetech_actors::outbox::{Delivery, DeliveryError};
use primetech_actors::shard::Shards;
use primetech_stripe::{CheckoutStatus, PaymentProvider, ProviderError};
use uuid::Uuid;

/// A session is made within seconds of its attempt; the rest is for clocks that differ and calls that were repeated.
const MADE_BEFORE: TimeDelta = TimeDelta::minutes(2);
const MADE_AFTER: TimeDelta = TimeDelta::minutes(10);

pub struct OpenSessions {
    pub clock: SharedClock,
    pub payments: PaymentProvider,
    pub orders: Shards<OrderActor>,
}

impl OpenSessions {
    /// Ends whichever sessions of a paid order can still be paid. The one that was paid is complete, and stays so.
    pub async fn end(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let order_id = delivery.payload["orderId"].as_str().and_then(|id| Uuid::parse_str(id).ok());
        let order_id = order_id.ok_or_else(|| DeliveryError::Permanent("it names no order".to_owned()))?;
        let scope = delivery.scope;
        let attempts = ask(self.orders.of(&scope), ListAttempts { scope, order_id }).await;
        let attempts = attempts.map_err(|fault| DeliveryError::Temporary(fault.to_string()))?;
        let mut sessions = Vec::new();
        // An attempt whose session is not known may have been asked for again until the next one began.
        let ends = attempts.iter().skip(1).map(|next| next.started_at).chain([self.clock.now()]);
        let ends: Vec<DateTime<Utc>> = ends.collect();
        for (attempt, end) in attempts.into_iter().zip(ends) {
            match attempt.session_id {
                Some(session_id) => match self.payments.get_checkout_session(&session_id).await {
                    Ok(session) => sessions.push(session),
                    Err(error) if error.is_missing() => {}
                    Err(error) => return Err(temporary(&error)),
                },
                None => {
                    let made = attempt.started_at - MADE_BEFORE..=end + MADE_AFTER;
                    let found = self.payments.find_checkout_sessions(order_id, made).await;
                    sessions.extend(found.map_err(|error| temporary(&error))?);
                }
            }
        }
        for session in sessions.iter().filter(|session| session.status == CheckoutStatus::Open) {
            match self.payments.expire_checkout_session(&session.id).await {
                // No longer open: ended, or paid at this moment, which its own event tells.
                Ok(_) | Err(ProviderError::Refused { status: 400, .. }) => {}
                Err(error) => return Err(temporary(&error)),
            }
        }
        Ok(())
    }
}

fn temporary(error: &ProviderError) -> DeliveryError {
    DeliveryError::Temporary(error.to_string())
}
