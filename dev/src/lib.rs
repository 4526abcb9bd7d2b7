//! What `primetech dev` and the tests stand on: a private PostgreSQL and an S3 store on loopback, and a stand-in for
//! Stripe. Never part of a production build, and never on the request path.

pub mod free_port;
pub mod postgres;
pub mod process;
pub mod store;
pub mod stripe;
