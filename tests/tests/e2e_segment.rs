//! Devices that go down, vanish, come back as others, and change: states, not ends. The gateways stay the processes
//! they were.

use anyhow::{Result, ensure};
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::veth;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Attach, SEGMENT, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger};
use e2e::load::{self, Load};
use e2e::stage::{eventually, play};
use e2e::station::{Request, Station};
use e2e::trial::{IMPORT, PATIENCE, SECTORS, SWITCH, Trial, end, pause};

const DOWN: &str = "import e107.3 is down";
const UP: &str = "import e107.3 is up";

#[test]
fn a_device_goes_down_and_up_at_either_side() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let load = trial.load(load::mixed())?;
        let mut times = 0;
        for (side, namespace, device, why) in [
            (
                Side::A,
                trial.world.ground.gwa.clone(),
                SEGMENT,
                "the device is switched off",
            ),
            (
                Side::B,
                trial.world.ground.gwb.clone(),
                SEGMENT,
                "the device is switched off",
            ),
            // The other end of the cable.
            (
                Side::A,
                trial.world.ground.ini.clone(),
                "eth0",
                "the device has no carrier",
            ),
        ] {
            let noticed = trial.logged(side, why)?;
            let attached = trial.logged(side, "segment san is attached")?;
            namespace.set_down(device)?;
            times += 1;
            trial.wait_for_log(side, why, noticed + 1)?;
            trial.wait_for_log(Side::A, DOWN, times)?;
            if side == Side::B {
                // A vblade that cannot send gives up, sometimes.
                trial.kill_vblade()?;
            }
            namespace.set_up(device)?;
            trial.wait_for_log(side, "segment san is attached", attached + 1)?;
            if side == Side::B {
                trial.start_vblade()?;
            }
            trial.wait_for_log(Side::A, UP, times + 1)?;
            load.go_on(50)?;
        }
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_device_is_replaced_by_another_one_of_its_name_at_the_exit() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let load = trial.load(load::mixed())?;
        let gateway = trial.world.ground.gwb.clone();
        let before = gateway.facts(SEGMENT)?;
        gateway.delete_link(SEGMENT)?;
        // The target's device was the other end of it.
        trial.kill_vblade()?;
        trial.wait_for_log(Side::B, "there is no such device", 1)?;
        trial.wait_for_log(Side::A, DOWN, 1)?;
        let mtu = trial.world.ground.plan.segment_mtu;
        veth(end(&trial.world.ground.tgt, "eth0"), end(&gateway, SEGMENT), mtu)?;
        let after = gateway.facts(SEGMENT)?;
        ensure!(
            before.index != after.index && before.mac != after.mac,
            "it is another one"
        );
        trial.wait_for_log(
            Side::B,
            &format!("segment san is attached to san (MAC {}", after.mac),
            1,
        )?;
        trial.start_vblade()?;
        trial.wait_for_log(Side::A, UP, 2)?;
        load.go_on(50)?;
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_device_is_replaced_by_another_one_of_its_name_at_the_edge() {
    play(|stage| {
        let trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let hosts = trial.switch(1)?;
        let load = start_on(&trial, Initiator::open(&hosts[0], "eth0", PATIENCE)?)?;
        let gateway = trial.world.ground.gwa.clone();
        let before = gateway.facts(SEGMENT)?;
        gateway.delete_link(SEGMENT)?;
        trial.wait_for_log(Side::A, "there is no such device", 1)?;
        let mtu = trial.world.ground.plan.segment_mtu;
        veth(end(&trial.world.ground.ini, "eth0"), end(&gateway, SEGMENT), mtu)?;
        trial.world.ground.ini.add_port(SWITCH, "eth0")?;
        let after = gateway.facts(SEGMENT)?;
        ensure!(
            before.index != after.index && before.mac != after.mac,
            "it is another one"
        );
        trial.wait_for_log(
            Side::A,
            &format!("segment san is attached to san (MAC {}", after.mac),
            1,
        )?;
        trial.wait_for_log(Side::A, UP, 2)?;
        // The advertisement may have come before the switch let it through. The Linux driver asks again every minute;
        // here its question is asked for it.
        let mut station = Station::open(&hosts[0], "eth0")?;
        let question = Request::config(IMPORT, 0, &[]).frame(station.mac(), 0);
        let before = load.done().requests;
        eventually("the initiator finds the new address", PATIENCE, || {
            station.send_raw(&question)?;
            Ok(load.done().requests > before)
        })?;
        // It goes on trying the old address too, as the driver does.
        load.go_on(30)?;
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_device_that_comes_later_is_attached_when_it_comes() {
    play(|stage| {
        let trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
            world.ground.gwa.delete_link(SEGMENT)
        })?;
        trial.wait_for_log(Side::A, "segment san waits for san: there is no such device", 1)?;
        trial.wait_for_log(Side::A, "ready", 1)?;
        let mtu = trial.world.ground.plan.segment_mtu;
        veth(
            end(&trial.world.ground.ini, "eth0"),
            end(&trial.world.ground.gwa, SEGMENT),
            mtu,
        )?;
        trial.wait_for_log(Side::A, UP, 1)?;
        let load = trial.load(load::mixed())?;
        trial.finish(load).map(drop)
    });
}

#[test]
fn another_mtu_is_noticed_and_initiators_are_told() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let load = trial.load(load::mixed())?;
        trial.end(load)?;
        let ends = [
            (trial.world.ground.tgt.clone(), "eth0"),
            (trial.world.ground.gwb.clone(), SEGMENT),
            (trial.world.ground.gwa.clone(), SEGMENT),
            (trial.world.ground.ini.clone(), "eth0"),
        ];
        for (mtu, sectors) in [(9000, 17), (1500, 2)] {
            for (namespace, device) in &ends {
                namespace.set_mtu(device, mtu)?;
            }
            for side in [Side::A, Side::B] {
                trial.wait_for_log(side, &format!("MTU {mtu})"), if mtu == 1500 { 2 } else { 1 })?;
            }
            let mut initiator = trial.world.initiator()?;
            eventually("initiators are told", PATIENCE, || {
                Ok(initiator
                    .find(IMPORT, PATIENCE)
                    .is_some_and(|found| found.sectors == sectors))
            })?;
            let load = start_on(&trial, initiator)?;
            let (mut initiator, mut ledger, _) = load.finish()?;
            ensure!(
                initiator.driver().sectors_per_frame(IMPORT) == Some(sectors),
                "frames are as long as they may"
            );
            trial.verify(&mut initiator, &mut ledger)?;
            trial.say(format_args!("verified with MTU {mtu}, {sectors} sectors a frame"));
        }
        trial.both_run()?;
        trial.gateways.stop()
    });
}

#[test]
fn tap_devices_that_somebody_deletes_are_made_again() {
    play(|stage| {
        let plan = WorldPlan {
            attach_a: Attach::Tap,
            attach_b: Attach::Tap,
            ..WorldPlan::default()
        };
        let mut trial = Trial::start(stage, plan, |_| {})?;
        let load = trial.load(load::mixed())?;
        let device = trial.world.target_device();
        trial.world.ground.gwb.delete_link(device)?;
        trial.kill_vblade()?;
        trial.wait_for_log(Side::B, "segment san is attached", 2)?;
        trial.start_vblade()?;
        load.go_on(50)?;

        // The initiator's own device is no other to the driver than a card pulled out: that is the end of the driver.
        let (initiator, mut ledger, _) = load.finish()?;
        drop(initiator);
        let ups = trial.logged(Side::A, UP)?;
        trial
            .world
            .ground
            .gwa
            .delete_link(trial.world.initiator_device())?;
        trial.wait_for_log(Side::A, "segment san is attached", 2)?;
        trial.wait_for_log(Side::A, UP, ups + 1)?;
        let mut initiator = trial.world.initiator()?;
        load::warm_up(&mut initiator, IMPORT, &mut ledger)?;
        trial.verify(&mut initiator, &mut ledger)?;
        trial.say("verified");
        trial.both_run()?;
        trial.gateways.stop()
    });
}

#[test]
fn the_device_between_the_gateways_goes_down_and_up() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let load = trial.load(load::mixed())?;
        for namespace in [trial.world.ground.gwa.clone(), trial.world.ground.gwb.clone()] {
            namespace.set_down("wan0")?;
            pause(500);
            trial.both_run()?;
            namespace.set_up("wan0")?;
            trial.say("the device between the gateways was down for a moment");
            load.go_on(50)?;
        }
        ensure!(
            trial.counted(Side::A)?.of("wire_send_failed") > 0,
            "datagrams were lost"
        );
        trial.finish(load).map(drop)
    });
}

fn start_on(trial: &Trial, initiator: Initiator) -> Result<Load> {
    trial.load_by(
        initiator,
        Ledger::new(0, SECTORS, 8, Fresh::Unknown),
        load::mixed(),
    )
}
