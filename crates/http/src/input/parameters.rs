//! Percent-decoding that reports invalid bytes instead of replacing them.

/// The query string, decoded.
pub(super) struct Query(Vec<(String, Option<String>)>);

impl Query {
    pub fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // A name that is no text is nobody's parameter, and ignored as unknown ones are.
            Some((percent_decoded(name, true)?, percent_decoded(value, true)))
        });
        Self(pairs.collect())
    }

    /// The one value of `name`, none where it was left out, or what is wrong.
    pub fn get(&self, name: &str) -> Result<Option<&str>, &'static str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_deref());
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err("must not be sent twice"),
            (Some(None), None) => Err("is not valid UTF-8"),
            (Some(Some(text)), None) => Ok(Some(text)),
        }
    }
}

/// Decodes `%XX`, and `+` as a space in a query. A `%` that begins no such triple stands for itself. None where the
/// bytes are no UTF-8.
pub(super) fn percent_decoded(raw: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, beyond @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex(*high) * 16 + hex(*low));
                rest = beyond;
            }
            (b'+', _) if plus_is_space => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_done_once_and_whole() {
        assert_eq!(percent_decoded("a%2Fb%20c+d", false).as_deref(), Some("a/b c+d"));
        assert_eq!(percent_decoded("a+b%2B", true).as_deref(), Some("a b+"));
        assert_eq!(percent_decoded("%2561", false).as_deref(), Some("%61"));
        assert_eq!(percent_decoded("100%", false).as_deref(), Some("100%"));
        assert_eq!(percent_decoded("%zz%4", false).as_deref(), Some("%zz%4"));
        assert_eq!(percent_decoded("%c3%a9", false).as_deref(), Some("é"));
        assert_eq!(percent_decoded("%c3", false), None);
    }

    #[test]
    fn parameters_without_a_value_are_empty() {
        let query = Query::parse("a&b=&&c=1=2");
        assert_eq!(query.get("a"), Ok(Some("")));
        assert_eq!(query.get("b"), Ok(Some("")));
        assert_eq!(query.get("c"), Ok(Some("1=2")));
        assert_eq!(query.get("d"), Ok(None));
    }
}
