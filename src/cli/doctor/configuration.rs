//! Checks the variables alone: faults, and valid settings that are unwise.

use std::collections::BTreeSet;

use primetech_licences::CertificateSigner;
use primetech_mail::MailTransport;
use secrecy::{ExposeSecret, SecretSlice};

use super::check::Check;
use crate::config::{Config, Environment, Parts};

const CONFIGURATION: &str = "configuration";
const SIGNING_KEY: &str = "signing key";

pub(super) fn check(parts: &Parts) -> Vec<Check> {
    let mut checks: Vec<Check> = parts
        .faults
        .iter()
        .map(|fault| {
            let message = format!("{} {}", fault.variable, fault.fault);
            Check::fault(CONFIGURATION, message, "correct it in the environment or in the .env file")
        })
        .collect();
    if let Some(config) = &parts.whole {
        let unwise = unwise(config);
        if unwise.is_empty() {
            checks.push(Check::ok(
                CONFIGURATION,
                format!("all variables are valid, for {}", word(config.environment)),
            ));
        }
        checks.extend(unwise);
    }
    if let Some(keys) = &parts.licence_signing_keys {
        checks.push(signing_keys(keys));
    }
    checks
}

pub(super) fn word(environment: Environment) -> &'static str {
    match environment {
        Environment::Development => "development",
        Environment::Test => "test",
        Environment::Production => "production",
    }
}

fn unwise(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut warn = |message: &str, advice: &str| checks.push(Check::warning(CONFIGURATION, message, advice));
    let secret: BTreeSet<u8> = config.session_secret.expose_secret().bytes().collect();
    if secret.len() < 8 {
        warn(
            "SESSION_SECRET repeats a few characters",
            "generate one with `openssl rand -base64 48`; a new one ends all sessions",
        );
    }
    if config.stripe.webhook_secrets.iter().any(|secret| !secret.expose_secret().starts_with("whsec_")) {
        warn(
            "STRIPE_WEBHOOK_SECRET does not begin with whsec_",
            "copy the signing secret of the webhook endpoint from Stripe's dashboard, not an API key",
        );
    }
    if config.environment != Environment::Production {
        return checks;
    }
    if !config.cookies.secure {
        warn("COOKIE_SECURE is false in production", "remove it and serve over HTTPS");
    }
    if config.app_base_url.scheme() != "https" {
        warn("APP_BASE_URL is not https", "serve the front end over HTTPS: links in mails carry tokens");
    }
    if config.rate_limits.is_none() {
        warn(
            "RATE_LIMIT is off in production",
            "remove it: without limits, passwords and licence keys can be guessed",
        );
    }
    match &config.mail.transport {
        MailTransport::Directory(_) => {
            warn("mails are written to a folder and reach nobody", "set SMTP_URL");
        }
        MailTransport::Smtp(url) => {
            let url = url.expose_secret();
            if url.starts_with("smtp://") && url.contains('@') && !url.contains("tls=required") {
                warn("SMTP_URL may send its password unencrypted", "use smtps:// or add ?tls=required");
            }
        }
    }
    checks
}

fn signing_keys(keys: &[SecretSlice<u8>]) -> Check {
    const MAKE: &str = "generate one with `openssl rand -base64 32`; keep the old one after it so that its certificates stay valid";
    if let Err(error) = CertificateSigner::new(keys.to_vec()) {
        return Check::fault(SIGNING_KEY, error.to_string(), MAKE);
    }
    let seeds: BTreeSet<&[u8]> = keys.iter().map(|key| key.expose_secret()).collect();
    // All the same, or counted up: what examples and tests have.
    let is_guessed = |seed: &[u8]| {
        seed.windows(2).all(|pair| pair[0] == pair[1])
            || seed.windows(2).all(|pair| pair[0].wrapping_add(1) == pair[1])
    };
    if keys.iter().any(|key| is_guessed(key.expose_secret())) {
        return Check::warning(SIGNING_KEY, "LICENCE_SIGNING_KEY has a key that anyone can guess", MAKE);
    }
    if seeds.len() < keys.len() {
        return Check::warning(SIGNING_KEY, "LICENCE_SIGNING_KEY has a key twice", "remove one of the two");
    }
    match keys.len() {
        1 => Check::ok(SIGNING_KEY, "one key, which signs"),
        keys => Check::ok(SIGNING_KEY, format!("{keys} keys, of which the first signs")),
    }
}
