//! The MTU between real gateways is found, used, and given up when the path or the local device shrinks under I/O.

use anyhow::{Result, ensure};
use aoe_lab::netns::Namespace;
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use e2e::load;
use e2e::stage::{Stage, play};
use e2e::trial::Trial;

/// Both sides use the whole of a jumbo path, until `shrink` makes it one of 1400 under I/O.
fn shrinks(stage: &Stage, shrink: impl FnOnce(&Trial) -> Result<()>) -> Result<()> {
    let plan = WorldPlan {
        segment_mtu: 9000,
        underlay_mtu: 9000,
        ..WorldPlan::default()
    };
    let mut trial = Trial::start(stage, plan, |_| {})?;
    let load = trial.load(load::mixed())?;
    trial.wait_for_log(Side::A, "path MTU to site-b is 9000", 1)?;
    trial.wait_for_log(Side::B, "path MTU to site-a is 9000", 1)?;
    load.go_on(200)?;
    shrink(&trial)?;
    load.go_on(500)?;
    trial.wait_for_log(Side::A, "path MTU to site-b is 1400", 1)?;
    trial.wait_for_log(Side::B, "path MTU to site-a is 1400", 1)?;
    load.go_on(200)?;
    for side in [Side::A, Side::B] {
        let counted = trial.counted(side)?;
        trial.say(format_args!("{side:?}: {counted:?}"));
    }
    let done = trial.finish(load)?;
    ensure!(done.faults.is_empty(), "{:?}", done.faults);
    Ok(())
}

fn set_mtu(namespace: &Namespace, devices: &[&str]) -> Result<()> {
    devices
        .iter()
        .try_for_each(|device| namespace.set_mtu(device, 1400))
}

#[test]
fn a_hop_between_the_gateways_shrinks_and_says_nothing() {
    play(|stage| {
        shrinks(stage, |trial| {
            set_mtu(&trial.world.ground.wan, &["a", "b", "br0"])
        })
    });
}

#[test]
fn the_gateways_own_devices_shrink() {
    play(|stage| {
        shrinks(stage, |trial| {
            set_mtu(&trial.world.ground.gwa, &["wan0"])?;
            set_mtu(&trial.world.ground.gwb, &["wan0"])
        })
    });
}
