//! Our own gateways.

use std::path::Path;

use anyhow::Result;
use aoe_lab::gateway::{Access, Binaries};
use aoe_lab::topology::{Ground, World};

use super::{IMPORT, Running, TARGET};

/// Starts a pair that accepts one protection mode and polls as it is told.
pub(super) fn start(
    ground: Ground,
    dir: &Path,
    protection: &str,
    busy_poll: Option<&str>,
) -> Result<Running> {
    let underlay_mtu = ground.plan.underlay_mtu;
    let mut world = World::on(ground, dir, &Binaries::find()?)?;
    world.share("disk", TARGET, Access::ReadWrite, IMPORT);
    for (site, peer) in [(&mut world.site_a, "site-b"), (&mut world.site_b, "site-a")] {
        site.config.busy_poll = busy_poll.map(str::to_owned);
        let peer = site.peer(peer)?;
        peer.protection = vec![protection.to_owned()];
        peer.path_mtu = Some(underlay_mtu);
    }
    let gateways = world.start()?;
    Ok(Running {
        address: IMPORT,
        _processes: Vec::new(),
        _gateways: Some(gateways),
    })
}
