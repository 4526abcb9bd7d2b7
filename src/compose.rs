//! The one list of the product's modules. A program of others adds its own: see [`crate::Program`].

use std::sync::{Arc, OnceLock};

use futures_util::future::LocalBoxFuture;
use primetech_accounts::{AccountMail, Accounts, LinkNotice, SessionSettings, TokenSecret};
use primetech_actors::batch::BatchLimits;
use primetech_actors::clock::SystemClock;
use primetech_actors::database::Database;
use primetech_actors::outbox::{Delivery, DeliveryError, MailAllowances};
use primetech_actors::webhook::{OrderPaid, OrderStandingChanged};
use primetech_bookings::{BookingNotice, Bookings, CustomerMail};
use primetech_downloads::{Documents, Downloads, ObjectStore};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::Code;
use primetech_kernel::invalidation::CacheEpoch;
use primetech_kernel::runtime::Runtime;
use primetech_licences::{CertificateSigner, Licences};
use primetech_module::{Composition, Description, Module, Modules, Surface, UserLetter, UserMail};
use secrecy::SecretString;

use crate::app::Conflicts;
use crate::files::NoFiles;
use crate::routes;

/// Adds modules to the product's, after them.
pub type Extend = Arc<dyn Fn(&Runtime, &Adapters, Modules) -> Modules + Send + Sync>;

/// Adds nothing.
pub fn nothing_more() -> Extend {
    Arc::new(|_, _, modules| modules)
}

/// The outside services and secrets that modules need.
pub struct Adapters {
    pub account_mail: Arc<dyn AccountMail>,
    pub customer_mail: Arc<dyn CustomerMail>,
    /// For modules of others.
    pub user_mail: Arc<dyn UserMail>,
    pub mail_allowances: MailAllowances,
    pub licence_signer: Arc<CertificateSigner>,
    pub object_store: Arc<dyn ObjectStore>,
    pub documents: Arc<dyn Documents>,
    pub sessions: SessionSettings,
    pub caches: Arc<CacheEpoch>,
}

/// The modules, put together.
pub struct Composed {
    pub composition: Composition,
    /// Who is signed in: for the HTTP edge.
    pub accounts: Arc<Accounts>,
}

impl Adapters {
    /// For a process that delivers and signs nothing.
    pub fn absent() -> Self {
        Self {
            account_mail: Arc::new(NoMail),
            customer_mail: Arc::new(NoMail),
            user_mail: Arc::new(NoMail),
            mail_allowances: MailAllowances::unlimited(),
            licence_signer: Arc::new(CertificateSigner::without_keys()),
            object_store: Arc::new(NoFiles),
            documents: Arc::new(NoFiles),
            sessions: SessionSettings {
                // It signs nobody in.
                secret: TokenSecret::new(SecretString::from("unserved")),
                hashes_at_once: 1,
            },
            caches: Arc::default(),
        }
    }
}

/// The product's modules with those that `extend` adds, checked and put together.
pub fn compose(runtime: &Runtime, adapters: &Adapters, extend: &Extend) -> Result<Composed, Conflicts> {
    let (modules, accounts) = modules(runtime, adapters);
    let composition = extend(runtime, adapters, modules).compose().map_err(Conflicts)?;
    Ok(Composed { composition, accounts })
}

/// The product's modules, those that tell before those that hear.
fn modules(runtime: &Runtime, adapters: &Adapters) -> (Modules, Arc<Accounts>) {
    let accounts = Accounts::new(
        runtime,
        adapters.sessions.clone(),
        Arc::clone(&adapters.caches),
        Arc::clone(&adapters.account_mail),
        adapters.mail_allowances.clone(),
    );
    let modules = Modules::default()
        .with(&accounts)
        .with(&Arc::new(Platform))
        .with(&Licences::new(runtime, Arc::clone(&adapters.licence_signer)))
        .with(&Downloads::new(runtime, Arc::clone(&adapters.object_store), Arc::clone(&adapters.documents)))
        .with(&Bookings::new(runtime, Arc::clone(&adapters.customer_mail), adapters.mail_allowances.clone()));
    (modules, accounts)
}

/// Looks at the composition without a process that serves: over a database that is never asked.
pub fn describe(extend: Extend) -> Result<Composition, Conflicts> {
    // Modules start actors, which need a system: one that ends with this look at them.
    let look = || actix_web::rt::System::new().block_on(async move { unserved(&extend) });
    match std::thread::spawn(look).join() {
        Ok(looked) => looked,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// What has no module of its own: the endpoints of `routes`.
struct Platform;

impl Module for Platform {
    const NAME: &'static str = "platform";
    // Signing in and paying are among its endpoints.
    const SWITCHABLE: bool = false;

    fn surface(self: &Arc<Self>, on: &mut Surface) {
        on.codes(Code::ALL)
            .endpoints(self, routes::endpoints())
            .tells::<OrderPaid>()
            .tells::<OrderStandingChanged>();
    }
}

/// All endpoints of the product, for who looks at the table without a running process.
pub fn endpoints() -> Vec<Endpoint> {
    described().endpoints.clone()
}

/// All codes that the product refuses with.
pub fn codes() -> Vec<Code> {
    described().codes.clone()
}

/// What the composition is.
pub fn description() -> Description {
    described().description.clone()
}

struct Described {
    endpoints: Vec<Endpoint>,
    codes: Vec<Code>,
    description: Description,
}

fn described() -> &'static Described {
    static DESCRIBED: OnceLock<Described> = OnceLock::new();
    DESCRIBED.get_or_init(|| match describe(nothing_more()) {
        Ok(Composition { endpoints, codes, description, .. }) => Described { endpoints, codes, description },
        Err(conflicts) => unreachable!("the product's own modules fit together: {conflicts}"),
    })
}

/// The composition over a database that is never asked.
fn unserved(extend: &Extend) -> Result<Composition, Conflicts> {
    let url = SecretString::from("postgres://unserved.invalid/unserved");
    let database = match Database::connect_lazy(&url, 1) {
        Ok(database) => database,
        Err(error) => unreachable!("a constant: {error}"),
    };
    let runtime = Runtime::start(database, Arc::new(SystemClock), 1, BatchLimits::default());
    Ok(compose(&runtime, &Adapters::absent(), extend)?.composition)
}

/// For a process that delivers nothing.
struct NoMail;

impl NoMail {
    fn refuse() -> LocalBoxFuture<'static, Result<(), DeliveryError>> {
        Box::pin(async { Err(DeliveryError::Temporary("this process sends no mail".to_owned())) })
    }
}

impl AccountMail for NoMail {
    fn link(&self, _: Delivery, _: LinkNotice) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Self::refuse()
    }
}

impl CustomerMail for NoMail {
    fn booking_changed(
        &self,
        _: Delivery,
        _: BookingNotice,
    ) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Self::refuse()
    }
}

impl UserMail for NoMail {
    fn send(&self, _: Delivery, _: UserLetter) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Self::refuse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_s_modules_fit_together() {
        assert!(!endpoints().is_empty() && !codes().is_empty());
        assert_eq!(description().modules.last().map(|module| module.name), Some("bookings"));
    }
}
