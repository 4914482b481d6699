//! fastd, from Debian. Site A alone initiates: when both do in the same instant, sessions may come up that carry
//! nothing (fastd 22).

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use aoe_lab::gateway::PORT;
use aoe_lab::topology::Ground;

use super::kernel::join;
use super::program::{Availability, command, output, tap_refusal, version_of};
use super::running::Running;

const DEVICE: &str = "fd0";

pub(super) fn availability() -> Availability {
    match tap_refusal() {
        Some(refusal) => Availability::Missing(refusal),
        None => version_of(
            "fastd",
            "not installed (apt-get install fastd; measured with 22-4)",
        ),
    }
}

pub(super) fn start(ground: &Ground, dir: &Path, method: &str) -> Result<Running> {
    let keys = || -> Result<(String, String)> {
        let text = output("fastd", &["--generate-key"])?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|line| line.trim().to_owned())
                .with_context(|| format!("fastd --generate-key printed no {name}"))
        };
        Ok((value("Secret:")?, value("Public:")?))
    };
    let (a, b) = (keys()?, keys()?);
    let sites = [
        ("b", &ground.gwb, &b.0, &a.1, String::new()),
        (
            "a",
            &ground.gwa,
            &a.0,
            &b.1,
            format!("  remote {}:{PORT};\n", ground.b_seen_from_a),
        ),
    ];
    let mut processes = Vec::new();
    for (name, gateway, secret, peer, remote) in sites {
        let path = dir.join(format!("fastd-{name}.conf"));
        let mtu = ground.plan.segment_mtu;
        let config = format!(
            "mode tap;\ninterface \"{DEVICE}\";\nmethod \"{method}\";\nbind 0.0.0.0:{PORT};\nmtu {mtu};\n\
             secret \"{secret}\";\nlog level info;\npeer \"other\" {{\n  key \"{peer}\";\n{remote}}}\n"
        );
        fs::write(&path, config)?;
        let command = command("fastd", &["--config", &path.to_string_lossy()])?;
        let log = dir.join(format!("fastd-{name}.log"));
        let process = gateway.spawn(&format!("fastd {name}"), command, Some(&log))?;
        gateway.wait_for_link(DEVICE, Duration::from_secs(10))?;
        gateway.set_up(DEVICE)?;
        join(gateway, DEVICE)?;
        processes.push(process);
    }
    Ok(Running::layer_two(processes))
}
