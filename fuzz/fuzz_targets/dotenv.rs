//! Any bytes as a `.env` file: no panic, and each fault names a line of the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use primetech::config::dotenv::parse;

fuzz_target!(|file: &[u8]| {
    let lines = file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for fault in parse(file).err().into_iter().flatten() {
        assert!((1..=lines).contains(&fault.line));
    }
});
