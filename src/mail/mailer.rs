//! Turns the messages of the outbox into mails, and has them sent.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use primetech_accounts::{AccountMail, LinkNotice, Users};
use primetech_actors::outbox::{Delivery, DeliveryError, Destination};
use primetech_actors::system::Actors;
use primetech_bookings::{BookingNotice, CustomerMail};
use primetech_mail::{MailClient, MailClientError};
use primetech_module::{UserLetter, UserMail};

use super::writer::{self, MailWriter};
use crate::config::Config;

/// Turns outbox messages into mails and sends them.
pub struct Mailer {
    client: MailClient,
    writer: MailWriter,
}

impl Mailer {
    pub fn new(config: &Arc<Config>, actors: &Actors) -> Result<Self, MailClientError> {
        let writer = MailWriter {
            config: Arc::clone(config),
            users: Users::new(actors.database.clone()),
            actors: actors.clone(),
        };
        Ok(Self { client: MailClient::new(&config.mail)?, writer })
    }
}

impl Destination for Mailer {
    async fn deliver(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        if delivery.topic.starts_with("event.") {
            tracing::info!(
                target: "domain_event",
                event = %delivery.topic,
                tenant = ?delivery.scope,
                order = ?writer::id(&delivery.payload, "orderId"),
                "a domain event"
            );
            return Ok(());
        }
        match self.writer.write(&delivery).await? {
            Some(mail) => self.client.send(delivery.id, &mail).await,
            None => Ok(()),
        }
    }
}

impl AccountMail for Mailer {
    fn link(&self, delivery: Delivery, notice: LinkNotice) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let mail = self.writer.link(&delivery, &notice).await?;
            self.client.send(delivery.id, &mail).await
        })
    }
}

impl CustomerMail for Mailer {
    fn booking_changed(
        &self,
        delivery: Delivery,
        notice: BookingNotice,
    ) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let mail = self.writer.booking(&delivery, &notice).await?;
            self.client.send(delivery.id, &mail).await
        })
    }
}

impl UserMail for Mailer {
    fn send(&self, delivery: Delivery, letter: UserLetter) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            match self.writer.to_user(&delivery, letter).await? {
                Some(mail) => self.client.send(delivery.id, &mail).await,
                None => Ok(()),
            }
        })
    }
}
