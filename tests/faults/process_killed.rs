//! The process is killed outright in the middle of its work, over and over. Nothing confirmed is lost, nothing is done
//! twice, and what died half done is taken up by the next process.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::load::Load;
use crate::memory::verify;
use crate::world::{World, seed, size};

const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_moment_loses_and_repeats_nothing() {
    let (seed, kills) = (seed(), size("FAULTS_KILLS", 6));
    let mut random = SmallRng::seed_from_u64(seed);
    let mut world = World::open().await;
    let load = Load::start(&world, CLIENTS, seed).await;
    for kill in 1..=kills {
        load.until_more(1).await;
        // Not a wait for anything: the moment is what is tried.
        tokio::time::sleep(Duration::from_micros(random.random_range(0..400_000))).await;
        world.kill_service().await;
        let told = load.memory.told();
        verify(&world, &told).await;
        world.let_claims_lapse().await;
        world.start().await;
        eprintln!("kill {kill}: {} orders confirmed so far", told.orders.len());
    }
    load.until_more(3).await;
    load.finish_and_verify(&world).await;
}
