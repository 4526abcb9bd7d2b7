//! The load tests themselves, on a private installation: that they run, that they would notice, and that the product's
//! statements find their rows by index.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod invariants;
mod plans;
mod smoke;

use std::path::PathBuf;

use loadtests::installation::{Installation, OwnWishes};
use primetech::dev::postgres::Durability;

/// The product's program of this build, beside the one under test.
fn product() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_loadtests"));
    let product = program.with_file_name(format!("primetech{}", std::env::consts::EXE_SUFFIX));
    assert!(product.is_file(), "{} is missing: build the workspace first", product.display());
    product
}

/// An installation whose data nobody misses.
async fn installation(processes: usize, settings: &[(&str, &str)]) -> Installation {
    let wishes = OwnWishes {
        work_directory: std::env::temp_dir().join("primetech-loadtests"),
        program: product(),
        processes,
        durability: Durability::Fast,
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    Installation::own(wishes).await.unwrap()
}

/// As the program runs: one thread, in an actix system.
fn within_a_system<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}
