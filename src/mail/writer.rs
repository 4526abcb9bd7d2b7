//! What each mail says. Addresses are looked up when a mail is written: no message of the outbox holds them.

use std::sync::Arc;

use primetech_accounts::{LinkNotice, MailTokenKind, User, Users};
use primetech_actors::ask::ask;
use primetech_actors::fault::Fault;
use primetech_actors::order::{GetOrder, OrderRef};
use primetech_actors::outbox::{Delivery, DeliveryError};
use primetech_actors::system::Actors;
use primetech_actors::tenancy::Letterhead;
use primetech_bookings::{BookingNotice, BookingStatus};
use primetech_licences::of_order;
use primetech_mail::calendar::{Event, Method};
use primetech_mail::{Letter, Mail, Recipient, harmless};
use primetech_module::UserLetter;
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use crate::config::Config;

/// Writes mails.
pub(super) struct MailWriter {
    pub config: Arc<Config>,
    pub users: Users,
    pub actors: Actors,
}

impl MailWriter {
    /// The mail of a message; none where there is nothing to send.
    pub(super) async fn write(&self, delivery: &Delivery) -> Result<Option<Mail>, DeliveryError> {
        let letterhead = self.actors.tenants.letterhead(&delivery.scope).await.map_err(temporary)?;
        let reply_to = letterhead.reply_to.clone();
        let user_id = id(&delivery.payload, "userId").ok_or_else(|| malformed("userId"))?;
        let Some(user) = self.find_user(delivery, user_id).await? else { return Ok(None) };
        let shop = letterhead.name.clone();
        let letter = match delivery.topic.as_str() {
            "mail.order-paid" => self.order_paid(delivery, &user, shop).await?,
            topic => return Err(DeliveryError::Permanent(format!("no mail is known as {topic}"))),
        };
        Ok(Some(Mail { recipient: recipient(&user), reply_to, letter }))
    }

    async fn find_user(&self, delivery: &Delivery, user_id: Uuid) -> Result<Option<User>, DeliveryError> {
        self.users.find(&delivery.scope, user_id).await.map_err(temporary)
    }

    /// A module's letter; none if the user is gone.
    pub(super) async fn to_user(
        &self,
        delivery: &Delivery,
        letter: UserLetter,
    ) -> Result<Option<Mail>, DeliveryError> {
        let letterhead = self.actors.tenants.letterhead(&delivery.scope).await.map_err(temporary)?;
        let Some(user) = self.find_user(delivery, letter.user_id).await? else { return Ok(None) };
        let (shop, reply_to) = (letterhead.name, letterhead.reply_to);
        let mut text = vec![greeting(&user)];
        text.extend(letter.paragraphs);
        let subject = format!("{shop}: {}", letter.subject);
        let letter = Letter { subject, text, link: None, event: None, shop };
        Ok(Some(Mail { recipient: recipient(&user), reply_to, letter }))
    }

    /// A page of the tenant's site.
    fn page(&self, letterhead: &Letterhead, page: &str) -> String {
        match &letterhead.site_url {
            Some(site) => format!("{site}/{page}"),
            None => self.config.front_end_url(page),
        }
    }

    /// The mail with a link to confirm an address, or to set a new password.
    pub(super) async fn link(&self, delivery: &Delivery, notice: &LinkNotice) -> Result<Mail, DeliveryError> {
        let letterhead = self.actors.tenants.letterhead(&delivery.scope).await.map_err(temporary)?;
        let (user, reply_to, shop) = (&notice.user, letterhead.reply_to.clone(), letterhead.name.clone());
        let link = |page| format!("{}?token={}", self.page(&letterhead, page), notice.token.expose());
        let letter = match notice.kind {
            MailTokenKind::VerifyEmail => Letter {
                subject: format!("{shop}: confirm your e-mail address"),
                text: vec![
                    greeting(user),
                    format!("Thank you for signing up at {shop}. Please confirm that this address is yours."),
                    "The link is good for 24 hours. If you did not sign up, nothing needs to be done."
                        .to_owned(),
                ],
                link: Some(("Confirm the address", link("verify-email"))),
                event: None,
                shop,
            },
            MailTokenKind::ResetPassword => Letter {
                subject: format!("{shop}: a new password"),
                text: vec![
                    greeting(user),
                    format!("Someone, probably you, asked for a new password at {shop}."),
                    "The link is good for one hour. If it was not you, nothing needs to be done.".to_owned(),
                ],
                link: Some(("Choose a new password", link("reset-password"))),
                event: None,
                shop,
            },
        };
        Ok(Mail { recipient: recipient(user), reply_to, letter })
    }

    async fn order_paid(
        &self,
        delivery: &Delivery,
        user: &User,
        shop: String,
    ) -> Result<Letter, DeliveryError> {
        let order_id = id(&delivery.payload, "orderId").ok_or_else(|| malformed("orderId"))?;
        let viewer = delivery.viewer;
        let order = GetOrder { viewer, order: OrderRef::Id(order_id) };
        let order = ask(self.actors.orders.of(&delivery.scope), order).await.map_err(temporary)?;
        let order = order.ok_or_else(|| malformed("orderId"))?;
        let now = self.actors.clock.now();
        let licences = of_order(&self.actors.database, now, &viewer, order_id).await.map_err(temporary)?;
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
        Ok(Letter { subject: format!("{shop}: receipt {receipt}"), text, link: None, event: None, shop })
    }

    /// The mail about one event of a booking.
    pub(super) async fn booking(
        &self,
        delivery: &Delivery,
        notice: &BookingNotice,
    ) -> Result<Mail, DeliveryError> {
        let letterhead = self.actors.tenants.letterhead(&delivery.scope).await.map_err(temporary)?;
        let reply_to = letterhead.reply_to.clone();
        let booking = &notice.booking;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("bkgRef", booking.bkg_ref.as_str())
            .append_pair("email", &booking.email)
            .finish();
        let link = format!("{}?{query}", self.page(&letterhead, "bookings/track"));
        let shop = letterhead.name;
        // Anyone books in any name for any address: the name comes after the product's own words.
        let name = harmless(&booking.name);
        let mut text = vec!["Hello,".to_owned(), what_happened(notice)];
        text.extend(notice.note.as_ref().map(|note| format!("{shop} writes:\n{note}")));
        let mut facts = vec![format!("Service: {}", notice.service_name)];
        facts
            .extend(booking.scheduled_for.map(|time| format!("Time: {}", time.format("%Y-%m-%d %H:%M UTC"))));
        facts.push(format!("Name: {name}"));
        facts.push(format!("Reference: {}", booking.bkg_ref));
        text.push(facts.join("\n"));
        let letter = Letter {
            subject: format!("{shop}: booking {} {}", booking.bkg_ref, in_words(notice.to)),
            text,
            link: Some(("See the booking", link)),
            event: calendar_event(notice, &shop, self.config.mail.from.email.as_ref(), delivery),
            shop,
        };
        let recipient = Recipient { name: Some(name), email: booking.email.clone() };
        Ok(Mail { recipient, reply_to, letter })
    }
}

fn in_words(status: BookingStatus) -> &'static str {
    match status {
        BookingStatus::New => "received",
        BookingStatus::Confirmed => "confirmed",
        BookingStatus::InProgress => "in progress",
        BookingStatus::Completed => "completed",
        BookingStatus::Cancelled => "cancelled",
    }
}

fn what_happened(notice: &BookingNotice) -> String {
    let service = &notice.service_name;
    match notice.to {
        BookingStatus::New => {
            format!("Your booking of {service} has been received. You will hear when it is confirmed.")
        }
        BookingStatus::Confirmed => format!("Your booking of {service} is confirmed."),
        BookingStatus::InProgress => format!("Work on your booking of {service} has begun."),
        BookingStatus::Completed => format!("Your booking of {service} is completed. Thank you."),
        BookingStatus::Cancelled => format!("Your booking of {service} is cancelled."),
    }
}

/// What the customer's calendar is told: to take a confirmed booking that has a time, and to drop it when cancelled.
fn calendar_event(notice: &BookingNotice, shop: &str, organizer: &str, delivery: &Delivery) -> Option<Event> {
    let start = notice.booking.scheduled_for?;
    let method = match (notice.from, notice.to) {
        (_, BookingStatus::Confirmed) => Method::Publish,
        (Some(BookingStatus::Confirmed), BookingStatus::Cancelled) => Method::Cancel,
        _ => return None,
    };
    Some(Event {
        method,
        uid: format!("{}@{}", notice.booking.bkg_ref, delivery.scope.tenant_id()),
        organizer: organizer.to_owned(),
        sequence: notice.position,
        stamp: notice.at,
        start,
        summary: format!("{} ({shop})", notice.service_name),
        description: format!("Booking {}", notice.booking.bkg_ref),
    })
}

/// A user. Until the address is confirmed, a stranger may have given it, and the name too.
fn recipient(user: &User) -> Recipient {
    let name = user.name.as_deref();
    let name = if user.email_verified { name.map(str::to_owned) } else { name.map(harmless) };
    Recipient { name, email: user.email.clone() }
}

/// Names a user whose address is confirmed. Any other name may be a stranger's words, which do not begin a mail.
fn greeting(user: &User) -> String {
    match &user.name {
        Some(name) if user.email_verified => format!("Hello {name},"),
        _ => "Hello,".to_owned(),
    }
}

pub(super) fn id(payload: &Value, field: &str) -> Option<Uuid> {
    Uuid::parse_str(payload.get(field)?.as_str()?).ok()
}

fn malformed(field: &str) -> DeliveryError {
    DeliveryError::Permanent(format!("the message's {field} names nothing"))
}

fn temporary(fault: Fault) -> DeliveryError {
    DeliveryError::Temporary(fault.to_string())
}
