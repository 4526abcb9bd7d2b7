//! Amounts of money as people read them, in documents and mails.
//!
//! Owns the number of decimals of each currency and the one style in which the product writes an amount:
//! `USD 1,234.56`. The code comes first instead of a symbol, because a symbol is not clear: `$` is the sign of some
//! twenty currencies, `¥` of two, `kr` of four. All of it is ASCII, so that it can be searched, and pasted into a
//! spreadsheet. Invariant: reading the figures back gives the same amount.

/// Currencies without a minor unit: an amount of 500 is 500 units. Those of ISO 4217 but for three, which the payment
/// provider counts otherwise ("Zero-decimal currencies" and "Special cases"); what is printed is what was charged:
/// MGA has none there, ISK and UGX have two decimals that are always zero.
const WITHOUT_DECIMALS: [&str; 16] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
];

/// Currencies whose unit has a thousand parts.
const WITH_THREE_DECIMALS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// Units of account whose unit has ten thousand parts.
const WITH_FOUR_DECIMALS: [&str; 2] = ["CLF", "UYW"];

/// How many decimals an amount of `currency` has, as the payment provider counts it. All others have two.
pub fn decimals(currency: &str) -> usize {
    if WITHOUT_DECIMALS.contains(&currency) {
        0
    } else if WITH_THREE_DECIMALS.contains(&currency) {
        3
    } else if WITH_FOUR_DECIMALS.contains(&currency) {
        4
    } else {
        2
    }
}

/// An amount in the currency's minor unit, with its code: `USD 1,234.56`, `JPY 7,000`, `KWD -0.005`.
pub fn amount(minor_units: i64, currency: &str) -> String {
    format!("{currency} {}", figures(minor_units, currency))
}

/// The same without the code, for where a heading has it: `1,234.56`.
pub fn figures(minor_units: i64, currency: &str) -> String {
    let decimals = decimals(currency);
    // The smallest i64 has no positive twin, so the sign is taken off as text would be.
    let digits = format!("{:0width$}", minor_units.unsigned_abs(), width = decimals + 1);
    let (units, fraction) = digits.split_at(digits.len() - decimals);
    let mut figures = String::with_capacity(digits.len() + digits.len() / 3 + 2);
    if minor_units < 0 {
        figures.push('-');
    }
    figures.push_str(&grouped(units));
    if !fraction.is_empty() {
        figures.push('.');
        figures.push_str(fraction);
    }
    figures
}

/// A whole number with its thousands apart: `12,345`.
pub fn whole(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(&number.unsigned_abs().to_string()))
}

fn grouped(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_currency_is_written_with_its_own_decimals() {
        assert_eq!(amount(123_456, "USD"), "USD 1,234.56");
        assert_eq!(amount(7_000, "JPY"), "JPY 7,000");
        assert_eq!(amount(500, "MGA"), "MGA 500");
        assert_eq!(amount(500, "ISK"), "ISK 5.00");
        assert_eq!(amount(1_234_567, "KWD"), "KWD 1,234.567");
        assert_eq!(amount(12_345, "CLF"), "CLF 1.2345");
    }

    #[test]
    fn small_and_negative_amounts_keep_their_zeros() {
        assert_eq!(amount(0, "EUR"), "EUR 0.00");
        assert_eq!(amount(0, "KRW"), "KRW 0");
        assert_eq!(amount(5, "BHD"), "BHD 0.005");
        assert_eq!(amount(-5, "EUR"), "EUR -0.05");
        assert_eq!(amount(-100_000, "EUR"), "EUR -1,000.00");
    }

    #[test]
    fn the_largest_and_smallest_amounts_are_written_in_full() {
        assert_eq!(amount(i64::MAX, "USD"), "USD 92,233,720,368,547,758.07");
        assert_eq!(amount(i64::MIN, "USD"), "USD -92,233,720,368,547,758.08");
        assert_eq!(amount(i64::MIN, "JPY"), "JPY -9,223,372,036,854,775,808");
    }

    #[test]
    fn no_currency_stands_in_two_tables() {
        let mut all: Vec<&str> = Vec::new();
        all.extend(WITHOUT_DECIMALS);
        all.extend(WITH_THREE_DECIMALS);
        all.extend(WITH_FOUR_DECIMALS);
        let many = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), many);
    }

    fn any_currency() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(&WITHOUT_DECIMALS[..]).prop_map(str::to_owned),
            prop::sample::select(&WITH_THREE_DECIMALS[..]).prop_map(str::to_owned),
            prop::sample::select(&WITH_FOUR_DECIMALS[..]).prop_map(str::to_owned),
            "[A-Z]{3}",
        ]
    }

    proptest! {
        #[test]
        fn reading_the_figures_back_gives_the_amount(minor_units: i64, currency in any_currency()) {
            let read: String = figures(minor_units, &currency).chars().filter(|c| !",.".contains(*c)).collect();
            prop_assert_eq!(read.parse::<i64>(), Ok(minor_units));
        }

        #[test]
        fn thousands_are_apart_and_decimals_are_complete(minor_units: i64, currency in any_currency()) {
            let figures = figures(minor_units, &currency);
            prop_assert!(figures.is_ascii());
            let (units, fraction) = figures.split_once('.').unwrap_or((figures.as_str(), ""));
            prop_assert_eq!(fraction.len(), decimals(&currency));
            let mut groups = units.trim_start_matches('-').split(',');
            let first = groups.next().map_or(0, str::len);
            prop_assert!((1..=3).contains(&first), "{}", figures);
            prop_assert!(groups.all(|group| group.len() == 3), "{}", figures);
        }

        #[test]
        fn a_larger_amount_never_looks_smaller(one: i64, other: i64, currency in any_currency()) {
            // What cannot be read back is not a number, and fails the comparison.
            let value = |minor_units| figures(minor_units, &currency).replace(',', "").parse().unwrap_or(f64::NAN);
            let (one, other) = (one.min(other), one.max(other));
            prop_assert!(value(one) <= value(other));
        }
    }
}
