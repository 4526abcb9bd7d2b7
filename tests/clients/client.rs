//! The clients as programs: how each is started, and what it says.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The longest that a client may take for one call.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub enum Language {
    Python,
    JavaScript,
    Rust,
}

impl Language {
    /// The words that start the demonstration, or `None` where this machine lacks what runs it. A build server has it.
    pub fn program(self) -> Option<Vec<String>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/licence-clients");
        let demo = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (interpreter, words) = match self {
            Self::Python => ("python3", vec![python(), "-B".to_owned(), demo("python/demo.py")]),
            Self::JavaScript => ("node", vec!["node".to_owned(), demo("javascript/demo.mjs")]),
            Self::Rust => return Some(vec![built_example()]),
        };
        let oldest = if matches!(self, Self::Python) { (3, 9) } else { (20, 10) };
        if version(interpreter).is_some_and(|found| found >= oldest) {
            return Some(words);
        }
        let (major, minor) = oldest;
        let lack = format!("{interpreter} {major}.{minor} or newer is not on this machine");
        assert!(std::env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{lack}");
        // Past the test runner, which hides what a passing test prints.
        let said = format!("SKIPPED: {lack}: its licence client was not tried\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        None
    }
}

/// The interpreter itself: what stands in PATH may be a script that looks for it, each time anew.
fn python() -> String {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let path =
        asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if path.is_empty() { "python3".to_owned() } else { path }
}

fn version(interpreter: &str) -> Option<(u32, u32)> {
    let output = Command::new(interpreter).arg("--version").output().ok()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers =
        shown.trim_start_matches(|it: char| !it.is_ascii_digit()).split('.').map(|it| it.trim().parse());
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Cargo builds a workspace's examples with its tests, and puts them beside the program.
fn built_example() -> String {
    let example = Path::new(env!("CARGO_BIN_EXE_primetech")).with_file_name("examples/licence_client");
    assert!(example.exists(), "build it first: cargo build --example licence_client");
    example.to_str().unwrap().to_owned()
}

/// A device with one program on it.
pub struct Device {
    pub program: Vec<String>,
    pub base: String,
    pub fingerprint: String,
    pub product: String,
    pub folder: TempDir,
    pub options: Vec<String>,
}

/// What a client said.
#[derive(Debug)]
pub struct Said {
    pub exit: i32,
    pub document: Value,
    pub all: String,
    pub took: Duration,
}

impl Device {
    pub fn new(program: &[String], base: &str, fingerprint: &str) -> Self {
        Self {
            program: program.to_vec(),
            base: base.to_owned(),
            fingerprint: fingerprint.to_owned(),
            product: "editor-pro".to_owned(),
            folder: tempfile::tempdir().unwrap(),
            options: vec![],
        }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("state/licence.json")
    }

    pub fn stored(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap()
    }

    pub fn store(&self, state: &Value) {
        std::fs::write(self.file(), state.to_string()).unwrap();
    }

    /// Nobody but the user may read it.
    pub fn is_private(&self) -> bool {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        mode(&self.file()) == 0o600 && mode(self.file().parent().unwrap()) == 0o700
    }

    pub async fn activate(&self, key: &str) -> Said {
        self.run(&["--device-name", "Jane's laptop", "activate", "-"], key).await
    }

    pub async fn check(&self) -> Said {
        self.run(&["check"], "").await
    }

    /// As `check`, with a clock that is `days` off.
    pub async fn check_at(&self, days: i64) -> Said {
        self.run(&[&format!("--clock-offset={}", days * 86_400), "check"], "").await
    }

    pub async fn deactivate(&self) -> Said {
        self.run(&["deactivate"], "").await
    }

    async fn run(&self, words: &[&str], input: &str) -> Said {
        let mut command = Command::new(&self.program[0]);
        // No proxy of this machine's.
        command.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
        command.args(&self.program[1..]).args(["--server", &self.base, "--tenant", "demo"]);
        command.args(["--product", &self.product, "--fingerprint", &self.fingerprint]);
        command.arg("--state").arg(self.file().parent().unwrap()).args(&self.options).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (begun, input) = (Instant::now(), format!("{input}\n"));
        let running = tokio::task::spawn_blocking(move || -> Output {
            let mut child = command.spawn().unwrap();
            // It may have ended without reading.
            let _refused = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        });
        let output = tokio::time::timeout(PATIENCE, running).await.expect("a client ends").unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = text(&output.stdout) + &text(&output.stderr);
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{all}"));
        Said { exit: output.status.code().unwrap(), document, all, took: begun.elapsed() }
    }
}

impl Said {
    #[track_caller]
    pub fn expect(&self, outcome: &str, code: &str) -> &Self {
        assert_eq!(
            (&self.document["outcome"], &self.document["code"]),
            (&outcome.into(), &code.into()),
            "{self:?}"
        );
        let exit = match outcome {
            "REFUSED" => 1,
            "UNREACHABLE" => 3,
            _ => 0,
        };
        assert_eq!(self.exit, exit, "{self:?}");
        let message = self.document["message"].as_str().unwrap();
        assert!(message.len() > 15 && message.ends_with('.'), "{self:?}");
        self
    }

    #[track_caller]
    pub fn warns(&self, word: &str) -> &Self {
        assert!(self.document["warning"].as_str().unwrap_or_default().contains(word), "{self:?}");
        self
    }

    #[track_caller]
    pub fn without_warning(&self) -> &Self {
        assert!(self.document["warning"].is_null(), "{self:?}");
        self
    }
}
