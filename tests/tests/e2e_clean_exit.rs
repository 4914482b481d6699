//! A gateway that is told to end does so at once and clean, in the middle of its work, and its peer knows.

use std::time::{Duration, Instant};

use anyhow::ensure;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Attach, WorldPlan};
use e2e::load;
use e2e::stage::play;
use e2e::station::{Request, Station};
use e2e::trial::{IMPORT, PATIENCE, Trial};
use nix::sys::signal::Signal;

#[test]
fn the_end_under_load_is_clean_and_told_to_the_peer() {
    play(|stage| {
        let plan = WorldPlan {
            attach_b: Attach::Tap,
            ..WorldPlan::default()
        };
        let mut trial = Trial::start(stage, plan, |_| {})?;
        let load = trial.load(load::mixed())?;
        let device = trial.world.target_device();
        let mut bystander = Station::open(&trial.world.ground.ini, trial.world.initiator_device())?;
        let question = Request::config(IMPORT, 0, &[]);
        bystander.ask(&question)?;
        for (round, signal) in [(1, Signal::SIGTERM), (2, Signal::SIGINT)] {
            // The exit.
            let exit = trial.gateway(Side::B).process();
            exit.signal(signal)?;
            let status = exit.wait(PATIENCE)?;
            ensure!(status.success(), "{signal}: {status}");
            trial.wait_for_log(
                Side::A,
                "session with site-b is lost: the peer was shut down",
                round,
            )?;
            trial.wait_for_log(Side::A, "import e107.3 is down", round)?;
            ensure!(
                trial.logged(Side::A, "import e107.3 is down")? == round,
                "it went down"
            );
            let tag = bystander.send(&question)?;
            ensure!(
                !answers(&mut bystander, tag, Duration::from_millis(300)),
                "nobody answers for an export that cannot be reached"
            );
            ensure!(!trial.world.ground.gwb.has_link(device), "the TAP device is gone");
            trial.kill_vblade()?;
            let ups = trial.logged(Side::A, "import e107.3 is up")?;
            trial.restart(Side::B)?;
            trial.start_vblade()?;
            load.go_on(50)?;
            // Requests of who has the disk open go on before the import is presented anew.
            trial.wait_for_log(Side::A, "import e107.3 is up", ups + 1)?;

            // The edge.
            let edge = trial.gateway(Side::A).process();
            edge.signal(signal)?;
            let status = edge.wait(PATIENCE)?;
            ensure!(status.success(), "{signal}: {status}");
            trial.wait_for_log(Side::B, "session with site-a is lost: the peer was shut down", 1)?;
            let ups = trial.logged(Side::A, "import e107.3 is up")?;
            trial.restart(Side::A)?;
            load.go_on(50)?;
            trial.wait_for_log(Side::A, "import e107.3 is up", ups + 1)?;
        }
        trial.finish(load).map(drop)
    });
}

/// Whether an answer with this tag is heard before `limit` is over.
fn answers(bystander: &mut Station, tag: u32, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        let heard = bystander.hear(left);
        if heard
            .iter()
            .any(|frame| frame.is_response() && frame.tag() == tag)
        {
            return true;
        }
    }
    false
}
