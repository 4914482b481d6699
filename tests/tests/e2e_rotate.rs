//! Keys change while a disk is in use, with the real vblade: nobody who reads or writes notices.

use std::fs;

use anyhow::{Context, Result, ensure};
use aoe_common::snapshot::{KeyStage, Snapshot};
use aoe_lab::gateway::Site;
use aoe_lab::relay::Side;
use aoe_lab::topology::{World, WorldPlan};
use e2e::load;
use e2e::stage::{Stage, eventually, play_by_noise};
use e2e::trial::{IMPORT, PATIENCE, Trial};
use serde_json::Value;

const WHY: &str = "static keys and pre-shared keys are replaced here";

const PSK: &str = "pair.psk";

/// Sessions are short, so that new keys are in use soon.
fn short_sessions(world: &mut World) {
    for site in [&mut world.site_a, &mut world.site_b] {
        site.config.rekey_after = Some("5s".to_owned());
    }
}

/// Sessions are short, and what is learnt is kept.
fn with_state(world: &mut World) {
    short_sessions(world);
    for site in [&mut world.site_a, &mut world.site_b] {
        site.config.state = Some("state".to_owned());
    }
}

/// Runs `aoe-keys rotate` for a site; its report.
fn rotate(stage: &Stage, site: &Site, more: &[&str]) -> Result<Value> {
    let mut words = vec!["--json", "rotate", "--dir", "."];
    words.extend(more);
    let said = stage.binaries().keys(site.dir(), &words)?;
    serde_json::from_str(&said).with_context(|| format!("reading {said}"))
}

/// Waits until the next key of a site is in use; its fingerprint.
fn wait_until_switched(stage: &Stage, site: &Site) -> Result<String> {
    let what = format!("the next key of {} is in use", site.name());
    let mut next = String::new();
    eventually(&what, PATIENCE, || {
        let report = rotate(stage, site, &["--status"])?;
        next = report["next"]["fingerprint"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok(report["stage"] == "switched")
    })?;
    Ok(next)
}

/// Waits until the sessions of both sites are by these keys of theirs.
fn wait_until_used(trial: &Trial, a: &str, b: &str) -> Result<()> {
    let is_by = |status: &Snapshot, ours: &str, theirs: &str| {
        let session = status.peers[0].session.as_ref();
        session.is_some_and(|session| session.our_key == ours && session.peer_key == theirs)
    };
    eventually("both sessions are by the new keys", PATIENCE, || {
        Ok(is_by(&trial.site(Side::A).status()?, a, b) && is_by(&trial.site(Side::B).status()?, b, a))
    })
}

/// No session ended while keys changed.
fn nothing_was_lost(trial: &Trial) -> Result<()> {
    for side in [Side::A, Side::B] {
        for sign in ["is lost", "import e107.3 is down"] {
            ensure!(trial.logged(side, sign)? == 0, "{side:?} says {sign:?}");
        }
    }
    Ok(())
}

/// Both sites have a pre-shared key with each other.
fn with_psk(world: &mut World) -> Result<()> {
    world.site_a.share_psk(&world.site_b, PSK)?;
    world.site_a.peer("site-b")?.psk = Some(PSK.to_owned());
    world.site_b.peer("site-a")?.psk = Some(PSK.to_owned());
    Ok(())
}

#[test]
fn a_psk_that_is_replaced_on_both_sides_counts_by_itself_and_no_request_fails() {
    play_by_noise(WHY, |stage| {
        let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
            short_sessions(world);
            with_psk(world)
        })?;
        trial.gateways.wait_for_import(IMPORT)?;
        let load = trial.load(load::mixed())?;

        // A torn one is refused, and so is none: the old one stays in use.
        let file = trial.site(Side::B).dir().join(PSK);
        let whole = fs::read_to_string(&file)?;
        fs::write(&file, &whole[..whole.len() / 2])?;
        trial.wait_for_log(Side::B, "nothing was changed: the configuration has 1 fault", 1)?;
        fs::remove_file(&file)?;
        trial.wait_for_log(Side::B, "nothing was changed: the configuration has 1 fault", 2)?;

        // A half-edited gateway file has no part in it.
        let half_edited = trial.site(Side::A).config_path();
        fs::write(&half_edited, "[gateway\n")?;
        let [a, b] = [Side::A, Side::B].map(|side| trial.site(side).clone());
        a.make_psk("new.psk")?;
        fs::copy(a.dir().join("new.psk"), b.dir().join("new.psk"))?;
        for (side, site) in [(Side::A, &a), (Side::B, &b)] {
            fs::rename(site.dir().join("new.psk"), site.dir().join(PSK))?;
            trial.wait_for_log(side, "has another psk from its next handshake on", 1)?;
            trial.wait_for_log(side, "reload: psk of site-", 1)?;
        }
        a.write()?;
        let agreed = || -> Result<f64> {
            let status = a.status()?;
            Ok(status.peers[0]
                .session
                .as_ref()
                .map_or(0.0, |session| session.since))
        };
        let before = agreed()?;
        eventually("a session with the new psk", PATIENCE, || Ok(agreed()? > before))?;
        load.go_on(100)?;
        for side in [Side::A, Side::B] {
            ensure!(
                trial.logged(side, "is lost")? == 0,
                "the session of {side:?} stayed"
            );
        }
        let done = trial.finish(load)?;
        ensure!(done.lost == 0, "{} frames lost: {done:?}", done.lost);
        Ok(())
    });
}

#[test]
fn a_key_is_replaced_twice_within_the_overlap_and_no_request_fails() {
    play_by_noise(WHY, |stage| {
        let trial = Trial::start(stage, WorldPlan::default(), with_state)?;
        let load = trial.load(load::mixed())?;
        let a = trial.site(Side::A).clone();
        let b_key = trial.site(Side::B).status()?.gateway.fingerprint;
        let first = a.status()?.gateway.fingerprint;

        rotate(stage, &a, &["--drop-after", "1h"])?;
        let second = wait_until_switched(stage, &a)?;
        wait_until_used(&trial, &second, &b_key)?;
        load.go_on(50)?;
        // Another one finishes the one before by itself.
        let report = rotate(stage, &a, &["--drop-after", "1h"])?;
        ensure!(report["current"]["fingerprint"] == second.as_str(), "{report}");
        ensure!(report["old"][0]["fingerprint"] == first.as_str(), "{report}");
        let third = wait_until_switched(stage, &a)?;
        ensure!(third != second);
        wait_until_used(&trial, &third, &b_key)?;
        let report = rotate(stage, &a, &["--finish"])?;
        ensure!(
            report["stage"] == "none" && report["old"][1]["fingerprint"] == first.as_str(),
            "{report}"
        );
        load.go_on(50)?;

        let status = trial.site(Side::B).status()?;
        let keys: Vec<_> = status.peers[0]
            .keys
            .iter()
            .map(|key| key.fingerprint.as_str())
            .collect();
        ensure!(keys == [third.as_str(), &second, &first], "{keys:?}");
        // There is room for one more only when the oldest has gone.
        let full = rotate(stage, &a, &[]);
        ensure!(
            full.as_ref()
                .is_err_and(|error| error.to_string().contains("three keys are accepted")),
            "{full:?}"
        );
        nothing_was_lost(&trial)?;
        let done = trial.finish(load)?;
        ensure!(done.lost == 0, "{} frames lost: {done:?}", done.lost);
        Ok(())
    });
}

#[test]
fn both_sides_replace_their_keys_at_once_and_old_ones_are_dropped_in_time() {
    play_by_noise(WHY, |stage| {
        let trial = Trial::start(stage, WorldPlan::default(), with_state)?;
        let load = trial.load(load::mixed())?;
        let [a, b] = [Side::A, Side::B].map(|side| trial.site(side).clone());
        for site in [&a, &b] {
            rotate(stage, site, &["--drop-after", "10s"])?;
        }
        let (at_a, at_b) = (wait_until_switched(stage, &a)?, wait_until_switched(stage, &b)?);
        wait_until_used(&trial, &at_a, &at_b)?;
        for side in [Side::A, Side::B] {
            trial.wait_for_log(side, "is not accepted any more", 1)?;
        }
        for site in [&a, &b] {
            rotate(stage, site, &["--finish"])?;
            let report = rotate(stage, site, &["--finish"])?;
            ensure!(report["old"].as_array().is_some_and(Vec::is_empty), "{report}");
        }
        let ours = |site: &Site| -> Result<_> {
            let keys = site.status()?.keys.own;
            Ok(keys
                .into_iter()
                .map(|key| (key.fingerprint, key.stage))
                .collect::<Vec<_>>())
        };
        ensure!(ours(&a)? == [(at_a, KeyStage::InUse)] && ours(&b)? == [(at_b, KeyStage::InUse)]);
        load.go_on(100)?;
        nothing_was_lost(&trial)?;
        let done = trial.finish(load)?;
        ensure!(done.lost == 0, "{} frames lost: {done:?}", done.lost);
        Ok(())
    });
}

#[test]
fn a_peer_that_was_away_is_waited_for_and_restarts_in_the_middle_forget_nothing() {
    play_by_noise(WHY, |stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), with_state)?;
        let [a, b] = [Side::A, Side::B].map(|side| trial.site(side).clone());
        trial.gateway(Side::B).stop()?;
        rotate(stage, &a, &["--drop-after", "2s"])?;
        let report = rotate(stage, &a, &["--status"])?;
        ensure!(report["stage"] == "announced", "{report}");
        ensure!(
            report["peers"][0]["name"] == "site-b" && report["peers"][0]["has_newest"] == false,
            "{report}"
        );
        let early = rotate(stage, &a, &["--finish"]);
        ensure!(
            early
                .as_ref()
                .is_err_and(|error| error.to_string().contains("is not in use")),
            "{early:?}"
        );
        // It is still away when we start again.
        trial.restart(Side::A)?;
        trial.restart(Side::B)?;
        let next = wait_until_switched(stage, &a)?;
        trial.wait_for_log(Side::A, "is not accepted any more", 1)?;

        // Both know it after a restart, though the configuration of B names the old key, which is dropped.
        rotate(stage, &a, &["--finish"])?;
        let ups = trial.logged(Side::A, "import e107.3 is up")?;
        for side in [Side::A, Side::B] {
            trial.restart(side)?;
        }
        trial.wait_for_log(Side::A, "import e107.3 is up", ups + 1)?;
        ensure!(b.status()?.peers[0].fingerprint == next);
        ensure!(
            fs::read_to_string(b.config_path())?.contains(a.public_key()),
            "B still has the first one"
        );
        let load = trial.load(load::mixed())?;
        load.go_on(20)?;

        // What is written can follow while disks are used.
        let advice = String::from_utf8(b.check()?.stdout)?;
        let public = rotate(stage, &a, &["--status"])?["current"]["public"].clone();
        let public = public.as_str().context("no public key")?;
        ensure!(advice.contains(&format!("write key = \"{public}\"")), "{advice}");
        let lost = trial.logged(Side::B, "is lost")?;
        public.clone_into(&mut trial.world.site_b.peer("site-a")?.key);
        trial.site(Side::B).reload()?;
        load.go_on(20)?;
        ensure!(trial.logged(Side::B, "is lost")? == lost, "the session stayed");
        trial.finish(load)?;
        Ok(())
    });
}
