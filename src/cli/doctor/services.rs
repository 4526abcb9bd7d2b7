//! Checks mail, and the counters that processes share.

use primetech_mail::{MailSettings, MailTransport, probe};
use secrecy::{ExposeSecret, SecretString};

use super::check::Check;

pub(super) const MAIL: &str = "mail";
pub(super) const REDIS: &str = "redis";

pub(super) async fn mail(settings: MailSettings) -> Vec<Check> {
    let transport = &settings.transport;
    vec![match (probe(transport).await, transport) {
        (Ok(()), MailTransport::Smtp(_)) => Check::ok(MAIL, "the mail server accepts mails"),
        (Ok(()), MailTransport::Directory(path)) => {
            Check::ok(MAIL, format!("mails are written to {}", path.display()))
        }
        (Err(error), MailTransport::Smtp(_)) => Check::fault(
            MAIL,
            error.to_string(),
            "check that SMTP_URL has the correct scheme (smtps:// for TLS from the start), host, port, user and password; \
             mails wait until then",
        ),
        (Err(error), MailTransport::Directory(_)) => {
            Check::fault(MAIL, error.to_string(), "set MAIL_DIR to a folder that this user may write to")
        }
    }]
}

pub(super) async fn redis(url: SecretString) -> Vec<Check> {
    vec![match ask_redis(&url).await {
        Ok(()) => Check::ok(REDIS, "it answers and runs scripts"),
        // What the library says may quote the URL: its kind of error does not.
        Err(error) => Check::fault(
            REDIS,
            format!("it cannot be used: {}", error.category()),
            "check that it runs and that REDIS_URL has the correct host, port, user and password; \
             until then each process counts on its own",
        ),
    }]
}

/// The limits are counted by scripts.
async fn ask_redis(url: &SecretString) -> redis::RedisResult<()> {
    let client = redis::Client::open(url.expose_secret())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async::<String>(&mut connection).await?;
    redis::cmd("EVAL").arg("return 1").arg(0).query_async::<i64>(&mut connection).await?;
    Ok(())
}
