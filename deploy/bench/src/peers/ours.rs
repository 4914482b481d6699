//! Our own gateways.

use std::path::Path;

use anyhow::Result;
use aoe_common::worker::Worker;
use aoe_lab::gateway::{Access, Binaries, GatewayFile, Transport};
use aoe_lab::topology::{Gateways, Ground, World};

use super::address::{IMPORT, TARGET, nth};
use super::running::Running;

/// Workers of a gateway that has several.
pub(super) const WORKERS: u8 = 2;

/// Starts a pair with its defaults, but for what `change` turns.
pub(super) fn start(ground: Ground, dir: &Path, disks: u8, change: fn(&mut GatewayFile)) -> Result<Running> {
    Ok(Running::by_gateways(pair(ground, dir, disks, change)?))
}

/// Starts a pair with its defaults that agrees on keys by certificates.
pub(super) fn start_with_tls(ground: Ground, dir: &Path, disks: u8) -> Result<Running> {
    let pair = pair_by(Transport::Tls, ground, dir, disks, |_| {})?;
    Ok(Running::by_gateways(pair))
}

/// As [`start`], for those who have something to do with the gateways.
///
/// # Errors
/// When keys and files cannot be made, or a gateway not be started.
pub(crate) fn pair(ground: Ground, dir: &Path, disks: u8, change: fn(&mut GatewayFile)) -> Result<Gateways> {
    pair_by(Transport::Noise, ground, dir, disks, change)
}

fn pair_by(
    transport: Transport,
    ground: Ground,
    dir: &Path,
    disks: u8,
    change: fn(&mut GatewayFile),
) -> Result<Gateways> {
    let underlay_mtu = ground.plan.underlay_mtu;
    let mut world = World::on(ground, dir, &Binaries::find()?)?;
    for disk in 0..disks {
        let (target, import) = (nth(TARGET, disk), nth(IMPORT, disk));
        world.share(&export_name(disk), target, Access::ReadWrite, import);
    }
    for site in [&mut world.site_a, &mut world.site_b] {
        site.speak(transport)?;
        for peer in &mut site.config.peers {
            peer.path_mtu = Some(underlay_mtu);
        }
        change(&mut site.config);
    }
    world.start()
}

/// The name of an export that belongs to worker `disk`, if there are as many as [`WORKERS`].
fn export_name(disk: u8) -> String {
    let belongs = |name: &String| Worker::of_export(name, WORKERS) == disk % WORKERS;
    (0..u8::MAX)
        .map(|number| format!("disk-{number}"))
        .find(belongs)
        .unwrap_or_default()
}

/// Lets a gateway sleep as soon as there is nothing to do.
pub(crate) fn block(config: &mut GatewayFile) {
    config.busy_poll = Some("off".to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_disks_belong_to_two_workers() {
        let names = [export_name(0), export_name(1)];
        let workers = names.map(|name| Worker::of_export(&name, WORKERS));
        assert_eq!(workers, [0, 1]);
    }
}
