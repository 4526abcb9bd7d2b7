//! Mails that a module sends to users.

use futures_util::future::LocalBoxFuture;
use primetech_kernel::outbox::{Delivery, DeliveryError};
use uuid::Uuid;

/// What a user is told. The shop's name stands before the subject, a greeting before the text and the shop's name after it.
#[derive(Debug, Clone)]
pub struct UserLetter {
    pub user_id: Uuid,
    pub subject: String,
    pub paragraphs: Vec<String>,
}

/// Sends mails to users: an adapter of the product, for modules that have no adapter of their own.
pub trait UserMail: Send + Sync {
    /// Sends a letter to a user of the delivery's tenant; to one who is gone, none. The message of `delivery` may be
    /// delivered again if this fails.
    fn send(&self, delivery: Delivery, letter: UserLetter) -> LocalBoxFuture<'_, Result<(), DeliveryError>>;
}
