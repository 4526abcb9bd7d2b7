//! The program `loadtests`. What it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtests::main()
}
