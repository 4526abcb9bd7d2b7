//! Any bytes as the body of a webhook: read, or refused, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use primetech_actors::webhook::event::Event;

fuzz_target!(|body: &[u8]| {
    if let Ok(text) = std::str::from_utf8(body)
        && let Some(event) = Event::parse(text)
    {
        assert!((1..=255).contains(&event.id.len()));
        assert!(event.id.bytes().chain(event.kind.bytes()).all(|byte| byte.is_ascii_graphic()));
    }
});
