//! What the kernel does by itself.

use anyhow::Result;
use aoe_lab::gateway::PORT;
use aoe_lab::netns::{Namespace, Vxlan};
use aoe_lab::topology::Ground;

use super::Running;

/// The kernel's version.
pub(super) fn version() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", text.trim())
}

/// Segment and underlay bridged at both sites.
pub(super) fn bridge(ground: &Ground) -> Result<Running> {
    for gateway in [&ground.gwa, &ground.gwb] {
        super::bridge(gateway, "wan0")?;
    }
    Ok(Running::layer_two(Vec::new()))
}

/// A VXLAN between the sites.
pub(super) fn vxlan(ground: &Ground) -> Result<Running> {
    let ends = [
        (&ground.gwa, ground.a, ground.b_seen_from_a),
        (&ground.gwb, ground.b, ground.a_seen_from_b),
    ];
    for (gateway, local, remote) in ends {
        add_vxlan(gateway, ground, (local, remote), PORT)?;
    }
    Ok(Running::layer_two(Vec::new()))
}

/// One end of a VXLAN, as wide as the segments and bridged with one.
pub(super) fn add_vxlan(
    gateway: &Namespace,
    ground: &Ground,
    (local, remote): (std::net::IpAddr, std::net::IpAddr),
    port: u16,
) -> Result<()> {
    let vxlan = Vxlan {
        local,
        remote,
        port,
        mtu: ground.plan.segment_mtu,
    };
    gateway.add_vxlan("vx0", vxlan)?;
    super::bridge(gateway, "vx0")
}
