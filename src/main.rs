//! The program `primetech`. The library has all of its code.

use std::process::ExitCode;

/// Requests allocate on one thread and are freed on another, where the system's allocator keeps locks and memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    primetech::run(primetech::Program::default())
}
