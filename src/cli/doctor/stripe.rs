//! Checks that Stripe is reachable and the key may do what checkout does.

use chrono::TimeDelta;
use primetech_actors::clock::SharedClock;
use primetech_stripe::{PaymentProvider, ProviderTimeouts};
use secrecy::ExposeSecret;

use super::check::{Check, compare_clocks};
use super::configuration::word;
use super::http;
use crate::config::{Environment, StripeConfig};

pub(super) const STRIPE: &str = "stripe";
const API_BASE: &str = "https://api.stripe.com";

pub(super) async fn check(config: StripeConfig, environment: Environment, clock: SharedClock) -> Vec<Check> {
    let StripeConfig { secret_key, api_base, .. } = config;
    // The rules of the product's own way to Stripe: no live key in clear, above all.
    if let Err(error) =
        PaymentProvider::new(secret_key.clone(), api_base.clone(), ProviderTimeouts::default())
    {
        return vec![Check::fault(STRIPE, error.to_string(), "correct STRIPE_SECRET_KEY or STRIPE_API_BASE")];
    }
    let base = api_base.as_ref().map_or(API_BASE, |base| base.as_str().trim_end_matches('/'));
    let before = clock.now();
    // The right that checkout needs, asked for in the cheapest way.
    let answer = match http::get(&format!("{base}/v1/checkout/sessions?limit=1"), Some(&secret_key)).await {
        Ok(answer) => answer,
        Err(reason) => {
            let advice = "check that this machine can reach api.stripe.com by HTTPS; checkout answers 502 until it can";
            return vec![Check::fault(STRIPE, format!("it cannot be reached: {reason}"), advice)];
        }
    };
    let mode = Mode::of(secret_key.expose_secret());
    let mut checks = vec![verdict(answer.status, mode, environment)];
    if let Some(date) = answer.date {
        let ours = before + (clock.now() - before) / 2;
        let theirs = date + TimeDelta::milliseconds(500);
        checks.push(compare_clocks("stripe clock", theirs, ours, TimeDelta::seconds(1)));
    }
    checks
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Live,
    Test,
    Unknown,
}

impl Mode {
    fn of(key: &str) -> Self {
        match key {
            key if key.starts_with("sk_live_") || key.starts_with("rk_live_") => Self::Live,
            key if key.starts_with("sk_test_") || key.starts_with("rk_test_") => Self::Test,
            _ => Self::Unknown,
        }
    }
}

fn verdict(status: u16, mode: Mode, environment: Environment) -> Check {
    let named = word(environment);
    match (status, mode) {
        (200..300, Mode::Test) if environment == Environment::Production => Check::warning(
            STRIPE,
            "the key is for test mode, in production: no money is taken",
            "use the live key and the signing secret of the live webhook endpoint",
        ),
        (200..300, Mode::Live) if environment != Environment::Production => Check::warning(
            STRIPE,
            format!("the key is for live mode, in {named}: real money is taken"),
            "use the test key",
        ),
        (200..300, Mode::Live) => Check::ok(STRIPE, "the key is valid, in live mode"),
        (200..300, Mode::Test) => Check::ok(STRIPE, "the key is valid, in test mode"),
        (200..300, Mode::Unknown) => Check::ok(STRIPE, "the key is valid"),
        (401, _) => Check::fault(
            STRIPE,
            "Stripe does not know the key",
            "copy the secret key from Stripe's dashboard (Developers, API keys) to STRIPE_SECRET_KEY",
        ),
        (403, _) => Check::fault(
            STRIPE,
            "the key may not see Checkout Sessions",
            "give the restricted key the permission to write Checkout Sessions",
        ),
        (status, _) => Check::warning(
            STRIPE,
            format!("Stripe answered with status {status}"),
            "see status.stripe.com, and try again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn a_key_of_the_wrong_mode_is_told() {
        let status = |key, environment| verdict(200, Mode::of(key), environment).status;
        assert_eq!(status("sk_test_1", Environment::Production), Status::Warning);
        assert_eq!(status("rk_live_1", Environment::Development), Status::Warning);
        assert_eq!(status("rk_live_1", Environment::Production), Status::Ok);
        assert_eq!(status("sk_test_1", Environment::Test), Status::Ok);
        assert_eq!(verdict(401, Mode::Live, Environment::Production).status, Status::Fault);
        assert_eq!(verdict(500, Mode::Live, Environment::Production).status, Status::Warning);
    }
}
