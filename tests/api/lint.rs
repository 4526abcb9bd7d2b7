//! The OpenAPI document as a linter of others' making reads it: `redocly lint`, configured by `redocly.yaml`.

use std::path::Path;
use std::process::Command;

use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use serde_json::Value;

/// Whether the linter can be had. A machine without node, or without a network, does without.
fn linter_is_there() -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new("bash").arg(root.join("scripts/lib/openapi-linter")).output();
    let reason = match made {
        Ok(made) if made.status.success() => return true,
        Ok(made) => String::from_utf8_lossy(&made.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    // Past the test runner, which hides what a passing test prints.
    eprintln!("SKIPPED: the OpenAPI document was not linted: {reason}");
    false
}

/// What the linter says of a document: a line for each problem.
fn problems(document: &Value) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let mut linter = Command::new("node");
    linter.arg(root.join("target/openapi-linter/node_modules/@redocly/cli/bin/cli.js"));
    linter
        .arg("lint")
        .arg("--config")
        .arg(root.join("redocly.yaml"))
        .args(["--format=json", "--max-problems=10000"]);
    linter.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    let output = linter.arg(&file).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(told["totals"]["ignored"], 0, "nothing is ignored");
    let problems = told["problems"].as_array().unwrap().iter().map(|problem| {
        let (rule, place) = (&problem["ruleId"], &problem["location"][0]["pointer"]);
        format!("{rule} at {place}: {}", problem["message"])
    });
    problems.collect()
}

#[test]
fn the_document_passes_redocly_lint_without_warnings() {
    if !linter_is_there() {
        return;
    }
    let mut document = document(&endpoints(), &codes());
    let found = problems(&document);
    assert!(
        found.is_empty(),
        "{} problems, of which the first:\n{}",
        found.len(),
        found[..found.len().min(20)].join("\n")
    );
    // And would be told of one.
    document["paths"]["/health"]["get"].as_object_mut().unwrap().remove("operationId");
    assert!(!problems(&document).is_empty());
}
