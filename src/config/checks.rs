//! The rules of each variable. A fault follows the variable's name ("must be …") and never repeats the value.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use actix_web::cookie::SameSite;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use secrecy::{SecretSlice, SecretString};
use sqlx::postgres::PgConnectOptions;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::Environment;

type Check<T> = Result<T, &'static str>;

pub fn environment(text: &str) -> Check<Environment> {
    match text {
        "development" => Ok(Environment::Development),
        "test" => Ok(Environment::Test),
        "production" => Ok(Environment::Production),
        _ => Err("must be development, test or production"),
    }
}

pub fn address(text: &str) -> Check<IpAddr> {
    text.parse().map_err(|_| "must be an IP address")
}

pub fn port(text: &str) -> Check<u16> {
    text.parse().map_err(|_| "must be a port number from 0 to 65535")
}

pub fn readable_directory(text: &str) -> Check<PathBuf> {
    match std::fs::read_dir(text) {
        Ok(_) => Ok(PathBuf::from(text)),
        Err(_) => Err("must be a folder that can be read"),
    }
}

pub fn boolean(text: &str) -> Check<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false"),
    }
}

pub fn switch(text: &str) -> Check<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off"),
    }
}

pub fn same_site(text: &str) -> Check<SameSite> {
    match text.to_ascii_lowercase().as_str() {
        "strict" => Ok(SameSite::Strict),
        "lax" => Ok(SameSite::Lax),
        "none" => Ok(SameSite::None),
        _ => Err("must be strict, lax or none"),
    }
}

/// Each call that passes is remembered for its limit's window: a limit beyond this one would protect nothing.
const LARGEST_LIMIT: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

pub fn limit(text: &str) -> Check<NonZeroU32> {
    match text.parse() {
        Ok(limit) if limit <= LARGEST_LIMIT => Ok(limit),
        _ => Err("must be an integer from 1 to 100000"),
    }
}

/// A day at the most: a session that ended should not stay unknown for longer.
pub fn reconcile_minutes(text: &str) -> Check<u32> {
    within(text, 1..=1440).ok_or("must be an integer from 1 to 1440")
}

pub fn reconcile_seconds(text: &str) -> Check<u32> {
    within(text, 1..=3600).ok_or("must be an integer from 1 to 3600")
}

fn within(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| range.contains(number))
}

pub fn database_url(text: &str) -> Check<SecretString> {
    let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if is_postgres && PgConnectOptions::from_str(text).is_ok() {
        Ok(text.into())
    } else {
        Err("must be a postgres:// URL")
    }
}

pub fn redis_url(text: &str) -> Check<SecretString> {
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "redis" | "rediss")
                && url.has_host()
                && primetech_http::rate_limits::is_redis_url(text) =>
        {
            Ok(text.into())
        }
        _ => Err("must be a redis:// or rediss:// URL"),
    }
}

pub fn session_secret(text: &str) -> Check<SecretString> {
    if text.len() >= 32 { Ok(text.into()) } else { Err("must have 32 bytes or more") }
}

/// A key or secret that goes into a header.
pub fn token(text: &str) -> Check<SecretString> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.into())
    } else {
        Err("must be visible ASCII characters")
    }
}

pub fn tokens(text: &str) -> Check<Vec<SecretString>> {
    text.split(',')
        .map(|entry| match entry.trim() {
            "" => Err("must be one or more secrets, separated by commas"),
            entry => token(entry),
        })
        .collect()
}

/// 32 bytes each, in base64 of either alphabet, padded or not.
pub fn signing_keys(text: &str) -> Check<Vec<SecretSlice<u8>>> {
    const FLAW: &str = "must be base64 of 32 bytes; several are separated by commas";
    text.split(',')
        .map(|entry| {
            let entry = entry.trim().trim_end_matches('=');
            let bytes = BASE64_STANDARD_NO_PAD
                .decode(entry)
                .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(entry))
                .map_err(|_| FLAW)?;
            if bytes.len() == 32 { Ok(SecretSlice::from(bytes)) } else { Err(FLAW) }
        })
        .collect()
}

/// An `http` or `https` URL without credentials, query or fragment.
pub fn web_url(text: &str) -> Check<Url> {
    let url = Url::parse(text).map_err(|_| "must be an http or https URL")?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if fits { Ok(url) } else { Err("must be an http or https URL without credentials, query and fragment") }
}

/// The same, of a scheme, a host and a port only.
pub fn bare_url(text: &str) -> Check<Url> {
    match web_url(text) {
        Ok(url) if url.path() == "/" => Ok(url),
        _ => Err("must be an http or https URL of a host and a port only"),
    }
}

pub fn region(text: &str) -> Check<String> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Ok(text.to_owned())
    } else {
        Err("must be a region, as in eu-central-1")
    }
}

pub fn bucket(text: &str) -> Check<String> {
    let fits = (3..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
    if fits { Ok(text.to_owned()) } else { Err("must be a bucket's name: 3 to 63 of a-z 0-9 . -") }
}

pub fn log_filter(text: &str) -> Check<String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a log filter, as in info,primetech=debug"),
    }
}
