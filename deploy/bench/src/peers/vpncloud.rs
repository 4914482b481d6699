//! VpnCloud, from crates.io.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use aoe_lab::gateway::PORT;
use aoe_lab::topology::Ground;

use super::kernel::join;
use super::program::{Availability, command, tap_refusal, version_of};
use super::running::Running;

const DEVICE: &str = "vc0";

pub(super) fn availability() -> Availability {
    let hint = "not installed (cargo install --locked vpncloud --version 2.3.0)";
    match tap_refusal() {
        Some(refusal) => Availability::Missing(refusal),
        None => version_of("vpncloud", hint),
    }
}

pub(super) fn start(ground: &Ground, dir: &Path) -> Result<Running> {
    let listen = format!("0.0.0.0:{PORT}");
    let sites = [
        ("b", &ground.gwb, ground.a_seen_from_b),
        ("a", &ground.gwa, ground.b_seen_from_a),
    ];
    let mut processes = Vec::new();
    for (name, gateway, other) in sites {
        // It panics at its start without one (2.3.0).
        gateway.add_default_route("wan0")?;
        let other = format!("{other}:{PORT}");
        let mut command = command("vpncloud", &["--type", "tap", "--mode", "switch"])?;
        command.args(["--device", DEVICE, "--listen", &listen, "--peer", &other]);
        command.args(["--algorithm", "aes128", "--no-port-forwarding"]);
        command.env("PASSWORD", "between the lanes of a bench");
        let log = dir.join(format!("vpncloud-{name}.log"));
        let process = gateway.spawn(&format!("vpncloud {name}"), command, Some(&log))?;
        gateway.wait_for_link(DEVICE, Duration::from_secs(10))?;
        gateway.set_mtu(DEVICE, ground.plan.segment_mtu)?;
        gateway.set_up(DEVICE)?;
        join(gateway, DEVICE)?;
        processes.push(process);
    }
    Ok(Running::layer_two(processes))
}
