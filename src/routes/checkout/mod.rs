//! Checkout: an order with its invoice, and the provider's payment page.

pub mod start;
