//! Amounts of money as people read them, in documents.
//!
//! Owns the one style in which the product writes an amount: `USD 1,234.56`, with the decimals that Stripe charges by
//! ([`primetech_kernel::money`]), so that what was charged is what is printed. The code comes first instead of a symbol,
//! because a symbol is not clear: `$` is the sign of some twenty currencies, `¥` of two, `kr` of four. All of it is ASCII,
//! so that it can be searched, and pasted into a spreadsheet. Invariant: reading the figures back gives the same amount.

use primetech_kernel::money;

/// An amount in the currency's minor unit, with its code: `USD 1,234.56`, `JPY 7,000`, `KWD -0.005`.
pub fn amount(minor_units: i64, currency: &str) -> String {
    format!("{currency} {}", figures(minor_units, currency))
}

/// The same without the code, for where a heading has it: `1,234.56`.
pub fn figures(minor_units: i64, currency: &str) -> String {
    let decimals = usize::from(money::decimals(currency));
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
        assert_eq!(amount(500, "UGX"), "UGX 5.00");
        // Stripe: two decimals unless otherwise specified.
        assert_eq!(amount(12_345, "CLF"), "CLF 123.45");
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

    fn any_currency() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(money::all()).prop_map(|currency| currency.code().to_owned()),
            "[A-Z]{3}",
        ]
    }

    /// Amounts of every size, most of them of a size that is charged.
    fn any_amount() -> impl Strategy<Value = i64> {
        prop_oneof![0..100_000_i64, 0..1_000_000_000_i64, 0..=money::LARGEST_AMOUNT, any::<i64>()]
    }

    proptest! {
        /// What was charged is what is printed: the same digits, the point where Stripe counts it, zeros where it asks for
        /// them.
        #[test]
        fn documents_print_what_is_charged(
            currency in (0..money::all().len()).prop_map(|at| &money::all()[at]),
            minor_units in any_amount(),
        ) {
            let text = amount(minor_units, currency.code());
            let (code, figures) = text.split_once(' ').unwrap_or_default();
            prop_assert_eq!(code, currency.code());
            let digits: String = figures.chars().filter(|it| !",.".contains(*it)).collect();
            prop_assert_eq!(digits.parse::<i64>(), Ok(minor_units));
            let fraction = figures.split_once('.').map_or("", |(_, fraction)| fraction);
            prop_assert_eq!(fraction.len(), usize::from(currency.decimals()));
            if currency.check_price(minor_units).is_ok() {
                let zeros = currency.step().to_string().len() - 1;
                prop_assert!(fraction.ends_with(&"0".repeat(zeros)), "{}", text);
            }
        }

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
            prop_assert_eq!(fraction.len(), usize::from(money::decimals(&currency)));
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
