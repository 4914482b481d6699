//! The target dies and comes back, under load.

use anyhow::ensure;
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use e2e::load;
use e2e::stage::play;
use e2e::trial::Trial;

#[test]
fn a_target_that_dies_and_comes_back_costs_time_and_no_byte() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let load = trial.load(load::mixed())?;
        for _ in 0..3 {
            trial.kill_vblade()?;
            trial.start_vblade()?;
            trial.say("vblade was killed and started again at once");
            load.go_on(50)?;
        }
        ensure!(
            trial.logged(Side::A, "import e107.3 is down")? == 0,
            "nobody noticed so short a death"
        );

        trial.kill_vblade()?;
        trial.say("vblade was killed");
        trial.wait_for_log(Side::B, "export disk: target e7.3 does not answer", 1)?;
        trial.wait_for_log(Side::A, "import e107.3 is down", 1)?;
        let ups = trial.logged(Side::A, "import e107.3 is up")?;
        trial.start_vblade()?;
        trial.say("vblade was started again");
        trial.wait_for_log(Side::A, "import e107.3 is up", ups + 1)?;
        load.go_on(50)?;
        trial.finish(load).map(drop)
    });
}
