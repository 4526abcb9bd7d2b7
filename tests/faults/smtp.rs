//! A mail server that goes away, comes back, takes its time, puts mails off, and takes them without saying so.
#![allow(dead_code, reason = "two programs of tests use it, each a part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// All that were taken, whole, and how many of them were not confirmed.
#[derive(Default)]
struct Taken {
    mails: Vec<String>,
    /// So many of the next mails are taken and the connection cut before that is said.
    unconfirmed: usize,
    /// What taking a mail takes.
    pause: Duration,
    /// Mails that hold one of these are put off once each: greylisting.
    put_off: Vec<String>,
}

pub struct MailServer {
    pub address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
    serving: Option<JoinHandle<()>>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

impl MailServer {
    pub async fn start() -> Self {
        let mut server =
            Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), taken: Arc::default(), serving: None };
        server.open().await;
        server
    }

    /// Comes back at the same address.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let taken = Arc::clone(&self.taken);
        self.serving = Some(tokio::spawn(async move {
            // Ends its connections with itself.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let taken = Arc::clone(&taken);
                connections.spawn(async move { drop(converse(stream, &taken).await) });
            }
        }));
    }

    /// Nobody listens any more when this returns.
    pub async fn close(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            assert!(serving.await.is_err_and(|end| end.is_cancelled()));
        }
    }

    pub fn leave_unconfirmed(&self, mails: usize) {
        self.taken.lock().unwrap().unconfirmed = mails;
    }

    pub fn takes(&self, pause: Duration) {
        self.taken.lock().unwrap().pause = pause;
    }

    /// The next mail with this text is refused for the moment.
    pub fn put_off(&self, text: &str) {
        self.taken.lock().unwrap().put_off.push(text.to_owned());
    }

    /// Whether each mail that was to be put off was.
    pub fn has_put_off(&self) -> bool {
        self.taken.lock().unwrap().put_off.is_empty()
    }

    /// The mails so far.
    pub fn mails(&self) -> Vec<String> {
        self.taken.lock().unwrap().mails.clone()
    }
}

impl Taken {
    fn puts_off(&mut self, mail: &str) -> bool {
        let found = self.put_off.iter().position(|text| mail.contains(text.as_str()));
        found.map(|at| self.put_off.remove(at)).is_some()
    }
}

async fn converse(stream: TcpStream, taken: &Mutex<Taken>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 mail.test\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let command = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match command.as_str() {
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                let pause = taken.lock().unwrap().pause;
                tokio::time::sleep(pause).await;
                if taken.lock().unwrap().puts_off(&mail) {
                    write.write_all(b"451 come back later\r\n").await?;
                    continue;
                }
                let confirmed = {
                    let mut taken = taken.lock().unwrap();
                    taken.mails.push(mail);
                    let confirmed = taken.unconfirmed == 0;
                    taken.unconfirmed = taken.unconfirmed.saturating_sub(1);
                    confirmed
                };
                if !confirmed {
                    return Ok(());
                }
                write.write_all(b"250 taken\r\n").await?;
            }
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => write.write_all(b"250 mail.test\r\n").await?,
        }
    }
    Ok(())
}
