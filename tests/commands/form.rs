//! What all commands have in common.

use std::process::Stdio;

use crate::harness::{Installation, Ran};

const COMMANDS: [&str; 20] = [
    "tenant create",
    "tenant list",
    "tenant activate",
    "tenant deactivate",
    "tenant add-domain",
    "user create",
    "user set-role",
    "product upsert",
    "product list",
    "licence issue",
    "licence show",
    "licence revoke",
    "webhook list",
    "webhook retry",
    "audit numbers",
    "modules",
    "doctor",
    "completions",
    "migrate",
    "serve",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_explains_itself() {
    let installation = Installation::without_schema().await;
    let whole = installation.run("--help").expect(0).stdout;
    assert!(whole.contains("Exit codes: 0 done, 1 refused or failed, 2 wrong arguments, 3"), "{whole}");
    for command in COMMANDS {
        let help = installation.run(&format!("{command} --help")).expect(0).stdout;
        let about = help.lines().next().unwrap();
        assert!(
            !about.is_empty() && !about.starts_with("Usage"),
            "{command} does not say what it does: {help}"
        );
        if !["migrate", "serve"].contains(&command) {
            assert!(help.contains(&format!("\n  primetech {command}")), "{command} has no example: {help}");
        }
        let group = command.split(' ').next().unwrap();
        assert!(whole.contains(&format!("\n  {group} ")), "{group} is not in {whole}");
    }
    installation.run("tenant").expect(2);
    installation.run("tenant rename acme").expect(2);
    installation.run("tenants").expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_worked_on_is_told_by_its_own_exit_code() {
    let mut installation = Installation::without_schema().await;
    installation.run("tenant list").refused(1, &["no schema yet", "primetech migrate"]);
    let missing: Ran =
        installation.program().env_remove("DATABASE_URL").arg("webhook").arg("list").output().unwrap().into();
    missing.refused(1, &["DATABASE_URL is missing"]);
    installation.run("migrate").expect(0);
    installation
        .execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'contract from 9999 newer', true, '', 0)")
        .await;
    installation.run("tenant list").refused(1, &["9999", "taken away"]);
    installation.database_url = "postgres://jane:hunter2@127.0.0.1:1/none".to_owned();
    for line in [
        "migrate",
        "tenant list",
        "tenant deactivate acme",
        "product list --tenant acme",
        "webhook retry --all-failed",
    ] {
        let ran = installation.run(line);
        assert!(!ran.stderr.contains("hunter2"));
        ran.refused(3, &["the database cannot be reached"]);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_accident_and_a_full_disk_is() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    // More than a pipe holds, and less.
    for line in ["completions zsh", "tenant list --json", "--help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = installation
            .program()
            .args(line.split(' '))
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let ran = Ran::from(output).expect(0);
        assert_eq!(ran.stderr, "", "{line}");
    }
    if cfg!(target_os = "linux") {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = installation
            .program()
            .args(["tenant", "list"])
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let ran = Ran::from(output).expect(1);
        assert!(ran.stderr.contains("the result cannot be written"), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shell_has_its_completions() {
    let installation = Installation::without_schema().await;
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = installation.run(&format!("completions {shell}")).expect(0).stdout;
        for word in ["add-domain", "set-role", "all-failed", "PROCESSED"] {
            // PowerShell's completes no values.
            assert!(
                script.contains(word) || (shell == "powershell" && word == "PROCESSED"),
                "{word} in {shell}"
            );
        }
    }
    installation.run("completions tcsh").refused(2, &["bash", "fish"]);
}
