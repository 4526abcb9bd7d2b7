//! How many logins of one account may fail.
//!
//! An account is an e-mail address of a tenant, whether anyone has registered it or not, so that a refusal does not
//! tell. Only failures count, and they are counted when they have failed: any number of right passwords may come at
//! once. A verdict is given out only while failures are left, at the end as at the beginning. So of any number of
//! guesses made at the same time no more are answered than of guesses made one after the other.

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
