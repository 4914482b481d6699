//! Devices as they are in the field: a port of a bridge, a new address, a long name, a TAP device made beforehand.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aoe_common::frame::MacAddr;
use aoe_lab::gateway::Attachment;
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Attach, SEGMENT, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger};
use e2e::load;
use e2e::stage::{play, run};
use e2e::station::{Request, Station};
use e2e::trial::{IMPORT, PATIENCE, SECTORS, Trial};

const DOWN: &str = "import e107.3 is down";
const UP: &str = "import e107.3 is up";

#[test]
fn a_port_of_a_bridge_is_reported_and_not_presented_until_it_is_free() {
    play(|stage| {
        let taken = "the device is a port of bridge br0, which takes its frames";
        // One is a port from the start, the other one becomes one.
        let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
            world.ground.gwa.add_bridge("br0", &[SEGMENT])?;
            world.ground.gwb.add_bridge("br0", &[])
        })?;
        trial.wait_for_log(Side::A, &format!("WARN segment san waits for san: {taken}"), 1)?;
        ensure!(trial.logged(Side::A, UP)? == 0, "nothing is presented there");
        ip(&trial.world.ground.gwa, "link set san nomaster")?;
        trial.wait_for_log(Side::A, "INFO segment san is attached", 1)?;
        trial.wait_for_log(Side::A, UP, 1)?;
        let load = trial.load(load::mixed())?;

        trial.world.ground.gwb.add_port("br0", SEGMENT)?;
        trial.wait_for_log(Side::B, &format!("WARN segment san is down on san: {taken}"), 1)?;
        trial.wait_for_log(Side::A, DOWN, 1)?;
        ip(&trial.world.ground.gwb, "link set san nomaster")?;
        trial.wait_for_log(Side::A, UP, 2)?;
        load.go_on(50)?;
        trial.end(load)?;

        // What the line in the log advises.
        trial.world.ground.gwa.add_port("br0", SEGMENT)?;
        trial.world.site_a.config.segments[0].attachment = Attachment::Nic("br0".to_owned());
        trial.restart(Side::A)?;
        trial.wait_for_log(Side::A, UP, 3)?;
        let mut initiator = trial.world.initiator()?;
        let mut ledger = Ledger::new(0, SECTORS, 8, Fresh::Unknown);
        load::warm_up(&mut initiator, IMPORT, &mut ledger)?;
        trial.verify(&mut initiator, &mut ledger)?;
        trial.both_run()?;
        trial.gateways.stop()
    });
}

#[test]
fn another_address_of_a_card_is_announced_and_answered_at_once() {
    play(|stage| {
        let trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let hosts = trial.switch(2)?;
        let mut station = Station::open(&hosts[1], "eth0")?;
        answers_with_priority(&mut station)?;
        let initiator = Initiator::open(&hosts[0], "eth0", PATIENCE)?;
        let ledger = Ledger::new(0, SECTORS, 8, Fresh::Unknown);
        let load = trial.load_by(initiator, ledger, load::mixed())?;

        let mac = MacAddr([2, 0, 0, 0, 0x42, 1]);
        station.hear(Duration::ZERO);
        let changed = Instant::now();
        ip(&trial.world.ground.gwa, &format!("link set san address {mac}"))?;
        // Nobody asked for it.
        station.wait_for("an announcement from the new address", |heard| {
            heard.source() == mac && heard.is_response() && heard.command() == 1 && heard.tag() == 0
        })?;
        trial.say(format_args!(
            "announced {:?} after the change began",
            changed.elapsed()
        ));
        // It goes on trying the old address too, as the driver does.
        load.go_on(10)?;

        let changed = Instant::now();
        ip(&trial.world.ground.gwb, "link set san address 02:00:00:00:42:02")?;
        load.go_on(50)?;
        trial.say(format_args!(
            "the target answers the new address, {:?}",
            changed.elapsed()
        ));
        ensure!(trial.logged(Side::A, DOWN)? == 0, "nothing was lost by it");
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_tap_device_made_beforehand_keeps_what_it_has_and_a_card_is_found_by_a_long_name() {
    play(|stage| {
        let plan = WorldPlan {
            attach_a: Attach::Tap,
            segment_mtu: 9000,
            ..WorldPlan::default()
        };
        let mut trial = Trial::begin(stage, plan, &[], |world| {
            ip(&world.ground.gwa, "tuntap add dev aoe0 mode tap multi_queue")?;
            ip(&world.ground.gwa, "link set aoe0 mtu 4000 up")?;
            let name = "a-card-by-its-place-on-the-third-bus-slot-7-port-2";
            world.site_b.config.segments[0].attachment = Attachment::Nic(name.to_owned());
            ip(
                &world.ground.gwb,
                &format!("link property add dev san altname {name}"),
            )
        })?;
        trial.gateways.wait_for_import(IMPORT)?;
        trial.wait_for_log(
            Side::A,
            "WARN segment san: aoe0 was made beforehand and keeps its MTU of 4000",
            1,
        )?;
        let mut station = Station::open(&trial.world.ground.gwa, "aoe0")?;
        answers_with_priority(&mut station)?;
        let load = trial.load(load::mixed())?;
        load.go_on(50)?;
        trial.end(load)?;
        trial.gateways.stop()?;
        let facts = trial.world.ground.gwa.facts("aoe0")?;
        ensure!(facts.mtu == 4000, "it stays, as it was: {facts:?}");
        Ok(())
    });
}

/// Asks with a tag that has a priority and no VLAN, as some cards and bridges add it (IEEE 802.1Q, VLAN 0).
fn answers_with_priority(station: &mut Station) -> Result<()> {
    let tag = 0x5a5a;
    let mut question = Request::config(IMPORT, 0, &[]).frame(station.mac(), tag);
    question.splice(12..12, [0x81, 0x00, 0xa0, 0x00]);
    station.send_raw(&question)?;
    station.wait_for("the answer to a tagged question", |heard| {
        heard.is_response() && heard.tag() == tag
    })?;
    Ok(())
}

fn ip(namespace: &Namespace, words: &str) -> Result<()> {
    let words: Vec<_> = words.split(' ').collect();
    let spoken = run(namespace, "ip", &words, PATIENCE)?;
    ensure!(spoken.code == Some(0), "ip {words:?}: {spoken:?}");
    Ok(())
}
