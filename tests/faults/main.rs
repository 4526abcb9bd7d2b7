//! What goes wrong, made to go wrong: the program itself under load, on a real PostgreSQL, with its processes killed,
//! its connections cut and its neighbours gone. After each fault the promises are read back from the database.
//!
//! Sizes are small by default; `scripts/torture` runs the same tests with larger ones.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod database_killed;
mod ending;
mod exhaustion;
mod load;
mod lost_commits;
mod memory;
mod neighbours;
mod panics;
mod poisoned;
mod process_killed;
mod proxy;
mod service;
mod smtp;
mod visitor;
mod wire;
mod world;
