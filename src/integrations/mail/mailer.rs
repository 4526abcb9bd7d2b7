use std::io;
use std::sync::Arc;

use lettre::message::Mailbox;
use lettre::{Address, AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use primetech_actors::ask::ask;
use primetech_actors::fault::Fault;
use primetech_actors::licence::LicencesOfOrder;
use primetech_actors::order::{GetOrder, OrderRef};
use primetech_actors::outbox::{Delivery, DeliveryError, Destination};
use primetech_actors::session::{FindUser, MailTokenKind, TokenSecret, User};
use primetech_actors::system::Actors;
use secrecy::ExposeSecret;
use serde_json::Value;
use uuid::Uuid;

use super::compose::Letter;
use crate::config::{Config, MailTransport};

#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    #[error("MAIL_DIR {0}")]
    Directory(io::Error),
    // What lettre says of a URL may quote its password.
    #[error("SMTP_URL cannot be used")]
    SmtpUrl,
}

enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Directory(AsyncFileTransport<Tokio1Executor>),
}

/// Turns outbox messages into mails and sends them.
pub struct Mailer {
    transport: Transport,
    config: Arc<Config>,
    secret: TokenSecret,
    actors: Actors,
}

impl Mailer {
    pub fn new(config: &Arc<Config>, actors: &Actors) -> Result<Self, MailerError> {
        let transport = match &config.mail.transport {
            MailTransport::Directory(path) => {
                std::fs::create_dir_all(path).map_err(MailerError::Directory)?;
                Transport::Directory(AsyncFileTransport::new(path))
            }
            MailTransport::Smtp(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
                Transport::Smtp(builder.map_err(|_| MailerError::SmtpUrl)?.build())
            }
        };
        let secret = TokenSecret::new(config.session_secret.clone());
        Ok(Self { transport, config: Arc::clone(config), secret, actors: actors.clone() })
    }

    /// The letter of a message and whom it goes to; none where there is nothing to send.
    async fn write(&self, delivery: &Delivery) -> Result<Option<(User, Letter)>, DeliveryError> {
        let Some(user) = self.recipient(delivery).await? else { return Ok(None) };
        let shop = self.actors.tenants.name_of(&delivery.scope).await.map_err(temporary)?;
        let letter = match delivery.topic.as_str() {
            "mail.verify-email" => {
                let link = self.link("verify-email", MailTokenKind::VerifyEmail, delivery)?;
                Letter {
                    subject: format!("{shop}: confirm your e-mail address"),
                    text: vec![
                        greeting(&user),
                        format!(
                            "Thank you for signing up at {shop}. Please confirm that this address is yours."
                        ),
                        "The link is good for 24 hours. If you did not sign up, nothing needs to be done."
                            .to_owned(),
                    ],
                    link: Some(("Confirm the address", link)),
                }
            }
            "mail.reset-password" => {
                let link = self.link("reset-password", MailTokenKind::ResetPassword, delivery)?;
                Letter {
                    subject: format!("{shop}: a new password"),
                    text: vec![
                        greeting(&user),
                        format!("Someone, probably you, asked for a new password at {shop}."),
                        "The link is good for one hour. If it was not you, nothing needs to be done."
                            .to_owned(),
                    ],
                    link: Some(("Choose a new password", link)),
                }
            }
            "mail.order-paid" => self.order_paid(delivery, &user, &shop).await?,
            topic => return Err(DeliveryError::Permanent(format!("no mail is known as {topic}"))),
        };
        Ok(Some((user, letter)))
    }

    async fn recipient(&self, delivery: &Delivery) -> Result<Option<User>, DeliveryError> {
        // A reset that was asked for an unknown address has no user.
        let Some(user_id) = id(&delivery.payload, "userId") else { return Ok(None) };
        ask(&self.actors.session, FindUser { scope: delivery.scope, user_id }).await.map_err(temporary)
    }

    fn link(&self, page: &str, kind: MailTokenKind, delivery: &Delivery) -> Result<String, DeliveryError> {
        let token_id = id(&delivery.payload, "tokenId").ok_or_else(|| malformed("tokenId"))?;
        let token = self.secret.mail_token(kind, token_id);
        Ok(format!("{}?token={}", self.config.front_end_url(page), token.expose()))
    }

    async fn order_paid(
        &self,
        delivery: &Delivery,
        user: &User,
        shop: &str,
    ) -> Result<Letter, DeliveryError> {
        let order_id = id(&delivery.payload, "orderId").ok_or_else(|| malformed("orderId"))?;
        let viewer = delivery.viewer;
        let order = GetOrder { viewer, order: OrderRef::Id(order_id) };
        let order = ask(self.actors.orders.of(&delivery.scope), order).await.map_err(temporary)?;
        let order = order.ok_or_else(|| malformed("orderId"))?;
        let licences = LicencesOfOrder { viewer, order_id };
        let licences = ask(self.actors.licences.of(&delivery.scope), licences).await.map_err(temporary)?;
        let receipt = order.receipt_number.clone().unwrap_or_default();
        let mut text = vec![
            greeting(user),
            format!("Your payment of order {} has arrived. Thank you for buying at {shop}.", order.number),
            format!("Invoice {}, receipt {receipt}.", order.invoice_number),
        ];
        if !licences.is_empty() {
            let keys: Vec<String> = licences
                .iter()
                .map(|licence| format!("{}: {}", licence.product_sku, licence.key.as_str()))
                .collect();
            text.push(format!("Your licence keys:\n{}", keys.join("\n")));
        }
        Ok(Letter { subject: format!("{shop}: receipt {receipt}"), text, link: None })
    }

    async fn send(&self, user: &User, letter: &Letter) -> Result<(), DeliveryError> {
        let address: Address = user
            .email
            .parse()
            .map_err(|_| DeliveryError::Permanent("the address cannot be used".to_owned()))?;
        let message = letter
            .message(self.config.mail.from.clone(), Mailbox::new(user.name.clone(), address))
            .map_err(|error| DeliveryError::Permanent(format!("the mail cannot be built: {error}")))?;
        match &self.transport {
            // What the server says may quote the address.
            Transport::Smtp(smtp) => smtp.send(message).await.map(|_| ()).map_err(|error| {
                if error.is_permanent() {
                    DeliveryError::Permanent("the mail server refused the mail for good".to_owned())
                } else {
                    DeliveryError::Temporary("the mail server did not take the mail".to_owned())
                }
            }),
            Transport::Directory(folder) => folder
                .send(message)
                .await
                .map(|_| ())
                .map_err(|error| DeliveryError::Temporary(format!("the mail cannot be written: {error}"))),
        }
    }
}

impl Destination for Mailer {
    async fn deliver(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        if delivery.topic.starts_with("event.") {
            tracing::info!(
                target: "domain_event",
                event = %delivery.topic,
                tenant = ?delivery.scope,
                order = ?id(&delivery.payload, "orderId"),
                "a domain event"
            );
            return Ok(());
        }
        match self.write(&delivery).await? {
            Some((user, letter)) => self.send(&user, &letter).await,
            None => Ok(()),
        }
    }
}

fn greeting(user: &User) -> String {
    user.name.as_ref().map_or_else(|| "Hello,".to_owned(), |name| format!("Hello {name},"))
}

fn id(payload: &Value, field: &str) -> Option<Uuid> {
    Uuid::parse_str(payload.get(field)?.as_str()?).ok()
}

fn malformed(field: &str) -> DeliveryError {
    DeliveryError::Permanent(format!("the message's {field} names nothing"))
}

fn temporary(fault: Fault) -> DeliveryError {
    DeliveryError::Temporary(fault.to_string())
}
