//! More than can be done: twice the peak rate, from more connections than the queues hold, for a minute.
//!
//! What is beyond the queues' bound is to be refused at once, so that the rest is done nearly as fast as at the peak, in
//! bounded memory; and as soon as the load ends, all is to be as before.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::table::{Bound, Line};
use super::{Rounds, Spread, WARM_UP, service_round};
use crate::Failure;
use crate::http::{Connection, Template};
use crate::installation::Installation;
use crate::load::Load;
use crate::scenarios::Scenario;

/// More than wait in the queues of both shards.
const CONNECTIONS: usize = 4000;
const OVERLOAD: Duration = Duration::from_secs(60);
const GOODPUT: f64 = 0.8;
const RECOVERY_SECONDS: f64 = 2.0;

/// It has recovered when this many requests in a row were each answered within [`PROMPT`].
const PROMPT_ANSWERS: usize = 20;
const PROMPT: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

const MEBIBYTE: f64 = 1024.0 * 1024.0;

pub async fn at_twice_the_peak(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    // A process of its own, whose greatest memory nothing else has raised.
    let server = installation.owned()?.start_server().await?;
    let target = installation.only(server.address);
    let closed = rounds.load(None);
    let workload = Scenario::MoveMany.prepare(&target, &closed).await?;
    let peak = service_round(&target, workload, closed).await?.goodput();
    let memory_before = server.resident_memory();

    let load = Load { clients: CONNECTIONS, warm_up: WARM_UP, duration: OVERLOAD, rate: Some(2.0 * peak) };
    let workload = Scenario::MoveMany.prepare(&target, &load).await?;
    let measured = service_round(&target, Rc::clone(&workload), load).await?;
    let recovery = recovery(server.address).await?;
    let memory_after = server.resident_memory();
    let refused = measured.total().map_or(0, |total| total.answered(503..504));
    eprintln!(
        "  overload: peak {peak:.0}/s; at {:.0}/s due: {:.0}/s done, {refused} refused, {} due and never sent, p99 {:.0} ms",
        2.0 * peak,
        measured.goodput(),
        measured.unsent,
        measured.total().map_or(f64::NAN, |total| total.quantile_ms(0.99)),
    );
    server.stop().await?;

    let goodput = measured.goodput();
    let mut lines = vec![
        Line {
            what: "done at twice the peak rate : at the peak".to_owned(),
            unit: "/s",
            ours: Spread::of(&[goodput]),
            other: Some(Spread::of(&[peak])),
            ratio: Some(Spread::of(&[goodput / peak])),
            bound: Some(Bound::AtLeastTimes(GOODPUT)),
        },
        Line::alone(
            "prompt again after the load's end",
            " s",
            &[recovery.as_secs_f64()],
            Some(RECOVERY_SECONDS),
        ),
    ];
    if let (Some(before), Some(after)) = (memory_before, memory_after) {
        let figures = [before as f64 / MEBIBYTE, after as f64 / MEBIBYTE];
        lines.push(Line::alone("resident memory, before and after", " MiB", &figures, None));
    }
    Ok(lines)
}

/// How long after this moment the first of a row of prompt answers came.
async fn recovery(address: SocketAddr) -> Result<Duration, Failure> {
    let ended = Instant::now();
    let mut request = Vec::new();
    // It asks the database.
    Template::get("/ready", "127.0.0.1").write(&mut request, b"");
    let mut connection = Connection::open(address).await?;
    let (mut row_began, mut row) = (Duration::ZERO, 0);
    while row < PROMPT_ANSWERS {
        let asked = Instant::now();
        let is_ready = connection.exchange(&request).await?.status == 200;
        if !is_ready || asked.elapsed() > PROMPT {
            row = 0;
        } else {
            if row == 0 {
                row_began = ended.elapsed();
            }
            row += 1;
        }
        if ended.elapsed() > PATIENCE {
            return Err("the service was not prompt again half a minute after the overload".into());
        }
    }
    Ok(row_began)
}
