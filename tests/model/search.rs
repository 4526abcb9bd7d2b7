//! Makes histories, lets many happen at the same time, and makes the first that fails as small as it gets.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use primetech_actors::random;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::operation::{Fact, History, Operation, history};
use crate::tenant;
use crate::world::World;

/// Histories that happen at the same time: enough for the product's batches to hold several tenants' work.
const AT_ONCE: usize = 48;

/// A history that a race made fail may succeed the next time: it counts as good after so many times.
const TRIES: usize = 4;

const SHRINKING: Duration = Duration::from_secs(60);

/// Those that once went wrong, or that someone thought of. One a line, as a failure prints it.
const KNOWN: &str = include_str!("histories.jsonl");

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

fn tree(seed: u64) -> impl ValueTree<Value = History> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    history().new_tree(&mut TestRunner::new_with_rng(Config::default(), rng)).unwrap()
}

async fn fails(world: &World, history: &History) -> Option<String> {
    for _ in 0..TRIES {
        if let Err(failure) = tenant::run(world, history).await {
            return Some(failure);
        }
    }
    None
}

/// The smallest history found that fails, and how.
async fn smallest(world: &World, seed: u64, failure: String) -> (History, String) {
    let begun = Instant::now();
    let mut tree = tree(seed);
    let mut best = (tree.current(), failure);
    let mut is_smaller = tree.simplify();
    while is_smaller && begun.elapsed() < SHRINKING {
        let history = tree.current();
        is_smaller = match fails(world, &history).await {
            Some(failure) => {
                best = (history, failure);
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    best
}

fn line(history: &History) -> String {
    serde_json::to_string(history).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_the_outcome_is_that_of_some_order() {
    let world = World::new().await;
    if let Ok(line) = std::env::var("MODEL_HISTORY") {
        let history: History = serde_json::from_str(&line).expect("MODEL_HISTORY is a history");
        if let Some(failure) = fails(&world, &history).await {
            panic!("{failure}");
        }
        return;
    }
    let count = number("MODEL_HISTORIES").unwrap_or(2_000);
    let first = number("MODEL_SEED")
        .unwrap_or_else(|| u64::from(u32::from_le_bytes(random::token_bytes()[..4].try_into().unwrap())));
    let begun = Instant::now();
    let mut done = futures_util::stream::iter((0..count).map(|at| first.wrapping_add(at)))
        .map(|seed| {
            let world = &world;
            async move {
                let history = tree(seed).current();
                (seed, history.iter().map(Vec::len).sum::<usize>(), tenant::run(world, &history).await)
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut operations = 0;
    while let Some((seed, length, outcome)) = done.next().await {
        operations += length;
        if let Err(failure) = outcome {
            // What else is in flight is given up, and the rest of it left alone.
            drop(done);
            eprintln!(
                "MODEL_SEED={seed} fails: {}\n{failure}\nmaking it smaller",
                line(&tree(seed).current())
            );
            let (history, failure) = smallest(&world, seed, failure).await;
            panic!(
                "MODEL_SEED={seed} fails; a smaller history, for histories.jsonl or MODEL_HISTORY:\n{}\n{failure}",
                line(&history)
            );
        }
    }
    eprintln!("{count} histories of {operations} operations from seed {first} in {:.1?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_that_once_went_wrong_go_right() {
    let world = World::new().await;
    for (at, line) in KNOWN.lines().filter(|line| !line.is_empty()).enumerate() {
        let history: History = serde_json::from_str(line).unwrap_or_else(|error| panic!("{at}: {error}"));
        if let Some(failure) = fails(&world, &history).await {
            panic!("{line}\n{failure}");
        }
    }
}

#[test]
fn every_kind_of_operation_and_fact_is_made_in_a_few_hundred_histories() {
    let (mut operations, mut facts, mut crowds) = (BTreeSet::new(), BTreeSet::new(), 0);
    for seed in 0..400 {
        let history = tree(seed).current();
        crowds += history.iter().filter(|step| step.len() > 1).count();
        for operation in history.iter().flatten() {
            let text = format!("{operation:?}");
            operations.insert(text.split(' ').next().unwrap().to_owned());
            if let Operation::Deliver { fact, .. } = operation {
                facts.insert(fact.name());
            }
        }
        assert_eq!(tree(seed).current(), history, "a seed is a history");
    }
    assert_eq!(operations.len(), 14, "{operations:?}");
    let (refunds, disputes) = (3 + 4, 3 * 3);
    assert_eq!(facts.len(), 12 + refunds + disputes, "{facts:?}");
    assert!(facts.contains(&Fact::Refunded.name()) && crowds > 1_000, "{crowds}");
}
