//! The operator's verbs with real gateways, the real vblade and verified load: each by the command line, with its exit code
//! and as JSON; initiators wait, and nothing fails.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use aoe_common::snapshot::{Snapshot, State};
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use e2e::load;
use e2e::stage::{Spoken, Stage, eventually, play, run_command};
use e2e::trial::{PATIENCE, Trial};
use serde_json::Value;

/// Commands for both sides.
struct Console {
    program: PathBuf,
    a: PathBuf,
    b: PathBuf,
}

impl Console {
    fn new(stage: &Stage, trial: &Trial) -> Self {
        Console {
            program: stage.binaries().gateway(),
            a: trial.site(Side::A).config_path(),
            b: trial.site(Side::B).config_path(),
        }
    }

    fn say(&self, side: Side, words: &[&str]) -> Result<Spoken> {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--config").arg(match side {
            Side::A => &self.a,
            Side::B => &self.b,
        });
        run_command(None, command, PATIENCE)
    }

    /// A verb that succeeds; what it says.
    fn does(&self, side: Side, words: &[&str]) -> Result<String> {
        let said = self.say(side, words)?;
        ensure!(said.code == Some(0), "{words:?}: {said:?}");
        println!("# aoe-gateway {}\n{}", words.join(" "), said.stdout);
        Ok(said.stdout)
    }

    /// The same as JSON.
    fn json(&self, side: Side, words: &[&str]) -> Result<Value> {
        let said = self.does(side, &[words, &["--json"]].concat())?;
        Ok(serde_json::from_str(&said)?)
    }

    fn status(&self, side: Side) -> Result<Snapshot> {
        Ok(serde_json::from_value(self.json(side, &["status"])?)?)
    }
}

#[test]
fn a_pause_a_drain_and_a_peer_taken_down_hold_initiators_up_and_nothing_fails() {
    play(|stage| {
        let trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let console = Console::new(stage, &trial);
        let load = trial.load(load::mixed())?;

        // Who does not know the name is told.
        let said = console.say(Side::B, &["pause", "dist"])?;
        ensure!(
            said.code == Some(64) && said.stderr.contains("did you mean disk?"),
            "{said:?}"
        );
        let said = console.say(Side::B, &["pause", "disk", "--for", "10m"])?;
        ensure!(
            said.code == Some(64) && said.stderr.contains("1 to 150 s"),
            "{said:?}"
        );

        let said = console.does(Side::B, &["pause", "disk", "--for", "100s"])?;
        ensure!(
            said.contains("export disk: paused; it goes on by itself in 100 s"),
            "{said}"
        );
        ensure!(said.contains("a restart ends the pause"), "{said}");
        let why = "aoe-gateway resume --config FILE disk";
        eventually("both sides say why", PATIENCE, || {
            let (a, b) = (console.status(Side::A)?, console.status(Side::B)?);
            let (import, export) = (
                a.imports.first().context("none")?,
                b.exports.first().context("none")?,
            );
            let states = [import.standing.state, export.standing.state];
            let whys = [&import.standing.why, &export.standing.why];
            Ok(states == [State::Paused; 2]
                && whys.iter().all(|text| text.contains(why))
                && export
                    .paused
                    .as_ref()
                    .is_some_and(|paused| paused.resumes > b.gateway.now + 60.0)
                && export.waiting > 0
                && !a.alarms.is_empty()
                && !b.alarms.is_empty())
        })?;
        ensure!(
            console
                .does(Side::B, &["status"])?
                .contains("paused; goes on by itself in")
        );
        let again = console.json(Side::B, &["pause", "disk", "--for", "150s"])?;
        ensure!(
            again["outcome"] == "changed" && again["about"] == "export disk",
            "{again}"
        );
        ensure!(
            again["pause"]["left_ms"]
                .as_u64()
                .is_some_and(|left| left < 150_000),
            "{again}"
        );
        ensure!(again["survives_restart"] == false, "{again}");

        let drained = console.json(Side::B, &["drain", "disk"])?;
        ensure!(
            drained["in_flight"] == 0 && drained["pause"]["is_on"] == true,
            "{drained}"
        );
        let resumed = console.json(Side::B, &["resume", "disk"])?;
        ensure!(
            resumed["outcome"] == "changed" && resumed["pause"]["is_on"] == false,
            "{resumed}"
        );
        let again = console.json(Side::B, &["resume", "disk"])?;
        ensure!(again["outcome"] == "same", "{again}");
        load.go_on(100)?;

        // The same at the edge, by its names.
        console.does(Side::A, &["pause", "site-b/disk"])?;
        let said = console.does(Side::A, &["drain", "e107.3", "--then", "resume"])?;
        ensure!(
            said.contains("import e107.3: drained") && said.contains("goes on"),
            "{said}"
        );
        load.go_on(100)?;

        let down = console.json(Side::B, &["peer", "down", "site-a"])?;
        ensure!(down["closed"] == 1 && down["outcome"] == "changed", "{down}");
        eventually("both sides say why there is no session", PATIENCE, || {
            let (a, b) = (console.status(Side::A)?, console.status(Side::B)?);
            let down = |snapshot: &Snapshot, why: &str| {
                let peer = snapshot.peers.first();
                peer.is_some_and(|peer| peer.standing.state == State::Down && peer.standing.why.contains(why))
            };
            Ok(down(&b, "was taken down by user") && down(&a, "operator took this gateway down"))
        })?;
        ensure!(console.json(Side::B, &["peer", "down", "site-a"])?["outcome"] == "same");
        let up = console.does(Side::B, &["peer", "up", "site-a"])?;
        ensure!(up.contains("peer site-a: it is"), "{up}");
        load.go_on(100)?;

        let set = console.does(Side::A, &["log", "level", "debug"])?;
        ensure!(set.contains("filtered by \"debug\""), "{set}");
        let said = console.say(Side::A, &["log", "level", "debu=g=x"])?;
        ensure!(said.code == Some(64), "{said:?}");
        trial.finish(load)?;
        Ok(())
    });
}

/// vblade is stopped for as long as the drain waits, with a write in it.
#[test]
fn a_drain_that_does_not_end_in_time_says_what_is_there_and_by_its_exit_code() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let console = Console::new(stage, &trial);
        let load = trial.load(load::mixed())?;
        trial.kill_vblade()?;
        let said = console.say(Side::B, &["drain", "disk", "--timeout", "2s", "--for", "60s"])?;
        ensure!(said.code == Some(1), "{said:?}");
        ensure!(said.stderr.contains("not drained after 2"), "{said:?}");
        trial.start_vblade()?;
        console.does(Side::B, &["resume", "disk"])?;
        load.go_on(100)?;
        trial.finish(load)?;
        Ok(())
    });
}
