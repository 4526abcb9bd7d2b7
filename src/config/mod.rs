//! The configuration: read from the environment and checked once, at start, with every fault named by its variable.
//!
//! The rest of the product takes its settings from a [`Config`] and never reads the environment. No value is printed:
//! a fault states what a variable must be, never what it is, and secrets have types that hide them.

mod checks;
mod mail;
mod parts;

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::cookie::SameSite;
use chrono::TimeDelta;
use primetech_actors::reconciler::ReconcilerSettings;
use primetech_mail::MailSettings;
use primetech_s3::StorageSettings;
use secrecy::{SecretSlice, SecretString};
use url::Url;

use primetech_http::context::front_end_url;
pub use primetech_http::rate_limits::RateLimits;
pub use primetech_kernel::settings::{ConfigFault, ConfigFaults, Reader, Variables, dotenv};

use crate::layers::address::TrustedProxies;
use crate::layers::cookies::CookieSettings;
pub use parts::Parts;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Development,
    Test,
    Production,
}

/// All settings of a serving process.
#[derive(Debug, Clone)]
pub struct Config {
    pub environment: Environment,
    pub bind_address: IpAddr,
    /// 0: any free one.
    pub port: u16,
    pub database_url: SecretString,
    pub session_secret: SecretString,
    pub cookies: CookieSettings,
    /// Where the front end is: links in mails begin with it.
    pub app_base_url: Url,
    pub stripe: StripeConfig,
    pub reconciler: ReconcilerSettings,
    pub storage: StorageSettings,
    pub mail: MailSettings,
    /// Further fonts for documents, asked where the built-in ones lack a character.
    pub font_directory: Option<PathBuf>,
    /// Where rate limits are counted for all processes together.
    pub redis_url: Option<SecretString>,
    pub trusted_proxies: TrustedProxies,
    /// Ed25519 seeds of 32 bytes; the first signs, all are published.
    pub licence_signing_keys: Vec<SecretSlice<u8>>,
    /// None: switched off.
    pub rate_limits: Option<RateLimits>,
    pub log: LogConfig,
}

#[derive(Debug, Clone)]
pub struct StripeConfig {
    pub secret_key: SecretString,
    /// Each is accepted, so that one can be replaced.
    pub webhook_secrets: Vec<SecretString>,
    /// A stand-in, never in production.
    pub api_base: Option<Url>,
}

#[derive(Debug, Clone)]
pub struct LogConfig {
    pub filter: Option<String>,
    /// Where traces are sent, if anywhere.
    pub otlp_endpoint: Option<Url>,
}

impl Config {
    /// From variables. An empty one counts as missing.
    pub fn parse(variables: Variables) -> Result<Self, ConfigFaults> {
        let mut read = Reader::new(variables);
        let config = Self::read(&mut read);
        read.finish(config)
    }

    /// None if a fault was noted.
    pub(crate) fn read(read: &mut Reader) -> Option<Self> {
        let environment = read.or("NODE_ENV", Environment::Production, checks::environment);
        let bind_address = read.or("BIND_ADDRESS", IpAddr::V4(Ipv4Addr::LOCALHOST), checks::address);
        let port = read.or("PORT", 4000, checks::port);
        let database_url = read.required("DATABASE_URL", checks::database_url);
        let session_secret = read.required("SESSION_SECRET", checks::session_secret);
        let cookies = Self::read_cookies(read, environment);
        let app_base_url = read.required("APP_BASE_URL", checks::web_url);
        let stripe = Self::read_stripe(read, environment);
        let reconciler = Self::read_reconciler(read);
        let storage = Self::read_storage(read);
        let mail = Self::read_mail(read);
        let font_directory = read.optional("FONT_DIR", checks::readable_directory);
        let redis_url = read.optional("REDIS_URL", checks::redis_url);
        let trusted_proxies = read.or("TRUSTED_PROXIES", TrustedProxies::loopback(), str::parse);
        let licence_signing_keys = read.required("LICENCE_SIGNING_KEY", checks::signing_keys);
        let rate_limits = Self::read_rate_limits(read);
        let filter = read.optional("RUST_LOG", checks::log_filter);
        let otlp_endpoint = read.optional("OTEL_EXPORTER_OTLP_ENDPOINT", checks::web_url);
        Some(Self {
            environment: environment?,
            bind_address: bind_address?,
            port: port?,
            database_url: database_url?,
            session_secret: session_secret?,
            cookies: cookies?,
            app_base_url: app_base_url?,
            stripe: stripe?,
            reconciler: reconciler?,
            storage: storage?,
            mail: mail?,
            font_directory: font_directory?,
            redis_url: redis_url?,
            trusted_proxies: trusted_proxies?,
            licence_signing_keys: licence_signing_keys?,
            rate_limits: rate_limits?,
            log: LogConfig { filter: filter?, otlp_endpoint: otlp_endpoint? },
        })
    }

    fn read_cookies(read: &mut Reader, environment: Option<Environment>) -> Option<CookieSettings> {
        let in_production = environment.is_none_or(|environment| environment == Environment::Production);
        let secure = read.or("COOKIE_SECURE", in_production, checks::boolean);
        let same_site = read.or("COOKIE_SAMESITE", SameSite::Lax, checks::same_site);
        if same_site == Some(SameSite::None) && secure == Some(false) {
            // Browsers throw such a cookie away.
            read.fault("COOKIE_SAMESITE", "must not be none unless COOKIE_SECURE is true");
            return None;
        }
        Some(CookieSettings { secure: secure?, same_site: same_site? })
    }

    fn read_stripe(read: &mut Reader, environment: Option<Environment>) -> Option<StripeConfig> {
        let secret_key = read.required("STRIPE_SECRET_KEY", checks::token);
        let webhook_secrets = read.required("STRIPE_WEBHOOK_SECRET", checks::tokens);
        let api_base = read.optional("STRIPE_API_BASE", checks::bare_url);
        if environment == Some(Environment::Production) && matches!(api_base, Some(Some(_))) {
            // The server in Stripe's place decides what counts as paid.
            read.fault("STRIPE_API_BASE", "must not be set in production: a stand-in is not taken there");
            return None;
        }
        Some(StripeConfig { secret_key: secret_key?, webhook_secrets: webhook_secrets?, api_base: api_base? })
    }

    fn read_reconciler(read: &mut Reader) -> Option<ReconcilerSettings> {
        let after = read.or("RECONCILE_AFTER_MINUTES", 15, checks::reconcile_minutes);
        let every = read.or("RECONCILE_EVERY_SECONDS", 30, checks::reconcile_seconds);
        Some(ReconcilerSettings {
            after: TimeDelta::minutes(after?.into()),
            every: Duration::from_secs(every?.into()),
        })
    }

    fn read_storage(read: &mut Reader) -> Option<StorageSettings> {
        let region = read.required("AWS_REGION", checks::region);
        let access_key_id = read.required("AWS_ACCESS_KEY_ID", checks::token);
        let secret_access_key = read.required("AWS_SECRET_ACCESS_KEY", checks::token);
        let bucket = read.required("S3_BUCKET_PRIVATE", checks::bucket);
        let endpoint = read.optional("S3_ENDPOINT", checks::bare_url);
        let public_endpoint = read.optional("S3_PUBLIC_ENDPOINT", checks::bare_url);
        Some(StorageSettings {
            region: region?,
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            bucket: bucket?,
            endpoint: endpoint?,
            public_endpoint: public_endpoint?,
        })
    }

    fn read_mail(read: &mut Reader) -> Option<MailSettings> {
        let from = read.required("MAIL_FROM", mail::mailbox);
        let smtp = read.optional("SMTP_URL", mail::smtp_url);
        let directory = read.optional("MAIL_DIR", mail::directory);
        let transport = match (smtp?, directory?) {
            // Where both are set, mails go out: a folder that nobody reads is the worse mistake.
            (Some(smtp), _) => smtp,
            (None, Some(directory)) => directory,
            (None, None) => {
                read.fault("SMTP_URL", "is missing (or MAIL_DIR, to write mails to a folder)");
                return None;
            }
        };
        Some(MailSettings { from: from?, transport })
    }

    fn read_rate_limits(read: &mut Reader) -> Option<Option<RateLimits>> {
        let on = read.or("RATE_LIMIT", true, checks::switch);
        let mut limit = |variable, default| read.or(variable, default, checks::limit);
        let auth = limit("RATE_LIMIT_AUTH", const { NonZeroU32::new(20).unwrap() });
        let login_failures = limit("RATE_LIMIT_LOGIN_FAILURES", const { NonZeroU32::new(5).unwrap() });
        let licences = limit("RATE_LIMIT_LICENCES", const { NonZeroU32::new(600).unwrap() });
        let other = limit("RATE_LIMIT_OTHER", const { NonZeroU32::new(600).unwrap() });
        let webhooks = limit("RATE_LIMIT_WEBHOOKS", const { NonZeroU32::new(6000).unwrap() });
        let limits = RateLimits {
            auth: auth?,
            login_failures: login_failures?,
            licences: licences?,
            other: other?,
            webhooks: webhooks?,
        };
        Some(on?.then_some(limits))
    }

    /// An address of the front end, for a link in a mail or a page to return to.
    pub fn front_end_url(&self, path: &str) -> String {
        front_end_url(&self.app_base_url, path)
    }
}

/// For the commands that work on the database and nothing else.
pub fn database_url() -> Result<SecretString, ConfigFaults> {
    let mut read = Reader::new(Variables::load()?);
    let url = read_database_url(&mut read);
    read.finish(url)
}

/// For those that need more beside it. None if a fault was noted.
pub fn read_database_url(read: &mut Reader) -> Option<SecretString> {
    read.required("DATABASE_URL", checks::database_url)
}

/// For the command that asks Stripe.
pub fn payment_provider() -> Result<(StripeConfig, ReconcilerSettings), ConfigFaults> {
    let mut read = Reader::new(Variables::load()?);
    let environment = read.or("NODE_ENV", Environment::Production, checks::environment);
    let stripe = Config::read_stripe(&mut read, environment);
    let reconciler = Config::read_reconciler(&mut read);
    read.finish(stripe.zip(reconciler))
}

/// For the commands that move files.
pub fn storage() -> Result<StorageSettings, ConfigFaults> {
    let mut read = Reader::new(Variables::load()?);
    let storage = Config::read_storage(&mut read);
    read.finish(storage)
}

#[cfg(test)]
mod tests;
