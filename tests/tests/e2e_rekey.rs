//! New keys every five seconds under load: nobody notices but the counters.

use anyhow::ensure;
use aoe_lab::gateway::Transport;
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use e2e::load;
use e2e::stage::play;
use e2e::trial::Trial;

#[test]
fn keys_change_under_load_and_no_frame_is_lost() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |world| {
            for site in [&mut world.site_a, &mut world.site_b] {
                site.config.rekey_after = Some("5s".to_owned());
                site.set_log_filter("debug");
            }
        })?;
        let load = trial.load(load::mixed())?;
        // Both sides call at the start, and the second of two calls that cross counts as new keys too,
        // and so do the first post-quantum ones.
        if Transport::of_environment()? == Transport::Noise {
            // Those of TLS are from the first handshake on.
            trial.wait_for_log(Side::A, "has post-quantum keys", 1)?;
        }
        let crossed = trial.logged(Side::A, "has new keys")?;
        trial.wait_for_log(Side::A, "has new keys", crossed + 2)?;
        trial.wait_for_log(Side::B, "has new keys", crossed + 2)?;
        load.go_on(100)?;
        for side in [Side::A, Side::B] {
            let handshakes = trial.counted(side)?.of("handshakes");
            ensure!(handshakes >= 3, "{side:?}: {handshakes} handshakes");
            trial.say(format_args!("side {side:?}: {handshakes} handshakes"));
            ensure!(trial.logged(side, "is lost")? == 0, "the session stayed");
            ensure!(
                trial.logged(side, "import e107.3 is down")? == 0,
                "the import stayed"
            );
        }
        let done = trial.finish(load)?;
        ensure!(done.lost == 0, "{} frames lost: {done:?}", done.lost);
        Ok(())
    });
}
