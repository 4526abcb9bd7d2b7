//! What `primetech dev` and the tests stand on: private real parts on loopback, and a stand-in for Stripe. Nothing
//! outside this folder, the `dev` command and tests imports from it; it is never on the request path.

pub mod free_port;
pub mod postgres;
pub mod store;
pub mod stripe;
