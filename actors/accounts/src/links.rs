//! Mailed links: who gets one, and what is written with it.

use chrono::{DateTime, TimeDelta, Utc};
use primetech_kernel::audit_log::RequestId;
use primetech_kernel::caller::User;
use primetech_kernel::database::tx::TenantTx;
use primetech_kernel::outbox::{MailAllowances, Sort, WantedMail};
use primetech_kernel::random;
use uuid::Uuid;

use crate::events::{Asked, LinkRequest, PasswordResetRequested, VerificationRequested};
use crate::token::{MailTokenKind, TokenSecret};
use crate::{mails, store};

const VERIFICATION_LIFETIME: TimeDelta = TimeDelta::hours(24);
const RESET_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// Makes links.
#[derive(Clone)]
pub(crate) struct Links {
    pub secret: TokenSecret,
    pub allowances: MailAllowances,
}

/// A link that may be mailed. What it takes is computed before a transaction begins.
pub(crate) struct Link {
    kind: MailTokenKind,
    token_id: Uuid,
    token_hash: [u8; 32],
}

impl Link {
    fn lifetime(&self) -> TimeDelta {
        match self.kind {
            MailTokenKind::VerifyEmail => VERIFICATION_LIFETIME,
            MailTokenKind::ResetPassword => RESET_LIFETIME,
        }
    }

    fn sort(&self) -> Sort {
        match self.kind {
            MailTokenKind::VerifyEmail => mails::VERIFY,
            MailTokenKind::ResetPassword => mails::RESET,
        }
    }

    /// Whether a user who asks for it gets it.
    fn is_for(&self, user: &User) -> bool {
        match self.kind {
            MailTokenKind::VerifyEmail => !user.email_verified,
            MailTokenKind::ResetPassword => true,
        }
    }
}

impl Links {
    pub fn new_link(&self, kind: MailTokenKind) -> Link {
        let token_id = random::opaque_id();
        let token_hash = self.secret.mail_hash(kind, self.secret.mail_token(kind, token_id).expose());
        Link { kind, token_id, token_hash }
    }

    /// Has a link mailed to a user who has just registered, unless the address was mailed too often.
    pub async fn welcome(
        &self,
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        link: &Link,
        user: &User,
    ) -> sqlx::Result<()> {
        let mail = WantedMail { email: &user.email, sort: link.sort(), leaves: true };
        if self.may_leave(tx, now, mail).await? {
            write(tx, now, link, Some(user.id), None).await?;
        }
        Ok(())
    }

    /// Has a link mailed to the user of an address, who may get it unless the address was mailed too often.
    ///
    /// Runs the same statements for every address, known or not, and always writes a message, which delivery drops if no
    /// mail leaves. So every request takes equally long.
    pub async fn request(
        &self,
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        link: &Link,
        email: &str,
        request_id: Option<&RequestId>,
    ) -> sqlx::Result<()> {
        let user = store::find_credentials(tx, email).await?.map(|(user, _)| user);
        let account = user.as_ref().map(|user| user.id);
        let entitled = user.filter(|user| link.is_for(user)).map(|user| user.id);
        let mail = WantedMail { email, sort: link.sort(), leaves: entitled.is_some() };
        let may_leave = self.may_leave(tx, now, mail).await?;
        let asked = Asked { account, request_id: request_id.cloned() };
        write(tx, now, link, entitled.filter(|_| may_leave), Some(asked)).await
    }

    async fn may_leave(
        &self,
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        mail: WantedMail<'_>,
    ) -> sqlx::Result<bool> {
        let allowed = self.allowances.take(tx.connection(), now, &[mail]).await?;
        Ok(allowed == [true])
    }
}

/// Writes the link's token, which ends the user's older ones, and tells of the link. Without a user no token is written
/// and the older links stay.
async fn write(
    tx: &mut TenantTx,
    now: DateTime<Utc>,
    link: &Link,
    user_id: Option<Uuid>,
    asked: Option<Asked>,
) -> sqlx::Result<()> {
    let Link { kind, token_id, token_hash } = link;
    let expires_at = now + link.lifetime();
    store::replace_mail_token(tx, *kind, *token_id, user_id, token_hash, now, expires_at).await?;
    let request = LinkRequest { tenant_id: tx.tenant_id(), user_id, token_id: *token_id, asked };
    match kind {
        MailTokenKind::VerifyEmail => tx.emit(now, VerificationRequested(request)),
        MailTokenKind::ResetPassword => tx.emit(now, PasswordResetRequested(request)),
    }
    Ok(())
}
