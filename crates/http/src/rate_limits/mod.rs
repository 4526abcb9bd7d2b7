//! Rate limits: buckets, subjects, and where calls are counted.
//!
//! The layer ([`crate::layers::rate_limit`]) asks a [`RateLimiter`] for every request; the login asks it for failed
//! logins. It applies one rule in two places: in this process ([`local`]), and in Redis for all processes together
//! ([`shared`]). If Redis is unavailable, this process counts alone until Redis is back; no call is refused or waits
//! because of that.
//!
//! The rule: for one bucket and subject, at most `limit` calls pass in any span of the bucket's window. A refused
//! call is not counted, so a client that keeps trying passes as soon as its oldest call is a window old.
//!
//! Counters contain no personal data: a subject is a keyed hash of tenant, address or account ([`subject`]).

mod headers;
mod local;
mod log;
mod policy;
mod shared;
mod subject;

use std::sync::Arc;

use primetech_kernel::clock::SharedClock;
use secrecy::SecretString;
use uuid::Uuid;

use local::LocalCounters;
use policy::{Verdict, Weight};
use shared::SharedCounters;
use subject::{SubjectHash, SubjectKey};

pub(crate) use headers::write as write_headers;
pub use policy::{Bucket, Policy, RateLimits, Standing};
pub use shared::InvalidRedisUrl;
pub use subject::Subject;

/// What a [`RateLimiter`] is made of.
#[derive(Debug, Clone, Copy)]
pub struct RateLimitSettings<'a> {
    /// None: limits are switched off.
    pub limits: Option<RateLimits>,
    /// Where calls are counted for all processes together.
    pub redis_url: Option<&'a SecretString>,
    /// Keys the hashes of subjects.
    pub secret: &'a SecretString,
}

/// Whether [`RateLimiter`] can use this address of a Redis server.
pub fn is_redis_url(text: &str) -> bool {
    redis::Client::open(text).is_ok()
}

/// Counts calls. Cheap to clone; one for each application.
#[derive(Clone)]
pub struct RateLimiter(Option<Arc<Counters>>);

struct Counters {
    limits: RateLimits,
    clock: SharedClock,
    key: SubjectKey,
    local: LocalCounters,
    shared: Option<SharedCounters>,
}

impl RateLimiter {
    /// Needs neither network nor Redis: see [`Self::stay_connected`].
    pub fn new(settings: RateLimitSettings<'_>, clock: SharedClock) -> Result<Self, InvalidRedisUrl> {
        let RateLimitSettings { limits: Some(limits), redis_url, secret } = settings else {
            return Ok(Self(None));
        };
        let shared = redis_url.map(SharedCounters::new).transpose()?;
        let key = SubjectKey::new(secret);
        Ok(Self(Some(Arc::new(Counters { limits, clock, key, local: LocalCounters::default(), shared }))))
    }

    /// Connects to Redis, and again whenever it was lost. Runs as long as it is awaited; where nothing is shared, it
    /// has nothing to do and never ends.
    pub async fn stay_connected(&self) {
        match self.0.as_ref().and_then(|counters| counters.shared.as_ref()) {
            Some(shared) => shared.stay_connected().await,
            None => std::future::pending().await,
        }
    }

    /// Counts a call, unless it is one too many. None: limits are switched off.
    pub async fn take(&self, bucket: Bucket, subject: &Subject<'_>) -> Option<Standing> {
        self.ask(bucket, subject, Weight::Counts).await
    }

    /// Whether a call would be allowed; counts nothing. None: limits are switched off.
    pub async fn look(&self, bucket: Bucket, subject: &Subject<'_>) -> Option<Standing> {
        self.ask(bucket, subject, Weight::Asks).await
    }

    /// What was counted of a subject counts no more. Gives the counter's id, by which other processes forget it too: see
    /// [`forget_counter`](Self::forget_counter). None if nothing is limited.
    pub async fn forget(&self, bucket: Bucket, subject: &Subject<'_>) -> Option<Uuid> {
        let counters = self.0.as_ref()?;
        let subject = counters.key.hash(bucket, subject);
        // Here too where Redis counts: this process may have counted alone for a while, and may again.
        counters.local.forget(bucket, subject);
        if let Some(shared) = &counters.shared {
            shared.forget(bucket, &subject).await;
        }
        Some(subject.id())
    }

    /// Forgets what this process has counted itself under an id that another process gives.
    pub fn forget_counter(&self, bucket: Bucket, id: Uuid) {
        if let Some(counters) = self.0.as_ref() {
            counters.local.forget(bucket, SubjectHash::of_id(id));
        }
    }

    async fn ask(&self, bucket: Bucket, subject: &Subject<'_>, weight: Weight) -> Option<Standing> {
        let counters = self.0.as_ref()?;
        let policy = Policy::of(bucket, &counters.limits);
        let subject = counters.key.hash(bucket, subject);
        let shared = match &counters.shared {
            Some(shared) => shared.ask(&policy, &subject, weight).await,
            None => None,
        };
        let Verdict { allowed, remaining, more_after } = shared.unwrap_or_else(|| {
            let now = u64::try_from(counters.clock.now().timestamp_millis()).unwrap_or(0);
            counters.local.ask(&policy, subject, weight, now)
        });
        Some(Standing { policy, allowed, remaining, more_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fall_into_their_buckets() {
        for (path, bucket) in [
            ("/api/auth/login", Bucket::Auth),
            ("/api/licences", Bucket::Licences),
            ("/api/licences/validate", Bucket::Licences),
            ("/api/webhooks/stripe", Bucket::Webhooks),
            ("/api/orders", Bucket::Other),
            ("/api/authors", Bucket::Other),
            ("/api/licencesx", Bucket::Other),
            ("/.well-known/licence-keys.json", Bucket::Other),
        ] {
            assert_eq!(Bucket::of_path(path), bucket, "{path}");
        }
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<_> = Bucket::ALL.iter().map(|bucket| bucket.name()).collect();
        assert_eq!(names.len(), Bucket::ALL.len());
    }
}
