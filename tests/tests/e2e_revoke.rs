//! A key is revoked while its gateway is at work: its session ends, what it has queued never reaches the disk, it does not
//! come back, and everything that people look at says so.

use std::fs;

use anyhow::{Context, Result, ensure};
use aoe_common::snapshot::State;
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use e2e::load;
use e2e::stage::{Counted, Stage, eventually, play_by_noise};
use e2e::trial::{PATIENCE, Trial};
use serde_json::Value;

const WHY: &str = "its disk was stolen";

fn revoke(stage: &Stage, trial: &Trial, more: &[&str]) -> Result<Value> {
    let mut words = vec!["--json", "revoke", "--dir", "."];
    words.extend(more);
    let said = stage.binaries().keys(trial.site(Side::B).dir(), &words)?;
    serde_json::from_str(&said).with_context(|| format!("reading {said}"))
}

#[test]
fn a_revoked_peer_is_gone_at_once_with_all_it_has_queued_and_does_not_come_back() {
    play_by_noise("static keys are revoked here", |stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |world| {
            for site in [&mut world.site_a, &mut world.site_b] {
                site.config.audit = Some("file = \"audit.jsonl\"".to_owned());
                site.config.state = Some("state".to_owned());
            }
        })?;
        let load = trial.load(load::mixed())?;
        let report = revoke(stage, &trial, &["site-a", "--why", WHY])?;
        ensure!(
            report["in_force"] == true && report["added"][0]["name"] == "site-a",
            "{report}"
        );

        // What aoe-keys says is so: there is no session, and nothing goes to the target.
        let sent = trial.counted(Side::B)?.of("requests_to_target");
        let status = trial.site(Side::B).status()?;
        let peer = &status.peers[0];
        ensure!(
            peer.standing.state == State::Down && peer.session.is_none(),
            "{peer:?}"
        );
        ensure!(peer.standing.why.contains("is revoked"), "{peer:?}");
        ensure!(
            status.gateway.revoked[0].why == WHY,
            "{:?}",
            status.gateway.revoked
        );
        ensure!(
            status
                .alarms
                .iter()
                .any(|alarm| alarm.standing.why.contains("is revoked")),
            "{:?}",
            status.alarms
        );
        ensure!(trial.logged(Side::B, "is revoked")? > 0, "the log says it");
        trial.wait_for_log(Side::A, "session with site-b is lost", 1)?;
        trial.wait_for_log(Side::A, "import e107.3 is down", 1)?;
        eventually("an attempt to come back is refused", PATIENCE, || {
            let audit = fs::read_to_string(trial.site(Side::B).dir().join("audit.jsonl"))?;
            Ok(["revoked", "session-lost"]
                .iter()
                .all(|kind| audit.contains(&format!("\"kind\":\"{kind}\"")))
                && ["stranger", "session-refused"]
                    .iter()
                    .any(|kind| audit.contains(&format!("\"kind\":\"{kind}\""))))
        })?;
        ensure!(
            trial.counted(Side::B)?.of("requests_to_target") == sent,
            "nothing reached the target since"
        );

        // A second time there is nothing to do, and it is said politely.
        let report = revoke(stage, &trial, &["site-a"])?;
        ensure!(report["added"].as_array().is_some_and(Vec::is_empty), "{report}");
        ensure!(report["already"][0]["why"] == WHY, "{report}");

        // By hand it is trusted again, without a reload, and the load goes on.
        fs::write(trial.site(Side::B).dir().join("revoked.toml"), "# nothing\n")?;
        trial.wait_for_log(Side::A, "import e107.3 is up", 2)?;
        load.go_on(50)?;
        trial.finish(load)?;
        Ok(())
    });
}

#[test]
fn what_a_revoked_peer_has_queued_is_dropped_though_the_psk_of_another_is_torn() {
    play_by_noise("static keys are revoked here", |stage| {
        let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
            world.site_a.share_psk(&world.site_b, "pair.psk")?;
            world.site_a.peer("site-b")?.psk = Some("pair.psk".to_owned());
            world.site_b.peer("site-a")?.psk = Some("pair.psk".to_owned());
            Ok(())
        })?;
        trial.gateways.wait_for_import(e2e::trial::IMPORT)?;
        let load = trial.load(load::mixed())?;
        trial.kill_vblade()?;
        let queued = |trial: &mut Trial| -> Result<Counted> { trial.counted(Side::B) };
        eventually("requests wait for the target", PATIENCE, || {
            Ok(trial
                .site(Side::B)
                .status()?
                .exports
                .iter()
                .any(|export| export.waiting > 0))
        })?;
        fs::write(trial.site(Side::B).dir().join("pair.psk"), "aoe-")?;
        trial.wait_for_log(Side::B, "nothing was changed", 1)?;
        let report = revoke(stage, &trial, &["site-a"]);
        trial.wait_for_log(Side::B, "is revoked", 1)?;
        drop(report);
        let before = queued(&mut trial)?;
        ensure!(before.of("key_not_accepted") > 0, "{before:?}");
        trial.start_vblade()?;
        eventually("the target is up again", PATIENCE, || {
            Ok(trial
                .site(Side::B)
                .status()?
                .exports
                .iter()
                .any(|export| export.standing.state == State::Up))
        })?;
        let after = queued(&mut trial)?;
        ensure!(
            after.of("requests_to_target") == before.of("requests_to_target"),
            "{before:?} {after:?}"
        );
        drop(load);
        Ok(())
    });
}
