//! `doctor`, `path` and `tune` beside real gateways: what is around them, what limits an import, where settings are from.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use aoe_lab::netns::Namespace;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Between, WorldPlan};
use e2e::load;
use e2e::stage::{Spoken, Stage, eventually, play, run_command};
use e2e::trial::{PATIENCE, Trial};
use serde_json::Value;

/// The program, and the site it is asked about.
struct Site<'a> {
    program: PathBuf,
    config: PathBuf,
    namespace: &'a Namespace,
}

impl<'a> Site<'a> {
    fn new(stage: &Stage, trial: &'a Trial, side: Side) -> Self {
        let ground = &trial.world.ground;
        Site {
            program: stage.binaries().gateway(),
            config: trial.site(side).config_path(),
            namespace: match side {
                Side::A => &ground.gwa,
                Side::B => &ground.gwb,
            },
        }
    }

    /// What it says in the network namespace of its gateway, with the devices of that below /sys.
    fn say(&self, words: &[&str]) -> Result<Spoken> {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            "mount -t sysfs sysfs /sys && exec \"$@\"",
            "sh",
        ]);
        command
            .arg(&self.program)
            .args(words)
            .arg("--config")
            .arg(&self.config);
        run_command(Some(self.namespace), command, PATIENCE)
    }

    fn json(&self, words: &[&str]) -> Result<(Option<i32>, Value)> {
        let said = self.say(&[words, &["--json"]].concat())?;
        let value = serde_json::from_str(&said.stdout).with_context(|| format!("{said:?}"))?;
        Ok((said.code, value))
    }
}

/// How a check found something: the worst of its findings, and their texts.
fn check<'a>(report: &'a Value, check: &str) -> Result<Vec<(&'a str, &'a str)>> {
    let all = report["findings"].as_array().context("no findings")?;
    let them = all.iter().filter(|finding| finding["check"] == check);
    let them: Vec<_> = them
        .filter_map(|finding| Some((finding["level"].as_str()?, finding["found"].as_str()?)))
        .collect();
    ensure!(!them.is_empty(), "nothing of {check}: {report:#}");
    Ok(them)
}

fn expect(report: &Value, of: &str, level: &str) -> Result<()> {
    let found = check(report, of)?;
    ensure!(
        found.iter().any(|(is, _)| *is == level),
        "{of} is not {level}: {found:?}"
    );
    Ok(())
}

#[test]
fn doctor_finds_what_is_wrong_and_says_what_is_right() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let (a, b) = (
            Site::new(stage, &trial, Side::A),
            Site::new(stage, &trial, Side::B),
        );
        for site in [&a, &b] {
            let (code, report) = site.json(&["doctor"])?;
            for of in [
                "configuration",
                "gateway",
                "link",
                "membership",
                "path",
                "offload",
                "alarm",
            ] {
                expect(&report, of, "ok")?;
            }
            for of in [
                "mtu",
                "idle-states",
                "governor",
                "clock",
                "socket-buffer",
                "backlog",
                "mode",
                "kernel-drops",
            ] {
                check(&report, of)?;
            }
            let is_bad = report["worst"] == "fail";
            ensure!(code == Some(i32::from(is_bad)), "{code:?}: {report:#}");
        }
        check(&a.json(&["doctor"])?.1, "window")?;
        expect(&b.json(&["doctor"])?.1, "buffers", "ok")?;

        // A key that others may read, a target that is gone, a device that is a port of a bridge.
        let secret = key_file(&a.config)?;
        set_mode(&secret, 0o644)?;
        let (code, report) = a.json(&["doctor"])?;
        expect(&report, "mode", "fail")?;
        ensure!(code == Some(1));
        set_mode(&secret, 0o600)?;
        trial.kill_vblade()?;
        let b = Site::new(stage, &trial, Side::B);
        eventually("the missing target is found", PATIENCE, || {
            let (code, report) = b.json(&["doctor"])?;
            Ok(code == Some(1) && expect(&report, "alarm", "fail").is_ok())
        })?;
        let said = b.say(&["doctor"])?;
        ensure!(said.stdout.contains("does not answer"), "{said:?}");
        println!("{}", said.stdout);
        for words in ["link add br-test type bridge", "link set san master br-test"] {
            let mut ip = Command::new("ip");
            ip.args(words.split(' '));
            let said = run_command(Some(&trial.world.ground.gwb), ip, PATIENCE)?;
            ensure!(said.code == Some(0), "{said:?}");
        }
        let b = Site::new(stage, &trial, Side::B);
        expect(&b.json(&["doctor"])?.1, "membership", "fail")
    });
}

#[test]
fn path_says_what_it_carries_and_what_limits_and_tune_where_settings_are_from() {
    play(|stage| {
        let plan = WorldPlan {
            between: Between::Relay,
            ..WorldPlan::default()
        };
        let trial = Trial::start(stage, plan, |_| {})?;
        trial.relay()?.impair("loss=2%,delay=5ms,jitter=1ms".parse()?);
        let load = trial.load(load::mixed())?;
        load.go_on(300)?;
        let a = Site::new(stage, &trial, Side::A);
        eventually("the path was measured", PATIENCE, || {
            let (_, report) = a.json(&["path", "site-b"])?;
            let way = &report[0];
            let number = |value: &Value| value.as_f64().unwrap_or_default();
            Ok(number(&way["path"]["round_trip_us"]) > 9_000.0
                && number(&way["path"]["jitter_us"]) > 0.0
                && number(&way["loss_in_percent"]) > 0.2
                && number(&way["loss_out_percent"]) > 0.2
                && way["achievable"]
                    .as_array()
                    .is_some_and(|cells| cells.len() == 12))
        })?;
        let (_, report) = a.json(&["path", "site-b"])?;
        let import = &report[0]["imports"][0];
        ensure!(import["limit"]["what"].is_string(), "{report:#}");
        ensure!(
            import["bytes_per_second"].as_u64().is_some_and(|rate| rate > 0),
            "{report:#}"
        );
        let said = a.say(&["path", "site-b"])?;
        for words in ["round trip", "loss", "MTU", "limited by"] {
            ensure!(said.stdout.contains(words), "{said:?}");
        }
        println!("{}", said.stdout);
        let said = a.say(&["path", "site-v"])?;
        ensure!(
            said.code == Some(64) && said.stderr.contains("did you mean site-b?"),
            "{said:?}"
        );

        let (code, settings) = a.json(&["tune", "--explain"])?;
        let settings = settings.as_array().context("no list")?;
        let window = settings
            .iter()
            .find(|setting| setting["key"] == "window")
            .context("no window")?;
        ensure!(
            code == Some(0) && window["of"] == "import e107.3 of site-b",
            "{window}"
        );
        let said = a.say(&["tune", "--explain"])?;
        ensure!(
            said.code == Some(0) && said.stdout.contains("busy_poll"),
            "{said:?}"
        );
        trial.finish(load).map(drop)
    });
}

/// The key file that a gateway file names.
fn key_file(config: &Path) -> Result<PathBuf> {
    let text = std::fs::read_to_string(config)?;
    let line = text
        .lines()
        .find(|line| line.starts_with("key = "))
        .context("no key")?;
    let name = line.split('"').nth(1).context("no name")?;
    Ok(config.parent().context("no directory")?.join(name))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(mode),
    )?)
}
