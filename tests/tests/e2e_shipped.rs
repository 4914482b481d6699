//! The gateway of the stories is the one that is shipped: nothing of benches or fuzzing is compiled into it.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use aoe_common::version::VERSION;
use e2e::stage::{play, run_command};

#[test]
fn the_gateway_of_the_stories_has_no_features_of_tests() {
    // These tests have some of their own. So the version tells, and another gateway would be found out.
    assert_eq!(VERSION, concat!(env!("CARGO_PKG_VERSION"), "+fuzzing"));
    play(|stage| {
        let mut command = Command::new(stage.binaries().gateway());
        command.arg("--version");
        let said = run_command(None, command, Duration::from_secs(10))?;
        let shipped = concat!("aoe-gateway ", env!("CARGO_PKG_VERSION"), "\n");
        ensure!(said.stdout == shipped, "{said:?}");
        Ok(())
    });
}
