//! Gateways are changed while they run, under load, with the real vblade: what stays notices nothing, what is taken away is
//! gone at once, and the side that loses it says so.

use std::time::{Duration, Instant};

use anyhow::ensure;
use aoe_common::frame::Address;
use aoe_common::snapshot::State;
use aoe_lab::gateway::Access;
use aoe_lab::initiator::DiskError;
use aoe_lab::relay::Side;
use aoe_lab::topology::{WorldPlan, export_file, import_section};
use e2e::load;
use e2e::stage::{eventually, play};
use e2e::trial::{IMPORT, PATIENCE, Trial};

const SPARE: Address = Address { shelf: 7, slot: 9 };
const SPARE_IMPORT: Address = Address { shelf: 107, slot: 9 };
const ELSEWHERE: Address = Address { shelf: 108, slot: 9 };
const RELOADS: u32 = 100;

#[test]
fn a_hundred_reloads_under_load_lose_nothing_and_hold_nothing_up() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let spare = stage.serve(&trial.world, SPARE, 64, &[])?;
        let load = trial.load(load::mixed())?;
        load.take_longest();
        let since = Instant::now();
        let (mut alone, mut changes) = (Duration::ZERO, 0);
        for round in 0..RELOADS {
            change(&mut trial, round);
            let said = [trial.site(Side::B).reload()?, trial.site(Side::A).reload()?];
            changes += said
                .iter()
                .filter(|said| !said.contains("nothing changes"))
                .count();
        }
        let (took, during) = (since.elapsed(), load.take_longest());
        while since.elapsed() < took * 2 {
            load.go_on(20)?;
            alone = alone.max(load.take_longest());
        }
        trial.say(format_args!(
            "{RELOADS} reloads of both gateways in {:.1} s: longest request {during:.1?}, without reloads {alone:.1?}",
            took.as_secs_f64()
        ));
        ensure!(
            changes as u32 > RELOADS,
            "only {changes} of the reloads changed anything"
        );
        drop(spare);
        let done = trial.finish(load)?;
        ensure!(done.lost == 0, "{} frames had to be sent again", done.lost);
        Ok(())
    });
}

/// What round after round is otherwise.
fn change(trial: &mut Trial, round: u32) {
    let (a, b) = (&mut trial.world.site_a, &mut trial.world.site_b);
    let access = [Access::ReadOnly, Access::ReadWrite][round as usize / 2 % 2];
    b.exports.truncate(1);
    a.config.imports.truncate(1);
    if !round.is_multiple_of(3) {
        b.exports.push(export_file("spare", SPARE, "site-a", access));
    }
    if !round.is_multiple_of(5) {
        let at = [SPARE_IMPORT, ELSEWHERE][round as usize % 2];
        a.config.imports.push(import_section("site-b", "spare", at));
    }
    a.config.imports[0].window = Some([64, 32][round as usize / 3 % 2]);
    b.config.keepalive = round.is_multiple_of(2).then(|| "3s".to_owned());
}

#[test]
fn a_right_that_is_taken_away_is_gone_at_once_and_comes_back() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let mut initiator = trial.world.initiator()?;
        let mut disk = initiator.disk(IMPORT, PATIENCE)?;
        disk.write(0, &[1; 1024])?;

        trial.world.site_b.exports[0].allow[0].access = Access::ReadOnly;
        let asked = trial.site(Side::B).ask(&["check", "--diff"]);
        ensure!(asked.is_ok(), "{asked:?}");
        let said = trial.site(Side::B).reload()?;
        ensure!(said.contains("site-a loses write on disk"), "{said}");
        let refused = disk.write(0, &[2; 1024]);
        let is_refusal = |error: &DiskError| {
            matches!(
                error,
                DiskError::Status {
                    status: 0x41,
                    error: 4
                }
            )
        };
        ensure!(refused.as_ref().is_err_and(is_refusal), "{refused:?}");
        ensure!(disk.read(0, 2)? == [1; 1024]);

        trial.world.site_b.exports[0].allow.clear();
        trial.site(Side::B).reload()?;
        eventually("site A says that the export was withdrawn", PATIENCE, || {
            let status = trial.site(Side::A).status()?;
            let row = &status.imports[0].standing;
            Ok(row.state == State::Down && row.why.contains("does not allow it to us"))
        })?;
        let silent = initiator.disk(IMPORT, Duration::from_secs(2))?.read(0, 2);
        ensure!(silent == Err(DiskError::NoAnswer), "{silent:?}");

        trial.world.site_b.exports[0] = export_file("disk", e2e::trial::TARGET, "site-a", Access::ReadWrite);
        trial.site(Side::B).reload()?;
        let mut disk = initiator.disk(IMPORT, PATIENCE)?;
        disk.write(0, &[3; 1024])?;
        ensure!(disk.read(0, 2)? == [3; 1024]);
        trial.gateways.stop()
    });
}
