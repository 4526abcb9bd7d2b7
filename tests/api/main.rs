//! The API over real HTTP: a real PostgreSQL, the Stripe stand-in over HTTP, and as many application instances on one
//! database as a test asks for.
#![cfg(feature = "dev")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod attempts;
mod audit_log;
mod background;
mod caches;
mod checkout;
mod conformance;
mod contract;
mod coverage;
mod currencies;
mod distribution;
mod document;
mod documents;
mod downloads;
mod faults;
mod harness;
mod hostile;
mod idempotency;
mod identifiers;
mod isolation;
mod licences;
mod lint;
mod lists;
mod mail_allowances;
mod mail_contents;
mod mail_delivery;
mod main_job;
mod metrics;
mod mixing;
mod modules;
mod monitoring;
mod numbers;
mod outbox;
mod payments;
mod rate_limits;
mod reconciler;
mod repeated_keys;
mod return_addresses;
mod row_security;
mod schema;
mod serving;
mod sign_in;
#[path = "../faults/smtp.rs"]
mod smtp;
mod storage;
mod tenancy;
mod times;
mod tokens;
mod traces;
mod webhooks;
