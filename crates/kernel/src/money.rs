//! The currencies that can be charged, and the amounts that can be charged in them: one table for products, checkout,
//! the Stripe stand-in, documents and `GET /v1/currencies`.
//!
//! An amount is an integer in the currency's minor unit as Stripe counts it, which differs from ISO 4217 for three
//! currencies: MGA has no decimals, ISK and UGX have two that are always 00.
//!
//! Source: Stripe, "Supported currencies" (<https://docs.stripe.com/currencies>), as of 2026:
//!
//! - "Zero-decimal currencies" and "Special cases" give decimals and steps. The list of zero-decimal currencies names UGX
//!   too; its special case says how an amount is sent, and that one counts. HUF and TWD are whole for payouts only. That
//!   amounts in BHD, JOD, KWD, OMR and TND end in 0 stands in the editions up to 2023; no later one takes it back.
//! - "Minimum charge amount by currency" gives the least charge of 31 currencies, and the editions up to 2025 that of BGN.
//!   For the others Stripe converts the amount to the currency of the payout and asks for the least charge there. That
//!   depends on the account and the day, so the least charge here is the step.
//! - "Maximum charge amounts" gives the most digits: 12 for IDR, 10 for COP, 9 for INR, 8 for all others. Cards of most
//!   networks take more, but a Checkout Session offers other ways to pay too. A total within these limits can be paid in
//!   each way that has no smaller limit of its own.
//! - "Supported presentment currencies" gives the codes, with those that accounts in the Emirates have (BHD, JOD, KWD,
//!   OMR, TND), and XCG, which follows ANG.

use std::fmt;

/// Eight digits: the most in every currency for which [`CURRENCIES`] says nothing else.
const EIGHT_DIGITS: i64 = 99_999_999;
const NINE_DIGITS: i64 = 999_999_999;
const TEN_DIGITS: i64 = 9_999_999_999;
const TWELVE_DIGITS: i64 = 999_999_999_999;

/// The largest amount of any currency: 999 999 999 999.
pub const LARGEST_AMOUNT: i64 = TWELVE_DIGITS;

/// A currency and the amounts that can be charged in it. All amounts are in its minor unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency {
    code: &'static str,
    decimals: u8,
    step: i64,
    minimum: i64,
    maximum: i64,
}

/// Why an amount cannot be a price or be charged. `Display` continues a sentence that begins with the amount's name:
/// "must be a multiple of 10 in KWD".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountFault {
    UnknownCurrency,
    Negative,
    /// The currency's last digits must be zeros.
    OffStep(&'static Currency),
    TooSmall(&'static Currency),
    TooLarge(&'static Currency),
}

impl fmt::Display for AmountFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCurrency => formatter.write_str("must be in a currency that Stripe supports"),
            Self::Negative => formatter.write_str("must not be negative"),
            Self::OffStep(of) => write!(formatter, "must be a multiple of {} in {}", of.step, of.code),
            Self::TooSmall(of) => write!(formatter, "must be 0 or at least {} in {}", of.minimum, of.code),
            Self::TooLarge(of) => write!(formatter, "must be at most {} in {}", of.maximum, of.code),
        }
    }
}

impl std::error::Error for AmountFault {}

impl Currency {
    /// ISO 4217, upper case.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// How many of an amount's digits stand behind the point: 0, 2 or 3.
    pub const fn decimals(&self) -> u8 {
        self.decimals
    }

    /// Every amount is a multiple of this: 1, 10 or 100.
    pub const fn step(&self) -> i64 {
        self.step
    }

    /// The least total that can be charged. Less than it is only 0, which needs no payment.
    pub const fn minimum(&self) -> i64 {
        self.minimum
    }

    /// The largest total that can be charged, and the largest price.
    pub const fn maximum(&self) -> i64 {
        self.maximum
    }

    /// Whether one unit of a product may cost `amount`. The least charge is asked of totals only: five of USD 0.10 can
    /// be sold.
    pub const fn check_price(&'static self, amount: i64) -> Result<(), AmountFault> {
        if amount < 0 {
            Err(AmountFault::Negative)
        } else if amount > self.maximum {
            Err(AmountFault::TooLarge(self))
        } else if amount % self.step != 0 {
            Err(AmountFault::OffStep(self))
        } else {
            Ok(())
        }
    }

    /// Whether `amount` can be charged at once. A total of 0 can: it is not charged at all.
    pub const fn check_total(&'static self, amount: i64) -> Result<(), AmountFault> {
        if amount > 0 && amount < self.minimum {
            Err(AmountFault::TooSmall(self))
        } else {
            self.check_price(amount)
        }
    }

    const fn least(mut self, minimum: i64) -> Self {
        self.minimum = minimum;
        self
    }

    const fn most(mut self, maximum: i64) -> Self {
        self.maximum = maximum;
        self
    }
}

/// Every currency that can be charged, by code.
pub fn all() -> &'static [Currency] {
    &CURRENCIES
}

/// The currency of a code of three upper-case letters, if it can be charged.
pub fn find(code: &str) -> Option<&'static Currency> {
    let at = CURRENCIES.binary_search_by(|currency| currency.code.cmp(code)).ok()?;
    CURRENCIES.get(at)
}

/// How many decimals an amount of any currency has. Stripe: "Currencies are two-decimal currencies unless otherwise
/// specified", which holds for those that it does not charge as well.
pub fn decimals(code: &str) -> u8 {
    find(code).map_or(2, Currency::decimals)
}

/// [`Currency::check_price`] of a currency named by its code.
pub fn check_price(amount: i64, code: &str) -> Result<(), AmountFault> {
    find(code).ok_or(AmountFault::UnknownCurrency)?.check_price(amount)
}

/// [`Currency::check_total`] of a currency named by its code.
pub fn check_total(amount: i64, code: &str) -> Result<(), AmountFault> {
    find(code).ok_or(AmountFault::UnknownCurrency)?.check_total(amount)
}

const fn currency(code: &'static str, decimals: u8, step: i64) -> Currency {
    Currency { code, decimals, step, minimum: step, maximum: EIGHT_DIGITS }
}

const fn zero(code: &'static str) -> Currency {
    currency(code, 0, 1)
}

const fn two(code: &'static str) -> Currency {
    currency(code, 2, 1)
}

/// Two decimals that are always 00.
const fn whole(code: &'static str) -> Currency {
    currency(code, 2, 100)
}

/// Three decimals, of which the last is always 0.
const fn three(code: &'static str) -> Currency {
    currency(code, 3, 10)
}

static CURRENCIES: [Currency; 140] = [
    two("AED").least(200),
    two("AFN"),
    two("ALL"),
    two("AMD"),
    two("ANG"),
    two("AOA"),
    two("ARS").least(50),
    two("AUD").least(50),
    two("AWG"),
    two("AZN"),
    two("BAM"),
    two("BBD"),
    two("BDT"),
    two("BGN").least(100),
    three("BHD"),
    zero("BIF"),
    two("BMD"),
    two("BND"),
    two("BOB"),
    two("BRL").least(50),
    two("BSD"),
    two("BWP"),
    two("BYN"),
    two("BZD"),
    two("CAD").least(50),
    two("CDF"),
    two("CHF").least(50),
    zero("CLP"),
    two("CNY"),
    two("COP").least(50).most(TEN_DIGITS),
    two("CRC"),
    two("CVE"),
    two("CZK").least(1500),
    zero("DJF"),
    two("DKK").least(250),
    two("DOP"),
    two("DZD"),
    two("EGP"),
    two("ETB"),
    two("EUR").least(50),
    two("FJD"),
    two("FKP"),
    two("GBP").least(30),
    two("GEL"),
    two("GIP"),
    two("GMD"),
    zero("GNF"),
    two("GTQ"),
    two("GYD"),
    two("HKD").least(400),
    two("HNL"),
    two("HTG"),
    two("HUF").least(17_500),
    two("IDR").least(50).most(TWELVE_DIGITS),
    two("ILS").least(50),
    two("INR").least(50).most(NINE_DIGITS),
    whole("ISK"),
    two("JMD"),
    three("JOD"),
    zero("JPY").least(50),
    two("KES"),
    two("KGS"),
    two("KHR"),
    zero("KMF"),
    zero("KRW").least(50),
    three("KWD"),
    two("KYD"),
    two("KZT"),
    two("LAK"),
    two("LBP"),
    two("LKR"),
    two("LRD"),
    two("LSL"),
    two("MAD"),
    two("MDL"),
    zero("MGA"),
    two("MKD"),
    two("MMK"),
    two("MNT"),
    two("MOP"),
    two("MUR"),
    two("MVR"),
    two("MWK"),
    two("MXN").least(1000),
    two("MYR").least(200),
    two("MZN"),
    two("NAD"),
    two("NGN"),
    two("NIO"),
    two("NOK").least(300),
    two("NPR"),
    two("NZD").least(50),
    three("OMR"),
    two("PAB"),
    two("PEN"),
    two("PGK"),
    two("PHP").least(50),
    two("PKR"),
    two("PLN").least(200),
    zero("PYG"),
    two("QAR"),
    two("RON").least(200),
    two("RSD"),
    two("RUB").least(50),
    zero("RWF"),
    two("SAR"),
    two("SBD"),
    two("SCR"),
    two("SEK").least(300),
    two("SGD").least(50),
    two("SHP"),
    two("SLE"),
    two("SOS"),
    two("SRD"),
    two("STD"),
    two("SZL"),
    two("THB").least(1000),
    two("TJS"),
    three("TND"),
    two("TOP"),
    two("TRY"),
    two("TTD"),
    two("TWD"),
    two("TZS"),
    two("UAH"),
    whole("UGX"),
    two("USD").least(50),
    two("UYU"),
    two("UZS"),
    zero("VND"),
    zero("VUV"),
    two("WST"),
    zero("XAF"),
    two("XCD"),
    two("XCG"),
    zero("XOF"),
    zero("XPF"),
    two("YER"),
    two("ZAR").least(50),
    two("ZMW"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_in_the_table_once_and_in_order() {
        assert!(CURRENCIES.is_sorted_by(|one, other| one.code < other.code));
        for currency in all() {
            assert!(currency.code.len() == 3 && currency.code.bytes().all(|byte| byte.is_ascii_uppercase()));
            assert_eq!(find(currency.code), Some(currency));
        }
    }

    #[test]
    fn the_least_and_the_most_can_be_charged_and_what_lies_beyond_cannot() {
        for currency in all() {
            let Currency { step, minimum, maximum, .. } = *currency;
            assert!(minimum >= step && minimum % step == 0, "{currency:?}");
            assert_eq!(currency.check_total(minimum), Ok(()), "{currency:?}");
            assert_eq!(currency.check_total(maximum - maximum % step), Ok(()), "{currency:?}");
            assert_eq!(
                currency.check_total(maximum + 1),
                Err(AmountFault::TooLarge(currency)),
                "{currency:?}"
            );
            assert!(maximum <= LARGEST_AMOUNT);
        }
    }

    #[test]
    fn zeros_that_stripe_asks_for_are_asked_for() {
        for (code, amount) in [("KWD", 12_345), ("ISK", 150), ("UGX", 505), ("BHD", 1), ("TND", 99_999_999)] {
            let refused = check_price(amount, code);
            assert!(matches!(refused, Err(AmountFault::OffStep(of)) if of.code == code), "{amount} {code}");
        }
        for (code, amount) in
            [("KWD", 12_340), ("ISK", 100), ("UGX", 500), ("MGA", 5), ("HUF", 17_501), ("TWD", 1)]
        {
            assert_eq!(check_price(amount, code), Ok(()), "{amount} {code}");
        }
    }

    #[test]
    fn the_least_charge_is_asked_of_totals_only() {
        assert_eq!(check_price(10, "USD"), Ok(()));
        assert!(matches!(check_total(10, "USD"), Err(AmountFault::TooSmall(_))));
        assert_eq!((check_total(50, "USD"), check_total(0, "USD")), (Ok(()), Ok(())));
        assert!(matches!(check_total(49, "JPY"), Err(AmountFault::TooSmall(_))));
        assert!(matches!(check_total(17_499, "HUF"), Err(AmountFault::TooSmall(_))));
    }

    #[test]
    fn the_most_digits_are_the_currencys() {
        assert!(matches!(check_price(120_000_000, "HUF"), Err(AmountFault::TooLarge(_))));
        for (code, maximum) in
            [("USD", 99_999_999), ("INR", 999_999_999), ("COP", 9_999_999_999), ("IDR", 999_999_999_999)]
        {
            assert_eq!(find(code).map(Currency::maximum), Some(maximum));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_limit() {
        let said = |fault: Result<(), AmountFault>| fault.map_err(|fault| fault.to_string());
        assert_eq!(said(check_price(12_345, "KWD")), Err("must be a multiple of 10 in KWD".to_owned()));
        assert_eq!(said(check_total(10, "USD")), Err("must be 0 or at least 50 in USD".to_owned()));
        assert_eq!(said(check_total(100_000_000, "USD")), Err("must be at most 99999999 in USD".to_owned()));
        assert_eq!(said(check_price(-1, "USD")), Err("must not be negative".to_owned()));
        assert_eq!(said(check_price(1, "XXX")), Err("must be in a currency that Stripe supports".to_owned()));
    }
}
