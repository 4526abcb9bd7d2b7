//! What tells this device from others: the same at each start, and not to be traced back to the machine.

use std::fmt::Write as _;
use std::process::Command;

use sha2::{Digest, Sha256};

/// A hash of the operating system's own identity. An installation that is cloned with its machine id has the same one;
/// where that matters, add a serial number. `None` where the system has none: the program then brings a fingerprint.
pub fn fingerprint(product_sku: &str) -> Option<String> {
    let identity = identity().filter(|identity| !identity.is_empty())?;
    let digest = Sha256::digest(format!("licence client\0{product_sku}\0{identity}"));
    let mut text = String::with_capacity(64);
    for byte in digest {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
    }
    Some(text)
}

fn identity() -> Option<String> {
    if cfg!(target_os = "linux") {
        std::fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned())
    } else if cfg!(target_os = "macos") {
        let shown = output("ioreg", &["-rd1", "-c", "IOPlatformExpertDevice"])?;
        let (_, rest) = shown.split_once("\"IOPlatformUUID\" = \"")?;
        rest.split('"').next().map(str::to_owned)
    } else if cfg!(target_os = "windows") {
        let place = r"HKLM\SOFTWARE\Microsoft\Cryptography";
        output("reg", &["query", place, "/v", "MachineGuid"])?.split_whitespace().last().map(str::to_owned)
    } else {
        None
    }
}

fn output(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
