//! The limit on failed logins of one account.
//!
//! An account is an e-mail address of a tenant, registered or not, so a refusal does not reveal whether it exists.
//! Only failures count, when they have failed, so any number of correct passwords may come at once. A result is
//! returned only while failures are left, both before and after the check. So any number of simultaneous guesses gets
//! no more results than the same guesses one after the other.

use primetech_actors::tenancy::Tenant;

use crate::app::State;
use crate::error::ApiError;
use crate::layers::rate_limit::{Standings, refusal};
use crate::rate_limits::{Bucket, Standing, Subject};

pub(super) struct FailedLogins<'a> {
    state: &'a State,
    standings: &'a Standings,
    account: Subject<'a>,
}

impl<'a> FailedLogins<'a> {
    /// `email`: folded.
    pub fn of(state: &'a State, standings: &'a Standings, tenant: &Tenant, email: &'a str) -> Self {
        Self { state, standings, account: Subject::Account { tenant: tenant.id, email } }
    }

    /// Refuses where no more failures are left.
    pub async fn check(&self) -> Result<(), ApiError> {
        self.judge(self.state.http.rate_limiter.look(Bucket::LoginFailures, &self.account).await)
    }

    /// Counts one; refuses where it is one too many.
    pub async fn count(&self) -> Result<(), ApiError> {
        self.judge(self.state.http.rate_limiter.take(Bucket::LoginFailures, &self.account).await)
    }

    /// Clears the account: its owner has shown to be there, by other means than the password.
    pub async fn forget(&self) {
        self.state.http.rate_limiter.forget(Bucket::LoginFailures, &self.account).await;
    }

    fn judge(&self, standing: Option<Standing>) -> Result<(), ApiError> {
        let Some(standing) = standing else { return Ok(()) };
        self.standings.note(standing);
        if standing.allowed { Ok(()) } else { Err(refusal(&standing)) }
    }
}
