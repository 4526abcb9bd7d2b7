//! Stand-ins for the outside world, for `primetech dev` and tests. Nothing outside this folder imports from it.

pub mod stripe;
