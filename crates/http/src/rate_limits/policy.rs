//! The buckets, their limits, and how a subject stands in them.

use std::num::NonZeroU32;
use std::time::Duration;

const QUARTER_OF_AN_HOUR: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);

/// Unknown licence keys of one address in a quarter of an hour that are put down to mistyping. An office behind one
/// address mistypes less; whoever guesses asks for more within a second.
const TOLERATED_GUESSES: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Calls that try a password or a mailed token, or send a mail: by address.
    Auth,
    /// Logins that failed: by account.
    LoginFailures,
    /// Licence calls: by address.
    Licences,
    /// Licence keys asked for that nobody has: by address. Watched, never refused.
    UnknownLicences,
    /// What payment providers send: by address.
    Webhooks,
    /// Every other call: by address.
    Other,
}

impl Bucket {
    pub const ALL: [Self; 6] =
        [Self::Auth, Self::LoginFailures, Self::Licences, Self::UnknownLicences, Self::Webhooks, Self::Other];

    /// As clients and operators read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::LoginFailures => "login-failures",
            Self::Licences => "licences",
            Self::UnknownLicences => "unknown-licences",
            Self::Webhooks => "webhooks",
            Self::Other => "other",
        }
    }

    /// The bucket of a path, where its endpoint names no other.
    pub fn of_path(path: &str) -> Self {
        let is_under =
            |base: &str| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_under("/api/auth") {
            Self::Auth
        } else if is_under("/api/licences") {
            Self::Licences
        } else if is_under("/api/webhooks") {
            Self::Webhooks
        } else {
            Self::Other
        }
    }
}

/// What one address (or account) may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Calls under `/api/auth` in 15 minutes.
    pub auth: NonZeroU32,
    /// Failed logins of one account in 15 minutes.
    pub login_failures: NonZeroU32,
    /// Licence calls a minute.
    pub licences: NonZeroU32,
    /// Other calls a minute.
    pub other: NonZeroU32,
    /// Webhooks a minute.
    pub webhooks: NonZeroU32,
}

/// How many, in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub bucket: Bucket,
    pub limit: u32,
    pub window: Duration,
}

impl Policy {
    pub(super) fn of(bucket: Bucket, limits: &RateLimits) -> Self {
        let (limit, window) = match bucket {
            Bucket::Auth => (limits.auth, QUARTER_OF_AN_HOUR),
            Bucket::LoginFailures => (limits.login_failures, QUARTER_OF_AN_HOUR),
            Bucket::Licences => (limits.licences, MINUTE),
            Bucket::UnknownLicences => (TOLERATED_GUESSES, QUARTER_OF_AN_HOUR),
            Bucket::Webhooks => (limits.webhooks, MINUTE),
            Bucket::Other => (limits.other, MINUTE),
        };
        Self { bucket, limit: limit.get(), window }
    }

    pub(super) fn window_milliseconds(&self) -> u64 {
        u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX)
    }
}

/// How a subject stands in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub policy: Policy,
    /// False: this call was one too many, and was not counted.
    pub allowed: bool,
    /// Calls that may follow at once.
    pub remaining: u32,
    /// When `remaining` grows again: the oldest counted call is then a window old.
    pub more_after: Duration,
}

/// Whether a call is counted, or only asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Counts,
    Asks,
}

/// What a counter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub allowed: bool,
    pub remaining: u32,
    pub more_after: Duration,
}
