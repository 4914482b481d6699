//! What the kernel does by itself.

use anyhow::Result;
use aoe_lab::gateway::PORT;
use aoe_lab::netns::{Namespace, Vxlan};
use aoe_lab::topology::{Ground, SEGMENT};

use super::running::Running;

/// The kernel's version.
pub(super) fn version() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", text.trim())
}

/// Segment and underlay bridged at both sites.
pub(super) fn bridge(ground: &Ground) -> Result<Running> {
    for gateway in [&ground.gwa, &ground.gwb] {
        join(gateway, "wan0")?;
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
    join(gateway, "vx0")
}

/// Bridges a gateway's segment with the device that leads to the other site.
pub(super) fn join(gateway: &Namespace, device: &str) -> Result<()> {
    gateway.add_bridge("br0", &[SEGMENT, device])
}
