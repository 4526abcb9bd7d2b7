use chrono::{DateTime, Utc};
use primetech_kernel::audit_log::RequestId;
use primetech_kernel::idempotency::Keyed;
use primetech_kernel::identifiers::BookingRef;
use primetech_kernel::tenancy::TenantScope;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::BookError;
use crate::status::BookingStatus;

/// A booking as its customer sees it. `Debug` keeps the customer to itself.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Booking)]
pub struct BookingView {
    #[schema(value_type = String, example = "BKG-7K2PM4QX", pattern = "^BKG-[A-Z0-9]{8}$")]
    pub bkg_ref: BookingRef,
    pub status: BookingStatus,
    #[schema(example = "setup-call")]
    pub service_sku: String,
    #[schema(example = "Jane Doe")]
    pub name: String,
    #[schema(example = "jane@example.com")]
    pub email: String,
    #[schema(example = "+44 20 7946 0000")]
    pub phone: Option<String>,
    pub scheduled_for: Option<DateTime<Utc>>,
    #[schema(example = "By video, please.")]
    pub notes: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl std::fmt::Debug for BookingView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BookingView({}, {:?})", self.bkg_ref, self.status)
    }
}

/// A booking as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BookingWithHistory)]
pub struct BookingDetails {
    #[serde(flatten)]
    pub booking: BookingView,
    /// Its changes, oldest first.
    pub history: Vec<BookingChange>,
}

/// One change of a booking's status.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BookingChange {
    pub from: BookingStatus,
    pub to: BookingStatus,
    pub at: DateTime<Utc>,
    /// The administrator's address.
    #[schema(example = "admin@example.com")]
    pub by: String,
    #[schema(example = "See you then.")]
    pub note: Option<String>,
}

impl std::fmt::Debug for BookingChange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BookingChange({:?} to {:?})", self.from, self.to)
    }
}

/// What a customer asks for; all of it checked.
#[derive(Clone)]
pub struct WantedBooking {
    pub service_sku: String,
    pub name: String,
    /// Folded to lower case.
    pub email: String,
    pub phone: Option<String>,
    pub scheduled_for: Option<DateTime<Utc>>,
    pub notes: Option<String>,
}

/// Books a service.
#[derive(Clone)]
pub struct Book {
    pub scope: TenantScope,
    pub wanted: WantedBooking,
    /// Who is signed in; nobody need be.
    pub by_user_id: Option<Uuid>,
    pub request_id: Option<RequestId>,
}

/// [`Book`], once for its key. The booking, its mail and the saved answer are written together.
pub type BookOnce = Keyed<Book, BookingView, BookError>;

/// Which bookings to list; all that is given has to hold.
#[derive(Debug, Clone, Default)]
pub struct BookingFilter {
    pub status: Option<BookingStatus>,
    /// Made at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Made at this time or earlier.
    pub to: Option<DateTime<Utc>>,
    /// Part of the reference, the name or the address, in any case.
    pub text: Option<String>,
}

/// Moves a booking on: for administrators.
#[derive(Clone)]
pub struct MoveBooking {
    pub scope: TenantScope,
    pub reference: BookingRef,
    pub to: BookingStatus,
    pub note: Option<String>,
    pub by_user_id: Uuid,
    pub by_email: String,
    pub request_id: Option<RequestId>,
}

/// What a mail tells: a booking, and the event that the mail is about.
#[derive(Clone)]
pub struct BookingNotice {
    pub booking: BookingView,
    pub service_name: String,
    /// None: the booking was made.
    pub from: Option<BookingStatus>,
    pub to: BookingStatus,
    pub at: DateTime<Utc>,
    pub note: Option<String>,
    /// Which event of the booking this is, from 1.
    pub position: i32,
}
