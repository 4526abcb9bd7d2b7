//! The mails to users with links that show who reads their address.

use futures_util::future::LocalBoxFuture;
use primetech_kernel::caller::User;
use primetech_kernel::events::Place;
use primetech_kernel::outbox::{Delivery, DeliveryError, Sort};

use crate::events::{PasswordResetRequested, VerificationRequested};
use crate::token::{MailToken, MailTokenKind};

/// Mails to confirm an address.
pub(crate) const VERIFY: Sort = Sort::urgent("verify");
/// Mails to set a new password.
pub(crate) const RESET: Sort = Sort::urgent("reset");

/// Where a mail waits. A newer link ends the older ones: it waits for none of their mails.
pub(crate) fn place_of_verification(_: &VerificationRequested) -> Option<Place> {
    Some(Place { sort: VERIFY, subject: None })
}

/// See [`place_of_verification`].
pub(crate) fn place_of_reset(_: &PasswordResetRequested) -> Option<Place> {
    Some(Place { sort: RESET, subject: None })
}

/// What a mail with a link tells.
#[derive(Debug)]
pub struct LinkNotice {
    pub user: User,
    /// What the link is for.
    pub kind: MailTokenKind,
    pub token: MailToken,
}

/// Sends mails to users about their accounts.
pub trait AccountMail: Send + Sync {
    /// Sends a link. The message of `delivery` may be delivered again if this fails.
    fn link(&self, delivery: Delivery, notice: LinkNotice) -> LocalBoxFuture<'_, Result<(), DeliveryError>>;
}
