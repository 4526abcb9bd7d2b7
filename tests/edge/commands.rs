//! The program itself, as an operator starts it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use crate::client::Call;
use crate::harness::{empty_database, variables};

/// The program, in an empty folder and without any variable of this process.
fn primetech(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_primetech"));
    command.env_clear().current_dir(folder.path());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn serve_names_every_missing_variable_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let output = primetech(&folder).arg("serve").env("SESSION_SECRET", "hunter2").output().unwrap();
    assert!(!output.status.success());
    let text = stderr(&output);
    for name in [
        "DATABASE_URL",
        "SESSION_SECRET",
        "APP_BASE_URL",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "S3_BUCKET_PRIVATE",
        "MAIL_FROM",
        "SMTP_URL",
        "LICENCE_SIGNING_KEY",
    ] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "PORT=x\nBIND_ADDRESS=x\nCOOKIE_SECURE=x\n").unwrap();
    let output = primetech(&folder).arg("serve").env("PORT", "0").env("BIND_ADDRESS", "").output().unwrap();
    let text = stderr(&output);
    assert!(!text.contains("PORT "), "{text}");
    assert!(text.contains("BIND_ADDRESS must be"), "an empty variable counts as missing: {text}");
    assert!(text.contains("COOKIE_SECURE must be"), "{text}");
}

#[test]
fn migrate_needs_only_the_database_and_may_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let url = empty_database();
    for repeated in [false, true] {
        let output = primetech(&folder).arg("migrate").env("DATABASE_URL", &url).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(stderr(&output).contains(" 0 migrations"), repeated, "{}", stderr(&output));
    }
    let output = primetech(&folder).arg("migrate").output().unwrap();
    assert!(!output.status.success() && stderr(&output).contains("DATABASE_URL is missing"));
}

#[cfg(unix)]
#[test]
fn serve_writes_json_lines_and_ends_well_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = primetech(&folder);
    command.arg("serve").stderr(Stdio::piped());
    for (name, value) in variables(crate::harness::NO_DATABASE, &[("NODE_ENV", "production")]).iter() {
        command.env(name, value);
    }
    let mut serving = command.spawn().unwrap();
    let mut lines = BufReader::new(serving.stderr.take().unwrap()).lines();
    let address = loop {
        let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if let Some(address) = line["address"].as_str() {
            break address.parse().unwrap();
        }
    };
    let answer = Call::new(address, "GET", "/nothing?token=hunter2")
        .header("x-request-id", "the-request")
        .header("cookie", "session=hunter2")
        .send();
    answer.assert_refused(404, "NOT_FOUND");
    let killed = Command::new("kill").arg("-TERM").arg(serving.id().to_string()).status().unwrap();
    assert!(killed.success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(serving.wait().unwrap().success(), "{rest:?}");
    assert!(
        rest.iter().any(|line| line.contains("the-request") && line.contains("\"status\":404")),
        "{rest:?}"
    );
    assert!(rest.iter().all(|line| !line.contains("hunter2")), "{rest:?}");
}
