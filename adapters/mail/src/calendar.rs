//! A booking as a calendar file (RFC 5545), so that a customer's calendar takes it, moves it and drops it again.

use chrono::{DateTime, TimeDelta, Utc};

/// How long a booked service is put down for: nothing says how long it really takes.
const DURATION: TimeDelta = TimeDelta::hours(1);

/// The longest line in bytes, without its end (RFC 5545, 3.1).
const LONGEST_LINE: usize = 75;

/// Whether a calendar is to take an event or to drop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Publish,
    Cancel,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::Cancel => "CANCEL",
        }
    }
}

pub struct Event {
    pub method: Method,
    /// The same for every file of one booking.
    pub uid: String,
    /// The mailbox that the shop's mails are from.
    pub organizer: String,
    /// Grows with every file of one booking.
    pub sequence: i32,
    pub stamp: DateTime<Utc>,
    pub start: DateTime<Utc>,
    pub summary: String,
    pub description: String,
}

impl Event {
    pub(crate) fn file(&self) -> String {
        let status = match self.method {
            Method::Publish => "CONFIRMED",
            Method::Cancel => "CANCELLED",
        };
        [
            "BEGIN:VCALENDAR".to_owned(),
            "VERSION:2.0".to_owned(),
            "PRODID:-//Prime Tech Platform//Bookings//EN".to_owned(),
            "CALSCALE:GREGORIAN".to_owned(),
            format!("METHOD:{}", self.method.as_str()),
            "BEGIN:VEVENT".to_owned(),
            format!("UID:{}", text(&self.uid)),
            // An address has none of the characters that a URI must not have.
            format!("ORGANIZER:mailto:{}", self.organizer),
            format!("SEQUENCE:{}", self.sequence),
            format!("DTSTAMP:{}", time(self.stamp)),
            format!("DTSTART:{}", time(self.start)),
            format!("DTEND:{}", time(self.start + DURATION)),
            format!("SUMMARY:{}", text(&self.summary)),
            format!("DESCRIPTION:{}", text(&self.description)),
            format!("STATUS:{status}"),
            "END:VEVENT".to_owned(),
            "END:VCALENDAR".to_owned(),
        ]
        .iter()
        .map(|line| folded(line))
        .collect()
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dT%H%M%SZ").to_string()
}

/// A value of type TEXT (RFC 5545, 3.3.11).
fn text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.replace("\r\n", "\n").chars() {
        match character {
            '\\' | ';' | ',' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' => escaped.push_str("\\n"),
            character if character.is_control() => {}
            character => escaped.push(character),
        }
    }
    escaped
}

/// A line with its end, broken where it is too long, never within a character.
fn folded(line: &str) -> String {
    let mut folded = String::with_capacity(line.len() + 8);
    let mut length = 0;
    for character in line.chars() {
        if length + character.len_utf8() > LONGEST_LINE {
            folded.push_str("\r\n ");
            length = 1;
        }
        folded.push(character);
        length += character.len_utf8();
    }
    folded.push_str("\r\n");
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            method: Method::Publish,
            uid: "BKG-7K2PM4QX@demo".to_owned(),
            organizer: "shop@example.com".to_owned(),
            sequence: 2,
            stamp: DateTime::UNIX_EPOCH,
            start: DateTime::UNIX_EPOCH + TimeDelta::days(365),
            summary: "Café; \\ with, signs".to_owned(),
            description: "ü".repeat(100) + "\r\nBEGIN:VALARM",
        }
    }

    #[test]
    fn lines_end_as_they_must_and_none_is_too_long() {
        let file = event().file();
        assert!(file.ends_with("END:VCALENDAR\r\n"));
        assert!(!file.replace("\r\n", "").contains(['\r', '\n']));
        for line in file.split("\r\n") {
            assert!(line.len() <= LONGEST_LINE, "{line}");
        }
    }

    #[test]
    fn texts_cannot_become_properties() {
        let unfolded = event().file().replace("\r\n ", "");
        let lines: Vec<&str> = unfolded.split("\r\n").collect();
        assert!(lines.contains(&r"SUMMARY:Café\; \\ with\, signs"));
        assert!(lines.contains(&format!("DESCRIPTION:{}\\nBEGIN:VALARM", "ü".repeat(100)).as_str()));
        assert!(lines.contains(&"DTSTART:19710101T000000Z") && lines.contains(&"DTEND:19710101T010000Z"));
        assert!(lines.contains(&"ORGANIZER:mailto:shop@example.com"));
        assert!(lines.contains(&"SEQUENCE:2") && !lines.contains(&"BEGIN:VALARM"));
    }
}
