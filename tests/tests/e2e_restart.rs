//! A gateway ends and another begins in its place, under load: I/O goes on by itself, no byte is wrong, and what was
//! recorded before means nothing to the new one.

use anyhow::{Result, ensure};
use aoe_lab::relay::Side;
use aoe_lab::topology::{Between, WorldPlan};
use e2e::load;
use e2e::stage::play;
use e2e::trial::{PATIENCE, Trial};
use nix::sys::signal::Signal;

#[test]
fn the_edge_is_restarted_and_crashes() {
    play(|stage| restarts(Trial::start(stage, relayed(), |_| {})?, Side::A));
}

#[test]
fn the_exit_is_restarted_and_crashes() {
    play(|stage| restarts(Trial::start(stage, relayed(), |_| {})?, Side::B));
}

fn relayed() -> WorldPlan {
    WorldPlan {
        between: Between::Relay,
        ..WorldPlan::default()
    }
}

fn restarts(mut trial: Trial, side: Side) -> Result<()> {
    let load = trial.load(load::mixed())?;
    let up = ["session with site-b is up", "session with site-a is up"];
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL] {
        for towards in [Side::A, Side::B] {
            trial.relay()?.record(towards, 128);
        }
        load.go_on(50)?;
        let sessions = [trial.logged(Side::A, up[0])?, trial.logged(Side::B, up[1])?];
        trial.gateway(side).process().signal(signal)?;
        let status = trial.gateway(side).process().wait(PATIENCE)?;
        ensure!(
            status.success() == (signal == Signal::SIGTERM),
            "{signal}: {status}"
        );
        let old = [trial.relay()?.recorded(Side::A), trial.relay()?.recorded(Side::B)];
        trial.restart(side)?;
        trial.wait_for_log(Side::A, up[0], sessions[0] + 1)?;
        trial.wait_for_log(Side::B, up[1], sessions[1] + 1)?;
        load.go_on(50)?;

        trial.say(format_args!("datagrams of before {signal} again"));
        for (towards, old) in [Side::A, Side::B].into_iter().zip(old) {
            let before = trial.counted(towards)?.of("record_unknown_session");
            for datagram in &old {
                trial.relay()?.inject(towards, datagram)?;
                trial.relay()?.inject_from_elsewhere(towards, datagram)?;
            }
            load.go_on(20)?;
            let unknown = trial.counted(towards)?.of("record_unknown_session") - before;
            ensure!(
                unknown >= old.len() as u64,
                "{towards:?}: {unknown} of {} twice",
                old.len()
            );
        }
        trial.both_run()?;
    }
    for side in [Side::A, Side::B] {
        ensure!(
            trial.logged(side, "moved to another address")? == 0,
            "nobody moved"
        );
    }
    trial.finish(load).map(drop)
}
