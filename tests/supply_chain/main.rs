//! What the product is made of: the libraries of the lock file, and the tree itself. Needs no database and no network, but
//! the libraries of all platforms: `cargo fetch --locked` downloads them. The lists are those of `deny.toml`, which
//! `cargo deny` reads if it is installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dependencies;
mod tree;
mod workspace;
