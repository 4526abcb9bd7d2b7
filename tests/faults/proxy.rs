//! Stands between the service and a server it depends on, and does to their connections what networks do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wire::{self, ClientWire};
use crate::world::{LIMIT, until};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    Pass,
    /// Every piece, in both directions, takes so long.
    Delay(Duration),
    /// Connections stay, and nothing comes through.
    Stall,
    /// New connections end at once.
    Refuse,
}

/// What becomes of one COMMIT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// The server does it, and the connection ends before its answer is through.
    Answer,
    /// The same, and no other connection is let through until the mode is set again.
    AnswerAndServer,
    /// It never reaches the server, and the client waits until the connections are cut.
    Request,
}

struct Shared {
    target: SocketAddr,
    mode: watch::Sender<Mode>,
    cuts: watch::Sender<u64>,
    losing: Mutex<Option<(&'static str, Loss)>>,
    lost: watch::Sender<u64>,
}

pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Proxy {
    pub async fn start(target_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target_port)),
            mode: watch::Sender::new(Mode::Pass),
            cuts: watch::Sender::new(0),
            losing: Mutex::new(None),
            lost: watch::Sender::new(0),
        });
        let for_all = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *for_all.mode.borrow() == Mode::Refuse {
                    continue;
                }
                let shared = Arc::clone(&for_all);
                tokio::spawn(async move {
                    // An error is an end of the connection like any other.
                    let _ended = shared.carry(client).await;
                });
            }
        });
        Self { address, shared, accepting }
    }

    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Loses the next COMMIT of a transaction with a statement that holds `statement`.
    pub fn lose_commit_of(&self, statement: &'static str, loss: Loss) {
        self.shared.lost.send_replace(0);
        *self.shared.losing.lock().unwrap() = Some((statement, loss));
    }

    /// Waits until that COMMIT was lost.
    pub async fn has_lost(&self) {
        until("the COMMIT is lost", LIMIT, async || *self.shared.lost.borrow() > 0).await;
    }
}

impl Shared {
    async fn carry(&self, client: TcpStream) -> std::io::Result<()> {
        let server = TcpStream::connect(self.target).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let (mut mode, mut cuts) = (self.mode.subscribe(), self.cuts.subscribe());
        let mut wire = ClientWire::default();
        let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            let present = *mode.borrow_and_update();
            let stalled = present == Mode::Stall;
            tokio::select! {
                _ = cuts.changed() => return Ok(()),
                _ = mode.changed() => {}
                read = from_client.read(&mut request), if !stalled => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    take_time(present).await;
                    for message in wire.take(&request[..read]) {
                        let loss = message.commits.and_then(|statements| self.loss_of(&statements));
                        if loss == Some(Loss::Request) {
                            self.lost.send_modify(|lost| *lost += 1);
                            // The server may be gone long before.
                            let _cut = cuts.changed().await;
                            return Ok(());
                        }
                        to_server.write_all(&message.bytes).await?;
                        if let Some(loss) = loss {
                            let mut swallowed = Vec::new();
                            while !wire::is_answered(&swallowed) && from_server.read_buf(&mut swallowed).await? > 0 {}
                            assert!(wire::is_answered(&swallowed), "the server has not answered a COMMIT");
                            if loss == Loss::AnswerAndServer {
                                self.mode.send_replace(Mode::Refuse);
                                self.cuts.send_modify(|cuts| *cuts += 1);
                            }
                            self.lost.send_modify(|lost| *lost += 1);
                            return Ok(());
                        }
                    }
                }
                read = from_server.read(&mut answer), if !stalled => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    take_time(present).await;
                    to_client.write_all(&answer[..read]).await?;
                }
            }
        }
    }

    fn loss_of(&self, statements: &[String]) -> Option<Loss> {
        let mut losing = self.losing.lock().unwrap();
        let (wanted, loss) = (*losing)?;
        if statements.iter().any(|statement| statement.contains(wanted)) {
            *losing = None;
            return Some(loss);
        }
        None
    }
}

async fn take_time(mode: Mode) {
    if let Mode::Delay(time) = mode {
        tokio::time::sleep(time).await;
    }
}
