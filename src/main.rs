//! The program `primetech`. What it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    primetech::cli::run()
}
