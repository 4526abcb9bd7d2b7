//! The client of Stripe: Checkout Sessions over pooled connections, and the verification of a webhook's signature.
//! Checkout and its reconciler call [`PaymentProvider`]; the webhook route calls [`signature::verify`]. Invariant: a
//! request that may be sent twice has an idempotency key, so Stripe runs it once.

mod error;
mod events;
mod provider;
mod retry;
pub mod signature;
mod transport;

pub use error::{ProviderConfigError, ProviderError, UnavailableReason};
pub use events::ListedEvent;
pub use provider::{
    CheckoutLine, CheckoutSession, CheckoutSessionDetails, CheckoutStatus, NewCheckoutSession,
    PaymentProvider, PaymentStatus,
};
pub use retry::{Failed, ProviderTimeouts};
