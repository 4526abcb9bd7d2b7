use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use lettre::Address;
use lettre::message::Mailbox;
use primetech_accounts::{AccountMail, LinkNotice, Users};
use primetech_actors::outbox::{Delivery, DeliveryError, Destination};
use primetech_actors::system::Actors;
use primetech_bookings::{BookingNotice, CustomerMail};
use primetech_module::{UserLetter, UserMail};
use uuid::Uuid;

use super::letter::Envelope;
use super::transport::{MailerError, Transport};
use super::write::{self, Desk, Written};
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
            users: Users::new(actors.database.clone()),
            actors: actors.clone(),
        };
        Ok(Self { transport: Transport::new(&config.mail.transport)?, config: Arc::clone(config), desk })
    }

    async fn send_written(&self, id: Uuid, written: &Written) -> Result<(), DeliveryError> {
        let Written { recipient, reply_to, letter } = written;
        let to: Address = recipient
            .email
            .parse()
            .map_err(|_| DeliveryError::Permanent("the address cannot be used".to_owned()))?;
        let Mailbox { email: from, .. } = &self.config.mail.from;
        // What the operator set is checked where it is set; should it be unusable, answers go to the sender.
        let reply_to = reply_to.as_deref().and_then(|address| address.parse().ok());
        let reply_to = reply_to.as_ref().unwrap_or(from);
        let envelope = Envelope { from, reply_to, name: recipient.name.as_deref(), to: &to };
        let message = letter
            .message(id, &envelope)
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
            Some(written) => self.send_written(delivery.id, &written).await,
            None => Ok(()),
        }
    }
}

impl AccountMail for Mailer {
    fn link(&self, delivery: Delivery, notice: LinkNotice) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let written = self.desk.link(&delivery, &notice).await?;
            self.send_written(delivery.id, &written).await
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
            let written = self.desk.booking(&delivery, &notice).await?;
            self.send_written(delivery.id, &written).await
        })
    }
}

impl UserMail for Mailer {
    fn send(&self, delivery: Delivery, letter: UserLetter) -> LocalBoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            match self.desk.to_user(&delivery, letter).await? {
                Some(written) => self.send_written(delivery.id, &written).await,
                None => Ok(()),
            }
        })
    }
}
