//! The `aoe-gateway` program; everything is in the library.

use std::process::ExitCode;

use aoe_gateway::sys::wiping::Wiping;

/// Keys pass through memory of libraries that do not erase it.
#[global_allocator]
static MEMORY: Wiping = Wiping::new();

fn main() -> ExitCode {
    aoe_gateway::cli::run(std::env::args_os())
}
