//! Pairing as a new user would: empty directories, the documented commands and nothing else, and then real I/O to a real
//! vblade; a third site is paired into the running hub under load.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::initiator::{DiskError, Initiator};
use aoe_lab::netns::{Namespace, Process, veth};
use aoe_lab::topology::{Ground, PATIENCE, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger, Workload};
use e2e::load::{self, Load};
use e2e::stage::{Spoken, Stage, Vblade, play, run_command};
use e2e::trial::end;

const TARGET: Address = Address { shelf: 7, slot: 3 };
const CHOSEN: Address = Address { shelf: 107, slot: 3 };
const FREE: Address = Address { shelf: 100, slot: 0 };
const SECTORS: usize = 8 << 10;
const OFFER: &str = "backup=e7.3:read-write";
const HUB: &str = "198.51.100.2:34978";

/// A host with one directory of a gateway, in which a person types commands.
struct Host<'a> {
    stage: &'a Stage,
    space: Namespace,
    dir: PathBuf,
    name: &'static str,
}

impl<'a> Host<'a> {
    /// With an empty directory.
    fn new(stage: &'a Stage, space: &Namespace, name: &'static str) -> Self {
        Host {
            stage,
            space: space.clone(),
            dir: stage.dir().join(name),
            name,
        }
    }

    fn dir(&self) -> &str {
        self.dir.to_str().unwrap_or_default()
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<Spoken> {
        let mut command = Command::new(self.stage.binaries().dir().join(program));
        command.args(words).current_dir(self.stage.dir());
        run_command(Some(&self.space), command, Duration::from_secs(60))
    }

    /// A command that has to succeed; what it prints.
    fn keys(&self, words: &[&str]) -> Result<String> {
        let said = self.run("aoe-keys", words)?;
        ensure!(
            said.code == Some(0),
            "{}: aoe-keys {words:?}: {said:?}",
            self.name
        );
        println!("{}# aoe-keys {}\n{}", self.name, words.join(" "), said.stdout);
        Ok(said.stdout)
    }

    /// A command that has to be refused as bad data, with this reason, and to change nothing.
    fn refuses(&self, words: &[&str], reason: &str) -> Result<()> {
        let before = tree(self.stage.dir())?;
        let said = self.run("aoe-keys", words)?;
        ensure!(said.code == Some(65), "{words:?}: {said:?}");
        ensure!(
            said.stderr.contains(reason),
            "{words:?} does not say {reason:?}: {said:?}"
        );
        println!("{}# aoe-keys {}\n{}", self.name, words.join(" "), said.stderr);
        ensure!(tree(self.stage.dir())? == before, "{words:?} has left a trace");
        Ok(())
    }

    fn init(&self) -> Result<()> {
        self.keys(&[
            "init",
            "--dir",
            self.dir(),
            "--name",
            self.name,
            "--nic",
            "san",
            "--listen",
            "0.0.0.0:34978",
        ])?;
        ensure!(
            self.check()?.contains("no peer yet"),
            "it does not say what to do next"
        );
        Ok(())
    }

    fn config(&self) -> PathBuf {
        self.dir.join("gateway.toml")
    }

    fn check(&self) -> Result<String> {
        let config = self.config();
        let said = self.run(
            "aoe-gateway",
            &["check", "--config", config.to_str().unwrap_or_default()],
        )?;
        ensure!(said.code == Some(0), "{said:?}");
        Ok(said.stdout + &said.stderr)
    }

    fn start(&self) -> Result<Process> {
        let mut command = Command::new(self.stage.binaries().gateway());
        command.arg("run").arg("--config").arg(self.config());
        let log = self.stage.dir().join(format!("{}.log", self.name));
        let process = self.space.spawn(self.name, command, Some(&log))?;
        process.wait_for_line("INFO ready", PATIENCE)?;
        Ok(process)
    }
}

/// All files that pairing may touch, and what is in them.
fn tree(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            all.push((path.clone(), Vec::new()));
            all.extend(tree(&path)?);
        } else if path.extension().is_none_or(|end| end != "log" && end != "img") {
            all.push((path.clone(), fs::read(&path)?));
        }
    }
    all.sort();
    Ok(all)
}

fn passphrase(stage: &Stage, name: &str, words: &str) -> Result<()> {
    let path = stage.dir().join(name);
    fs::write(&path, words)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

#[test]
fn from_empty_directories_to_verified_io_and_a_third_site_under_load() {
    play(|stage| {
        let ground = Ground::build(WorldPlan::default())?;
        let (a, b) = (
            Host::new(stage, &ground.gwa, "site-a"),
            Host::new(stage, &ground.gwb, "site-b"),
        );
        passphrase(stage, "words", "seven words that both of us know\n")?;
        a.init()?;
        b.init()?;
        // It may run before it has a peer.
        let mut hub = b.start()?;
        b.keys(&[
            "invite",
            "site-a",
            "--dir",
            b.dir(),
            "--offer",
            OFFER,
            "--endpoint",
            HUB,
            "--out",
            "to-a.invite",
            "--passphrase-file",
            "words",
        ])?;
        let said = a.keys(&[
            "accept",
            "to-a.invite",
            "--dir",
            a.dir(),
            "--segment",
            "san",
            "--as",
            "e107.3",
            "--out",
            "to-b.reply",
            "--passphrase-file",
            "words",
        ])?;
        ensure!(
            said.contains("aoe-gateway check: site-a can run") && said.contains("aoe-gateway run --config"),
            "{said}"
        );
        let said = b.keys(&["accept", "to-b.reply", "--dir", b.dir(), "--reload"])?;
        for told in [
            "aoe-gateway check: site-b can run",
            "peer site-a appears",
            "site-a may use backup (read-write)",
        ] {
            ensure!(said.contains(told), "no {told:?} in {said}");
        }
        let mut edge = a.start()?;
        let image = stage.image("disk.img", SECTORS as u64)?;
        let vblade = Vblade::start(&ground.tgt, "eth0", TARGET, &image, &[])?;
        edge.wait_for_line("session with site-b is up", PATIENCE)?;
        edge.wait_for_line(&format!("import {CHOSEN} is up"), PATIENCE)?;
        ensure!(a.check()?.contains("pre-shared key") && b.check()?.contains("pre-shared key"));

        let mut initiator = Initiator::open(&ground.ini, "eth0", PATIENCE)?;
        let mut ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        load::warm_up(&mut initiator, CHOSEN, &mut ledger)?;
        let load = Load::start(initiator, CHOSEN, ledger, load::mixed())?;
        load.go_on(50)?;

        let c = third(stage, &ground)?;
        c.init()?;
        b.keys(&[
            "invite",
            "site-c",
            "--dir",
            b.dir(),
            "--offer",
            "backup:read-only",
            "--endpoint",
            HUB,
            "--out",
            "to-c.invite",
            "--passphrase-file",
            "words",
        ])?;
        c.keys(&[
            "accept",
            "to-c.invite",
            "--dir",
            c.dir(),
            "--out",
            "c.reply",
            "--passphrase-file",
            "words",
        ])?;
        let said = b.keys(&["accept", "c.reply", "--dir", b.dir()])?;
        ensure!(
            said.contains("Let it take the change: aoe-gateway reload --config"),
            "{said}"
        );
        let config = b.config();
        let said = b.run(
            "aoe-gateway",
            &["reload", "--config", config.to_str().context("a path")?],
        )?;
        ensure!(
            said.code == Some(0) && said.stdout.contains("site-c gains read on backup"),
            "{said:?}"
        );
        let behind = behind_of(&c)?;
        let mut late = c.start()?;
        late.wait_for_line(&format!("import {FREE} is up"), PATIENCE)?;
        load.go_on(200)?;
        let mut behind = Initiator::open(&behind, "eth0", PATIENCE)?;
        let mut disk = behind.disk(FREE, PATIENCE)?;
        ensure!(disk.read(0, 2)?.len() == 1024);
        let refused = disk.write(0, &[1; 512]);
        let is_refusal = matches!(
            refused,
            Err(DiskError::Status {
                status: 0x41,
                error: 4
            })
        );
        ensure!(is_refusal, "it is offered for reading: {refused:?}");

        let (mut initiator, mut ledger, done) = load.finish()?;
        ensure!(done.lost == 0, "{} frames had to be sent again", done.lost);
        let read = Workload {
            patience: load::PATIENCE,
            ..Workload::read_back(&ledger, 16, 8)
        };
        ensure!(
            read.run(&mut initiator, CHOSEN, &mut ledger)?.is_clean(),
            "reading back"
        );
        let mut wrong = Vec::new();
        ledger.check(0, &fs::read(vblade.image())?, |complaint| {
            wrong.push(complaint.to_string())
        });
        ensure!(wrong.is_empty(), "the target's file: {wrong:#?}");
        for gateway in [&mut edge, &mut late, &mut hub] {
            ensure!(gateway.stop()?.success());
        }
        Ok(())
    });
}

/// A third host on the network of the other two, with a host behind it.
fn third<'a>(stage: &'a Stage, ground: &Ground) -> Result<Host<'a>> {
    let space = Namespace::new("gwc")?;
    veth(end(&space, "wan0"), end(&ground.wan, "c"), 1500)?;
    ground.wan.add_port("br0", "c")?;
    space.add_address("wan0", [198, 51, 100, 3].into(), 24)?;
    Ok(Host::new(stage, &space, "site-c"))
}

/// Plugs a host into the segment of the third site, whose gateway waits for it.
fn behind_of(host: &Host<'_>) -> Result<Namespace> {
    let behind = Namespace::new("inc")?;
    veth(end(&behind, "eth0"), end(&host.space, "san"), 1500)?;
    Ok(behind)
}

#[test]
fn wrong_uses_say_what_is_wrong_and_leave_no_trace() {
    play(|stage| {
        let space = Namespace::new("desk")?;
        let [a, b, c] = ["site-a", "site-b", "site-c"].map(|name| Host::new(stage, &space, name));
        for host in [&a, &b, &c] {
            host.init()?;
        }
        passphrase(stage, "words", "seven words that both of us know\n")?;
        passphrase(stage, "others", "seven words that nobody else knows\n")?;
        b.keys(&[
            "invite",
            "site-a",
            "--dir",
            b.dir(),
            "--offer",
            OFFER,
            "--endpoint",
            HUB,
            "--out",
            "to-a.invite",
            "--passphrase-file",
            "words",
        ])?;
        let accept = |host: &Host<'_>, file: &str, pass: &str| -> Vec<String> {
            let words = [
                "accept",
                file,
                "--dir",
                host.dir(),
                "--out",
                "to-b.reply",
                "--passphrase-file",
                pass,
            ];
            words.map(ToOwned::to_owned).to_vec()
        };
        let refuses = |host: &Host<'_>, words: &[String], reason: &str| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            host.refuses(&words, reason)
        };
        refuses(
            &a,
            &accept(&a, "to-a.invite", "others"),
            "the passphrase does not open this invitation",
        )?;
        refuses(
            &c,
            &accept(&c, "to-a.invite", "words"),
            "is for a gateway called site-a, and this one is called site-c",
        )?;
        refuses(
            &b,
            &accept(&b, "to-a.invite", "words"),
            "was made here, for site-a: take the file there",
        )?;
        let text = fs::read_to_string(stage.dir().join("to-a.invite"))?;
        let middle = text.len() / 2;
        let other = if text.as_bytes().get(middle) == Some(&b'A') {
            "B"
        } else {
            "A"
        };
        let mut altered = text.clone();
        altered.replace_range(middle..=middle, other);
        fs::write(stage.dir().join("altered.invite"), altered)?;
        refuses(&a, &accept(&a, "altered.invite", "words"), "altered")?;
        fs::write(
            stage.dir().join("cut.invite"),
            text.get(..middle).unwrap_or_default(),
        )?;
        refuses(&a, &accept(&a, "cut.invite", "words"), "cut off")?;

        // Clocks and times are the unit tests'.
        let words = accept(&a, "to-a.invite", "words");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        a.keys(&words)?;
        a.refuses(&words, "was accepted here already")?;
        a.refuses(
            &["accept", "to-b.reply", "--dir", a.dir()],
            "was written here: take it to site-b",
        )?;
        c.refuses(
            &["accept", "to-b.reply", "--dir", c.dir()],
            "no such invitation was made here",
        )?;
        b.keys(&["accept", "to-b.reply", "--dir", b.dir()])?;
        b.refuses(
            &["accept", "to-b.reply", "--dir", b.dir()],
            "was answered already",
        )?;
        for host in [&a, &b] {
            ensure!(host.check()?.contains("can run"));
        }
        Ok(())
    });
}
