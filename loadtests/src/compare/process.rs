//! The process itself: how soon it is ready on a migrated database, and how much memory it holds.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::Rounds;
use super::table::Line;
use crate::Failure;
use crate::http::{Connection, Template};
use crate::installation::Installation;
use crate::load::{self, Load};
use crate::scenarios::Scenario;

const OPEN_CONNECTIONS: usize = 1000;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

pub async fn measure(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let (mut ready, mut idle, mut stormed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.count {
        let server = installation.owned()?.start_server().await?;
        ready.push(server.ready_after.as_secs_f64());
        // What it does at its start must be done: memory is at rest when it has not grown for a while.
        idle.extend(at_rest(|| server.resident_memory()).await.map(|bytes| bytes as f64 / MEBIBYTE));
        storm(installation, server.address, rounds).await?;
        let connections = open_connections(server.address).await?;
        stormed.extend(server.resident_memory().map(|bytes| bytes as f64 / MEBIBYTE));
        drop(connections);
        server.stop().await?;
    }
    let mut lines = vec![Line::alone("start to ready, migrated database", " s", &ready, Some(0.5))];
    if !idle.is_empty() {
        lines.push(Line::alone("resident memory, idle", " MiB", &idle, Some(60.0)));
        lines.push(Line::alone(
            "resident memory, 1000 connections after a storm",
            " MiB",
            &stormed,
            Some(200.0),
        ));
    }
    Ok(lines)
}

async fn at_rest(memory: impl Fn() -> Option<u64>) -> Option<u64> {
    let mut known = memory()?;
    let mut unchanged = 0;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = memory()?;
        unchanged = if now == known { unchanged + 1 } else { 0 };
        known = now;
        if unchanged == 5 {
            break;
        }
    }
    Some(known)
}

/// All kinds of requests, from many clients, at one process.
async fn storm(installation: &Installation, address: SocketAddr, rounds: Rounds) -> Result<(), Failure> {
    let target = installation.only(address);
    let load = Load { clients: 256, warm_up: Duration::ZERO, duration: rounds.length, rate: None };
    let workload = Scenario::Mixed.prepare(&target, &load).await?;
    let measured = load::run(&target, Rc::clone(&workload), load).await?;
    if measured.faults() > 0 {
        return Err(format!("{} requests of the storm failed", measured.faults()).into());
    }
    Ok(())
}

/// Connections that have each been answered once, and stay open.
async fn open_connections(address: SocketAddr) -> Result<Vec<Connection>, Failure> {
    let mut request = Vec::new();
    Template::get("/health", "127.0.0.1").write(&mut request, b"");
    let mut connections = Vec::with_capacity(OPEN_CONNECTIONS);
    for _ in 0..OPEN_CONNECTIONS {
        let mut connection = Connection::open(address).await?;
        connection.exchange(&request).await?;
        connections.push(connection);
    }
    Ok(connections)
}
