use std::sync::Arc;

use actix::Addr;
use chrono::TimeDelta;
use dashmap::DashMap;
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use primetech_kernel::invalidation::{CacheEpoch, Change};
use primetech_kernel::tenancy::TenantScope;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::actor::{EXTEND_AFTER, IDLE_LIFETIME, SessionActor};
use crate::messages::{ExtendSession, Session};
use crate::store;
use crate::token::TokenSecret;

/// The most sessions that are cached; further ones are looked up each time.
const MAX_CACHED_SESSIONS: usize = 100_000;

type Key = (Uuid, [u8; 32]);

/// Tells who a session token belongs to. A found session is cached until it, its user or anything unknown is
/// announced as changed, so a revocation holds in every process within a second.
#[derive(Clone)]
pub struct SessionDirectory {
    database: Database,
    actor: Addr<SessionActor>,
    secret: TokenSecret,
    clock: SharedClock,
    epoch: Arc<CacheEpoch>,
    sessions: Arc<DashMap<Key, Arc<Session>>>,
}

impl SessionDirectory {
    /// `actor` extends the sessions that are used.
    pub(crate) fn new(
        database: Database,
        actor: Addr<SessionActor>,
        secret: TokenSecret,
        clock: SharedClock,
        epoch: Arc<CacheEpoch>,
    ) -> Self {
        let sessions: Arc<DashMap<Key, Arc<Session>>> = Arc::default();
        let cached = Arc::clone(&sessions);
        epoch.subscribe(move |change| match change {
            Change::Session(id) => cached.retain(|_, session| session.session_id != id),
            Change::User(id) => cached.retain(|_, session| session.user.id != id),
            Change::Everything => cached.clear(),
            Change::Tenant(_) | Change::Cleared(_) => {}
        });
        Self { database, actor, secret, clock, epoch, sessions }
    }

    /// The live session of `token` in this tenant, if there is one.
    pub async fn resolve(&self, tenant: &TenantScope, token: &str) -> Result<Option<Arc<Session>>, Fault> {
        let token_hash = self.secret.session_hash(token);
        let key = (tenant.tenant_id(), token_hash);
        let now = self.clock.now();
        let cached = if self.epoch.is_heard() {
            self.sessions.get(&key).map(|found| Arc::clone(&found))
        } else {
            None
        };
        let session = match cached {
            Some(session) => session,
            None => {
                let epoch = self.epoch.current();
                let found = self
                    .database
                    .read(tenant, async |tx| store::find_session(tx, *tenant, &token_hash, now).await)
                    .await?;
                let Some(session) = found else { return Ok(None) };
                let session = Arc::new(session);
                if self.sessions.len() < MAX_CACHED_SESSIONS {
                    self.epoch.if_unchanged(epoch, || self.sessions.insert(key, Arc::clone(&session)));
                }
                session
            }
        };
        if session.expires_at <= now {
            self.sessions.remove(&key);
            return Ok(None);
        }
        if session.expires_at - now < IDLE_LIFETIME - EXTEND_AFTER
            && session.expires_at - now > TimeDelta::zero()
        {
            self.extend(key, &session);
        }
        Ok(Some(session))
    }

    /// Drops sessions that have just been ended, in this process at once; other processes hear of it.
    pub fn forget(&self, tenant: &TenantScope, tokens: &[SecretString]) {
        if tokens.is_empty() {
            return;
        }
        self.epoch.change(|| {
            for token in tokens {
                let token_hash = self.secret.session_hash(token.expose_secret());
                self.sessions.remove(&(tenant.tenant_id(), token_hash));
            }
        });
    }

    /// Drops all sessions of a user that have just been ended.
    pub fn forget_user(&self, user_id: Uuid) {
        self.epoch.change(|| self.sessions.retain(|_, session| session.user.id != user_id));
    }

    /// Slides the expiry forward without making the request wait. At most one write a day for each session: the
    /// cached copy is dropped, and the next request reads the new expiry.
    fn extend(&self, key: Key, session: &Session) {
        if self.sessions.remove(&key).is_none() && self.epoch.is_heard() {
            return; // another request of this session has just done it
        }
        let message = ExtendSession {
            scope: session.scope,
            session_id: session.session_id,
            created_at: session.created_at,
        };
        // A lost extension is made up for by the next request.
        self.actor.do_send(message);
    }
}
