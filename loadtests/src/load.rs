//! A closed loop of requests, measured.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::{Failure, Load};

/// Latencies are told apart from a microsecond to a minute, to three digits.
const LONGEST_MICROSECONDS: u64 = 60_000_000;

/// What a run measured.
pub struct Measured {
    latencies: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    elapsed: Duration,
}

impl Measured {
    fn new() -> Result<Self, Failure> {
        let latencies = Histogram::new_with_bounds(1, LONGEST_MICROSECONDS, 3)?;
        Ok(Self { latencies, statuses: BTreeMap::new(), elapsed: Duration::ZERO })
    }

    fn note(&mut self, status: u16, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    fn add(&mut self, other: &Self) -> Result<(), Failure> {
        self.latencies.add(&other.latencies)?;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        Ok(())
    }

    /// Requests that were answered with this status.
    pub fn answered(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }

    pub fn print(&self) {
        let rate = self.latencies.len() as f64 / self.elapsed.as_secs_f64();
        println!("requests/s  {rate:.0}");
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            println!("{name:<10}  {:.2} ms", self.latencies.value_at_quantile(quantile) as f64 / 1000.0);
        }
        for (status, count) in &self.statuses {
            println!("{status:<10}  {count}");
        }
    }
}

/// Lets every client send, one request after the other, until the time is over. `send` gets the client's number and
/// how many requests it has sent before, and gives the answer's status.
pub async fn closed_loop<S, F>(load: Load, send: S) -> Result<Measured, Failure>
where
    S: Fn(u32, u64) -> F + Clone + Send + 'static,
    F: Future<Output = Result<u16, Failure>> + Send,
{
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..load.clients {
        let send = send.clone();
        clients.spawn(async move {
            let mut measured = Measured::new()?;
            let mut sent = 0;
            while begun.elapsed() < load.duration {
                let at = Instant::now();
                let status = send(client, sent).await?;
                measured.note(status, at.elapsed());
                sent += 1;
            }
            Ok::<_, Failure>(measured)
        });
    }
    let mut total = Measured::new()?;
    while let Some(client) = clients.join_next().await {
        total.add(&client??)?;
    }
    total.elapsed = begun.elapsed();
    Ok(total)
}
