use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use lettre::Address;
use primetech_actors::outbox::{Delivery, DeliveryError, Destination};
use primetech_actors::session::TokenSecret;
use primetech_actors::system::Actors;
use primetech_bookings::{BookingNotice, CustomerMail};
use primetech_module::{UserLetter, UserMail};
use uuid::Uuid;

use super::transport::{MailerError, Transport};
use super::write::{self, Desk, Recipient};
use crate::config::Config;

/// Turns outbox messages into mails and sends them.
pub struct Mailer {
    transport: Transport,
    config: Arc<Config>,
    desk: Desk,
}

impl Mailer {
    pub fn new(config: &Arc<Config>, actors: &Actors) -> Result<Self, MailerError> {
        let desk = Desk {
            config: Arc::clone(config),
            secret: TokenSecret::new(config.session_secret.clone()),
            actors: actors.clone(),
        };
        Ok(Self { transport: Transport::new(&config.mail.transport)?, config: Arc::clone(config), desk })
    }

    async fn send_letter(
        &self,
        id: Uuid,
        recipient: Recipient,
        letter: &super::letter::Letter,
    ) -> Result<(), DeliveryError> {
        let address: Address = recipient
            .email
            .parse()
            .map_err(|_| DeliveryError::Permanent("the address cannot be used".to_owned()))?;
        let message = letter
            .message(id, &self.config.mail.from, recipient.name.as_deref(), address)
            .map_err(|error| DeliveryError::Permanent(format!("the mail cannot be built: {error}")))?;
        self.transport.send(message).await
    }
}

impl Destination for Mailer {
    async fn deliver(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        if delivery.topic.starts_with("event.") {
            tracing::info!(
                target: "domain_event",
                event = %delivery.topic,
                tenant = ?delivery.scope,
                order = ?write::id(&delivery.payload, "orderId"),
                "a domain event"
            );
            return Ok(());
        }
        match self.desk.write(&delivery).await? {
            Some((recipient, letter)) => self.send_letter(delivery.id, recipient, &letter).await,
            None => Ok(()),
        }
    }
}

impl CustomerMail for Mailer {
    fn booking_changed(
        &self,
        delivery: Delivery,
        notice: BookingNotice,
    ) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let (recipient, letter) = self.desk.booking(&delivery, &notice).await?;
            self.send_letter(delivery.id, recipient, &letter).await
        })
    }
}

impl UserMail for Mailer {
    fn send(&self, delivery: Delivery, letter: UserLetter) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            match self.desk.to_user(&delivery, letter).await? {
                Some((recipient, letter)) => self.send_letter(delivery.id, recipient, &letter).await,
                None => Ok(()),
            }
        })
    }
}
