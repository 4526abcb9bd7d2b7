//! Checkout: an order with its invoice, and the provider's page to pay it on.

pub mod start;
