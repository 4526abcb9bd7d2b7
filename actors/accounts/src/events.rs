//! The events of accounts.
//!
//! A request for a link is told also if there is nobody to mail it to, so that it takes as long whether or not the
//! address is known.

use primetech_kernel::audit_log::{Actor, Entry, RequestId, Subject};
use primetech_kernel::events::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A link to confirm an address is to be mailed: at registration, or because someone asked for another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VerificationRequested(pub LinkRequest);

/// Someone asked for a link to set a new password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordResetRequested(pub LinkRequest);

/// Which link is to be mailed, and to whom. Its token is derived from the token's id when the mail is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkRequest {
    /// Messages of an earlier release have none: their delivery says whose they are.
    #[serde(default)]
    pub tenant_id: Uuid,
    /// None: no mail leaves.
    pub user_id: Option<Uuid>,
    pub token_id: Uuid,
    /// For the audit log, which is written before the event leaves its transaction. None: the entry of the registration
    /// says it.
    #[serde(skip)]
    pub asked: Option<Asked>,
}

/// Someone asked, who has proved nothing.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The account of the address that was given; none: there is no such account.
    pub account: Option<Uuid>,
    pub request_id: Option<RequestId>,
}

impl LinkRequest {
    fn entry(&self, action: &'static str) -> Option<Entry> {
        let asked = self.asked.as_ref()?;
        // Without an account there is no subject, as for a failed sign-in.
        let account = asked.account.map(|id| Subject("user", id));
        let entry = Entry::new(self.tenant_id, Actor::Anonymous, action, account);
        Some(entry.asked_by(asked.request_id.as_ref()))
    }
}

impl Event for VerificationRequested {
    const NAME: &'static str = "accounts.verification-requested";

    fn tenant_id(&self) -> Uuid {
        self.0.tenant_id
    }

    fn audit(&self, _by: &Actor) -> Option<Entry> {
        self.0.entry("user.verification_requested")
    }
}

impl Event for PasswordResetRequested {
    const NAME: &'static str = "accounts.password-reset-requested";

    fn tenant_id(&self) -> Uuid {
        self.0.tenant_id
    }

    fn audit(&self, _by: &Actor) -> Option<Entry> {
        self.0.entry("user.password_reset_requested")
    }
}
