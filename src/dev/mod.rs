//! What `primetech dev` and the tests stand on: real parts, run privately on loopback. Never on the request path.

pub mod free_port;
pub mod postgres;
pub mod store;
