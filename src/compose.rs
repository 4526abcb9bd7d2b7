//! The one list of this program's modules. A plug-in adds its own with [`Extend`].

use std::sync::{Arc, OnceLock};

use futures_util::future::LocalBoxFuture;
use primetech_actors::batch::BatchLimits;
use primetech_actors::clock::SystemClock;
use primetech_actors::database::Database;
use primetech_actors::outbox::{Delivery, DeliveryError};
use primetech_actors::webhook::OrderPaid;
use primetech_bookings::{BookingNotice, Bookings, CustomerMail};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::Code;
use primetech_kernel::runtime::Runtime;
use primetech_module::{Composition, Conflict, Description, Module, Modules, Surface};
use secrecy::SecretString;

use crate::routes;

/// Adds modules to the product's, after them.
pub type Extend = fn(&Runtime, Modules) -> Modules;

/// The outside services that modules need.
pub struct Adapters {
    pub customer_mail: Arc<dyn CustomerMail>,
}

/// The product's modules, those that tell before those that hear.
pub fn modules(runtime: &Runtime, adapters: &Adapters) -> Modules {
    Modules::default()
        .with(&Arc::new(Platform))
        .with(&Bookings::new(runtime, Arc::clone(&adapters.customer_mail)))
}

/// What has no module of its own: the endpoints of `routes`.
struct Platform;

impl Module for Platform {
    const NAME: &'static str = "platform";

    fn surface(self: &Arc<Self>, on: &mut Surface) {
        on.codes(Code::ALL).endpoints(self, routes::endpoints()).tells::<OrderPaid>();
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
    DESCRIBED.get_or_init(|| {
        // Modules start actors, which need a system: one that ends with this look at them.
        let looked =
            std::thread::spawn(|| actix_web::rt::System::new().block_on(async { unserved() })).join();
        match looked {
            Ok(Ok(Composition { endpoints, codes, description, .. })) => {
                Described { endpoints, codes, description }
            }
            Ok(Err(conflicts)) => unreachable!("the product's own modules fit together: {conflicts:?}"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The composition over a database that is never asked.
fn unserved() -> Result<Composition, Vec<Conflict>> {
    let url = SecretString::from("postgres://unserved.invalid/unserved");
    let database = match Database::connect_lazy(&url, 1) {
        Ok(database) => database,
        Err(error) => unreachable!("a constant: {error}"),
    };
    let runtime = Runtime::start(database, Arc::new(SystemClock), 1, BatchLimits::default());
    modules(&runtime, &Adapters { customer_mail: Arc::new(NoMail) }).compose()
}

/// For a composition that serves nobody.
struct NoMail;

impl CustomerMail for NoMail {
    fn booking_changed(
        &self,
        _: Delivery,
        _: BookingNotice,
    ) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async { Err(DeliveryError::Temporary("this process sends no mail".to_owned())) })
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
