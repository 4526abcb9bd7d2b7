//! The limit on failed logins of one account.
//!
//! An account is an e-mail address of a tenant, registered or not, so a refusal does not reveal whether it exists.
//! Only failures count, when they have failed, so any number of correct passwords may come at once. A result is
//! returned only while failures are left, both before and after the check. So any number of simultaneous guesses gets
//! no more results than the same guesses one after the other.

use primetech_http::error::ApiError;
use primetech_http::layers::rate_limit::{Standings, refusal};
use primetech_http::rate_limits::{Bucket, RateLimiter, Standing, Subject};
use primetech_kernel::tenancy::Tenant;

use crate::domain::Accounts;

pub(super) struct FailedLogins<'a> {
    limiter: &'a RateLimiter,
    standings: &'a Standings,
    account: Subject<'a>,
}

impl<'a> FailedLogins<'a> {
    /// `email`: folded.
    pub fn of(limiter: &'a RateLimiter, standings: &'a Standings, tenant: &Tenant, email: &'a str) -> Self {
        Self { limiter, standings, account: Subject::Account { tenant: tenant.id, email } }
    }

    /// Refuses where no more failures are left.
    pub async fn check(&self) -> Result<(), ApiError> {
        self.judge(self.limiter.look(Bucket::LoginFailures, &self.account).await)
    }

    /// Counts one; refuses where it is one too many.
    pub async fn count(&self) -> Result<(), ApiError> {
        self.judge(self.limiter.take(Bucket::LoginFailures, &self.account).await)
    }

    /// Clears the account in every process: its owner has shown to be there, by other means than the password.
    pub async fn forget(&self, accounts: &Accounts) {
        if let Some(counter) = self.limiter.forget(Bucket::LoginFailures, &self.account).await {
            accounts.tell_cleared(counter).await;
        }
    }

    fn judge(&self, standing: Option<Standing>) -> Result<(), ApiError> {
        let Some(standing) = standing else { return Ok(()) };
        self.standings.note(standing);
        if standing.allowed { Ok(()) } else { Err(refusal(&standing)) }
    }
}
