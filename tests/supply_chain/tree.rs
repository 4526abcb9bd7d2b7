use std::path::{Path, PathBuf};
use std::process::Command;

use super::workspace::{manifests_of_members, root};

/// Made up for tests and examples, and good for nothing: (name of the file, in whatever folder, and what it holds).
const FIXTURES: &[(&str, &str)] = &[
    ("pure_parts.rs", "whsec_0123456789abcdef0123456789abcdef"),
    ("error.rs", "sk_test_4eC39HqLyjWD"),
    ("signature.rs", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("provider.rs", "sk_test_WrongKeyThatMustStaySecret"),
    ("world.rs", "sk_test_51StandInKeyForTests"),
    ("world.rs", "whsec_testSecretOfTheStandIn"),
];

/// What a secret begins with, the characters that it goes on with, and of how many it takes to be one.
const SHAPES: &[(&str, &str, usize)] = &[
    ("sk_live_", "", 8),
    ("rk_live_", "", 8),
    ("sk_test_", "", 12),
    ("rk_test_", "", 12),
    ("whsec_", "", 20),
    ("AKIA", "", 16),
    ("ASIA", "", 16),
    ("ghp_", "", 20),
    ("gho_", "", 20),
    ("ghs_", "", 20),
    ("github_pat_", "_", 20),
    ("glpat-", "_-", 16),
    ("xoxb-", "-", 16),
    ("xoxp-", "-", 16),
    ("AIza", "_-", 30),
    ("SG.", "._-", 30),
    ("npm_", "", 30),
    ("crates-io-token-", "", 8),
    ("eyJhbGciOi", "._-", 40),
    ("hooks.slack.com/services/", "/", 20),
];

/// The last part of a path.
pub fn name_of(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Every file that is, or would be, committed; without version control, every file but what is built.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output();
    match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).unwrap();
            text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect()
        }
        _ => walk(Path::new("")),
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["target", ".git", ".data", "node_modules"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        let path = folder.join(&name);
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(walk(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Every file of text, by its name.
pub fn texts() -> Vec<(String, String)> {
    let read = |path: PathBuf| {
        // One that was deleted and not committed yet is not there; a font or an image is no text.
        let text = String::from_utf8(std::fs::read(root().join(&path)).ok()?).ok()?;
        Some((path.to_string_lossy().replace('\\', "/"), text))
    };
    files().into_iter().filter_map(read).collect()
}

fn secrets_in(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (prefix, more, least) in SHAPES {
        for (at, _) in text.match_indices(prefix) {
            let begins = text[..at].chars().next_back().is_none_or(|before| !before.is_ascii_alphanumeric());
            let rest = &text[at + prefix.len()..];
            let end =
                rest.find(|it: char| !it.is_ascii_alphanumeric() && !more.contains(it)).unwrap_or(rest.len());
            if begins && end >= *least {
                found.push(&text[at..at + prefix.len() + end]);
            }
        }
    }
    for (at, _) in text.match_indices(concat!("-----", "BEGIN ")) {
        let line = text[at..].lines().next().unwrap_or_default();
        if let Some(end) = line.find("PRIVATE KEY-----") {
            found.push(&line[..end + "PRIVATE KEY-----".len()]);
        }
    }
    found
}

#[test]
fn no_secret_is_in_the_tree() {
    let texts = texts();
    assert!(texts.len() > 200, "{}", texts.len());
    let mut unknown = Vec::new();
    for (file, text) in texts.iter().filter(|(file, _)| file != "tests/supply_chain/tree.rs") {
        for secret in secrets_in(text) {
            if !FIXTURES.contains(&(name_of(file), secret)) {
                // Named by its beginning: what this test prints is a log as well.
                unknown.push(format!("{file}: {}…", &secret[..secret.len().min(12)]));
            }
        }
    }
    assert!(unknown.is_empty(), "secrets, or fixtures to be named here: {unknown:#?}");
    for (name, fixture) in FIXTURES {
        let mut named = texts.iter().filter(|(file, _)| name_of(file) == *name);
        assert!(named.any(|(_, text)| text.contains(fixture)), "{fixture} is no longer in a file {name}");
    }
    for (file, _) in &texts {
        let name = name_of(file);
        let is_private =
            name == ".env" || [".pem", ".key", ".p12", ".pfx"].iter().any(|end| name.ends_with(end));
        assert!(!is_private, "{file}");
    }
}

#[test]
fn secrets_are_known_by_their_shape() {
    let live = format!("sk_{}_{}", "live", "51HqLyjWDabc");
    let pem = format!("-----{} RSA PRIVATE KEY-----", "BEGIN");
    let amazon = format!("AK{}", "IAIOSFODNN7EXAMPLE");
    for secret in [live.as_str(), pem.as_str(), amazon.as_str()] {
        assert_eq!(secrets_in(&format!("x = \"{secret}\"")), [secret]);
    }
    for harmless in [
        "starts_with(\"sk_live_\")",
        "sk_test_x",
        "whsec_old,whsec_harness",
        "AKIA",
        "-----BEGIN PUBLIC KEY-----",
    ] {
        assert!(secrets_in(harmless).is_empty(), "{harmless}");
    }
}

/// The name of the one module that starts child processes: what happens between fork and exec is unsafe by nature.
const AUDITED: &str = "process.rs";

#[test]
fn unsafe_code_is_refused_but_for_one_audited_module() {
    let texts = texts();
    let manifest = &texts.iter().find(|(file, _)| file == "Cargo.toml").unwrap().1;
    assert!(manifest.contains("\nunsafe_code = \"deny\"\n"));
    let lifting = concat!("allow(unsafe", "_code");
    let blocks = [
        concat!("unsafe", " {"),
        concat!("unsafe", " fn"),
        concat!("unsafe", " impl"),
        concat!("unsafe", " extern"),
    ];
    let sources = texts.iter().filter(|(file, _)| file.ends_with(".rs"));
    let lifted: Vec<&(String, String)> = sources
        .filter(|(_, text)| text.contains(lifting) || blocks.iter().any(|block| text.contains(block)))
        .collect();
    let files: Vec<&str> = lifted.iter().map(|(file, _)| file.as_str()).collect();
    assert!(files.len() == 1 && name_of(files[0]) == AUDITED, "{files:?}");
    let count: usize = blocks.iter().map(|block| lifted[0].1.matches(block).count()).sum();
    assert!(count <= 2, "{count} places: each new one is to be audited");
    let members = manifests_of_members();
    assert!(members.iter().any(|member| member == "Cargo.toml"), "{members:?}");
    for member in members {
        let manifest = &texts.iter().find(|(file, _)| *file == member).unwrap().1;
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member} is under the workspace's lints");
    }
}

/// What the workflows run comes from others: each step names an action by a version, and no job may write by default.
#[test]
fn workflows_have_no_more_rights_than_they_need() {
    let texts = texts();
    let workflows: Vec<_> = texts.iter().filter(|(file, _)| file.starts_with(".github/workflows/")).collect();
    assert!(workflows.len() >= 2);
    for (file, text) in workflows {
        assert!(text.contains("\npermissions:"), "{file} says what it may do");
        assert!(!text.contains("pull_request_target") && !text.contains("write-all"), "{file}");
        for action in
            text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "))
        {
            let version = action.split_once('@').map(|(_, version)| version);
            assert!(
                version.is_some_and(|version| !["main", "master", "latest"].contains(&version)),
                "{file}: {action}"
            );
        }
    }
}
