//! More requests than the target has buffers: they wait at the exit, and none is lost.

use anyhow::{Result, ensure};
use aoe_lab::initiator::Initiator;
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use aoe_lab::workload::{Fresh, Ledger, Workload};
use e2e::load;
use e2e::stage::play;
use e2e::trial::{IMPORT, PATIENCE, SECTORS, Trial};

/// As many buffers as a target can have that loses what it has no buffer for at once.
const FEW_BUFFERS: [&str; 2] = ["-b", "4"];

/// Requests of one frame each, more than the initiator may have in flight.
fn many() -> Workload {
    Workload {
        block_sectors: 2,
        depth: 100,
        ..load::mixed()
    }
}

#[test]
fn sixty_four_frames_at_once_for_four_buffers() {
    play(|stage| {
        let mut trial = Trial::start_with(stage, WorldPlan::default(), &FEW_BUFFERS, |_| {})?;
        // vblade says how many it has. A line may be written a little after what it tells of.
        trial.wait_for_log(Side::B, "buffers 4,", 1)?;
        let load = trial.load(many())?;
        load.go_on(20_000)?;
        let counted = trial.counted(Side::B)?;
        trial.say(format_args!("{} requests waited", counted.of("requests_queued")));
        ensure!(counted.of("requests_queued") > 10_000, "{counted:?}");
        for name in ["queue_full", "request_too_old", "pending_expired", "pending_full"] {
            ensure!(counted.of(name) == 0, "{name}: {counted:?}");
        }
        let (mut initiator, mut ledger, done) = load.finish()?;
        ensure!(done.lost == 0, "{done:?}");
        let window = initiator.driver().window(IMPORT);
        ensure!(window.is_some_and(|(limit, _)| limit == 64), "window {window:?}");
        trial.verify(&mut initiator, &mut ledger)?;
        trial.gateways.stop()
    });
}

#[test]
fn two_initiators_share_one_export() {
    play(|stage| {
        let mut trial = Trial::start_with(stage, WorldPlan::default(), &FEW_BUFFERS, |_| {})?;
        let loads = trial
            .switch(2)?
            .iter()
            .enumerate()
            .map(|(half, host)| {
                let initiator = Initiator::open(host, "eth0", PATIENCE)?;
                let first = half * SECTORS / 2;
                let ledger = Ledger::new(first as u64, SECTORS / 2, first as u64, Fresh::Zero);
                trial.load_by(initiator, ledger, many())
            })
            .collect::<Result<Vec<_>>>()?;
        for load in &loads {
            load.go_on(5000)?;
        }
        for load in loads {
            let done = trial.end(load)?;
            ensure!(done.lost == 0, "{done:?}");
        }
        ensure!(trial.counted(Side::B)?.of("requests_queued") > 10_000);
        trial.both_run()?;
        trial.gateways.stop()
    });
}
