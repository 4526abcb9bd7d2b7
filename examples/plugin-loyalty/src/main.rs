//! `primetech-with-loyalty`: the product with points for paid orders. All of the product's commands work, on its tables and
//! on the plug-in's.

use std::process::ExitCode;
use std::sync::Arc;

use plugin_loyalty::{Loyalty, LoyaltySettings};
use primetech::Program;

fn main() -> ExitCode {
    primetech::run(Program::new("primetech-with-loyalty").with(
        |runtime, adapters, settings: LoyaltySettings| {
            Loyalty::new(runtime, Arc::clone(&adapters.user_mail), settings)
        },
    ))
}
