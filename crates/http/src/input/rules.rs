//! The rules of input values. Each takes the text as it came and returns the checked value, or a fault that follows
//! the field's name ("must be …"). A rule corrects nothing, with one exception: e-mail addresses are trimmed and
//! folded to lower case.
//!
//! Identifiers (licence keys, order numbers …) have their own `parse`, which serves as a rule.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, Utc};
use primetech_kernel::money;
use secrecy::SecretString;
use unicode_normalization::UnicodeNormalization;
use url::Url;
use uuid::Uuid;

/// What is wrong with a value.
pub type Flaw = std::borrow::Cow<'static, str>;

/// The most rows that a client may ask for at once.
pub const LARGEST_LIMIT: u32 = 100;

/// RFC 5321, 4.5.3.1: what fits in a mail's path.
const LONGEST_EMAIL: usize = 254;
const LONGEST_URL: usize = 2048;
const LONGEST_SITE: usize = 300;
/// Bytes of a password of 128 characters, each of which may be written as several: Hangul syllables as three of three
/// bytes each.
const LONGEST_PASSWORD: usize = 128 * 9;
/// Contract, "Settled in v1.2": times are from 2000-01-01 to 2199-12-31 wherever one comes in.
pub const YEARS: std::ops::Range<i32> = 2000..2200;

/// An e-mail address that mail can be sent to: a dot-atom of RFC 5322 at a domain of two labels or more. Quoted local
/// parts, address literals and non-ASCII addresses exist on paper only, or need what mail servers lack. Folded to
/// lower case, as addresses are compared. Blanks around it come with pasting and do not count.
pub fn email(text: &str) -> Result<String, Flaw> {
    let text = text.trim();
    let flaw = || Flaw::from("must be an e-mail address");
    if text.len() > LONGEST_EMAIL {
        return Err("must have at most 254 characters".into());
    }
    let (local, domain) = text.rsplit_once('@').ok_or_else(flaw)?;
    let local_is_fine = (1..=64).contains(&local.len())
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom));
    let labels: Vec<&str> = domain.split('.').collect();
    let last_is_a_name = labels.last().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()));
    if local_is_fine && labels.len() >= 2 && labels.iter().all(|label| is_label(label)) && last_is_a_name {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(flaw())
    }
}

/// `atext` of RFC 5322, 3.2.3.
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// A label of a host name: RFC 1123, 2.1.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// 10 to 128 characters of any sort, counted in normal form C, in which passwords are compared. Whether it is a weak one is
/// asked where passwords are set.
pub fn new_password(text: &str) -> Result<SecretString, Flaw> {
    if (10..=128).contains(&text.nfc().count()) {
        Ok(SecretString::from(text))
    } else {
        Err("must have 10 to 128 characters".into())
    }
}

/// A password to sign in with: any that could ever have been set, and those that could not are just wrong.
pub fn login_password(text: &str) -> Result<SecretString, Flaw> {
    match text.len() {
        0 => Err("is required".into()),
        1..=LONGEST_PASSWORD => Ok(SecretString::from(text)),
        _ => Err("must have at most 128 characters".into()),
    }
}

/// One line of text of so many characters, not blank.
pub fn text(length: RangeInclusive<usize>) -> impl Fn(&str) -> Result<String, Flaw> {
    move |text| plain_text(text, &length, is_control)
}

/// Text in which lines may end.
pub fn lines(length: RangeInclusive<usize>) -> impl Fn(&str) -> Result<String, Flaw> {
    move |text| {
        plain_text(text, &length, |character| {
            is_control(character) && !matches!(character, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}')
        })
    }
}

fn plain_text(
    text: &str,
    length: &RangeInclusive<usize>,
    refused: impl Fn(char) -> bool,
) -> Result<String, Flaw> {
    let (least, most) = (length.start(), length.end());
    if !length.contains(&text.chars().count()) {
        return Err(format!("must have {least} to {most} characters").into());
    }
    if text.chars().any(refused) {
        return Err("must not contain control characters".into());
    }
    if *least > 0 && text.trim().is_empty() {
        return Err("must not be blank".into());
    }
    Ok(text.to_owned())
}

/// Control characters, and the two that end a line without being one.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// A product's code, as the catalogue has them.
pub fn sku(text: &str) -> Result<String, Flaw> {
    let bytes = text.as_bytes();
    let fits = (1..=64).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 64 of the characters A-Z a-z 0-9 . _ - and begin with a letter or digit".into())
    }
}

/// A device's fingerprint.
pub fn fingerprint(text: &str) -> Result<String, Flaw> {
    let fits = (8..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must have 8 to 128 of the characters A-Z a-z 0-9 . _ : -".into())
    }
}

/// A telephone number as people write it.
pub fn phone(text: &str) -> Result<String, Flaw> {
    let fits = (4..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-. ()/".contains(&byte))
        && text.bytes().filter(u8::is_ascii_digit).count() >= 4;
    if fits { Ok(text.to_owned()) } else { Err("must be a telephone number".into()) }
}

/// ISO 4217, upper case, and one that can be charged.
pub fn currency(text: &str) -> Result<String, Flaw> {
    match money::find(text) {
        Some(currency) => Ok(currency.code().to_owned()),
        None => Err("must be a currency that Stripe supports, in upper case, such as USD".into()),
    }
}

/// A UUID in its hyphenated form.
pub fn uuid(text: &str) -> Result<Uuid, Flaw> {
    if text.len() == 36 {
        Uuid::try_parse(text).map_err(|_| "must be a UUID".into())
    } else {
        Err("must be a UUID".into())
    }
}

/// A time with its offset, as RFC 3339 has it, of [`YEARS`]; in UTC and whole microseconds, as it is stored.
pub fn time(text: &str) -> Result<DateTime<Utc>, Flaw> {
    let time = DateTime::parse_from_rfc3339(text)
        .ok()
        .and_then(|time| DateTime::from_timestamp_micros(time.timestamp_micros()))
        .ok_or("must be a time such as 2026-01-31T12:00:00Z")?;
    if YEARS.contains(&time.year()) { Ok(time) } else { Err("must be from 2000-01-01 to 2199-12-31".into()) }
}

/// A web address that is passed on as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenUrl {
    pub text: String,
    /// As browsers read it, for checks.
    pub url: Url,
}

/// An address as [`web_url`] takes it. The text is kept: a parser escapes `{CHECKOUT_SESSION_ID}` in a path, and what
/// stands for it is then never found.
pub fn written_url(text: &str) -> Result<WrittenUrl, Flaw> {
    web_url(text).map(|url| WrittenUrl { text: text.to_owned(), url })
}

/// An `http` or `https` address without credentials. Its scheme and host are written out, so that there is one way only
/// to read them.
pub fn web_url(text: &str) -> Result<Url, Flaw> {
    let flaw = || Flaw::from("must be an http or https URL of at most 2048 characters");
    // The parser mends blanks and line ends; a header or a mail that repeats the text would not.
    if text.len() > LONGEST_URL
        || text.chars().any(|character| character.is_control() || character.is_whitespace())
    {
        return Err(flaw());
    }
    let url = Url::parse(text).map_err(|_| flaw())?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && has_plain_authority(text)
        && url.username().is_empty()
        && url.password().is_none();
    if fits { Ok(url) } else { Err(flaw()) }
}

/// Whether scheme, `//` and authority stand in the text as they are meant. The parser also takes `https:host`,
/// `https:\\host` and `https:///host`, and unescapes a host, where readers differ.
fn has_plain_authority(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    // What has a path before its first `://` has no scheme there.
    scheme.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !authority.is_empty()
        && !authority.contains(['@', '%'])
        && !after.starts_with('\\')
}

/// A web origin: scheme, host, and a port that is not the scheme's own. Given as browsers serialise it.
pub fn web_origin(text: &str) -> Result<String, Flaw> {
    let flaw = || Flaw::from("must be a scheme and a host without a path, such as https://www.example.com");
    let url = web_url(text).map_err(|_| flaw())?;
    if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        Ok(url.origin().ascii_serialization())
    } else {
        Err(flaw())
    }
}

/// A site that links lead to: an origin, perhaps with a path, and nothing after it. Given without a slash at the end.
pub fn site_url(text: &str) -> Result<String, Flaw> {
    let flaw = || {
        Flaw::from("must be an http or https URL of at most 300 characters, without a query and a fragment")
    };
    let url = web_url(text).map_err(|_| flaw())?;
    let site = url.as_str().trim_end_matches('/');
    if url.query().is_none() && url.fragment().is_none() && site.len() <= LONGEST_SITE {
        Ok(site.to_owned())
    } else {
        Err(flaw())
    }
}

/// How many rows a page of a list has.
pub fn page_limit(text: &str) -> Result<u32, Flaw> {
    let digits_only = !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = if digits_only { text.parse().ok() } else { None };
    limit
        .filter(|limit| (1..=LARGEST_LIMIT).contains(limit))
        .ok_or_else(|| "must be an integer from 1 to 100".into())
}

/// 1 to 255 visible ASCII characters.
pub fn idempotency_key(text: &str) -> Result<String, Flaw> {
    if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 255 visible ASCII characters".into())
    }
}

/// A token as mails carry them. Whether it is a live one is asked elsewhere; one of another form cannot be.
pub fn mail_token(text: &str) -> Result<SecretString, Flaw> {
    if (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(SecretString::from(text))
    } else {
        Err("must have 1 to 512 visible ASCII characters".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts<T>(rule: impl Fn(&str) -> Result<T, Flaw>, texts: &[&str]) {
        for text in texts {
            assert!(rule(text).is_ok(), "{text:?} was refused");
        }
    }

    fn refuses<T>(rule: impl Fn(&str) -> Result<T, Flaw>, texts: &[&str]) {
        for text in texts {
            assert!(rule(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn email_addresses() {
        let longest_local = format!("{}@example.com", "a".repeat(64));
        let long_domain = format!("a@{}.com", vec!["b".repeat(60); 4].join("."));
        accepts(
            email,
            &["a@example.com", "first.last+tag@sub.example.co.uk", "o'brien@example.com", &longest_local],
        );
        accepts(email, &["admin@demo.localhost", &long_domain, "a@xn--bcher-kva.example"]);
        let too_long_local = format!("{}@example.com", "a".repeat(65));
        let too_long = format!("a@{}.com", vec!["b".repeat(63); 4].join("."));
        refuses(
            email,
            &["", "a", "@example.com", "a@", "a@b", "a@@example.com", "a b@example.com", "a @example.com"],
        );
        refuses(
            email,
            &["a@ example.com", "a@example.com\r\nBcc: b@example.com", "a@example..com", "a..b@example.com"],
        );
        refuses(
            email,
            &[".a@example.com", "a.@example.com", "a@-example.com", "a@example-.com", "a@127.0.0.1"],
        );
        refuses(
            email,
            &["\"a\"@example.com", "a@[127.0.0.1]", "é@example.com", "a@bücher.example", "a\0@example.com"],
        );
        refuses(email, &["Name <a@example.com>", "a@example.com,b@example.com", &too_long_local, &too_long]);
    }

    #[test]
    fn email_addresses_are_folded_and_can_be_sent_to() {
        for text in ["A.B@Example.COM", "o'brien+x@example.com", "a!#$%&'*+-/=?^_`{|}~b@example.com"] {
            let folded = email(text).unwrap_or_default();
            assert_eq!(folded, text.to_ascii_lowercase());
            assert!(folded.parse::<lettre::Address>().is_ok(), "{folded}");
        }
    }

    #[test]
    fn blanks_around_an_address_are_trimmed() {
        let longest = format!("a@{}.com", vec!["b".repeat(60); 4].join("."));
        for text in
            [" a@example.com", "a@example.com ", "\t\u{a0}A@Example.com\r\n", &format!("  {longest}  ")]
        {
            assert_eq!(email(text).ok(), Some(text.trim().to_ascii_lowercase()), "{text:?}");
        }
    }

    #[test]
    fn passwords_are_measured_in_characters() {
        accepts(new_password, &["ten chars!", "ääääääääää", &"x".repeat(128), &"ß".repeat(128)]);
        refuses(new_password, &["", "nine char", &"x".repeat(129)]);
        // However it is written, an `ä` is one character, and `각` another.
        let (decomposed, longest) = ("a\u{308}", "\u{1100}\u{1161}\u{11a8}".repeat(128));
        accepts(new_password, &[&decomposed.repeat(10), &decomposed.repeat(128), &longest]);
        refuses(new_password, &[&decomposed.repeat(9), &decomposed.repeat(129)]);
        accepts(login_password, &[&longest]);
    }

    #[test]
    fn texts() {
        accepts(text(1..=5), &["a", "ab cd", "ééééé"]);
        refuses(text(1..=5), &["", " ", "abcdef", "a\nb", "a\0b", "a\u{85}b", "a\u{2028}b", "a\tb"]);
        accepts(lines(1..=5), &["a\nb", "a\r\nb", "a\tb"]);
        refuses(lines(1..=5), &["a\0b", "a\u{7f}", "\n\n", ""]);
        accepts(lines(0..=5), &[""]);
    }

    #[test]
    fn codes_and_numbers() {
        accepts(sku, &["A", "pro-1.0_x", &"a".repeat(64)]);
        refuses(sku, &["", "-a", "a b", "é", &"a".repeat(65)]);
        accepts(fingerprint, &["12345678", "aB:._-00", &"a".repeat(128)]);
        refuses(fingerprint, &["1234567", &"a".repeat(129), "1234 5678", "12345678\n"]);
        accepts(phone, &["+49 (30) 1234-567", "5550100"]);
        refuses(phone, &["", "phone", "++--", "123"]);
        accepts(currency, &["USD"]);
        refuses(currency, &["usd", "US", "USDT", "U1D", "UDS", "XXX", ""]);
        accepts(page_limit, &["1", "20", "100", "007"]);
        refuses(page_limit, &["", "0", "101", "-1", "+1", "1.0", "1e1", " 1", "99999999999999999999"]);
        accepts(idempotency_key, &["k", "~!", &"k".repeat(255)]);
        refuses(idempotency_key, &["", " ", "a b", "a\u{7f}", "é", &"k".repeat(256)]);
    }

    #[test]
    fn uuids_are_hyphenated() {
        accepts(uuid, &["0190b6f0-0000-7000-8000-000000000000", "0190B6F0-0000-7000-8000-00000000000A"]);
        refuses(
            uuid,
            &["0190b6f0000070008000000000000000", "{0190b6f0-0000-7000-8000-000000000000}", "", "7"],
        );
    }

    #[test]
    fn times_are_brought_to_utc() {
        let at = time("2026-01-31T12:00:00.123456789+02:00").map(|time| time.to_rfc3339());
        assert_eq!(at.as_deref(), Ok("2026-01-31T10:00:00.123456+00:00"));
        accepts(time, &["2026-01-31T12:00:00Z", "2026-06-30T23:59:60Z"]);
        refuses(time, &["2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "yesterday", ""]);
    }

    #[test]
    fn times_are_from_2000_to_2199() {
        accepts(time, &["2000-01-01T00:00:00Z", "2199-12-31T23:59:59.999999Z", "1999-12-31T23:00:00-01:00"]);
        accepts(time, &["2200-01-01T00:59:59+01:00"]);
        for outside in [
            "1999-12-31T23:59:59.999999Z",
            "2000-01-01T00:59:59+01:00",
            "2200-01-01T00:00:00Z",
            "2199-12-31T23:59:60Z",
            "2199-12-31T23:59:59-01:00",
            "9999-12-31T23:59:59-01:00",
            "9999-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
            "0000-01-01T00:00:00+23:59",
        ] {
            assert_eq!(time(outside), Err("must be from 2000-01-01 to 2199-12-31".into()), "{outside}");
        }
    }

    #[test]
    fn an_address_is_kept_as_it_was_written() {
        for text in [
            "https://shop.example/{CHECKOUT_SESSION_ID}/thanks?id={CHECKOUT_SESSION_ID}&a=%7B#{CHECKOUT_SESSION_ID}",
            "HTTPS://Shop.Example:443/a/../b?x=\"y\"",
            "https://shop.example",
            "https://shop.example/?u=https://user@other.example\\",
        ] {
            assert_eq!(written_url(text).map(|written| written.text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn an_address_that_can_be_read_in_two_ways_is_refused() {
        for text in [
            "https:shop.example",
            "https:/shop.example/",
            "https:\\\\shop.example/",
            "https:///shop.example/",
            "https://\\shop.example/",
            "https://@shop.example/",
            "https://:@shop.example/",
            "https://shop%2eexample/",
            "https://shop.example\\@other.example/",
            "https:shop.example/https://other.example/",
        ] {
            assert!(web_url(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn urls() {
        accepts(web_url, &["https://example.com", "http://localhost:3000/a?b=c#d"]);
        refuses(
            web_url,
            &["", "example.com", "ftp://example.com", "javascript:alert(1)", "https://", "/a", "http:// a"],
        );
        refuses(web_url, &["https://user:pw@example.com", " https://example.com", "https://exa\nmple.com"]);
    }
}
