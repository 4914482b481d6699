//! `aoe-gateway capture` on both sides of real gateways at work: Wireshark reads what passed and what became of it; who
//! does not read, and who may not, disturbs nobody.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aoe_common::frame::Address;
use aoe_common::snapshot::Capture;
use aoe_lab::gateway::Access;
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use aoe_lab::workload::{Fresh, Ledger};
use e2e::load;
use e2e::stage::{Spoken, Stage, eventually, play, run_command, tool};
use e2e::station::{Request, Station, ata};
use e2e::trial::{IMPORT, PATIENCE, SECTORS, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A second disk, which may only be read.
const ARCHIVE: Address = Address { shelf: 7, slot: 4 };
const READ_ONLY: Address = Address { shelf: 107, slot: 4 };
/// What is asked of each frame of a file.
const FIELDS: [&str; 12] = [
    "frame.interface_name",
    "frame.packet_flags_direction",
    "frame.len",
    "frame.cap_len",
    "aoe.major",
    "aoe.minor",
    "aoe.cmd",
    "aoe.ata.cmd",
    "aoe.ata.status",
    "aoe.lba",
    "eth.src",
    "frame.comment",
];

/// A frame as Wireshark sees it: the fields by their names.
type Row = std::collections::BTreeMap<&'static str, String>;

/// The command `capture`, of one side.
fn capture(stage: &Stage, trial: &Trial, side: Side, words: &[&str]) -> Command {
    let mut command = Command::new(stage.binaries().gateway());
    command
        .args(["capture", "--config"])
        .arg(trial.site(side).config_path());
    command.args(words);
    command
}

fn say(stage: &Stage, trial: &Trial, side: Side, words: &[&str]) -> Result<Spoken> {
    run_command(None, capture(stage, trial, side, words), PATIENCE)
}

/// A capture in the background; it is killed with this.
struct Background(Child);

impl Background {
    fn start(mut command: Command, dir: &Path) -> Result<(Background, PathBuf)> {
        let said = dir.join("capture.stderr");
        command.stdout(Stdio::null()).stderr(fs::File::create(&said)?);
        Ok((Background(command.spawn()?), said))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.0.id())?), signal)?)
    }

    fn wait(&mut self) -> Result<Option<i32>> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.0.try_wait()? {
                Some(status) => return Ok(status.code()),
                None if Instant::now() > until => bail!("it does not end"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.signal(Signal::SIGCONT);
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What tshark makes of a file.
fn read(file: &Path) -> Result<Vec<Row>> {
    let mut command = Command::new(tool("tshark")?);
    command
        .arg("-r")
        .arg(file)
        .args(["-T", "fields", "-E", "separator=|"]);
    FIELDS.iter().for_each(|field| _ = command.args(["-e", field]));
    let said = run_command(None, command, PATIENCE)?;
    ensure!(said.code == Some(0), "{said:?}");
    rows(&said.stdout)
}

fn rows(text: &str) -> Result<Vec<Row>> {
    let row = |line: &str| {
        let fields: Vec<String> = line.split('|').map(str::to_owned).collect();
        ensure!(fields.len() == FIELDS.len(), "{line}");
        Ok(FIELDS.into_iter().zip(fields).collect())
    };
    text.lines().map(row).collect()
}

fn comments<'a>(rows: &'a [Row], with: &str) -> Vec<&'a Row> {
    let has = |row: &&Row| row["frame.comment"].contains(with);
    rows.iter().filter(has).collect()
}

fn show(rows: &[Row]) {
    for row in rows {
        let fields = ["frame.interface_name", "aoe.ata.cmd", "aoe.lba", "frame.comment"];
        println!("{}", fields.map(|field| row[field].as_str()).join("  "));
    }
}

fn captures(trial: &Trial, side: Side) -> Result<Vec<Capture>> {
    Ok(trial.site(side).status()?.captures)
}

#[test]
fn wireshark_shows_what_passed_both_sides_and_what_became_of_it() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |world| {
            world.share("archive", ARCHIVE, Access::ReadOnly, READ_ONLY);
        })?;
        let _archive = stage.serve(&trial.world, ARCHIVE, 64, &[])?;
        trial.gateways.wait_for_import(READ_ONLY)?;
        let initiator = trial.world.initiator()?;
        let mac = initiator.mac().to_string();
        let ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        let load = trial.load_by(initiator, ledger, load::mixed())?;
        let [a, b] = ["a.pcapng", "b.pcapng"].map(|name| stage.dir().join(name));
        fs::write(&a, "open to all")?;
        fs::set_permissions(&a, fs::Permissions::from_mode(0o644))?;

        // The edge.
        let (import, file) = (IMPORT.to_string(), a.to_string_lossy().into_owned());
        let said = say(
            stage,
            &trial,
            Side::A,
            &["--import", &import, "--count", "200", "--write", &file],
        )?;
        ensure!(said.code == Some(0) && said.stdout.is_empty(), "{said:?}");
        ensure!(
            said.stderr.starts_with("200 frames captured, 0 dropped"),
            "{said:?}"
        );
        ensure!(fs::metadata(&a)?.permissions().mode() & 0o777 == 0o600);
        let seen = read(&a)?;
        ensure!(seen.len() == 200, "{} frames", seen.len());
        let whose = format!("peer site-b, initiator {mac}: ");
        for row in &seen {
            ensure!(
                row["frame.interface_name"] == format!("import {import}"),
                "{row:?}"
            );
            ensure!(row["frame.comment"].starts_with(&whose), "{row:?}");
            ensure!(
                row["aoe.major"] == "0x006b" || row["aoe.major"] == "107",
                "{row:?}"
            );
            ensure!(
                row["aoe.minor"].ends_with('3') && !row["aoe.cmd"].is_empty(),
                "{row:?}"
            );
            ensure!(row["frame.cap_len"].parse::<u32>()? <= 256, "{row:?}");
        }
        for (with, direction, source_is_initiator) in [
            ("admitted, request ", "1", true),
            ("answer to request ", "2", false),
        ] {
            let these = comments(&seen, with);
            ensure!(these.len() > 20, "{} of {with}", these.len());
            for row in these {
                ensure!(
                    row["frame.packet_flags_direction"].ends_with(direction),
                    "{row:?}"
                );
                ensure!((row["eth.src"] == mac) == source_is_initiator, "{row:?}");
            }
        }
        let commands = comments(&seen, "admitted");
        let has = |command: &str| commands.iter().any(|row| row["aoe.ata.cmd"] == command);
        ensure!(has("0x24") && has("0x34"), "{commands:?}");
        ensure!(
            commands.iter().any(|row| row["aoe.lba"].len() > 2),
            "{commands:?}"
        );
        let long = |row: &&Row| row["frame.len"].parse::<u32>().is_ok_and(|len| len > 1000);
        ensure!(seen.iter().any(|row| long(&row)), "no frame with sectors");

        // The exit, both exports, whole frames.
        let file = b.to_string_lossy().into_owned();
        let words = ["--export", "disk", "--export", "archive", "--snaplen", "0"];
        let words = [
            &words[..],
            &["--count", "300", "--peer", "site-a", "--write", &file],
        ]
        .concat();
        let said = say(stage, &trial, Side::B, &words)?;
        ensure!(said.code == Some(0), "{said:?}");
        let seen = read(&b)?;
        ensure!(seen.len() == 300, "{} frames", seen.len());
        for (with, direction) in [
            ("admitted, request ", "1"),
            ("to the target", "2"),
            ("target's answer to request ", "1"),
        ] {
            let these = comments(&seen, with);
            ensure!(these.len() > 20, "{} of {with}", these.len());
            for row in these {
                ensure!(row["frame.interface_name"] == "export disk", "{row:?}");
                ensure!(
                    row["frame.comment"].starts_with(&format!("peer site-a, initiator {mac}")),
                    "{row:?}"
                );
                ensure!(
                    row["frame.packet_flags_direction"].ends_with(direction),
                    "{row:?}"
                );
                ensure!(row["frame.cap_len"] == row["frame.len"], "{row:?}");
            }
        }
        show(&seen[..12]);
        let mut info = Command::new(tool("capinfos")?);
        info.arg(&b);
        let info = run_command(None, info, PATIENCE)?;
        ensure!(
            info.stdout.contains("Number of interfaces in file: 2"),
            "{info:?}"
        );
        ensure!(info.stdout.contains("Name = export archive"), "{info:?}");
        ensure!(info.stdout.contains("Number of stat entries = 1"), "{info:?}");

        // A refused write, by somebody else.
        let mut station = Station::open(&trial.world.ground.ini, trial.world.initiator_device())?;
        let asks = station.mac().to_string();
        let gateway = station.ask(&Request::config(READ_ONLY, 0, b""))?.source();
        let refused = stage.dir().join("refused.pcapng");
        let mut command = capture(
            stage,
            &trial,
            Side::A,
            &["--import", "site-b/archive", "--initiator", &asks],
        );
        command.args(["--count", "2", "--write"]).arg(&refused);
        let (mut background, _) = Background::start(command, stage.dir())?;
        eventually("it captures", PATIENCE, || {
            Ok(!captures(&trial, Side::A)?.is_empty())
        })?;
        let shown = captures(&trial, Side::A)?;
        ensure!(
            shown[0].what.contains("import e107.4") && shown[0].what.contains(&asks),
            "{shown:?}"
        );
        ensure!(shown[0].by.contains("process "), "{shown:?}");
        station.send(&Request::ata(gateway, READ_ONLY, ata::WRITE_EXT, 5, 1, &[7; 512]))?;
        ensure!(background.wait()? == Some(0));
        let seen = read(&refused)?;
        show(&seen);
        let [request, answer] = &seen[..] else {
            bail!("{seen:?}")
        };
        let reason = "a write on a read-only export (refused_read_only)";
        ensure!(
            request["frame.comment"].ends_with(&format!("{asks}: refused: {reason}")),
            "{request:?}"
        );
        ensure!(
            answer["frame.comment"].ends_with(&format!("refusal: {reason}")),
            "{answer:?}"
        );
        ensure!(answer["aoe.ata.status"] == "0x41", "{answer:?}");
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_capture_is_read_in_words_by_a_pipe_and_by_machines_and_by_nobody_else() {
    play(|stage| {
        let trial = Trial::start(stage, WorldPlan::default(), |world| {
            world.site_a.config.workers = Some(2);
            world.site_b.config.workers = Some(2);
        })?;
        let load = trial.load(load::mixed())?;
        let import = IMPORT.to_string();
        let said = say(stage, &trial, Side::A, &["--import", &import, "--count", "40"])?;
        ensure!(
            said.code == Some(0) && said.stdout.lines().count() == 40,
            "{said:?}"
        );
        println!("{}{}", said.stdout, said.stderr);
        let has = |words: &[&str]| {
            let with = |line: &str| words.iter().all(|word| line.contains(word));
            said.stdout.lines().any(with)
        };
        ensure!(
            has(&["import e107.3", " in ", "site-b", "lba ", "sectors ", "admitted"]),
            "{said:?}"
        );
        ensure!(has(&[" out ", "answer: ok", "answer to request"]), "{said:?}");

        let said = say(stage, &trial, Side::B, &["--all", "--count", "9", "--json"])?;
        let lines: Vec<Value> = said
            .stdout
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        ensure!(said.code == Some(0) && lines.len() == 10, "{said:?}");
        ensure!(
            lines[0]["name"] == "export disk" && lines[0]["peer"] == "site-a",
            "{said:?}"
        );
        ensure!(
            lines[0]["aoe"]["address"].is_string() && lines[9]["end"]["frames"] == 9,
            "{said:?}"
        );

        let mut pipe = Command::new("sh");
        pipe.args([
            "-c",
            "\"$0\" capture --config \"$1\" --export disk --count 20 --write - | \"$2\" -r -",
        ]);
        pipe.arg(stage.binaries().gateway())
            .arg(trial.site(Side::B).config_path());
        pipe.arg(tool("tshark")?);
        let said = run_command(None, pipe, PATIENCE)?;
        ensure!(
            said.code == Some(0) && said.stdout.lines().count() == 20,
            "{said:?}"
        );
        ensure!(said.stdout.contains("AoE"), "{said:?}");

        for (words, code, why) in [
            (&["--export", "dsk"][..], 64, "did you mean disk?"),
            (&["--import", "e7.7"], 64, "there is none"),
            (
                &["--export", "disk", "--peer", "site-x"],
                64,
                "did you mean site-a?",
            ),
            (&["--export", "disk", "--duration", "2h"], 64, "--duration"),
            (
                &["--export", "disk", "--snaplen", "65536"],
                64,
                "no frame is longer",
            ),
            (&[], 64, "--export"),
        ] {
            let said = say(stage, &trial, Side::B, words)?;
            ensure!(
                said.code == Some(code) && said.stderr.contains(why),
                "{words:?}: {said:?}"
            );
        }
        let said = say(
            stage,
            &trial,
            Side::B,
            &[
                "--export",
                "disk",
                "--duration",
                "1s",
                "--initiator",
                "02:00:00:00:00:99",
            ],
        )?;
        ensure!(
            said.code == Some(0) && said.stderr.contains("its time is over"),
            "{said:?}"
        );
        eventually("it is over at the gateway too", PATIENCE, || {
            Ok(captures(&trial, Side::B)?.is_empty())
        })?;
        only_its_owner_may(stage, &trial)?;
        trial.finish(load).map(drop)
    });
}

/// Even root, without the right to pass over modes, does not get at another user's socket.
fn only_its_owner_may(stage: &Stage, trial: &Trial) -> Result<()> {
    let socket = trial.site(Side::B).dir().join("control.sock");
    let before = fs::metadata(&socket)?;
    ensure!(before.permissions().mode() & 0o777 == 0o600, "{before:?}");
    if chown(&socket, Some(1), None).is_err() {
        println!("there is no other user here");
        return Ok(());
    }
    let mut command = Command::new(tool("setpriv")?);
    command.args([
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-dac_override,-dac_read_search",
        "--",
    ]);
    command
        .arg(stage.binaries().gateway())
        .args(["capture", "--export", "disk", "--config"]);
    command.arg(trial.site(Side::B).config_path());
    let said = run_command(None, command, PATIENCE)?;
    ensure!(
        said.code == Some(77) && said.stderr.contains("control.sock"),
        "{said:?}"
    );
    chown(&socket, Some(nix::unistd::geteuid().as_raw()), None)?;
    Ok(())
}

#[test]
fn a_reader_that_stands_still_costs_itself_frames_and_nobody_else_anything() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let load = trial.load(load::mixed())?;
        let file = stage.dir().join("slow.pcapng");
        let mut command = capture(stage, &trial, Side::B, &["--all", "--snaplen", "0", "--write"]);
        command.arg(&file);
        let (mut background, said) = Background::start(command, stage.dir())?;
        let shown = |trial: &Trial| -> Result<Capture> {
            let mut shown = captures(trial, Side::B)?;
            shown.pop().context("it has ended")
        };
        eventually("it captures", PATIENCE, || {
            Ok(captures(&trial, Side::B)?
                .iter()
                .any(|capture| capture.frames > 100))
        })?;
        background.signal(Signal::SIGSTOP)?;
        // What was under way is in the way from here to there after a moment, and then nothing moves.
        let mut before = shown(&trial)?;
        eventually("nothing more is handed over", PATIENCE, || {
            load.go_on(100)?;
            let last = std::mem::replace(&mut before, shown(&trial)?);
            Ok(before.frames == last.frames && before.dropped > last.dropped + 100)
        })?;
        background.signal(Signal::SIGCONT)?;
        eventually("it goes on", PATIENCE, || {
            Ok(shown(&trial)?.frames > before.frames + 1000)
        })?;
        background.signal(Signal::SIGINT)?;
        ensure!(background.wait()? == Some(0));
        let said = fs::read_to_string(&said)?;
        println!("{said}");
        let words: Vec<&str> = said.split(' ').collect();
        let (frames, dropped) = (words[0].parse::<usize>()?, words[3].parse::<u64>()?);
        ensure!(dropped > 0 && said.contains("ended by who asked"), "{said}");
        ensure!(read(&file)?.len() == frames, "{said}");
        ensure!(captures(&trial, Side::B)?.is_empty());

        // What is captured goes away.
        let done = trial.end(load)?;
        ensure!(done.faults.is_empty(), "{:?}", done.faults);
        let command = capture(stage, &trial, Side::B, &["--export", "disk"]);
        let (mut background, said) = Background::start(command, stage.dir())?;
        eventually("it captures", PATIENCE, || {
            Ok(!captures(&trial, Side::B)?.is_empty())
        })?;
        trial.world.site_b.exports.clear();
        trial.site(Side::B).reload()?;
        ensure!(background.wait()? == Some(69));
        let said = fs::read_to_string(&said)?;
        ensure!(said.contains("export disk: not configured any more"), "{said}");
        trial.gateways.stop()
    });
}
