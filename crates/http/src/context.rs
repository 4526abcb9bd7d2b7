//! The state that the layers of a request share. Cheap to clone: each layer clones it for each request.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use primetech_kernel::caller::Session;
use primetech_kernel::fault::Fault;
use primetech_kernel::tenancy::{TenantDirectory, TenantScope};
use url::Url;

use crate::layers::address::TrustedProxies;
use crate::layers::cookies::CookieSettings;
use crate::limits::Limits;
use crate::rate_limits::RateLimiter;

/// Finds out who a session's token belongs to.
pub trait Authenticator: Send + Sync {
    /// The live session of `token` in this tenant, if there is one.
    fn session<'a>(&'a self, tenant: &'a TenantScope, token: &'a str) -> Authenticated<'a>;
}

/// What an [`Authenticator`] answers.
pub type Authenticated<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<Session>>, Fault>> + 'a>>;

/// See the module.
#[derive(Clone)]
pub struct HttpContext(Arc<HttpParts>);

impl HttpContext {
    pub fn new(parts: HttpParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for HttpContext {
    type Target = HttpParts;

    fn deref(&self) -> &HttpParts {
        &self.0
    }
}

/// What an [`HttpContext`] gives access to.
pub struct HttpParts {
    pub limits: Limits,
    pub cookies: CookieSettings,
    pub trusted_proxies: TrustedProxies,
    /// Where the front end is.
    pub app_base_url: Url,
    pub tenants: TenantDirectory,
    pub authenticator: Box<dyn Authenticator>,
    pub rate_limiter: RateLimiter,
}

impl HttpParts {
    /// An address of the front end, for a page to return to.
    pub fn front_end_url(&self, path: &str) -> String {
        front_end_url(&self.app_base_url, path)
    }
}

/// The address of `path` on the front end at `base`.
pub fn front_end_url(base: &Url, path: &str) -> String {
    format!("{}/{}", base.as_str().trim_end_matches('/'), path.trim_start_matches('/'))
}
