//! A serving process of its own, beside a shop's: the program as it is run, on the same database.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use primetech::process::{Signal, send_signal};
use reqwest::Method;

use crate::harness::{Answer, Shop};

pub struct Process {
    child: Child,
    address: String,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    http: reqwest::Client,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Process {
    /// Starts `primetech serve` with the shop's variables, some of them changed, and waits until it serves.
    pub async fn start(shop: &Shop, changes: &[(&str, &str)]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_primetech"));
        program.env_clear().current_dir(shop.mail.path()).arg("serve");
        for (name, value) in shop.variables(changes).iter() {
            program.env(name, value);
        }
        let mut child = program.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), Arc::clone(&lines));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                kept.lock().unwrap().push(line.unwrap());
            }
        });
        let begun = Instant::now();
        let address = loop {
            if let Some(address) = lines.lock().unwrap().iter().find_map(|line| address_in(line)) {
                break address;
            }
            let ended = child.try_wait().unwrap();
            let text = || lines.lock().unwrap().join("\n");
            assert!(ended.is_none() && begun.elapsed() < Duration::from_secs(20), "{ended:?}\n{}", text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Self { child, address, lines, reader: Some(reader), http: reqwest::Client::new() }
    }

    pub async fn send(
        &self,
        method: Method,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request =
            self.http.request(method, format!("http://{}{path}", self.address)).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// The value of a series, by its beginning; none where there is no such series.
    pub async fn figure(&self, series: &str) -> Option<f64> {
        let answer = self.send(Method::GET, "any.host", "/metrics", &[], None).await.expect(200);
        let line = answer.text.lines().find(|line| line.starts_with(series))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// All that was logged so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, waits for that, and gives how it did and all that it logged.
    pub async fn terminate(mut self, limit: Duration) -> (ExitStatus, Vec<String>) {
        send_signal(self.child.id(), Signal::Terminate).unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < limit, "it does not end: {}", self.log().join("\n"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }
}

/// The address in the line that tells of it, in either form of the log.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("\"address\":\"").or_else(|| line.split_once("address="))?;
    Some(rest.split(['"', ' ']).next()?.to_owned())
}
