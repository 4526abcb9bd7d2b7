//! The program under load: `primetech`, built as this one is, so that no old build is measured by mistake.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Failure;

/// The program named by `--server`, or this workspace's, brought up to date.
pub fn server_program(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // With both packages the dependencies are those that this program was built with: nothing is built twice.
    command.args([
        "build",
        "--quiet",
        "--message-format=json",
        "-p",
        "loadtests",
        "-p",
        "primetech",
        "--bins",
    ]);
    if cfg!(debug_assertions) {
        eprintln!("loadtests: a debug build; its figures mean nothing. Use cargo run --release");
    } else {
        command.arg("--release");
    }
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    without_traces_of_cargo(&mut command);
    let built = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be run ({error}): name the program with --server"))?;
    if !built.status.success() {
        return Err("primetech cannot be built".into());
    }
    let lines = String::from_utf8_lossy(&built.stdout).into_owned();
    let executable =
        lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
            let is_ours = message["target"]["name"] == "primetech";
            message["executable"].as_str().filter(|_| is_ours).map(PathBuf::from)
        });
    executable.ok_or_else(|| "cargo built no primetech".into())
}

/// `cargo run` describes this program in the environment; to a cargo within, that looks like changed inputs.
fn without_traces_of_cargo(command: &mut Command) {
    const TRACES: &[&str] =
        &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_PACKAGE"];
    for (name, _) in std::env::vars_os() {
        if TRACES.iter().any(|trace| name.to_string_lossy().starts_with(trace)) {
            command.env_remove(name);
        }
    }
}
