//! What the product is made of: the libraries of the lock file, and the tree itself. Needs neither network nor
//! database; the lists are those of `deny.toml`, which `cargo deny` reads where it is installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dependencies;
mod tree;
