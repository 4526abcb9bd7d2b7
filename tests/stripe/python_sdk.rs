//! Stripe's Python library as a second client of the stand-in: it is not of our making, and neither is its idea of
//! what Stripe answers.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use tempfile::TempDir;

use crate::receiver::Receiver;
use crate::world::{SECRET_KEY, TestClock, WEBHOOK_SECRET, World, config, http};

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn python_is_there() -> bool {
    Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success())
}

// The library checks the age of an event by the machine's clock, so the stand-in must use that one too.
#[allow(clippy::disallowed_methods)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_python_library_works() {
    if !python_is_there() {
        // Past the test runner, which hides what a passing test prints.
        writeln!(std::io::stderr(), "SKIPPED: no python3 on this machine to run Stripe's own library with")
            .unwrap();
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = run(Command::new("bash").arg(root.join("scripts/stripe-sdk-venv")));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    let receiver = Receiver::start().await;
    let config =
        StandInConfig { clock: Arc::new(Utc::now), ..config(&directory, &clock, Some(receiver.url.clone())) };
    let stand_in = StripeStandIn::start(config).await.unwrap();
    let world = World { stand_in, receiver, http: http(), clock, directory };
    let expires_at = Utc::now() + TimeDelta::hours(1);
    let order = primetech_stripe::NewCheckoutSession { expires_at, ..world.order() };
    let id = world.provider().create_checkout_session(&order).await.unwrap().id;
    world.pay(&id, "paid").await;
    let event = world.receiver.wait_for_kind("checkout.session.completed").await;
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("payload"), &event.body).unwrap();
    std::fs::write(folder.path().join("signature"), event.signature()).unwrap();

    let mut python = Command::new(root.join("target/stripe-sdk/bin/python"));
    python.arg(root.join("tests/stripe/sdk_check.py"));
    python.args([world.stand_in.base_url(), SECRET_KEY, WEBHOOK_SECRET, &expires_at.timestamp().to_string()]);
    let output = run(python.arg(folder.path()));
    let shown =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && shown.contains("all checks passed"), "{shown}");
}
