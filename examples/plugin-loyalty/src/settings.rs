//! What the environment says of points.

use std::num::NonZeroU32;

use primetech_kernel::settings::{Reader, Settings};

const LARGEST_RATE: u32 = 1000;
const LONGEST_LIFE: u32 = 3650;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoyaltySettings {
    /// Points for each whole major unit of an order's total: for each dollar, euro or yen.
    pub points_per_unit: u32,
    /// After how many days points expire.
    pub expire_days: u32,
}

impl Default for LoyaltySettings {
    fn default() -> Self {
        Self { points_per_unit: 1, expire_days: 365 }
    }
}

impl Settings for LoyaltySettings {
    fn read(from: &mut Reader) -> Option<Self> {
        let default = Self::default();
        let points_per_unit =
            from.or("LOYALTY_POINTS_PER_UNIT", default.points_per_unit, up_to(LARGEST_RATE));
        let expire_days = from.or("LOYALTY_EXPIRE_DAYS", default.expire_days, up_to(LONGEST_LIFE));
        Some(Self { points_per_unit: points_per_unit?, expire_days: expire_days? })
    }
}

fn up_to(largest: u32) -> impl Fn(&str) -> Result<u32, String> {
    move |text| {
        let number = text.parse().ok().map(NonZeroU32::get).filter(|number| *number <= largest);
        number.ok_or_else(|| format!("must be a whole number from 1 to {largest}"))
    }
}
