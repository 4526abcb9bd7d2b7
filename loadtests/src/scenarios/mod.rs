//! One scenario a file: what it sends, and what must hold afterwards.

pub mod activate_one;
pub mod checkout_one_tenant;

use crate::Failure;

/// A promise that was read back from the database.
fn must_hold(promise: &str, holds: bool) -> Result<(), Failure> {
    println!("{}  {promise}", if holds { "holds     " } else { "BROKEN    " });
    if holds { Ok(()) } else { Err(format!("broken: {promise}").into()) }
}
