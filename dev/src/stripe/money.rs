//! What the stand-in says of money, and which amounts it refuses: those that Stripe refuses, by the product's one table
//! of currencies. Stripe writes codes in lower case.

use primetech_kernel::money::{self, AmountFault, Currency};

use super::api_error::ApiError;

/// The currency of a code as a client wrote it, which Stripe reads without regard to case.
pub(super) fn currency(param: &str, code: &str) -> Result<&'static Currency, ApiError> {
    money::find(&code.to_ascii_uppercase()).ok_or_else(|| {
        let known: Vec<String> = money::all().iter().map(|one| one.code().to_ascii_lowercase()).collect();
        let code: String = code.chars().take(20).collect();
        let message = format!(
            "Invalid currency: {code}. Stripe currently supports these currencies: {}",
            known.join(", ")
        );
        ApiError::bare_parameter(param, message)
    })
}

/// Refuses the price of a line that is not a multiple of its currency's step. Which error Stripe answers with is not
/// documented; that it takes no such amount is.
pub(super) fn check_step(param: &str, amount: i64, currency: &'static Currency) -> Result<(), ApiError> {
    if amount % currency.step() == 0 {
        return Ok(());
    }
    let message = format!(
        "Invalid integer: {amount}. Amounts in {} must be evenly divisible by {}.",
        currency.code().to_ascii_lowercase(),
        currency.step()
    );
    Err(ApiError::parameter(param, "parameter_invalid_integer", message))
}

/// Refuses a total that is more than can be charged, or less and not 0: an order that costs nothing needs no payment.
pub(super) fn check_total(total: i64, currency: &'static Currency) -> Result<(), ApiError> {
    let code = currency.code().to_ascii_lowercase();
    match currency.check_total(total) {
        Err(AmountFault::TooLarge(_)) => {
            let most = format_amount(currency.maximum(), &code);
            let message = format!("The Checkout Session's total amount due must be no more than {most}.");
            Err(ApiError::parameter("line_items", "amount_too_large", message))
        }
        Err(AmountFault::TooSmall(_)) => {
            let least = format_amount(currency.minimum(), &code);
            let message = format!("The Checkout Session's total amount due must add up to at least {least}.");
            Err(ApiError::parameter("line_items", "amount_too_small", message))
        }
        // The lines were checked, and a sum of multiples is one.
        Ok(()) | Err(AmountFault::OffStep(_) | AmountFault::Negative | AmountFault::UnknownCurrency) => {
            Ok(())
        }
    }
}

/// `1234567` of `usd` as `$12,345.67 USD`, of `jpy` as `¥1,234,567 JPY`.
pub(super) fn format_amount(amount: i64, currency: &str) -> String {
    let decimals = usize::from(money::decimals(&currency.to_ascii_uppercase()));
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let symbol = match currency {
        "usd" | "cad" | "aud" | "nzd" | "sgd" | "hkd" => "$",
        "eur" => "€",
        "gbp" => "£",
        "jpy" => "¥",
        "inr" => "₹",
        _ => "",
    };
    let sign = if amount < 0 { "-" } else { "" };
    let point = if decimals == 0 { "" } else { "." };
    format!("{sign}{symbol}{grouped}{point}{fraction} {}", currency.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(format_amount(1_234_567, "usd"), "$12,345.67 USD");
        assert_eq!(format_amount(5, "eur"), "€0.05 EUR");
        assert_eq!(format_amount(1_234_567, "jpy"), "¥1,234,567 JPY");
        assert_eq!(format_amount(0, "jpy"), "¥0 JPY");
        assert_eq!(format_amount(500, "ugx"), "5.00 UGX");
        assert_eq!(format_amount(1_500, "kwd"), "1.500 KWD");
        assert_eq!(format_amount(-100_000, "pln"), "-1,000.00 PLN");
    }
}
