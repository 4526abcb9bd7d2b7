//! What the stand-in knows of currencies: how many decimals they show, and the least and most Stripe charges in them.

/// Currencies whose minor unit is the whole one. Source: Stripe, "Zero-decimal currencies".
const ZERO_DECIMAL: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof",
    "xpf",
];
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// The least amount Stripe charges, in minor units. Source: Stripe, "Minimum and maximum charge amounts".
/// A currency that is not listed has no minimum of its own here.
const MINIMUM: [(&str, i64); 24] = [
    ("usd", 50),
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
];

/// Eight digits, save for currencies whose unit is worth little. Source: as for [`MINIMUM`].
const MAXIMUM_DEFAULT: i64 = 99_999_999;
const MAXIMUM: [(&str, i64); 6] = [
    ("cop", 9_999_999_999),
    ("huf", 9_999_999_999),
    ("idr", 999_999_999_999),
    ("inr", 999_999_999),
    ("jpy", 9_999_999_999),
    ("lbp", 999_999_999_999),
];

pub(super) fn decimals(currency: &str) -> u32 {
    if ZERO_DECIMAL.contains(&currency) {
        0
    } else if THREE_DECIMAL.contains(&currency) {
        3
    } else {
        2
    }
}

pub(super) fn minimum_charge(currency: &str) -> i64 {
    MINIMUM.iter().find(|(code, _)| *code == currency).map_or(0, |(_, amount)| *amount)
}

pub(super) fn maximum_charge(currency: &str) -> i64 {
    MAXIMUM.iter().find(|(code, _)| *code == currency).map_or(MAXIMUM_DEFAULT, |(_, amount)| *amount)
}

/// `1234567` of `usd` as `$12,345.67 USD`, of `jpy` as `¥1,234,567 JPY`.
pub(super) fn format_amount(amount: i64, currency: &str) -> String {
    let decimals = decimals(currency) as usize;
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
        assert_eq!(format_amount(1_500, "kwd"), "1.500 KWD");
        assert_eq!(format_amount(-100_000, "pln"), "-1,000.00 PLN");
    }
}
