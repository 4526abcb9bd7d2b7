#![allow(clippy::unwrap_used)]

use primetech_mail::MailTransport;
use secrecy::ExposeSecret;

use super::*;

const SEED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// All that has to be there, and nothing else.
const REQUIRED: &[(&str, &str)] = &[
    ("DATABASE_URL", "postgres://app:db-secret@127.0.0.1/primetech"),
    ("SESSION_SECRET", "session-secret-of-32-bytes-or-more"),
    ("APP_BASE_URL", "https://shop.example"),
    ("STRIPE_SECRET_KEY", "sk_test_stripe-secret"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_webhook-secret"),
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ACCESS_KEY_ID", "AKIA-secret"),
    ("AWS_SECRET_ACCESS_KEY", "aws-secret"),
    ("S3_BUCKET_PRIVATE", "primetech-private"),
    ("MAIL_FROM", "Shop <shop@example.com>"),
    ("SMTP_URL", "smtps://user:smtp-secret@mail.example"),
    ("LICENCE_SIGNING_KEY", SEED),
];

fn parse(changes: &[(&str, &str)]) -> Result<Config, ConfigFaults> {
    Config::parse(REQUIRED.iter().chain(changes).copied().collect())
}

fn faulty(changes: &[(&str, &str)]) -> Vec<&'static str> {
    parse(changes).unwrap_err().0.into_iter().map(|fault| fault.variable).collect()
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.environment, Environment::Production);
    assert_eq!((config.bind_address.to_string().as_str(), config.port), ("127.0.0.1", 4000));
    assert_eq!(config.cookies, CookieSettings { secure: true, same_site: SameSite::Lax });
    assert_eq!(config.trusted_proxies, TrustedProxies::loopback());
    let limits = config.rate_limits.unwrap();
    assert_eq!((limits.auth.get(), limits.login_failures.get()), (20, 5));
    assert_eq!((limits.licences.get(), limits.other.get(), limits.webhooks.get()), (600, 600, 6000));
    assert_eq!((config.reconciler.after.num_minutes(), config.reconciler.every.as_secs()), (15, 30));
    assert!(config.stripe.api_base.is_none() && config.redis_url.is_none());
}

#[test]
fn everything_missing_is_named_at_once() {
    let faults = Config::parse(Variables::default()).unwrap_err();
    let named: Vec<_> = faults.0.iter().map(|fault| fault.variable).collect();
    assert_eq!(
        named,
        [
            "DATABASE_URL",
            "SESSION_SECRET",
            "APP_BASE_URL",
            "STRIPE_SECRET_KEY",
            "STRIPE_WEBHOOK_SECRET",
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "S3_BUCKET_PRIVATE",
            "MAIL_FROM",
            "SMTP_URL",
            "LICENCE_SIGNING_KEY",
        ]
    );
}

#[test]
fn each_required_variable_is_required_also_when_empty() {
    for (name, _) in REQUIRED {
        assert_eq!(faulty(&[(name, "")]), [*name]);
    }
}

#[test]
fn wrong_values_are_named() {
    for (name, value) in [
        ("NODE_ENV", "staging"),
        ("BIND_ADDRESS", "localhost"),
        ("PORT", "65536"),
        ("PORT", "4000 "),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("DATABASE_URL", "not a url"),
        ("SESSION_SECRET", "31-bytes-are-one-byte-too-short"),
        ("COOKIE_SECURE", "yes"),
        ("COOKIE_SAMESITE", "loose"),
        ("APP_BASE_URL", "shop.example"),
        ("APP_BASE_URL", "ftp://shop.example"),
        ("APP_BASE_URL", "https://shop.example?a=b"),
        ("STRIPE_SECRET_KEY", "sk with blanks"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_a,,whsec_b"),
        ("AWS_REGION", "eu central"),
        ("S3_BUCKET_PRIVATE", "A/b"),
        ("S3_ENDPOINT", "http://127.0.0.1:9000/path"),
        ("S3_PUBLIC_ENDPOINT", "files.shop.example"),
        ("S3_PUBLIC_ENDPOINT", "https://files.shop.example/store"),
        ("MAIL_FROM", "not a mailbox"),
        ("SMTP_URL", "http://mail.example"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy.example"),
        ("LICENCE_SIGNING_KEY", "AAAA"),
        ("LICENCE_SIGNING_KEY", "!"),
        ("RATE_LIMIT", "maybe"),
        ("RATE_LIMIT_AUTH", "0"),
        ("RATE_LIMIT_WEBHOOKS", "-1"),
        ("RATE_LIMIT_OTHER", "100001"),
        ("REDIS_URL", "redis://127.0.0.1/not-a-number"),
        ("RUST_LOG", "primetech=loud"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317x"),
    ] {
        assert_eq!(faulty(&[(name, value)]), [name], "{value}");
    }
}

#[test]
fn faults_of_several_variables_come_together() {
    assert_eq!(
        faulty(&[("PORT", "x"), ("MAIL_FROM", "x"), ("S3_ENDPOINT", "x")]),
        ["PORT", "S3_ENDPOINT", "MAIL_FROM"]
    );
}

#[test]
fn a_stand_in_for_stripe_is_not_taken_in_production() {
    let stand_in = ("STRIPE_API_BASE", "http://127.0.0.1:4242");
    assert_eq!(faulty(&[stand_in]), ["STRIPE_API_BASE"]);
    assert_eq!(faulty(&[stand_in, ("NODE_ENV", "production")]), ["STRIPE_API_BASE"]);
    let config = parse(&[stand_in, ("NODE_ENV", "development")]).unwrap();
    assert_eq!(config.stripe.api_base.unwrap().as_str(), "http://127.0.0.1:4242/");
}

#[test]
fn same_site_none_needs_a_secure_cookie() {
    assert_eq!(faulty(&[("COOKIE_SAMESITE", "None"), ("COOKIE_SECURE", "false")]), ["COOKIE_SAMESITE"]);
    let config = parse(&[("COOKIE_SAMESITE", "NONE"), ("COOKIE_SECURE", "TRUE")]).unwrap();
    assert_eq!(config.cookies.same_site, SameSite::None);
}

#[test]
fn a_cookie_is_secure_by_default_in_production_only() {
    assert!(!parse(&[("NODE_ENV", "development")]).unwrap().cookies.secure);
    assert!(!parse(&[("NODE_ENV", "test")]).unwrap().cookies.secure);
}

#[test]
fn lists_are_read_whole() {
    let url_safe = "-".repeat(43).replace('-', "_").replacen('_', "A", 42);
    let config = parse(&[
        ("STRIPE_WEBHOOK_SECRET", "whsec_a, whsec_b"),
        ("LICENCE_SIGNING_KEY", &format!("{SEED},{}", SEED.trim_end_matches('='))),
        ("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
    ])
    .unwrap();
    assert_eq!(config.stripe.webhook_secrets.len(), 2);
    assert_eq!(config.stripe.webhook_secrets[1].expose_secret(), "whsec_b");
    assert_eq!(config.licence_signing_keys.len(), 2);
    assert!(config.trusted_proxies.trust(Some("10.9.9.9".parse().unwrap())));
    // The last of 43 characters carries four bits: `_` (63) does not fit there, `8` (60) does.
    assert_eq!(faulty(&[("LICENCE_SIGNING_KEY", &url_safe)]), ["LICENCE_SIGNING_KEY"]);
    assert!(parse(&[("LICENCE_SIGNING_KEY", &format!("_-{}8", "A".repeat(40)))]).is_ok());
}

#[test]
fn mail_goes_out_where_it_can() {
    let to_folder = [("SMTP_URL", ""), ("MAIL_DIR", "/tmp/mail")];
    assert!(matches!(parse(&to_folder).unwrap().mail.transport, MailTransport::Directory(_)));
    assert!(matches!(parse(&[("MAIL_DIR", "/tmp/mail")]).unwrap().mail.transport, MailTransport::Smtp(_)));
}

#[test]
fn no_secret_is_printed() {
    let printed = format!("{:?}", parse(&[("REDIS_URL", "redis://:redis-secret@127.0.0.1")]).unwrap());
    assert!(!printed.contains("secret@") && !printed.contains("-secret"), "{printed}");
    assert!(
        !printed.contains("session-secret-of") && !printed.contains("AAECAw") && !printed.contains("1, 2, 3")
    );
    let changes =
        [("DATABASE_URL", "hunter2"), ("SESSION_SECRET", "hunter2"), ("LICENCE_SIGNING_KEY", "hunter2")];
    let faults = parse(&changes).unwrap_err();
    assert!(!format!("{faults} {faults:?}").contains("hunter2"));
}

#[test]
fn a_dotenv_file_is_read_and_its_faults_quote_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    assert!(Variables::from_file(&path).is_ok(), "no file is no fault");
    std::fs::write(&path, "# comment\r\nPORT=4001\nMAIL_FROM=Prime Tech <mail@shop.example>\nPORT=4002\n")
        .unwrap();
    let variables = Variables::from_file(&path).unwrap();
    assert_eq!(variables.get("PORT"), Ok(Some("4002")), "the last counts");
    let from = variables.get("MAIL_FROM").unwrap().unwrap();
    assert_eq!(mail::mailbox(from).unwrap().to_string(), "Prime Tech <mail@shop.example>");
    std::fs::write(&path, "PORT=4001\nhunter2 hunter2\nA='hunter2\n").unwrap();
    let faults = Variables::from_file(&path).unwrap_err();
    let told = faults.to_string();
    assert!(told.contains(".env line 2 ") && told.contains(".env line 3 "), "{told}");
    assert!(!format!("{faults:?} {told}").contains("hunter2"), "{told}");
    assert!(Variables::from_file(folder.path()).is_err(), "a folder is not read");
}

#[test]
fn front_end_addresses_have_one_slash() {
    let config = parse(&[("APP_BASE_URL", "https://shop.example/app/")]).unwrap();
    assert_eq!(
        config.front_end_url("/verify-email?token=x"),
        "https://shop.example/app/verify-email?token=x"
    );
}

#[test]
fn the_reconciler_asks_within_a_day_and_not_all_the_time() {
    for variable in ["RECONCILE_AFTER_MINUTES", "RECONCILE_EVERY_SECONDS"] {
        for value in ["0", "-1", "3601", "soon"] {
            assert_eq!(faulty(&[(variable, value)]), [variable], "{value}");
        }
    }
}
