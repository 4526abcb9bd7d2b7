use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a booking stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BookingStatus {
    #[default]
    New,
    Confirmed,
    InProgress,
    Completed,
    Cancelled,
}

impl BookingStatus {
    pub const ALL: [Self; 5] =
        [Self::New, Self::Confirmed, Self::InProgress, Self::Completed, Self::Cancelled];

    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or("must be NEW, CONFIRMED, IN_PROGRESS, COMPLETED or CANCELLED")
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Confirmed => "CONFIRMED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// What may come next (contract, "Locked: bookings").
    pub fn allowed(self) -> &'static [Self] {
        match self {
            Self::New => &[Self::Confirmed, Self::Cancelled],
            Self::Confirmed => &[Self::InProgress, Self::Cancelled],
            Self::InProgress => &[Self::Completed],
            Self::Completed | Self::Cancelled => &[],
        }
    }

    pub fn may_become(self, next: Self) -> bool {
        self.allowed().contains(&next)
    }
}
