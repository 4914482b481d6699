//! `aoe-gateway top` in a real terminal (tmux), beside a real pair at work: rates that change, keys, sizes, what is wrong,
//! and a terminal that is as it was afterwards, however it ends.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::gateway::Access;
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use aoe_lab::workload::{Fresh, Ledger};
use e2e::load;
use e2e::stage::{Stage, eventually, play, run_command};
use e2e::svg::picture;
use e2e::tmux::{PROMPT, Tmux};
use e2e::trial::{PATIENCE, SECTORS, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A second disk, which nobody uses.
const ARCHIVE: Address = Address { shelf: 7, slot: 4 };
const ARCHIVE_THERE: Address = Address { shelf: 107, slot: 4 };

/// `top` in a terminal.
struct Shown {
    tmux: Tmux,
    command: String,
}

impl Shown {
    fn start(stage: &Stage, config: &Path) -> Result<Self> {
        let program = stage.binaries().gateway();
        let shown = Shown {
            tmux: Tmux::start(stage.dir(), 80, 24)?,
            command: format!("{} top --config {}", program.display(), config.display()),
        };
        shown.has(PROMPT)?;
        shown.tmux.command(&shown.command)?;
        shown.has("[1 exports 2]")?;
        Ok(shown)
    }

    /// Waits until the screen has these words, and gives it.
    fn has(&self, words: &str) -> Result<String> {
        self.until(words, |screen| screen.contains(words))
    }

    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> Result<String> {
        let mut screen = String::new();
        let seen = eventually(what, PATIENCE, || {
            screen = self.tmux.screen()?;
            Ok(holds(&screen))
        });
        seen.with_context(|| format!("the screen:\n{screen}"))?;
        Ok(screen)
    }

    /// The shell has the terminal again: the screen from before, a cursor, lines and echo.
    fn given_back(&self) -> Result<()> {
        self.until("the prompt", |screen| {
            screen
                .trim_end()
                .lines()
                .last()
                .is_some_and(|line| line.trim_end() == PROMPT)
        })?;
        ensure!(self.tmux.fact("alternate_on")? == "0");
        ensure!(self.tmux.fact("cursor_flag")? == "1");
        self.tmux.command("clear; stty -a")?;
        let settings = self.has("icanon")?;
        for setting in ["icanon", "echo", "isig", "icrnl", "opost"] {
            ensure!(
                settings.split([' ', ';', '\n']).any(|word| word == setting),
                "not {setting}: {settings}"
            );
        }
        self.tmux.command("clear")
    }
}

/// What stands below the head of a column, in the line of a row.
fn cell(screen: &str, row: &str, head: &str) -> Option<String> {
    let at = |line: &str| line.find(head).map(|at| line[..at].chars().count());
    let (heads, start) = screen.lines().find_map(|line| Some((line, at(line)?)))?;
    let line = screen
        .lines()
        .find(|line| line.get(2..).is_some_and(|line| line.starts_with(row)))?;
    // Numbers stand at the right; a column of numbers is at least seven wide.
    let end = start + head.chars().count();
    let cell: String = line
        .chars()
        .skip(end.saturating_sub(7))
        .take(7.min(end))
        .collect();
    (!heads.is_empty()).then(|| cell.trim().to_owned())
}

/// A number as it is shown.
fn number(screen: &str, row: &str, head: &str) -> Option<u64> {
    let digits: String = cell(screen, row, head)?.split(' ').collect();
    digits.parse().ok()
}

#[test]
fn it_shows_what_happens_obeys_keys_and_gives_the_terminal_back() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |world| {
            world.share("archive", ARCHIVE, Access::ReadOnly, ARCHIVE_THERE);
        })?;
        let _archive = stage.serve(&trial.world, ARCHIVE, 64, &[])?;
        trial.gateways.wait_for_import(ARCHIVE_THERE)?;
        let initiator = trial.world.initiator()?;
        let mac = initiator.mac().to_string();
        let load = trial.load_by(initiator, Ledger::new(0, SECTORS, 7, Fresh::Zero), load::mixed())?;
        let config = trial.site(Side::B).config_path();
        let shown = Shown::start(stage, &config)?;
        let tmux = &shown.tmux;

        // A rate that changes.
        let rate = |screen: &str| number(screen, "disk", "req/s▼").filter(|rate| *rate > 0);
        let first = shown.until("a rate", |screen| rate(screen).is_some())?;
        ensure!(first.lines().all(|line| line.chars().count() <= 80), "{first}");
        let second = shown.until("another rate", |screen| {
            rate(screen).is_some_and(|now| Some(now) != rate(&first))
        })?;
        trial.say(format_args!(
            "{:?} and then {:?} requests a second",
            rate(&first),
            rate(&second)
        ));
        ensure!(number(&second, "archive", "req/s▼") == Some(0), "{second}");
        shown.until("bars", |screen| {
            let bars = |line: &str| {
                line.contains("disk") && line.chars().filter(|c| ('▁'..='█').contains(c)).count() > 3
            };
            screen.lines().any(bars)
        })?;

        // Views and details, by keys.
        tmux.text("3")?;
        let users = shown.has("[3 initiators 1]")?;
        ensure!(users.contains(&mac) && users.contains("site-a"), "{users}");
        tmux.key("Enter")?;
        shown.has(&format!("initiator {mac}: up"))?;
        tmux.text("4")?;
        shown.has("> site-a up")?;
        tmux.text("1/arch")?;
        let filtered = shown.has("/arch_")?;
        ensure!(
            filtered.contains("archive") && !filtered.contains("  disk"),
            "{filtered}"
        );
        tmux.key("Escape")?;
        shown.has("disk ")?;
        tmux.text("r")?;
        shown.has("req/s▲")?;
        tmux.text("r")?;
        shown.has("req/s▼")?;

        // It stands still while requests go on.
        tmux.text(" ")?;
        let paused = shown.has("PAUSED for ")?;
        let done = load.done().requests;
        shown.until("some seconds later", |screen| {
            ["PAUSED for 3 s", "PAUSED for 4 s", "PAUSED for 5 s"]
                .iter()
                .any(|words| screen.contains(words))
        })?;
        load.go_on(50)?;
        ensure!(load.done().requests > done);
        let body = |screen: &str| screen.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        ensure!(body(&tmux.screen()?) == body(&paused), "{paused}");
        tmux.text(" ")?;
        shown.until("it goes on", |screen| !screen.contains("PAUSED"))?;

        // Other sizes.
        tmux.resize(140, 40)?;
        shown.until("more columns", |screen| {
            screen.contains("since") && screen.contains("target")
        })?;
        tmux.resize(30, 5)?;
        shown.has("too small: 30x5")?;
        tmux.resize(80, 9)?;
        shown.until("rates again", |screen| rate(screen).is_some())?;
        let list = tmux.coloured()?;
        tmux.resize(80, 37)?;
        tmux.key("Enter")?;
        for words in [
            "export disk: up",
            "how long: target",
            "how large",
            "up to 1.02 kB",
            &mac,
        ] {
            shown.has(words)?;
        }
        let details = tmux.coloured()?;
        let drawn = picture(&[&list, &details], 80);
        ensure!(
            drawn.len() < 100_000 && drawn.contains("export disk") && drawn.contains("#8ec07c"),
            "{}",
            drawn.len()
        );
        let target = stage.binaries().gateway();
        let pictures = target
            .ancestors()
            .nth(2)
            .context("no target directory")?
            .join("pictures");
        fs::create_dir_all(&pictures)?;
        fs::write(pictures.join("top.svg"), drawn)?;
        tmux.resize(80, 24)?;
        tmux.key("Escape")?;
        shown.has("req/s▼")?;
        tmux.key("C-l")?;
        shown.until("rates again", |screen| rate(screen).is_some())?;

        // To the shell and back.
        tmux.key("C-z")?;
        shown.given_back()?;
        tmux.command("fg")?;
        shown.until("rates again", |screen| rate(screen).is_some())?;

        // What is wrong.
        trial.kill_vblade()?;
        let wrong = shown.until("an alarm", |screen| {
            screen.contains("! down for") && screen.contains("does not answer")
        })?;
        ensure!(wrong.contains("disk    down"), "{wrong}");
        tmux.text("5")?;
        shown.has("[5 alarms 1]")?;
        println!("{}", tmux.screen()?);
        trial.start_vblade()?;
        shown.has("no alarms")?;
        tmux.text("q")?;
        shown.given_back()?;
        trial.finish(load).map(drop)
    });
}

#[test]
fn it_survives_its_gateway_and_ends_clean_by_signals() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |world| {
            world.share("archive", ARCHIVE, Access::ReadOnly, ARCHIVE_THERE);
        })?;
        let config = trial.site(Side::B).config_path();
        let shown = Shown::start(stage, &config)?;
        let tmux = &shown.tmux;
        trial.gateway(Side::B).process().stop()?;
        let gone = shown.has("NO ANSWER for ")?;
        ensure!(gone.contains("! no gateway runs with"), "{gone}");
        trial.restart(Side::B)?;
        shown.until("it is there again", |screen| {
            screen.contains("every 1") && !screen.contains("NO ANSWER")
        })?;

        // Each signal gives the terminal back.
        tmux.text("q")?;
        shown.given_back()?;
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            tmux.command(&format!(
                "sh -c 'echo $$ >pid; exec {}'; echo ended $?",
                shown.command
            ))?;
            shown.has("[1 exports 2]")?;
            let dir = tmux.fact("pane_current_path")?;
            let pid: i32 = fs::read_to_string(Path::new(&dir).join("pid"))?.trim().parse()?;
            kill(Pid::from_raw(pid), signal)?;
            shown.has("ended 0")?;
            shown.given_back()?;
        }

        // Neither colour nor more than ASCII where it is not wanted.
        tmux.command(&format!("NO_COLOR=1 LC_ALL=C {}", shown.command))?;
        shown.has("[1 exports 2]")?;
        let plain = tmux.coloured()?;
        ensure!(plain.is_ascii(), "{plain}");
        let colours = plain
            .split("\u{1b}[")
            .skip(1)
            .filter_map(|rest| rest.split_once('m'));
        for (codes, _) in colours {
            // 39 and 49 are the colours that the terminal has anyway.
            let is_colour =
                |code: &str| code.len() > 1 && code.starts_with(['3', '4', '9']) && !code.ends_with('9');
            ensure!(!codes.split(';').any(is_colour), "{codes} in {plain:?}");
        }
        tmux.text("q")?;
        shown.given_back()?;

        // Where nothing can be drawn.
        tmux.command(&format!("TERM=dumb {}", shown.command))?;
        shown.has("status --watch")?;
        let mut command = Command::new(stage.binaries().gateway());
        command.args(["top", "--config"]).arg(&config);
        let said = run_command(None, command, PATIENCE)?;
        ensure!(said.code == Some(64) && said.stdout.is_empty(), "{said:?}");
        ensure!(
            said.stderr.contains("needs a terminal")
                && said.stderr.contains("aoe-gateway status --watch --config"),
            "{said:?}"
        );
        trial.gateways.stop()?;
        // The gateway is gone: that is said before the terminal is taken.
        tmux.command("clear")?;
        tmux.command(&shown.command)?;
        shown.has("no gateway runs with")?;
        Ok(())
    });
}

#[test]
fn a_picture_has_colours_and_no_markup_of_a_name() {
    let drawn = picture(
        &["\u{1b}[1mbackup\u{1b}[0m \u{1b}[31mdown\u{1b}[38;5;2mup\u{1b}[39m <script>&\u{1b}[7mx\u{1b}[0m"],
        40,
    );
    assert!(drawn.contains("font-weight=\"bold\">backup</text>"), "{drawn}");
    assert!(drawn.contains("fill=\"#fb4934\">down</text>"), "{drawn}");
    assert!(
        drawn.contains("&lt;script&gt;&amp;") && !drawn.contains("<script"),
        "{drawn}"
    );
    assert!(drawn.contains("fill=\"#8ec07c\">up</text>"), "{drawn}");
    assert_eq!(
        drawn.matches("<rect").count(),
        2,
        "the ground, and one that is reversed"
    );
}
