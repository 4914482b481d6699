//! A peer whose address changes is followed, by its authenticated datagrams and by nothing else.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use aoe_lab::gateway::Access;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Between, Internet, PATIENCE, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger};
use e2e::load::{self, Load};
use e2e::stage::{Stage, eventually, play};
use e2e::trial::{IMPORT, SECTORS, TARGET, Trial};

const MOVED: &str = "moved to another address";
#[test]
fn the_address_of_a_peer_moves_with_its_datagrams_and_not_with_old_ones() {
    play(|stage| roams(stage, Internet::V4));
}

#[test]
fn the_same_over_ipv6() {
    play(|stage| roams(stage, Internet::V6));
}

#[test]
fn a_peer_without_an_endpoint_is_known_by_its_calls_and_followed() {
    play(|stage| {
        let plan = WorldPlan {
            between: Between::Relay,
            ..WorldPlan::default()
        };
        let mut trial = Trial::start(stage, plan, |world| {
            world.site_b.config.peers[0].endpoint = None;
        })?;
        let load = trial.load(load::mixed())?;
        let address = trial.relay()?.roam(Side::B)?;
        trial.say(format_args!("side B shall see its peer at {address}"));
        trial.wait_for_log(Side::B, MOVED, 1)?;
        load.go_on(200)?;
        // Restarted, it has no way to call, and its peer has to find out that it must.
        trial.gateway(Side::B).process().kill()?;
        trial.restart(Side::B)?;
        trial.wait_for_log(Side::B, "session with site-a is up", 2)?;
        load.go_on(200)?;
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_pinned_peer_is_not_followed() {
    play(|stage| {
        let plan = WorldPlan {
            between: Between::Relay,
            ..WorldPlan::default()
        };
        let mut trial = Trial::start(stage, plan, |world| {
            world.site_b.config.peers[0].endpoint_pinned = true;
            world.site_a.config.keepalive = Some("1s".to_owned());
        })?;
        let load = trial.load(load::mixed())?;
        load.go_on(50)?;
        trial.end(load)?;
        let address = trial.relay()?.roam(Side::B)?;
        trial.say(format_args!(
            "side B sees its peer at {address}, and does not follow"
        ));
        trial.wait_for_log(Side::B, "come from another address than its endpoint", 1)?;
        eventually("what comes from there is dropped", PATIENCE, || {
            Ok(trial.counted(Side::B)?.of("peer_elsewhere") > 3)
        })?;
        ensure!(trial.logged(Side::B, MOVED)? == 0);
        trial.both_run()
    });
}

#[test]
fn an_endpoint_by_name_is_resolved_again_when_the_peer_is_lost() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        world.site_a.config.peers[0].endpoint = Some("gateway-b.test:34978".to_owned());
        world.site_b.config.peers[0].endpoint = None;
        let hosts = stage.dir().join("hosts");
        fs::write(&hosts, "198.51.100.2 gateway-b.test\n")?;
        let mut b = world.site_b.start(&world.ground.gwb)?;
        let mut vblade = stage.serve(&world, TARGET, SECTORS as u64, &[])?;
        let a = stage.start_with_hosts(&world, &hosts)?;
        a.wait_for_line("import e107.3 is up", PATIENCE)?;
        let mut initiator = world.initiator()?;
        let mut ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        load::warm_up(&mut initiator, IMPORT, &mut ledger)?;
        let load = Load::start(initiator, IMPORT, ledger, load::mixed())?;
        load.go_on(50)?;

        // It moves house and says goodbye. Its peer finds it by its name, or not at all: it has no way to call.
        world
            .ground
            .gwb
            .add_address("wan0", IpAddr::from([198, 51, 100, 3]), 24)?;
        fs::write(&hosts, "198.51.100.3 gateway-b.test\n")?;
        let seen = a.transcript().len();
        b.stop()?;
        world.site_b.config.listen = vec!["198.51.100.3:34978".parse()?];
        b = world.site_b.start(&world.ground.gwb)?;
        a.wait_for_line_after(seen, "import e107.3 is up", PATIENCE)?;
        load.go_on(200)?;
        let (_, mut ledger, _) = load.finish()?;
        let mut wrong = Vec::new();
        ledger.check(0, &fs::read(vblade.image())?, |complaint| {
            wrong.push(complaint.to_string())
        });
        ensure!(wrong.is_empty(), "the target's file: {wrong:#?}");
        ensure!(vblade.process().try_wait()?.is_none());
        b.stop()
    });
}

/// I/O goes on while first A, then B, then A again sees its peer at another address.
fn roams(stage: &Stage, internet: Internet) -> Result<()> {
    let plan = WorldPlan {
        between: Between::Relay,
        internet,
        ..WorldPlan::default()
    };
    let mut trial = Trial::start(stage, plan, |world| {
        for site in [&mut world.site_a, &mut world.site_b] {
            // A side learns of a move from what comes from there; if nothing is under way, from the next ping.
            site.config.keepalive = Some("1s".to_owned());
        }
    })?;
    let load = trial.load(load::mixed())?;
    for (side, moves) in [(Side::A, 1), (Side::B, 1), (Side::A, 2)] {
        trial.relay()?.record(side, 64);
        load.go_on(200)?;
        let address = trial.relay()?.roam(side)?;
        trial.say(format_args!("side {side:?} shall see its peer at {address}"));
        trial.wait_for_log(side, MOVED, moves)?;
        load.go_on(200)?;

        // Real datagrams of before, from somewhere else: if one moved the peer, I/O would stop.
        let old = trial.relay()?.recorded(side);
        let before = trial.counted(side)?.of("record_replayed");
        for datagram in old.iter().take(32) {
            trial.relay()?.inject_from_elsewhere(side, datagram)?;
        }
        eventually(
            "the gateway drops replayed records",
            Duration::from_secs(10),
            || Ok(trial.counted(side)?.of("record_replayed") >= before + 32),
        )?;
        load.go_on(200)?;
        ensure!(
            trial.logged(side, MOVED)? == moves,
            "{side:?} moved its peer once a time"
        );
    }
    for side in [Side::A, Side::B] {
        ensure!(trial.logged(side, "is lost")? == 0, "the session stayed");
    }
    trial.finish(load).map(drop)
}
