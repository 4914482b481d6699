//! Our own gateways.

use std::path::Path;

use anyhow::Result;
use aoe_lab::gateway::{Access, Binaries, GatewayFile};
use aoe_lab::topology::{Gateways, Ground, World};

use super::{IMPORT, Running, TARGET};

/// Starts a pair with its defaults, but for what `change` turns.
pub(super) fn start(ground: Ground, dir: &Path, change: fn(&mut GatewayFile)) -> Result<Running> {
    Ok(Running {
        address: IMPORT,
        _processes: Vec::new(),
        _gateways: Some(pair(ground, dir, change)?),
    })
}

/// As [`start`], for those who have something to do with the gateways.
///
/// # Errors
/// When keys and files cannot be made, or a gateway not be started.
pub(crate) fn pair(ground: Ground, dir: &Path, change: fn(&mut GatewayFile)) -> Result<Gateways> {
    let underlay_mtu = ground.plan.underlay_mtu;
    let mut world = World::on(ground, dir, &Binaries::find()?)?;
    world.share("disk", TARGET, Access::ReadWrite, IMPORT);
    for site in [&mut world.site_a, &mut world.site_b] {
        for peer in &mut site.config.peers {
            peer.path_mtu = Some(underlay_mtu);
        }
        change(&mut site.config);
    }
    world.start()
}

/// Lets a gateway sleep as soon as there is nothing to do.
pub(crate) fn block(config: &mut GatewayFile) {
    config.busy_poll = Some("off".to_owned());
}
