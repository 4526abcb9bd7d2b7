//! Makes the pages that orders are paid on: Checkout Sessions at Stripe.

use futures_util::future::LocalBoxFuture;
use primetech_actors::order::{CheckoutView, NewPage, PageFailure, PageLine, PaymentPages};
use primetech_stripe::{CheckoutLine, NewCheckoutSession, PaymentProvider};

/// Stripe, as a checkout asks it.
pub struct StripePages(pub PaymentProvider);

impl PaymentPages for StripePages {
    fn make(&self, wanted: NewPage) -> LocalBoxFuture<'_, Result<CheckoutView, PageFailure>> {
        Box::pin(async move {
            let made = self.0.try_checkout_session(&session(wanted)).await;
            let made = made.map_err(|failed| PageFailure {
                reason: failed.error.to_string(),
                replayed: failed.replayed,
                server_errors: failed.server_errors,
            })?;
            Ok(CheckoutView { session_id: made.id, url: made.url, expires_at: made.expires_at })
        })
    }
}

fn session(wanted: NewPage) -> NewCheckoutSession {
    let line = |PageLine { name, unit_amount, quantity }| CheckoutLine { name, unit_amount, quantity };
    NewCheckoutSession {
        idempotency_key: wanted.idempotency_key,
        order_id: wanted.order_id,
        order_number: wanted.order_number,
        tenant_id: wanted.tenant_id,
        currency: wanted.currency,
        lines: wanted.lines.into_iter().map(line).collect(),
        customer_email: Some(wanted.customer_email),
        success_url: wanted.success_url,
        cancel_url: wanted.cancel_url,
        expires_at: wanted.expires_at,
    }
}
