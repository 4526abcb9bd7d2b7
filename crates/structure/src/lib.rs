//! Reads the repository's source as text, for the tests of its structure in `tests/tree`. No part of the product.
//!
//! A [`tree::Tree`] holds the text of files; [`tokens`] reads it without its comments, attributes and unit tests;
//! [`modules`] finds out which file uses which; [`graph`] finds circles; [`sql`] finds the tables that a text writes to;
//! [`exceptions`] compares what a rule finds with a table of what is allowed today, which can only shrink.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test"))]

pub mod exceptions;
pub mod graph;
pub mod modules;
pub mod rules;
pub mod sql;
pub mod tokens;
pub mod tree;
pub mod workspace;
