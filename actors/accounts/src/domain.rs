//! What may be done with accounts. The endpoints, the HTTP edge and the mails call this.

use std::sync::Arc;

use actix::Addr;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use primetech_kernel::invalidation::{self, CacheEpoch};
use primetech_kernel::outbox::{Delivery, DeliveryError, MailAllowances};
use primetech_kernel::runtime::Runtime;
use primetech_kernel::tenancy::TenantScope;
use uuid::Uuid;

use crate::actor::{SessionActor, SessionSettings};
use crate::directory::SessionDirectory;
use crate::events::LinkRequest;
use crate::mails::{AccountMail, LinkNotice};
use crate::messages::User;
use crate::store;
use crate::token::{MailTokenKind, TokenSecret};

/// The domain.
pub struct Accounts {
    actor: Addr<SessionActor>,
    sessions: SessionDirectory,
    users: Users,
    secret: TokenSecret,
    mail: Arc<dyn AccountMail>,
}

impl Accounts {
    /// Starts the domain's actor. `caches` announces changes of sessions and users.
    pub fn new(
        runtime: &Runtime,
        settings: SessionSettings,
        caches: Arc<CacheEpoch>,
        mail: Arc<dyn AccountMail>,
        allowances: MailAllowances,
    ) -> Arc<Self> {
        let (database, clock) = (runtime.database.clone(), Arc::clone(&runtime.clock));
        let actor = SessionActor::new(database.clone(), Arc::clone(&clock), &settings, allowances);
        let actor = runtime.single(actor);
        let secret = settings.secret;
        let sessions = SessionDirectory::new(database.clone(), actor.clone(), secret.clone(), clock, caches);
        Arc::new(Self { actor, sessions, users: Users::new(database), secret, mail })
    }

    /// Takes the messages of this domain.
    pub fn actor(&self) -> &Addr<SessionActor> {
        &self.actor
    }

    /// Tells who a session's token belongs to.
    pub fn sessions(&self) -> &SessionDirectory {
        &self.sessions
    }

    /// Tells all processes that an account's failed logins count no more. One that does not hear it goes on counting for
    /// the rest of their time.
    pub(crate) async fn tell_cleared(&self, counter: Uuid) {
        if let Err(error) = invalidation::tell_cleared(&self.users.database, counter).await {
            tracing::warn!(%error, "other processes may go on counting failed logins that were cleared");
        }
    }

    /// Mails a link to the user of a request; nothing if there is none, or none any more.
    pub(crate) async fn mail_link(
        &self,
        delivery: Delivery,
        kind: MailTokenKind,
        request: LinkRequest,
    ) -> Result<(), DeliveryError> {
        let Some(user_id) = request.user_id else { return Ok(()) };
        let user = self.users.find(&delivery.scope, user_id).await;
        let user = user.map_err(|fault| DeliveryError::Temporary(fault.to_string()))?;
        let Some(user) = user else { return Ok(()) };
        let token = self.secret.mail_token(kind, request.token_id);
        self.mail.link(delivery, LinkNotice { user, kind, token }).await
    }
}

/// Users by their id, for the mails that are sent to them.
#[derive(Clone)]
pub struct Users {
    database: Database,
}

impl Users {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    pub async fn find(&self, scope: &TenantScope, user_id: Uuid) -> Result<Option<User>, Fault> {
        self.database.read(scope, async |tx| store::find_user(tx, user_id).await).await
    }
}
