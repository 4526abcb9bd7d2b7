//! The locked identifiers: how each is parsed, checked and written (contract, "Identifiers").
//!
//! A value of one of these types is checked. All are upper case; a lower-case one is malformed, not folded.

use std::fmt;

use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::random;

/// The text is not of the identifier's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must look like {0}")]
pub struct MalformedIdentifier(pub &'static str);

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $form:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The form that people see.
            pub const FORM: &'static str = $form;

            pub fn parse(text: &str) -> Result<Self, MalformedIdentifier> {
                if matches_form(text, $form) { Ok(Self(text.to_owned())) } else { Err(MalformedIdentifier($form)) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

/// Compares with a form in which `9` stands for a digit and `X` for a digit or upper-case letter.
fn matches_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes().enumerate()).all(|(byte, (at, wanted))| match wanted {
            // The three letters of the prefix stand for themselves.
            _ if at < 4 => byte == wanted,
            b'9' => byte.is_ascii_digit(),
            b'X' => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
            _ => byte == wanted,
        })
}

identifier!(
    /// `ORD-<UTC date>-XXXX`
    OrderNumber, "ORD-99999999-XXXX"
);
identifier!(
    /// `INV-<UTC year>-NNNNNN`: per tenant and year, without gap or repeat.
    InvoiceNumber, "INV-9999-999999"
);
identifier!(
    /// `RCP-<UTC year>-NNNNNN`: per tenant and year, without gap or repeat.
    ReceiptNumber, "RCP-9999-999999"
);
identifier!(
    /// A booking's reference.
    BookingRef, "BKG-XXXXXXXX"
);

/// A licence key. Anyone who has it can activate, so `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LicenceKey(String);

impl LicenceKey {
    pub const FORM: &'static str = "LIC-XXXX-XXXX-XXXX";

    pub fn parse(text: &str) -> Result<Self, MalformedIdentifier> {
        if matches_form(text, Self::FORM) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MalformedIdentifier(Self::FORM))
        }
    }

    /// A new key from the operating system's generator: one of 36^12.
    pub fn generate() -> Self {
        let characters = random::base36::<12>();
        let mut key = String::with_capacity(Self::FORM.len());
        key.push_str("LIC");
        for group in characters.chunks(4) {
            key.push('-');
            key.extend(group.iter().map(|byte| char::from(*byte)));
        }
        Self(key)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LicenceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LicenceKey(…)")
    }
}

impl BookingRef {
    pub fn generate() -> Self {
        let characters = random::base36::<8>();
        Self(format!("BKG-{}", String::from_utf8_lossy(&characters)))
    }
}

impl InvoiceNumber {
    pub fn of(year: i32, sequence: i32) -> Self {
        Self(format!("INV-{year:04}-{sequence:06}"))
    }
}

impl ReceiptNumber {
    pub fn of(year: i32, sequence: i32) -> Self {
        Self(format!("RCP-{year:04}-{sequence:06}"))
    }
}

/// How many order numbers a tenant has in a UTC day: 36^4.
pub const ORDER_NUMBERS_A_DAY: u32 = 36 * 36 * 36 * 36;

impl OrderNumber {
    /// The number of the `sequence`-th order (from 1) of a tenant's day.
    ///
    /// The sequence is scattered over the four characters by a permutation of the tenant's day: no two orders share a
    /// number, none needs a second try however full the day is, and neighbours do not tell how much was sold.
    pub fn of(tenant_id: Uuid, day: DateTime<Utc>, sequence: i32) -> Self {
        let date = day_period(day);
        let mut hasher = Sha256::new();
        hasher.update(b"order number permutation");
        hasher.update(tenant_id.as_bytes());
        hasher.update(date.to_be_bytes());
        let digest = hasher.finalize();
        let word =
            |at: usize| u32::from_be_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]]);
        // x -> factor * x + offset is a permutation modulo 36^4 where the factor shares no divisor with it: 2 and 3.
        let factor = u64::from((word(0) % (ORDER_NUMBERS_A_DAY / 6)) * 6 + 1);
        let offset = u64::from(word(4) % ORDER_NUMBERS_A_DAY);
        let index = u64::from(sequence.unsigned_abs().saturating_sub(1));
        let scattered = (factor * index + offset) % u64::from(ORDER_NUMBERS_A_DAY);
        let characters = random::to_base36(scattered as u32);
        Self(format!("ORD-{date:08}-{}", String::from_utf8_lossy(&characters)))
    }
}

/// The UTC day as a counter's period: 20260131.
pub fn day_period(time: DateTime<Utc>) -> i32 {
    time.year() * 10_000 + time.month() as i32 * 100 + time.day() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_checked_to_the_letter() {
        assert!(InvoiceNumber::parse("INV-2026-000001").is_ok());
        for wrong in [
            "inv-2026-000001",
            "INV-2026-00001",
            "INV-2026-0000012",
            "INV-2026-00000A",
            " INV-2026-00001",
            "",
        ] {
            assert!(InvoiceNumber::parse(wrong).is_err(), "{wrong}");
        }
        assert!(OrderNumber::parse("ORD-20260131-0AZ9").is_ok());
        assert!(OrderNumber::parse("ORD-20260131-0az9").is_err());
        assert!(LicenceKey::parse("LIC-AAAA-BBBB-9999").is_ok());
        assert!(LicenceKey::parse("LIC-AAAA-BBBB-999é").is_err());
        assert!(BookingRef::parse("BKG-A1B2C3D4").is_ok());
    }

    #[test]
    fn generated_identifiers_have_their_form() {
        assert!(LicenceKey::parse(LicenceKey::generate().as_str()).is_ok());
        assert!(BookingRef::parse(BookingRef::generate().as_str()).is_ok());
        assert_eq!(InvoiceNumber::of(2026, 7).as_str(), "INV-2026-000007");
    }

    #[test]
    fn a_full_day_of_order_numbers_has_no_repeat() {
        let day = DateTime::<Utc>::UNIX_EPOCH;
        let mut seen = vec![false; ORDER_NUMBERS_A_DAY as usize];
        for sequence in 1..=ORDER_NUMBERS_A_DAY as i32 {
            let number = OrderNumber::of(Uuid::nil(), day, sequence);
            let scattered =
                usize::from_str_radix(&number.as_str()[13..], 36).map_or(usize::MAX, |value| value);
            assert!(!std::mem::replace(&mut seen[scattered], true), "{number} came twice");
        }
    }

    #[test]
    fn a_licence_key_is_not_printed_by_debug() {
        let key = LicenceKey::generate();
        assert!(!format!("{key:?}").contains(key.as_str()));
    }
}
