//! As much of PostgreSQL's protocol as tells which COMMIT ends which work.

use std::collections::HashMap;

/// The client's half of one connection.
#[derive(Default)]
pub struct ClientWire {
    pending: Vec<u8>,
    greeted: bool,
    /// Prepared statements by name: their text is sent once, and named after that.
    statements: HashMap<Vec<u8>, String>,
    /// What was run since the transaction began.
    transaction: Vec<String>,
}

/// One whole message of the client.
pub struct Message {
    pub bytes: Vec<u8>,
    /// Where it is a COMMIT: the statements of its transaction.
    pub commits: Option<Vec<String>>,
}

impl ClientWire {
    /// Takes bytes as they came and gives the messages that are whole by now.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.pending.extend_from_slice(bytes);
        let mut messages = Vec::new();
        loop {
            // The first message of a connection has no type.
            let head = usize::from(self.greeted);
            let Some(length) = length_at(&self.pending, head) else { break };
            let whole = head + length;
            if self.pending.len() < whole {
                break;
            }
            let bytes: Vec<u8> = self.pending.drain(..whole).collect();
            let commits = if self.greeted { self.read(bytes[0], &bytes[5..]) } else { None };
            self.greeted = true;
            messages.push(Message { bytes, commits });
        }
        messages
    }

    fn read(&mut self, kind: u8, body: &[u8]) -> Option<Vec<String>> {
        match kind {
            b'Q' => {
                let text = text(body);
                // What wrote nothing is ended in the same message.
                if text.split("; ").any(|statement| statement == "BEGIN") {
                    self.transaction.clear();
                }
                if text == "COMMIT" {
                    return Some(std::mem::take(&mut self.transaction));
                }
                self.transaction.push(text);
            }
            b'P' => {
                let name = until_nul(body).to_vec();
                let text = text(&body[name.len() + 1..]);
                self.statements.insert(name, text);
            }
            b'B' => {
                let portal = until_nul(body).len();
                let name = until_nul(&body[portal + 1..]);
                self.transaction.extend(self.statements.get(name).cloned());
            }
            _ => {}
        }
        None
    }
}

/// Whether these bytes, from a message's beginning on, hold the server's whole answer to a COMMIT.
pub fn is_answered(mut bytes: &[u8]) -> bool {
    while let Some(length) = length_at(bytes, 1) {
        if bytes.len() < 1 + length {
            return false;
        }
        if bytes[0] == b'Z' {
            return true;
        }
        bytes = &bytes[1 + length..];
    }
    false
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let length: [u8; 4] = bytes.get(at..at + 4)?.try_into().unwrap();
    Some(u32::from_be_bytes(length) as usize)
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(until_nul(bytes)).into_owned()
}

#[test]
fn a_commit_is_known_by_what_it_commits() {
    let message = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    };
    let mut stream = [8_u32.to_be_bytes(), 196_608_u32.to_be_bytes()].concat();
    stream.extend(message(b'P', b"one\0INSERT INTO orders\0\0\0"));
    stream.extend(message(b'Q', b"BEGIN; SELECT 1\0"));
    stream.extend(message(b'B', b"\0one\0\0\0"));
    stream.extend(message(b'Q', b"COMMIT\0"));
    let mut wire = ClientWire::default();
    // Whatever pieces it comes in.
    let messages: Vec<Message> = stream.chunks(3).flat_map(|piece| wire.take(piece)).collect();
    assert_eq!(messages.iter().map(|message| message.bytes.clone()).collect::<Vec<_>>().concat(), stream);
    let commits = messages.iter().filter_map(|message| message.commits.clone());
    assert_eq!(commits.collect::<Vec<_>>(), [["BEGIN; SELECT 1", "INSERT INTO orders"]]);
    let answer = [message(b'C', b"COMMIT\0"), message(b'Z', b"I")].concat();
    assert!(is_answered(&answer) && !is_answered(&answer[..answer.len() - 1]));
}
