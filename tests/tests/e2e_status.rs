//! `aoe-gateway status` on both sides of real gateways at work: who uses what, whether the path is healthy, what is down
//! and since when, who was refused; and readers that do not read.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aoe_common::frame::Address;
use aoe_common::snapshot::{Export, Import, Latency, Snapshot, State, StateChange};
use aoe_lab::gateway::Access;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Between, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger};
use e2e::load;
use e2e::stage::{Spoken, Stage, eventually, play, run_command};
use e2e::station::{Request, Station, ata};
use e2e::trial::{IMPORT, PATIENCE, SECTORS, Trial};
use serde_json::Value;

/// A second disk, which may only be read.
const ARCHIVE: Address = Address { shelf: 7, slot: 4 };
const READ_ONLY: Address = Address { shelf: 107, slot: 4 };
/// Within that time a target that went away is known to be down.
const NOTICED: Duration = Duration::from_secs(10);
/// Parts of the document of which every row has a state.
const PARTS: [&str; 6] = ["alarms", "segments", "peers", "imports", "exports", "initiators"];

/// The command `status`, for both sides.
struct Told {
    program: PathBuf,
    a: PathBuf,
    b: PathBuf,
}

impl Told {
    fn new(stage: &Stage, trial: &Trial) -> Self {
        Told {
            program: stage.binaries().gateway(),
            a: trial.site(Side::A).config_path(),
            b: trial.site(Side::B).config_path(),
        }
    }

    fn command(&self, side: Side) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["status", "--config"]).arg(match side {
            Side::A => &self.a,
            Side::B => &self.b,
        });
        command
    }

    /// What it says, with these options.
    fn say(&self, side: Side, options: &[&str]) -> Result<Spoken> {
        let mut command = self.command(side);
        command.args(options);
        run_command(None, command, PATIENCE)
    }

    /// The document of a side.
    fn document(&self, side: Side) -> Result<Snapshot> {
        let said = self.say(side, &["--json"])?;
        ensure!(said.code == Some(0), "{said:?}");
        let document: Value = serde_json::from_str(&said.stdout)?;
        let now = document["gateway"]["now"].as_f64().context("no time")?;
        for part in PARTS {
            for row in document[part].as_array().with_context(|| format!("no {part}"))? {
                let since = row["since"].as_f64().unwrap_or(0.0);
                let is_complete = row["state"].is_string() && row["why"].is_string();
                ensure!(is_complete && since > 0.0 && since <= now, "{part}: {row}");
            }
        }
        Ok(serde_json::from_value(document)?)
    }

    /// The page of a side; every line fits.
    fn page(&self, side: Side) -> Result<String> {
        let said = self.say(side, &[])?;
        ensure!(said.code == Some(0), "{said:?}");
        for line in said.stdout.lines() {
            ensure!(
                line.chars().count() <= 100 && !line.contains('\u{1b}'),
                "{line:?}"
            );
        }
        Ok(said.stdout)
    }
}

/// The only element, or the one that fits.
fn one<'a, T>(rows: &'a [T], what: &str, fits: impl Fn(&T) -> bool) -> Result<&'a T> {
    let mut found = rows.iter().filter(|row| fits(row));
    match (found.next(), found.next()) {
        (Some(row), None) => Ok(row),
        (None, _) => bail!("no {what}"),
        _ => bail!("more than one {what}"),
    }
}

fn import(snapshot: &Snapshot, address: Address) -> Result<&Import> {
    let address = address.to_string();
    one(&snapshot.imports, "import", |import| import.address == address)
}

fn export<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Export> {
    one(&snapshot.exports, "export", |export| export.name == name)
}

fn measured(latency: Option<Latency>) -> bool {
    latency.is_some_and(|latency| {
        latency.count > 0 && latency.p50_us <= latency.p99_us && latency.p99_us <= latency.max_us.max(1) * 2
    })
}

#[test]
fn both_sides_say_who_uses_what_over_which_path_and_who_was_refused() {
    play(|stage| {
        let plan = WorldPlan {
            between: Between::Relay,
            ..WorldPlan::default()
        };
        let mut trial = Trial::start(stage, plan, |world| {
            world.share("archive", ARCHIVE, Access::ReadOnly, READ_ONLY);
        })?;
        let told = Told::new(stage, &trial);
        let _archive = stage.serve(&trial.world, ARCHIVE, 64, &[])?;
        trial.gateways.wait_for_import(READ_ONLY)?;
        trial.relay()?.impair("loss=3%,delay=2ms".parse()?);
        let initiator = trial.world.initiator()?;
        let mac = initiator.mac().to_string();
        let ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        let load = trial.load_by(initiator, ledger, load::mixed())?;
        load.go_on(400)?;

        let (a, b) = (told.document(Side::A)?, told.document(Side::B)?);
        for (ours, snapshot) in [("site-a", &a), ("site-b", &b)] {
            ensure!(snapshot.version == 1 && snapshot.gateway.name == ours);
            ensure!(snapshot.alarms.is_empty(), "{:?}", snapshot.alarms);
            let peer = one(&snapshot.peers, "peer", |_| true)?;
            let path = &peer.path;
            ensure!(
                peer.standing.state == State::Up && peer.session.is_some(),
                "{peer:?}"
            );
            ensure!(path.round_trip_us.is_some_and(|us| us >= 3_000), "{path:?}");
            ensure!(path.mtu >= 1280 && !path.mtu_why.is_empty(), "{path:?}");
            ensure!(
                path.bytes.received > 100_000 && path.bytes.sent > 100_000,
                "{path:?}"
            );
            // Three of a hundred, and by luck less or more.
            for (missed, all) in [
                (path.missed.received, path.records.received),
                (path.missed.sent, path.records.sent),
            ] {
                let loss = missed as f64 / all as f64;
                ensure!((0.005..0.1).contains(&loss), "{missed} of {all}: {path:?}");
            }
            ensure!(path.repaired.sent > 0, "{path:?}");
            let segment = one(&snapshot.segments, "segment", |_| true)?;
            ensure!(
                segment.standing.state == State::Up && segment.frames.received > 0,
                "{segment:?}"
            );
            ensure!(
                segment.frames.sent > 0 && segment.bytes.sent > 100_000,
                "{segment:?}"
            );
        }

        let used = import(&a, IMPORT)?;
        ensure!(
            used.standing.state == State::Up && used.access == "read-write",
            "{used:?}"
        );
        ensure!(
            used.traffic.requests > 400 && used.traffic.answered > 400,
            "{used:?}"
        );
        ensure!(
            used.traffic.read_bytes > 0 && used.traffic.written_bytes > 0,
            "{used:?}"
        );
        let split = used.latency;
        ensure!(measured(split.total) && measured(split.tunnel), "{used:?}");
        ensure!(split.total.is_some_and(|total| total.p50_us >= 3_000), "{used:?}");
        let idle = import(&a, READ_ONLY)?;
        ensure!(
            idle.access == "read-only" && idle.standing.state == State::Up,
            "{idle:?}"
        );
        let user = one(&a.initiators, "initiator here", |row| {
            row.mac == mac && row.address == IMPORT.to_string()
        })?;
        ensure!(user.traffic.requests > 400 && measured(user.latency), "{user:?}");
        ensure!(
            user.standing.state == State::Up && a.gateway.now - user.last < 10.0,
            "{user:?}"
        );

        let disk = export(&b, "disk")?;
        ensure!(
            disk.standing.state == State::Up && disk.buffers > 0 && disk.size_bytes == 4 << 20,
            "{disk:?}"
        );
        ensure!(!disk.disk.is_empty() && !disk.mac.is_empty(), "{disk:?}");
        ensure!(
            disk.traffic.requests > 400 && disk.traffic.written_bytes > 0,
            "{disk:?}"
        );
        ensure!(
            measured(disk.latency.target) && measured(disk.latency.queue),
            "{disk:?}"
        );
        let grant = one(&disk.allow, "grant", |_| true)?;
        ensure!(
            grant.peer == "site-a" && grant.access == "read-write" && grant.in_use == 1,
            "{grant:?}"
        );
        let user = one(&b.initiators, "initiator there", |row| {
            row.mac == mac && row.export == "disk"
        })?;
        ensure!(user.peer == "site-a" && user.traffic.requests > 400, "{user:?}");
        ensure!(b.counters.values().any(|n| *n == 0) && b.counters.values().any(|n| *n > 0));

        // Somebody writes where nobody may.
        let mut station = Station::open(&trial.world.ground.ini, trial.world.initiator_device())?;
        let asks = station.mac().to_string();
        let gateway = station.ask(&Request::config(READ_ONLY, 0, b""))?.source();
        station.send(&Request::ata(gateway, READ_ONLY, ata::WRITE_EXT, 5, 1, &[7; 512]))?;
        for side in [Side::A, Side::B] {
            eventually("the refusal is shown", PATIENCE, || {
                let snapshot = told.document(side)?;
                let refusals = match side {
                    Side::A => import(&snapshot, READ_ONLY)?.refusals.clone(),
                    Side::B => export(&snapshot, "archive")?.refusals.clone(),
                };
                let Some(last) = refusals.first() else {
                    return Ok(false);
                };
                ensure!(last.count > 0 && last.reason == "refused_read_only", "{last:?}");
                ensure!(last.last_who.contains(&asks), "{last:?}");
                ensure!(snapshot.gateway.now - last.last < 30.0, "{last:?}");
                Ok(true)
            })?;
            let page = told.page(side)?;
            let line = page.lines().rfind(|line| line.contains(&asks));
            ensure!(line.is_some_and(|line| line.contains("read-only")), "{page}");
        }
        let alarms = told.document(Side::B)?.alarms;
        let alarm = one(&alarms, "alarm", |alarm| alarm.standing.why.contains(&asks))?;
        ensure!(alarm.standing.state == State::Degraded, "{alarm:?}");
        println!("{}\n{}", told.page(Side::A)?, told.page(Side::B)?);
        ensure!(told.page(Side::B)?.contains(&mac));
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_target_that_goes_is_down_with_an_alarm_and_up_when_it_is_back() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let told = Told::new(stage, &trial);
        let load = trial.load(load::mixed())?;
        let before = told.document(Side::B)?;
        ensure!(before.alarms.is_empty(), "{:?}", before.alarms);
        let up_since = export(&before, "disk")?.standing.since;
        trial.kill_vblade()?;
        let killed = Instant::now();
        eventually("the target's silence is shown on both sides", NOTICED, || {
            let b = told.document(Side::B)?;
            let a = told.document(Side::A)?;
            Ok(export(&b, "disk")?.standing.state == State::Down
                && import(&a, IMPORT)?.standing.state == State::Down)
        })?;
        trial.say(format_args!("down after {:?}", killed.elapsed()));
        for side in [Side::A, Side::B] {
            let snapshot = told.document(side)?;
            let standing = match side {
                Side::A => &import(&snapshot, IMPORT)?.standing,
                Side::B => &export(&snapshot, "disk")?.standing,
            };
            ensure!(standing.why.contains("does not answer"), "{standing:?}");
            ensure!(
                snapshot.gateway.now - standing.since < NOTICED.as_secs_f64(),
                "{standing:?}"
            );
            ensure!(standing.since > up_since, "{standing:?}");
            eventually("there is an alarm", NOTICED, || {
                let alarms = told.document(side)?.alarms;
                Ok(alarms.iter().any(|alarm| alarm.standing.state == State::Down))
            })?;
            let page = told.page(side)?;
            let alarms = page.find("alarms").context("alarms")?;
            let text = page
                .get(alarms..page.find("peers").unwrap_or(0))
                .unwrap_or_default();
            ensure!(text.contains("does not answer"), "{page}");
        }
        println!("{}", told.page(Side::B)?);
        trial.start_vblade()?;
        eventually("it is up again and nothing is wrong", PATIENCE, || {
            let (a, b) = (told.document(Side::A)?, told.document(Side::B)?);
            let ups = [&export(&b, "disk")?.standing, &import(&a, IMPORT)?.standing];
            Ok(ups
                .iter()
                .all(|standing| standing.state == State::Up && standing.since > up_since)
                && a.alarms.is_empty()
                && b.alarms.is_empty())
        })?;
        load.go_on(100)?;
        for (side, about) in [
            (Side::A, format!("import {IMPORT}")),
            (Side::B, "export disk".to_owned()),
        ] {
            let snapshot = told.document(side)?;
            let of_it = |change: &&StateChange| change.about == about;
            let turns: Vec<_> = snapshot.changes.iter().filter(of_it).collect();
            // The newest first: up again, and before that down, with the reason and at a moment within this story.
            let [back, .., gone] = turns.as_slice() else {
                bail!("{about}: {:?}", snapshot.changes);
            };
            ensure!(back.is == State::Up && back.at > gone.at, "{turns:?}");
            let down = one(&turns, "change to down", |change| {
                change.was == State::Up && change.is == State::Down
            })?;
            ensure!(down.why.contains("does not answer"), "{down:?}");
            ensure!(
                down.at > before.gateway.started && down.at < snapshot.gateway.now,
                "{down:?}"
            );
        }
        trial.finish(load).map(drop)
    });
}

#[test]
fn readers_that_do_not_read_disturb_nobody_and_without_a_gateway_it_is_said() {
    play(|stage| {
        let trial = Trial::start(stage, WorldPlan::default(), |world| {
            world.site_a.config.workers = Some(2);
            world.site_b.config.workers = Some(2);
        })?;
        let told = Told::new(stage, &trial);
        let load = trial.load(load::mixed())?;
        let socket = trial.site(Side::B).dir().join("observe.sock");
        let silent: Vec<UnixStream> = (0..3)
            .map(|_| UnixStream::connect(&socket).context("connecting"))
            .collect::<Result<_>>()?;
        let asked = Instant::now();
        let snapshot = told.document(Side::B)?;
        ensure!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        ensure!(
            snapshot.gateway.workers == 2 && snapshot.peers.len() == 2,
            "{:?}",
            snapshot.peers
        );
        load.go_on(300)?;
        // As many as there is room for, and more.
        let crowd: Vec<UnixStream> = (0..200)
            .filter_map(|_| UnixStream::connect(&socket).ok())
            .collect();
        load.go_on(300)?;
        drop((silent, crowd));
        eventually("it answers again", PATIENCE, || {
            Ok(told.say(Side::B, &["--json"])?.code == Some(0))
        })?;

        // Rates, one page after the other, until nobody reads them.
        let mut watch = told.command(Side::B);
        let mut watch = watch.arg("--watch").stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(watch.stdout.take().context("its output")?).lines();
        let mut pages = 0;
        let rate = loop {
            let line = lines.next().context("it ended")??;
            ensure!(line.chars().count() <= 100, "{line}");
            pages += usize::from(line.starts_with("site-b: pid"));
            let words: Vec<&str> = line.split_whitespace().collect();
            if pages > 1 && words.first().is_some_and(|word| *word == "disk") && line.contains(" of ") {
                break line;
            }
            ensure!(pages < 10, "no rate in {pages} pages");
        };
        println!("{rate}");
        ensure!(!rate.contains(" - "), "{rate}");
        drop(lines);
        let until = Instant::now() + PATIENCE;
        let ended = loop {
            match watch.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > until => bail!("it goes on although nobody reads it"),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        ensure!(ended.success(), "{ended}");

        trial.finish(load)?;
        let said = told.say(Side::B, &[])?;
        ensure!(said.code == Some(69) && said.stdout.is_empty(), "{said:?}");
        ensure!(
            said.stderr.contains("no gateway runs with") && said.stderr.contains("observe.sock"),
            "{said:?}"
        );
        Ok(())
    });
}
