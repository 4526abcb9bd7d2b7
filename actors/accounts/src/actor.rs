use actix::{Context, Handler, ResponseFuture};
use chrono::{DateTime, TimeDelta, Utc};
use primetech_kernel::audit_log::{self, Actor, Entry, RequestId, Subject};
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::database::tx::TenantTx;
use primetech_kernel::fault::Fault;
use primetech_kernel::outbox::MailAllowances;
use primetech_kernel::random;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::error::{LoginError, RegisterError, ResetPasswordError, TokenError};
use crate::links::Links;
use crate::messages::*;
use crate::password::{self, Hasher};
use crate::store::{self, NewSession, NewUser};
use crate::token::{MailTokenKind, SessionToken, TokenSecret};

/// A session ends after this long without use …
pub(crate) const IDLE_LIFETIME: TimeDelta = TimeDelta::days(14);
/// … which is written down at most once in this time …
pub(crate) const EXTEND_AFTER: TimeDelta = TimeDelta::days(1);
/// … and after this long in any case.
const LONGEST_LIFETIME: TimeDelta = TimeDelta::days(90);

#[derive(Clone)]
pub struct SessionSettings {
    pub secret: TokenSecret,
    /// Password hashes computed at the same time.
    pub hashes_at_once: usize,
}

/// Owns users and sessions. Its operations touch rows of one user each, so they run side by side; what must not
/// happen twice (an address taken, a token used) is decided by the rows themselves.
#[derive(Clone)]
pub struct SessionActor {
    database: Database,
    clock: SharedClock,
    secret: TokenSecret,
    hasher: Hasher,
    links: Links,
}

impl SessionActor {
    pub fn new(
        database: Database,
        clock: SharedClock,
        settings: &SessionSettings,
        allowances: MailAllowances,
    ) -> Self {
        let secret = settings.secret.clone();
        let hasher = Hasher::new(settings.hashes_at_once);
        Self { database, clock, hasher, links: Links { secret: secret.clone(), allowances }, secret }
    }

    fn new_session(&self, user: &User, now: DateTime<Utc>) -> (SessionToken, NewSession) {
        let token = SessionToken::generate();
        let session = NewSession {
            id: random::row_id(now),
            token_hash: self.secret.session_hash(token.expose()),
            user_id: user.id,
            created_at: now,
            expires_at: now + IDLE_LIFETIME,
        };
        (token, session)
    }

    fn session_hashes(&self, tokens: &[SecretString]) -> Vec<[u8; 32]> {
        tokens.iter().map(|token| self.secret.session_hash(token.expose_secret())).collect()
    }

    async fn register(self, message: Register) -> Result<SignedIn, RegisterError> {
        let Register { scope, email, password, name, replaces, request_id } = message;
        let replaced = self.session_hashes(&replaces);
        let password_hash = self.hasher.hash(password).await?;
        let now = self.clock.now();
        let user = User {
            id: random::row_id(now),
            email,
            name,
            role: Role::Customer,
            email_verified: false,
            created_at: now,
        };
        let (token, session) = self.new_session(&user, now);
        let new_user = NewUser { user: &user, password_hash: &password_hash };
        let link = self.links.new_link(MailTokenKind::VerifyEmail);
        self.database
            .write(&scope, async |tx| {
                if !store::insert_user(tx.connection(), scope.tenant_id(), &new_user).await? {
                    return Ok(Err(RegisterError::EmailTaken));
                }
                store::insert_session(tx, &session).await?;
                end_sessions(tx, &replaced, now, request_id.as_ref()).await?;
                self.links.welcome(tx, now, &link, &user).await?;
                let entries = ["user.registered", "session.signed_in"]
                    .map(|action| by_user(tx.tenant_id(), user.id, action, request_id.as_ref()));
                audit_log::record(tx.connection(), now, &entries).await?;
                Ok(Ok(()))
            })
            .await?;
        Ok(SignedIn { user, token, expires_at: session.expires_at })
    }

    async fn login(self, message: Login) -> Result<SignedIn, LoginError> {
        let Login { scope, email, password, replaces, request_id } = message;
        let replaced = self.session_hashes(&replaces);
        let found = self.database.read(&scope, async |tx| store::find_credentials(tx, &email).await).await?;
        let stored = found.as_ref().map(|(_, password_hash)| password_hash.clone());
        let matches = self.hasher.verify(password, stored).await?;
        let known = found.as_ref().map(|(user, _)| user.id);
        let now = self.clock.now();
        let Some((user, password_hash)) = found.filter(|_| matches) else {
            // Written for an unknown address too, so that both take as long. The address itself is not written.
            let account = known.map(|id| Subject("user", id));
            let entry = Entry::new(scope.tenant_id(), Actor::Anonymous, "session.sign_in_failed", account)
                .asked_by(request_id.as_ref());
            self.database
                .write(&scope, async |tx| {
                    audit_log::record(tx.connection(), now, std::slice::from_ref(&entry)).await?;
                    Ok(Ok::<_, LoginError>(()))
                })
                .await?;
            return Err(LoginError::InvalidCredentials);
        };
        let (token, session) = self.new_session(&user, now);
        self.database
            .write(&scope, async |tx| {
                let made = store::insert_session_if_password_stands(tx, &session, &password_hash).await?;
                if made {
                    end_sessions(tx, &replaced, now, request_id.as_ref()).await?;
                    let entry = by_user(tx.tenant_id(), user.id, "session.signed_in", request_id.as_ref());
                    audit_log::record(tx.connection(), now, &[entry]).await?;
                }
                Ok(if made { Ok(()) } else { Err(LoginError::InvalidCredentials) })
            })
            .await?;
        Ok(SignedIn { user, token, expires_at: session.expires_at })
    }

    async fn logout(self, message: Logout) -> Result<(), Fault> {
        let token_hashes = self.session_hashes(&message.tokens);
        if token_hashes.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        self.database
            .write(&message.scope, async |tx| {
                end_sessions(tx, &token_hashes, now, message.request_id.as_ref()).await?;
                Ok(Ok(()))
            })
            .await
    }

    async fn verify_email(self, message: VerifyEmail) -> Result<User, TokenError> {
        let kind = MailTokenKind::VerifyEmail;
        let token_hash = self.secret.mail_hash(kind, message.token.expose_secret());
        let now = self.clock.now();
        self.database
            .write(&message.scope, async |tx| {
                match store::use_mail_token(tx, kind, &token_hash, now).await? {
                    Some(user_id) => {
                        let user = store::mark_email_verified(tx, user_id, now).await?;
                        let request_id = message.request_id.as_ref();
                        let entry = by_user(tx.tenant_id(), user_id, "user.email_verified", request_id);
                        audit_log::record(tx.connection(), now, &[entry]).await?;
                        Ok(Ok(user))
                    }
                    None => Ok(Err(TokenError::InvalidToken)),
                }
            })
            .await
    }

    async fn request_link(self, message: RequestLink) -> Result<(), Fault> {
        let RequestLink { scope, kind, email, request_id } = message;
        let now = self.clock.now();
        let link = self.links.new_link(kind);
        self.database
            .write(&scope, async |tx| {
                self.links.request(tx, now, &link, &email, request_id.as_ref()).await.map(Ok)
            })
            .await
    }

    async fn reset_password(self, message: ResetPassword) -> Result<User, ResetPasswordError> {
        let kind = MailTokenKind::ResetPassword;
        let token_hash = self.secret.mail_hash(kind, message.token.expose_secret());
        let scope = message.scope;
        // Looked at first: an invented token must not buy the work of hashing.
        let now = self.clock.now();
        let email = self
            .database
            .read(&scope, async |tx| store::find_mail_token(tx, kind, &token_hash, now).await)
            .await?
            .ok_or(ResetPasswordError::InvalidToken)?;
        if let Some(weakness) = password::weakness(message.password.expose_secret(), &email) {
            return Err(ResetPasswordError::WeakPassword(weakness));
        }
        let password_hash = self.hasher.hash(message.password).await?;
        let now = self.clock.now();
        self.database
            .write(&scope, async |tx| match store::use_mail_token(tx, kind, &token_hash, now).await? {
                Some(user_id) => {
                    let was_verified =
                        store::find_user(tx, user_id).await?.is_some_and(|user| user.email_verified);
                    store::set_password(tx, user_id, &password_hash).await?;
                    let user = store::mark_email_verified(tx, user_id, now).await?;
                    store::revoke_sessions_of(tx, user_id, now).await?;
                    let actions: &[&'static str] = if was_verified {
                        &["user.password_reset"]
                    } else {
                        &["user.password_reset", "user.email_verified"]
                    };
                    let request_id = message.request_id.as_ref();
                    let entries: Vec<Entry> = actions
                        .iter()
                        .map(|action| by_user(tx.tenant_id(), user_id, action, request_id))
                        .collect();
                    audit_log::record(tx.connection(), now, &entries).await?;
                    Ok(Ok(user))
                }
                None => Ok(Err(ResetPasswordError::InvalidToken)),
            })
            .await
    }
}

/// Ends those of the sessions that are alive, each by the hand of its user.
async fn end_sessions(
    tx: &mut TenantTx,
    token_hashes: &[[u8; 32]],
    now: DateTime<Utc>,
    request_id: Option<&RequestId>,
) -> sqlx::Result<()> {
    if token_hashes.is_empty() {
        return Ok(());
    }
    let users = store::revoke_sessions(tx, token_hashes, now).await?;
    let entries: Vec<Entry> = users
        .into_iter()
        .map(|user_id| by_user(tx.tenant_id(), user_id, "session.signed_out", request_id))
        .collect();
    audit_log::record(tx.connection(), now, &entries).await
}

/// What a user did to its own account.
fn by_user(tenant_id: Uuid, user_id: Uuid, action: &'static str, request_id: Option<&RequestId>) -> Entry {
    Entry::new(tenant_id, Actor::User(user_id), action, Subject("user", user_id)).asked_by(request_id)
}

impl actix::Actor for SessionActor {
    type Context = Context<Self>;
}

primetech_kernel::ask::carry_spans!(SessionActor);

impl Handler<Register> for SessionActor {
    type Result = ResponseFuture<Result<SignedIn, RegisterError>>;

    fn handle(&mut self, message: Register, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().register(message))
    }
}

impl Handler<Login> for SessionActor {
    type Result = ResponseFuture<Result<SignedIn, LoginError>>;

    fn handle(&mut self, message: Login, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().login(message))
    }
}

impl Handler<Logout> for SessionActor {
    type Result = ResponseFuture<Result<(), Fault>>;

    fn handle(&mut self, message: Logout, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().logout(message))
    }
}

impl Handler<VerifyEmail> for SessionActor {
    type Result = ResponseFuture<Result<User, TokenError>>;

    fn handle(&mut self, message: VerifyEmail, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().verify_email(message))
    }
}

impl Handler<RequestLink> for SessionActor {
    type Result = ResponseFuture<Result<(), Fault>>;

    fn handle(&mut self, message: RequestLink, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().request_link(message))
    }
}

impl Handler<ResetPassword> for SessionActor {
    type Result = ResponseFuture<Result<User, ResetPasswordError>>;

    fn handle(&mut self, message: ResetPassword, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.clone().reset_password(message))
    }
}

impl Handler<ExtendSession> for SessionActor {
    type Result = ResponseFuture<Result<(), Fault>>;

    fn handle(&mut self, message: ExtendSession, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        let expires_at = (self.clock.now() + IDLE_LIFETIME).min(message.created_at + LONGEST_LIFETIME);
        Box::pin(async move {
            database
                .write(&message.scope, async |tx| {
                    store::extend_session(tx, message.session_id, expires_at).await.map(Ok)
                })
                .await
        })
    }
}
