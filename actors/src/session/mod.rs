//! Accounts: users, their sessions, and the tokens of mailed links.
//!
//! Owns `users`, `sessions`, `email_verification_tokens` and `password_reset_tokens`. Passwords are hashed with
//! argon2id, outside the async threads. Of a token only the hash is stored.

mod actor;
mod directory;
mod messages;
pub mod operator;
pub mod password;
mod refusals;
mod store;
mod token;

pub use actor::{SessionActor, SessionSettings};
pub use directory::SessionDirectory;
pub use messages::*;
pub use token::{MailToken, MailTokenKind, SessionToken, TokenSecret};
