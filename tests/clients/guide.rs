//! The guide and the clients know every code that the product refuses a licence with.

use std::path::Path;

/// What `validate` says beside the codes of errors.
const VALIDATION_CODES: &[&str] = &["VALID", "NOT_ACTIVATED", "FINGERPRINT_MISMATCH"];

fn codes() -> impl Iterator<Item = &'static str> {
    let of_licences = primetech::compose::codes()
        .into_iter()
        .map(|code| code.as_str())
        .filter(|code| code.starts_with("LICENCE_"));
    of_licences.chain(VALIDATION_CODES.iter().copied())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn every_refusal_of_a_licence_is_explained() {
    let guide = read("docs/licence-clients.md");
    let clients = ["python/licence_client.py", "javascript/licence-client.mjs", "rust/shop.rs"]
        .map(|file| read(&format!("examples/licence-clients/{file}")));
    assert!(codes().count() >= 9, "the table of codes is read");
    for code in codes() {
        assert!(guide.contains(&format!("`{code}`")), "the guide says nothing of {code}");
        for client in &clients {
            assert!(
                client.contains(&format!("\"{code}\""))
                    || client.contains(&format!("'{code}'"))
                    || client.contains(&format!("{code}:")),
                "{code}"
            );
        }
    }
}

/// The same words whatever a program is written in: support staff learn them once.
#[test]
fn all_clients_tell_the_same() {
    let plain = |path: &str| {
        let text = read(&format!("examples/licence-clients/{path}")).replace("\\\n", "");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let (javascript, rust) = (plain("javascript/licence-client.mjs"), plain("rust/messages.rs"));
    let python = read("examples/licence-clients/python/licence_client.py");
    let table = python.split_once("MESSAGES = {").unwrap().1.split_once("\n}").unwrap().0;
    let mut messages = 0;
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let (_, message) = line.trim().trim_end_matches(',').split_once(": ").unwrap();
        let message = message.trim_matches('"');
        for (client, text) in [("javascript", &javascript), ("rust", &rust)] {
            assert!(text.contains(message), "{client} does not say {message:?}");
        }
        messages += 1;
    }
    assert!(messages > 20, "the table of messages is read");
}
