//! The `aoe-gateway` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    aoe_gateway::cli::run(std::env::args_os())
}
