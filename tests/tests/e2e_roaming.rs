//! A peer whose address changes is followed, by its authenticated datagrams and by nothing else.

use std::time::Duration;

use anyhow::{Result, ensure};
use aoe_lab::relay::Side;
use aoe_lab::topology::{Between, Internet, WorldPlan};
use e2e::load;
use e2e::stage::{Stage, eventually, play};
use e2e::trial::Trial;

const MOVED: &str = "moved to another address";
#[test]
fn the_address_of_a_peer_moves_with_its_datagrams_and_not_with_old_ones() {
    play(|stage| roams(stage, Internet::V4));
}

#[test]
fn the_same_over_ipv6() {
    play(|stage| roams(stage, Internet::V6));
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
