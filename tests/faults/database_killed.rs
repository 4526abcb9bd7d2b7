//! PostgreSQL is killed outright and started again, and its connections fare as badly as networks can make them. The
//! process stays, says at once that it cannot serve, and serves again at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use crate::load::Load;
use crate::memory::verify;
use crate::proxy::Mode;
use crate::visitor::{Visitor, licence};
use crate::world::{LIMIT, World, seed, size, until};

/// "At once": half a second of patience with a pool that may only be busy, and what a machine with other work takes.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A write may have to wait its turn behind a commit that was under way: what became of that is asked for 3 s.
const BEHIND_A_LOST_COMMIT: Duration = Duration::from_secs(5);
/// From the database's first connection on. Of several times the shortest counts: what else the machine does only adds.
const BACK_WITHIN: Duration = Duration::from_secs(2);
const BACK_AT_WORST: Duration = Duration::from_secs(10);

async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (call.await, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_is_said_to_be_away_at_once_and_served_from_at_once() {
    let mut world = World::open().await;
    let process = world.service().pid();
    let visitor = Visitor::register(&world).await;
    let load = Load::start(&world, 6, seed()).await;
    let mut soonest = BACK_AT_WORST;
    for _ in 0..size("FAULTS_DATABASE_KILLS", 2) {
        load.until_more(2).await;
        visitor.get("/api/orders").await.unwrap().expect(200);
        world.kill_database().await;

        let begun = Instant::now();
        let (validation, idle) = (json!({"licKey": licence(0)}), licence(90));
        let (read, write, validated, activated, ready) = tokio::join!(
            timed(visitor.get("/api/orders")),
            timed(visitor.check_out("while-away")),
            timed(visitor.post("/api/licences/validate", &validation)),
            timed(visitor.activate(&idle, "device-while-away")),
            timed(visitor.get("/ready")),
        );
        for (limit, (answer, took)) in [
            (AT_ONCE, read),
            (BEHIND_A_LOST_COMMIT, write),
            (AT_ONCE, validated),
            (BEHIND_A_LOST_COMMIT, activated),
            (AT_ONCE, ready),
        ] {
            answer.unwrap().refused(503, "DATABASE_UNAVAILABLE");
            assert!(took < limit, "the refusal took {took:?}");
        }
        let took = begun.elapsed();
        visitor.get("/health").await.unwrap().expect(200);

        world.start_database().await;
        let begun = Instant::now();
        let serves = async || {
            visitor.get("/api/orders").await.unwrap().status == 200
                && visitor.get("/ready").await.unwrap().status == 200
        };
        until("it serves again", LIMIT, serves).await;
        let back = begun.elapsed();
        assert!(back < BACK_AT_WORST, "it served again after {back:?}");
        soonest = soonest.min(back);
        eprintln!("refused within {took:?}, served again within {back:?}");
        verify(&world, &load.memory.told()).await;
    }
    assert!(soonest < BACK_WITHIN, "it served again after {soonest:?} at best");
    load.until_more(3).await;
    assert_eq!(world.service().pid(), process, "no restart of the process");
    load.finish_and_verify(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_delayed_stalled_and_refused_cost_time_alone() {
    let (seed, troubles) = (seed(), size("FAULTS_CONNECTION_TROUBLES", 12));
    let mut choices = SmallRng::seed_from_u64(seed);
    let world = World::open().await;
    let load = Load::start(&world, 6, seed).await;
    for _ in 0..troubles {
        load.until_more(1).await;
        let mode = match choices.random_range(0..4) {
            0 => Mode::Pass,
            1 => Mode::Delay(Duration::from_millis(choices.random_range(1..15))),
            2 => Mode::Stall,
            _ => Mode::Refuse,
        };
        world.proxy.set(mode);
        if matches!(mode, Mode::Pass | Mode::Refuse) {
            world.proxy.cut();
        }
        // How long the trouble lasts, not a wait for anything.
        tokio::time::sleep(Duration::from_millis(choices.random_range(50..400))).await;
        world.proxy.set(Mode::Pass);
    }
    load.until_more(3).await;
    load.finish_and_verify(&world).await;
}

/// A route to the database that swallows everything, without a word, for longer than any request lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_database_is_given_up_in_time_and_served_from_once_it_speaks() {
    let world = World::open().await;
    let visitor = Visitor::register(&world).await;
    world.proxy.set(Mode::Stall);
    let begun = Instant::now();
    let keys: Vec<String> = (0..4).map(|number| format!("silent-{number}")).collect();
    let answers = join_all(keys.iter().map(|key| visitor.check_out(key))).await;
    let took = begun.elapsed();
    for answer in answers {
        let answer = answer.unwrap();
        assert!(matches!(answer.status, 503 | 504), "{}", answer.text);
    }
    assert!(took < Duration::from_secs(32), "given up after {took:?}");
    // The old connections never speak again.
    world.proxy.cut();
    world.proxy.set(Mode::Pass);
    for key in &keys {
        until("it serves again", LIMIT, async || visitor.check_out(key).await.unwrap().status == 201).await;
    }
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 4);
}
