//! The commands of docs/questions.md, against two real gateways at work: each ends well and says what the page promises.
//! With `AOE_WRITE_DOCS=1` what they print is put into the page.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::gateway::Access;
use aoe_lab::netns::Namespace;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Between, WorldPlan};
use e2e::load;
use e2e::stage::{eventually, play, run_command};
use e2e::station::{Request, Station, ata};
use e2e::trial::{PATIENCE, Trial};

/// A second disk, which may only be read.
const ARCHIVE: Address = Address { shelf: 7, slot: 4 };
const READ_ONLY: Address = Address { shelf: 107, slot: 4 };
/// Lines of output that the page shows of each command.
const MOST_LINES: usize = 40;
/// Longest command: it waits for a target to be drained.
const PATIENT: Duration = Duration::from_secs(40);
/// What the page calls the directories of the story.
const PAGE: (&str, &str) = ("/etc/aoe-gateway", "/var/log/aoe-gateway/audit.jsonl");

/// A command of the page.
#[derive(Debug)]
struct Asked {
    command: String,
    /// What it has to say.
    says: Vec<String>,
}

/// The commands of the page, in their order.
fn asked(page: &str) -> Result<Vec<Asked>> {
    let mut all = Vec::new();
    let mut says = None;
    for line in page.lines() {
        if let Some(words) = line
            .strip_prefix("<!-- says: ")
            .and_then(|line| line.strip_suffix(" -->"))
        {
            says = Some(words.split(" | ").map(str::to_owned).collect());
        } else if let Some(command) = line
            .strip_prefix("# ")
            .filter(|line| line.contains("aoe-gateway"))
        {
            // The title of the page has no promise before it.
            if let Some(says) = says.take() {
                let command = command.to_owned();
                all.push(Asked { command, says });
            }
        }
    }
    ensure!(all.len() >= 12, "{all:?}");
    Ok(all)
}

/// Where the story has what the page names.
struct Scene<'a> {
    program: PathBuf,
    trial: &'a Trial,
    audit: PathBuf,
}

impl Scene<'_> {
    /// The name on the page and the one in the story, of each path.
    fn paths(&self) -> Vec<(String, String)> {
        let shown = |path: &Path| path.display().to_string();
        let file = |side| shown(&self.trial.site(side).config_path());
        let dir = |side| shown(self.trial.site(side).dir());
        let (directory, audit) = PAGE;
        vec![
            (format!("{directory}/site-a.toml"), file(Side::A)),
            (format!("{directory}/site-b.toml"), file(Side::B)),
            (audit.to_owned(), shown(&self.audit)),
            ("/usr/bin/aoe-gateway".to_owned(), shown(&self.program)),
            (directory.to_owned(), dir(Side::B)),
            (directory.to_owned(), dir(Side::A)),
        ]
    }

    fn namespace(&self, command: &str) -> &Namespace {
        match command.contains("site-a.toml") {
            true => &self.trial.world.ground.gwa,
            false => &self.trial.world.ground.gwb,
        }
    }

    /// What a command of the page prints, as the page would show it.
    fn ask(&self, asked: &Asked) -> Result<String> {
        let mut words = asked.command.clone();
        for (page, here) in self.paths().iter().take(3) {
            words = words.replace(page, here);
        }
        let words = match words.strip_prefix("aoe-gateway ") {
            Some(rest) => format!("{} {rest}", self.program.display()),
            None => words,
        };
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            "mount -t sysfs sysfs /sys && eval \"$1\"",
            "sh",
            &words,
        ]);
        let said = run_command(Some(self.namespace(&asked.command)), command, PATIENT)?;
        // They exit with 1 if the answer is no.
        let is_verdict = [" doctor ", " acl explain "]
            .iter()
            .any(|verb| asked.command.contains(verb));
        ensure!(
            said.code == Some(0) || is_verdict && said.code == Some(1),
            "{words}: {said:?}"
        );
        for promise in &asked.says {
            ensure!(
                said.stdout.contains(promise),
                "{words} does not say {promise:?}: {said:?}"
            );
        }
        let mut text = said.stdout;
        for (page, here) in self.paths() {
            text = text.replace(&here, &page);
        }
        Ok(text)
    }
}

#[test]
fn every_question_of_the_page_is_answered_by_its_command() {
    play(|stage| {
        let plan = WorldPlan {
            between: Between::Relay,
            ..WorldPlan::default()
        };
        let mut trial = Trial::start(stage, plan, |world| {
            world.share("archive", ARCHIVE, Access::ReadOnly, READ_ONLY);
            world.site_b.config.audit = Some("file = \"audit.jsonl\"".to_owned());
        })?;
        let _archive = stage.serve(&trial.world, ARCHIVE, 64, &[])?;
        trial.gateways.wait_for_import(READ_ONLY)?;
        trial.relay()?.impair("loss=1%,delay=2ms".parse()?);
        let load = trial.load(load::mixed())?;
        load.go_on(200)?;
        refuse_a_write(&trial)?;
        let scene = Scene {
            program: stage.binaries().gateway(),
            audit: trial.site(Side::B).dir().join("audit.jsonl"),
            trial: &trial,
        };
        eventually("the refusal is in the audit log", PATIENCE, || {
            Ok(fs::read_to_string(&scene.audit).is_ok_and(|text| text.contains("archive")))
        })?;
        let page = page()?;
        let mut text = fs::read_to_string(&page)?;
        for asked in asked(&text)? {
            let said = scene.ask(&asked)?;
            println!("# {}\n{said}", asked.command);
            text = shown(&text, &asked.command, &said)?;
        }
        if std::env::var_os("AOE_WRITE_DOCS").is_some() {
            fs::write(&page, text)?;
        }
        trial.finish(load).map(drop)
    });
}

/// Somebody writes where nobody may.
fn refuse_a_write(trial: &Trial) -> Result<()> {
    let mut station = Station::open(&trial.world.ground.ini, trial.world.initiator_device())?;
    let gateway = station.ask(&Request::config(READ_ONLY, 0, b""))?.source();
    station.send(&Request::ata(gateway, READ_ONLY, ata::WRITE_EXT, 5, 1, &[7; 512]))?;
    Ok(())
}

fn page() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")?;
    Ok(root.join("docs/questions.md"))
}

/// The page with this output below the command.
fn shown(page: &str, command: &str, output: &str) -> Result<String> {
    let head = format!("# {command}\n");
    let (before, rest) = page.split_once(&head).context("the command is gone")?;
    let (_, after) = rest.split_once("```\n").context("the block has no end")?;
    let mut lines: Vec<&str> = output.lines().take(MOST_LINES).collect();
    if output.lines().count() > MOST_LINES {
        lines.push("…");
    }
    Ok(format!(
        "{before}{head}{}\n```\n{after}",
        lines.join("\n").trim_end()
    ))
}
