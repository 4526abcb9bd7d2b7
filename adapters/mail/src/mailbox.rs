//! Headers that name people, in the one form that all mail parsers read.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};

/// What a line should have at most (RFC 5322, 2.1.1).
const LONGEST_LINE: usize = 78;

/// Bytes of a name in one encoded word. Of several words in a name, Python's parser keeps the blanks between them, which
/// are no part of it: so there is one, longer than RFC 2047 wants it, as long as its line is not longer than a line may be
/// (998 characters).
const BYTES_OF_A_WORD: usize = 660;

/// A header with one mailbox. A name in ASCII is a quoted string (RFC 5322, 3.2.4), any other an encoded word (RFC 2047):
/// never both, and never bare words, in which a full stop or a comma means something.
pub(crate) fn mailbox_header(header: HeaderName, name: Option<&str>, address: &Address) -> HeaderValue {
    let name = name.map(one_line).filter(|name| !name.is_empty());
    let value = match name {
        None => address.to_string(),
        Some(name) => {
            let phrase = phrase(&name);
            let line = phrase.rsplit("\r\n").next().map_or(0, str::len);
            let fits = header.len() + 2 + line + 3 + address.to_string().len() <= LONGEST_LINE;
            format!("{phrase}{}<{address}>", if fits { " " } else { "\r\n " })
        }
    };
    // The value is ASCII: an address is checked, and a phrase is made so.
    HeaderValue::dangerous_new_pre_encoded(header, value.clone(), value)
}

/// Without line ends and other controls, and without blanks at its ends.
pub(crate) fn one_line(text: &str) -> String {
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    text.trim().to_owned()
}

fn phrase(name: &str) -> String {
    // What looks like an encoded word is decoded by some parsers even between quotes.
    if name.is_ascii() && !name.contains("=?") {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        words(name).collect::<Vec<_>>().join("\r\n ")
    }
}

fn words(name: &str) -> impl Iterator<Item = String> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let mut end = rest.len().min(BYTES_OF_A_WORD);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then(|| format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(word)))
    })
}
