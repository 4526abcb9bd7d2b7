//! The text of a `.env` file, read as Docker, systemd and Node's dotenv agree to read it.
//!
//! - A line is `NAME=value`, with `export ` before it or not. A name is letters, digits, `_`, `.` and `-`. Blanks
//!   (spaces and tabs) around the name and the value do not count. Empty lines and lines that begin with `#` or `;` say
//!   nothing. Of several lines for one name the last counts.
//! - An unquoted value is taken as it stands, with its blanks, quotes and backslashes. A `#` begins a comment only after
//!   a blank.
//! - Between single quotes every character stands for itself. Between double quotes `\n` is a line end, and `\"`, `\\`
//!   and `\$` are their second character; any other backslash stands for itself. A quoted value may span lines. After
//!   the closing quote only a comment may follow.
//! - A value that begins with a quoted part and ends otherwise is unquoted, so that `"Shop, Inc." <mail@shop.example>`
//!   is a mailbox.
//! - Nothing is expanded: `$` is a character.
//!
//! Lines end with LF, CRLF or CR; within a value they become LF. A byte order mark is skipped.

use std::fmt;

/// A line that is no assignment. Does not repeat the line, which may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFault {
    /// Counted from 1; the first line of a value that spans several.
    pub line: usize,
    /// Follows the line's number: "is …", "has …".
    pub flaw: &'static str,
}

impl fmt::Display for LineFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} {}", self.line, self.flaw)
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const NO_ASSIGNMENT: &str = "is not of the form NAME=value";
const OPEN_QUOTE: &str = "has a quote that is not closed, or text after the closing one";
const NO_TEXT: &str = "is not valid UTF-8";
const NUL: &str = "has a NUL character";

/// The assignments of a file in their order, or every line that should be one and is not.
pub fn parse(file: &[u8]) -> Result<Vec<(String, String)>, Vec<LineFault>> {
    let text = with_plain_line_ends(file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file));
    let (mut assignments, mut faults) = (Vec::new(), Vec::new());
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let end = line_end(&text, at);
        let mut next = end + 1;
        if !says_nothing(&text[at..end]) {
            match assignment(&text, at, end) {
                Ok(read) => {
                    next = line_end(&text, read.ends) + 1;
                    assignments.push((read.name, read.value));
                }
                // Reading goes on with the next line: what follows an open quote is not the quote's.
                Err(flaw) => faults.push(LineFault { line, flaw }),
            }
        }
        line += text[at..next.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
        at = next;
    }
    if faults.is_empty() { Ok(assignments) } else { Err(faults) }
}

struct Assignment {
    name: String,
    value: String,
    /// A place on its last line.
    ends: usize,
}

/// The assignment of the line from `at` to `end`, or of several lines where its value is quoted.
fn assignment(text: &[u8], at: usize, end: usize) -> Result<Assignment, &'static str> {
    let equals = text[at..end].iter().position(|byte| *byte == b'=').ok_or(NO_ASSIGNMENT)? + at;
    let name = name(&text[at..equals]).ok_or(NO_ASSIGNMENT)?;
    let raw = &text[equals + 1..end];
    let plain = unquoted(raw);
    let blanks = raw.iter().take_while(|byte| is_blank(**byte)).count();
    let opens = equals + 1 + blanks;
    let (value, ends) = match text[opens..end].first() {
        Some(&quote @ (b'"' | b'\'')) => {
            let (value, closes) = quoted(quote, text, opens + 1).ok_or(OPEN_QUOTE)?;
            let after = trim(&text[closes + 1..line_end(text, closes)]);
            if after.is_empty() || after[0] == b'#' {
                (value, closes)
            } else if closes < end && plain.last() != Some(&quote) {
                (plain.to_vec(), end)
            } else {
                return Err(OPEN_QUOTE);
            }
        }
        _ => (plain.to_vec(), end),
    };
    if value.contains(&0) {
        return Err(NUL);
    }
    let value = String::from_utf8(value).map_err(|_| NO_TEXT)?;
    Ok(Assignment { name, value, ends })
}

fn name(text: &[u8]) -> Option<String> {
    let text = trim(text);
    let name = match text.strip_prefix(b"export") {
        Some(rest) if rest.first().is_some_and(|byte| is_blank(*byte)) => trim(rest),
        _ => text,
    };
    let fits =
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
    fits.then(|| name.iter().map(|byte| char::from(*byte)).collect())
}

/// What stands after the `=`, up to a comment.
fn unquoted(raw: &[u8]) -> &[u8] {
    let comment = raw.windows(2).position(|pair| is_blank(pair[0]) && pair[1] == b'#');
    trim(&raw[..comment.unwrap_or(raw.len())])
}

/// The value from `at` to the closing quote, and the place of that quote.
fn quoted(quote: u8, text: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut value = Vec::new();
    loop {
        let byte = *text.get(at)?;
        if byte == quote {
            return Some((value, at));
        }
        let escaped = match (quote, byte, text.get(at + 1)) {
            (b'"', b'\\', Some(b'n')) => Some(b'\n'),
            (b'"', b'\\', Some(&second @ (b'"' | b'\\' | b'$'))) => Some(second),
            _ => None,
        };
        value.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 2 } else { 1 };
    }
}

fn with_plain_line_ends(file: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(file.len());
    for (at, byte) in file.iter().enumerate() {
        match byte {
            b'\r' if file.get(at + 1) == Some(&b'\n') => {}
            b'\r' => text.push(b'\n'),
            _ => text.push(*byte),
        }
    }
    text
}

fn line_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| at + length)
}

fn says_nothing(line: &[u8]) -> bool {
    matches!(trim(line).first(), None | Some(b'#' | b';'))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(text: &[u8]) -> &[u8] {
    let begin = text.iter().position(|byte| !is_blank(*byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_blank(*byte)).map_or(begin, |last| last + 1);
    &text[begin..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn value(line: &str) -> String {
        let mut read = parse(line.as_bytes()).map_err(|faults| format!("{line:?}: {faults:?}")).unwrap();
        assert_eq!(read.len(), 1, "{line:?}");
        let (name, value) = read.remove(0);
        assert_eq!(name, "NAME", "{line:?}");
        value
    }

    fn faulty_lines(file: &[u8]) -> Vec<usize> {
        parse(file).err().into_iter().flatten().map(|fault| fault.line).collect()
    }

    #[test]
    fn unquoted_values_stand_as_they_are() {
        for (line, expected) in [
            ("NAME=Prime Tech <mail@shop.example>", "Prime Tech <mail@shop.example>"),
            ("NAME=\"Shop, Inc.\" <mail@shop.example>", "\"Shop, Inc.\" <mail@shop.example>"),
            ("NAME=it's \"here\"", "it's \"here\""),
            ("NAME=a=b==", "a=b=="),
            ("NAME=C:\\new\\table", "C:\\new\\table"),
            ("NAME=$HOME ${HOME} $(id) `id`", "$HOME ${HOME} $(id) `id`"),
            ("NAME=", ""),
        ] {
            assert_eq!(value(line), expected);
        }
    }

    #[test]
    fn blanks_around_a_name_and_a_value_do_not_count() {
        for line in [
            "  NAME=a b",
            "NAME = a b",
            "NAME=a b \t",
            "\tNAME\t=\ta b",
            "export NAME=a b",
            " export \t NAME =a b",
        ] {
            assert_eq!(value(line), "a b", "{line:?}");
        }
        assert_eq!(parse(b"export=1").unwrap(), [("export".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_comment_is_a_whole_line_or_follows_a_blank() {
        assert_eq!(parse(b"# a\n  # b=c\n; d=e\n\n \t\n").unwrap(), []);
        for (line, expected) in [
            ("NAME=a # b", "a"),
            ("NAME=a\t#b", "a"),
            ("NAME=a#b", "a#b"),
            ("NAME=#a", "#a"),
            ("NAME= # a", ""),
            ("NAME=https://shop.example/#top # the shop", "https://shop.example/#top"),
            ("NAME=\"a # b\" # c", "a # b"),
            ("NAME='a # b'# c", "a # b"),
            ("NAME=\"Shop\" <mail@shop.example> # \"us\"", "\"Shop\" <mail@shop.example>"),
        ] {
            assert_eq!(value(line), expected, "{line:?}");
        }
    }

    #[test]
    fn escapes_are_those_of_double_quotes_only() {
        for (line, expected) in [
            (r#"NAME="a\nb""#, "a\nb"),
            (r#"NAME="\"\\\$\\n""#, "\"\\$\\n"),
            (r#"NAME="\t\r\a\'""#, r"\t\r\a\'"),
            (r#"NAME="$HOME ${HOME}""#, "$HOME ${HOME}"),
            (r"NAME='a\nb\\\$'", r"a\nb\\\$"),
            (r"NAME='ends with \'", r"ends with \"),
            (r"NAME=a\nb", r"a\nb"),
            (r#"NAME="""#, ""),
            ("NAME=''", ""),
            (r#"NAME="  a  ""#, "  a  "),
            (r#"NAME='say "a"'"#, r#"say "a""#),
            (r#"NAME="it's""#, "it's"),
            ("NAME=\"a\nb\"", "a\nb"),
            ("NAME='a\r\nb\rc'", "a\nb\nc"),
        ] {
            assert_eq!(value(line), expected, "{line:?}");
        }
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_are_no_part_of_a_value() {
        let expected = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
        for file in ["A=1\nB=2", "A=1\r\nB=2\r\n", "A=1\rB=2\r", "\u{feff}A=1\n\n\nB=\"2\"\n"] {
            assert_eq!(parse(file.as_bytes()).unwrap(), expected, "{file:?}");
        }
    }

    #[test]
    fn every_line_that_is_no_assignment_is_named_by_its_number() {
        let file = b"A=1\r\nhunter2 hunter2\n# fine\nB=\"a\nb\"\n=x\nC D=x\nE:x\nexport F\nG=\xff\nH=\0\n";
        assert_eq!(faulty_lines(file), [2, 6, 7, 8, 9, 10, 11]);
        assert_eq!(faulty_lines("\u{feff}A=1\nB".as_bytes()), [2]);
        // As PowerShell's `>` writes it: two bytes a character.
        assert_eq!(faulty_lines(b"\xff\xfeA\0=\x001\0"), [1]);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_named_where_it_opens() {
        for file in [
            "A=1\nB=\"a\nC=3\n",
            "A=1\nB='a\nC='b'\n",
            "A=1\nB=\"a\\\"\n",
            "A=1\nB='it''s'\n",
            "A=1\nB=\"a\"b\"\n",
        ] {
            assert_eq!(faulty_lines(file.as_bytes()), [2], "{file:?}");
        }
    }

    #[test]
    fn a_fault_does_not_repeat_the_line() {
        let faults = parse(b"hunter2\nA='hunter2\n").unwrap_err();
        let told: Vec<String> = faults.iter().map(|fault| format!("{fault} {fault:?}")).collect();
        assert!(!told.concat().contains("hunter2"), "{told:?}");
        assert!(told[0].starts_with("line 1 is not of the form NAME=value"), "{told:?}");
    }
}
