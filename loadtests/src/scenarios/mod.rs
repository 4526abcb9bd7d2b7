//! One scenario a file: what it begins with, what it sends, and what must hold afterwards.

mod activate_many;
mod activate_one;
mod booking_race;
mod browse;
mod checkout_many_tenants;
mod checkout_one_tenant;
mod checkouts;
mod login_storm;
mod mixed;
mod move_many;
mod validate;
mod webhook_storm;

use std::rc::Rc;

use crate::Failure;
use crate::installation::Installation;
use crate::load::{Load, Workload};
use crate::stock::Population;

pub use move_many::MoveMany;
pub use validate::Validate;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    ActivateOne,
    ActivateMany,
    Validate,
    MoveMany,
    CheckoutOneTenant,
    CheckoutManyTenants,
    WebhookStorm,
    LoginStorm,
    BookingRace,
    Mixed,
}

impl Scenario {
    pub fn name(self) -> &'static str {
        match self {
            Self::ActivateOne => "activate-one",
            Self::ActivateMany => "activate-many",
            Self::Validate => "validate",
            Self::MoveMany => "move-many",
            Self::CheckoutOneTenant => "checkout-one-tenant",
            Self::CheckoutManyTenants => "checkout-many-tenants",
            Self::WebhookStorm => "webhook-storm",
            Self::LoginStorm => "login-storm",
            Self::BookingRace => "booking-race",
            Self::Mixed => "mixed",
        }
    }

    /// Writes the rows that the scenario begins with.
    pub async fn prepare(
        self,
        installation: &Installation,
        load: &Load,
    ) -> Result<Rc<dyn Workload>, Failure> {
        Ok(match self {
            Self::ActivateOne => Rc::new(activate_one::ActivateOne::prepare(installation).await?),
            Self::ActivateMany => {
                Rc::new(activate_many::ActivateMany::prepare(installation, needed(load, 16_000.0)).await?)
            }
            Self::Validate => Rc::new(Validate::prepare(installation).await?),
            Self::MoveMany => Rc::new(MoveMany::prepare(installation, load.clients).await?),
            Self::CheckoutOneTenant => Rc::new(checkout_one_tenant::prepare(installation).await?),
            Self::CheckoutManyTenants => Rc::new(checkout_many_tenants::prepare(installation).await?),
            Self::WebhookStorm => {
                Rc::new(webhook_storm::WebhookStorm::prepare(installation, needed(load, 20_000.0)).await?)
            }
            Self::LoginStorm => Rc::new(login_storm::LoginStorm::prepare(installation).await?),
            Self::BookingRace => {
                Rc::new(booking_race::BookingRace::prepare(installation, needed(load, 6_000.0)).await?)
            }
            Self::Mixed => Rc::new(mixed::Mixed::prepare(installation, load).await?),
        })
    }
}

/// How much a run may use up, by the rate that is due, or by one that is beyond this kind of machine.
fn needed(load: &Load, guessed_rate: f64) -> u64 {
    let seconds = (load.warm_up + load.duration).as_secs_f64() + 1.0;
    (load.rate.unwrap_or(guessed_rate) * seconds).ceil() as u64
}

/// The licences of [`crate::stock`], in a shop made for them.
async fn own_population(
    installation: &Installation,
    licences: u64,
    with_devices: bool,
) -> Result<Population, Failure> {
    let shop = installation.open_shop().await?;
    crate::stock::licences(&installation.pool, &shop, licences).await?;
    if with_devices {
        crate::stock::activations(&installation.pool, &shop, licences).await?;
    }
    installation.settle().await?;
    Ok(Population::of_shop(&shop, licences))
}
