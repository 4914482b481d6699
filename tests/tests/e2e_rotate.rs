//! Keys change while a disk is in use, with the real vblade: nobody who reads or writes notices.

use std::fs;

use anyhow::ensure;
use aoe_lab::relay::Side;
use aoe_lab::topology::{World, WorldPlan};
use e2e::load;
use e2e::stage::{eventually, play};
use e2e::trial::{PATIENCE, Trial};

const PSK: &str = "pair.psk";

/// Sessions are short, so that new keys are in use soon.
fn short_sessions(world: &mut World) {
    for site in [&mut world.site_a, &mut world.site_b] {
        site.config.rekey_after = Some("5s".to_owned());
    }
}

/// Both sites have a pre-shared key with each other.
fn with_psk(world: &mut World) -> anyhow::Result<()> {
    world.site_a.share_psk(&world.site_b, PSK)?;
    world.site_a.peer("site-b")?.psk = Some(PSK.to_owned());
    world.site_b.peer("site-a")?.psk = Some(PSK.to_owned());
    Ok(())
}

#[test]
fn a_psk_that_is_replaced_on_both_sides_counts_by_itself_and_no_request_fails() {
    play(|stage| {
        let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
            short_sessions(world);
            with_psk(world)
        })?;
        trial.gateways.wait_for_import(e2e::trial::IMPORT)?;
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
        let agreed = || -> anyhow::Result<f64> {
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
