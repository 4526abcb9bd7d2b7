//! What may stand between a program and its shop: a proxy that passes, cuts, answers in the shop's place, or loses an
//! answer. Each connection carries one request.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone)]
pub enum Way {
    Pass,
    /// Closed before the shop hears of it.
    Cut,
    /// The shop does it; its answer is lost.
    LoseAnswer,
    /// Something answers in its place.
    Answer(String),
}

impl Way {
    /// As a network does that wants someone to sign in first.
    pub fn sign_in_page() -> Self {
        Self::answer("200 OK", "content-type: text/html\r\n", "<html>Welcome to the hotel</html>")
    }

    /// As the product's own proxy does where no process runs.
    pub fn overloaded(retry_after: &str) -> Self {
        let head = format!("content-type: application/json\r\nretry-after: {retry_after}\r\n");
        let error = r#"{"error":{"code":"OVERLOADED","message":"","details":{"fieldErrors":{},"meta":{}}}}"#;
        Self::answer("503 Service Unavailable", &head, error)
    }

    pub fn answer(status: &str, head: &str, body: &str) -> Self {
        let length = body.len();
        Self::Answer(format!(
            "HTTP/1.1 {status}\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }
}

#[derive(Default)]
struct Plan {
    next: VecDeque<Way>,
    usual: Option<Way>,
    seen: Vec<String>,
}

pub struct Proxy {
    pub base: String,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    /// Before the shop at `target`. It ends with the test's process.
    pub fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = Arc::clone(&plan);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let plan = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A client may leave at any moment.
                    let _ended = serve(connection, target, &plan);
                });
            }
        });
        Self { base, plan }
    }

    /// What becomes of the next requests, one after the other; then of all others.
    pub fn set(&self, next: impl IntoIterator<Item = Way>, usual: Way) {
        let mut plan = self.plan.lock().unwrap();
        (plan.next, plan.usual, plan.seen) = (next.into_iter().collect(), Some(usual), vec![]);
    }

    /// The requests since the last `set`: path and body.
    pub fn seen(&self) -> Vec<String> {
        self.plan.lock().unwrap().seen.clone()
    }
}

fn serve(mut client: TcpStream, target: SocketAddr, plan: &Mutex<Plan>) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(20)))?;
    let Some(request) = read_request(&mut client)? else { return Ok(()) };
    let way = {
        let mut plan = plan.lock().unwrap();
        plan.seen.push(summary(&request));
        plan.next.pop_front().or_else(|| plan.usual.clone()).unwrap_or(Way::Pass)
    };
    match way {
        Way::Cut => {}
        Way::Answer(answer) => client.write_all(answer.as_bytes())?,
        Way::Pass => client.write_all(&forward(&request, target)?)?,
        Way::LoseAnswer => {
            forward(&request, target)?;
        }
    }
    client.shutdown(Shutdown::Both)
}

/// The bytes of one request, with those of its body.
fn read_request(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(head) = head_length(&request)
            && request.len() >= head + content_length(&request[..head])
        {
            return Ok(Some(request));
        }
        let read = client.read(&mut piece)?;
        if read == 0 || request.len() > 65_536 {
            return Ok(None);
        }
        request.extend_from_slice(&piece[..read]);
    }
}

fn head_length(request: &[u8]) -> Option<usize> {
    request.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let lengths = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    lengths.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

fn summary(request: &[u8]) -> String {
    let head = head_length(request).unwrap_or(0);
    let path = String::from_utf8_lossy(&request[..head]);
    let path = path.split_whitespace().nth(1).unwrap_or_default();
    format!("{path} {}", String::from_utf8_lossy(&request[head..]))
}

fn forward(request: &[u8], target: SocketAddr) -> io::Result<Vec<u8>> {
    let mut shop = TcpStream::connect(target)?;
    shop.set_read_timeout(Some(Duration::from_secs(20)))?;
    let head = head_length(request).unwrap_or(request.len());
    // One request a connection: the answer ends where the connection does.
    let lines = String::from_utf8_lossy(&request[..head - 2]).into_owned();
    let kept = lines.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let lines: Vec<&str> = kept.collect();
    shop.write_all(lines.join("\r\n").as_bytes())?;
    shop.write_all(b"connection: close\r\n\r\n")?;
    shop.write_all(&request[head..])?;
    let mut answer = Vec::new();
    shop.read_to_end(&mut answer)?;
    Ok(answer)
}
