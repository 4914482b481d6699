//! The audit log of real gateways: who had a session, who was refused what, who changed what; its disk may be full while
//! everybody works on, and its file may be moved away at any time.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::gateway::{Access, Site};
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use e2e::load;
use e2e::stage::{eventually, play, play_by_noise};
use e2e::station::{Request, Station, ata};
use e2e::trial::{PATIENCE, Trial};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid};
use serde_json::{Value, json};

/// A second disk, which may only be read.
const ARCHIVE: Address = Address { shelf: 7, slot: 4 };
const READ_ONLY: Address = Address { shelf: 107, slot: 4 };
/// Entries that wait while the disk is full, and some more.
const MORE_THAN_WAITS: usize = 8192 + 300;

/// The lines of a file; each has to be JSON, and to have what every line has.
fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let parse = |line: &str| -> Result<Value> {
        let entry: Value = serde_json::from_str(line).with_context(|| format!("in {line}"))?;
        let is_whole = ["time", "gateway", "kind"]
            .iter()
            .all(|key| entry[*key].is_string());
        ensure!(is_whole && entry["seq"].is_u64(), "{line}");
        Ok(entry)
    };
    // The last line may be being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(parse).collect()
}

fn number(entry: &Value) -> u64 {
    entry["seq"].as_u64().unwrap_or_default()
}

/// Whether an entry has all of these fields.
fn has(entry: &Value, wanted: &Value) -> bool {
    let wanted = wanted.as_object().expect("a pattern");
    wanted.iter().all(|(key, value)| entry[key] == *value)
}

/// Waits for an entry with these fields.
fn wait_for(path: &Path, wanted: &Value) -> Result<Value> {
    let mut found = None;
    eventually(&format!("{wanted} is taken down"), PATIENCE, || {
        // It may just have been moved away.
        if !path.exists() {
            return Ok(false);
        }
        found = lines(path)?.into_iter().find(|entry| has(entry, wanted));
        Ok(found.is_some())
    })?;
    let entry = found.context("it was there")?;
    println!("  {entry}");
    Ok(entry)
}

/// The control socket of a gateway.
fn control(site: &Site) -> PathBuf {
    site.dir().join("control.sock")
}

/// One order; what is answered.
fn order(socket: &Path, request: &str) -> Result<String> {
    let mut stream =
        UnixStream::connect(socket).with_context(|| format!("connecting to {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    stream.write_all(b"\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn who_did_what_and_what_was_refused_to_whom_is_taken_down() {
    let why = "the stranger and the entries are named by static keys";
    play_by_noise(why, |stage| {
        let mut stranger = None;
        let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
            world.share("archive", ARCHIVE, Access::ReadOnly, READ_ONLY);
            for site in [&mut world.site_a, &mut world.site_b] {
                site.config.audit = Some("file = \"audit.jsonl\"".to_owned());
            }
            stranger = Some(world.stranger("site-c")?);
            Ok(())
        })?;
        let _archive = stage.serve(&trial.world, ARCHIVE, 64, &[])?;
        for import in [e2e::trial::IMPORT, READ_ONLY] {
            trial.gateways.wait_for_import(import)?;
        }
        let [at_a, at_b] = [Side::A, Side::B].map(|side| trial.site(side).dir().join("audit.jsonl"));
        let key_of = |site: &Site| -> Result<String> { Ok(site.status()?.gateway.fingerprint) };
        let (key_a, key_b) = (key_of(trial.site(Side::A))?, key_of(trial.site(Side::B))?);
        wait_for(&at_b, &json!({"kind": "start", "gateway": "site-b", "seq": 1}))?;
        wait_for(&at_b, &json!({"kind": "key-loaded", "key": key_b}))?;
        let up = wait_for(
            &at_b,
            &json!({"kind": "session-up", "peer": "site-a", "key": key_a}),
        )?;
        ensure!(
            up["address"]
                .as_str()
                .is_some_and(|address| address.contains(':')),
            "{up}"
        );
        wait_for(
            &at_a,
            &json!({"kind": "session-up", "peer": "site-b", "key": key_b}),
        )?;

        refusal(&trial, [&at_a, &at_b])?;

        let (host_c, _behind_c, site_c) = stranger.take().context("there is one")?;
        let mut caller = site_c.start(&host_c)?;
        caller.process().wait_for_line("ready", PATIENCE)?;
        let key_c = key_of(&site_c)?;
        wait_for(&at_b, &json!({"kind": "stranger", "key": key_c}))?;
        caller.stop()?;

        orders(&mut trial, &at_b)?;
        rotation(&mut trial, &at_b)?;

        trial.gateways.stop()?;
        let mut all = lines(&trial.site(Side::B).dir().join("old.jsonl"))?;
        all.extend(lines(&trial.site(Side::B).dir().join("older.jsonl"))?);
        all.extend(lines(&at_b)?);
        all.sort_by_key(number);
        let last = all.last().context("no lines")?;
        ensure!(has(last, &json!({"kind": "stop", "reason": ""})), "{last}");
        ensure!(
            all.iter()
                .any(|entry| has(entry, &json!({"kind": "signal", "signal": "SIGTERM"}))),
            "who ended it?"
        );
        let numbers: Vec<_> = all.iter().map(number).collect();
        ensure!(numbers.iter().copied().eq(1..=all.len() as u64), "{numbers:?}");
        Ok(())
    });
}

/// Somebody writes where nobody may: both sides know who.
fn refusal(trial: &Trial, files: [&Path; 2]) -> Result<()> {
    let mut station = Station::open(&trial.world.ground.ini, trial.world.initiator_device())?;
    let gateway = station.ask(&Request::config(READ_ONLY, 0, b""))?.source();
    for lba in 0..50 {
        station.send(&Request::ata(
            gateway,
            READ_ONLY,
            ata::WRITE_EXT,
            lba,
            1,
            &[7; 512],
        ))?;
    }
    for (file, peer) in files.into_iter().zip(["site-b", "site-a"]) {
        let wanted = json!({
            "kind": "refused",
            "peer": peer,
            "export": "archive",
            "initiator": station.mac().to_string(),
            "reason": "refused_read_only",
        });
        let entry = wait_for(file, &wanted)?;
        ensure!(
            entry["times"]
                .as_u64()
                .is_some_and(|times| (1..=50).contains(&times)),
            "{entry}"
        );
        let count = lines(file)?
            .iter()
            .filter(|entry| entry["kind"] == "refused")
            .count();
        ensure!(count == 1, "{count} lines for one flood");
    }
    let entry = wait_for(files[0], &json!({"kind": "refused"}))?;
    ensure!(entry["import"] == READ_ONLY.to_string(), "{entry}");
    Ok(())
}

/// A right is taken away by a reload, and this process gives orders itself.
fn orders(trial: &mut Trial, at_b: &Path) -> Result<()> {
    trial.world.site_b.exports[0].allow[0].access = Access::ReadOnly;
    trial.site(Side::B).reload()?;
    let right = wait_for(
        at_b,
        &json!({"kind": "right", "peer": "site-a", "export": "disk"}),
    )?;
    ensure!(
        right["before"]["access"] == "read-write" && right["after"]["access"] == "read-only",
        "{right}"
    );
    let reload = wait_for(at_b, &json!({"kind": "reload", "outcome": "changed"}))?;
    ensure!(reload["by"]["uid"] == geteuid().as_raw(), "{reload}");
    ensure!(
        reload.to_string().contains("site-a loses write on disk"),
        "{reload}"
    );

    let socket = control(trial.site(Side::B));
    let config = trial.site(Side::B).config_path();
    let request = json!({"request": "diff", "config": config});
    order(&socket, &request.to_string())?;
    let entry = wait_for(
        at_b,
        &json!({"kind": "command", "request": request, "outcome": "same"}),
    )?;
    let by = json!({"uid": geteuid().as_raw(), "gid": getegid().as_raw(), "pid": process::id()});
    ensure!(has(&entry["by"], &by), "{entry} instead of {by}");
    let exe = std::env::current_exe()?.display().to_string();
    ensure!(entry["by"]["exe"] == exe, "{entry}");
    order(&socket, "\u{7}nonsense\"")?;
    wait_for(
        at_b,
        &json!({"kind": "command", "request": "\u{7}nonsense\"", "outcome": "refused"}),
    )?;

    // A reload that fails, by a signal.
    fs::write(&config, "[gateway\n")?;
    trial.gateway(Side::B).process().signal(Signal::SIGHUP)?;
    let failed = wait_for(at_b, &json!({"kind": "reload", "outcome": "faults"}))?;
    ensure!(failed["by"] == json!({"signal": "SIGHUP"}), "{failed}");
    ensure!(
        failed["faults"][0]
            .as_str()
            .is_some_and(|fault| fault.contains("gateway.toml:1")),
        "{failed}"
    );
    trial.site(Side::B).write()
}

/// The file is moved away, with and without a reload.
fn rotation(trial: &mut Trial, at_b: &Path) -> Result<()> {
    let socket = control(trial.site(Side::B));
    let moved = |name: &str| at_b.with_file_name(name);
    fs::rename(at_b, moved("old.jsonl"))?;
    order(&socket, "first")?;
    wait_for(at_b, &json!({"kind": "command", "request": "first"}))?;
    fs::rename(at_b, moved("older.jsonl"))?;
    trial.site(Side::B).reload()?;
    wait_for(at_b, &json!({"kind": "reload", "outcome": "same"}))?;
    Ok(())
}

#[test]
fn a_full_disk_holds_nobody_up_and_what_was_lost_is_said() {
    play(|stage| {
        let small = stage.dir().join("small");
        fs::create_dir(&small)?;
        let tmpfs = |flags, size| mount(Some("none"), &small, Some("tmpfs"), flags, Some(size));
        tmpfs(MsFlags::empty(), "size=64k")?;
        let file = small.join("audit.jsonl");
        let trial = Trial::start(stage, WorldPlan::default(), |world| {
            let section = format!("file = {:?}", file.display().to_string());
            world.site_b.config.audit = Some(section);
        })?;
        let load = trial.load(load::mixed())?;
        let socket = control(trial.site(Side::B));
        let began = Instant::now();
        for n in 0..400 {
            order(&socket, &format!("order {n}"))?;
        }
        let mut why = String::new();
        eventually("the alarm is shown", PATIENCE, || {
            let alarms = trial.site(Side::B).status()?.alarms;
            let alarm = alarms.into_iter().find(|alarm| alarm.about == "audit log");
            why = alarm.map(|alarm| alarm.standing.why).unwrap_or_default();
            Ok(!why.is_empty())
        })?;
        trial.say(format_args!("after {:.1?}: {why}", began.elapsed()));
        ensure!(
            why.contains("No space left on device") && why.contains("make room"),
            "{why}"
        );
        trial.wait_for_log(Side::B, "No space left on device", 1)?;
        load.go_on(100)?;

        for n in 0..MORE_THAN_WAITS {
            order(&socket, &format!("more {n}"))?;
        }
        load.go_on(100)?;
        let lost = trial.site(Side::B).status()?.counters["audit_lost"];
        ensure!(lost > 0, "nothing was lost");
        trial.say(format_args!("{lost} entries lost so far"));
        lines(&file)?;

        tmpfs(MsFlags::MS_REMOUNT, "size=64m")?;
        let entry = wait_for(&file, &json!({"kind": "lost"}))?;
        let lost = entry["times"].as_u64().context("a number")?;
        eventually("the counter says how many were lost", PATIENCE, || {
            Ok(trial.site(Side::B).status()?.counters["audit_lost"] == lost)
        })?;
        eventually("the alarm is over", PATIENCE, || {
            let alarms = trial.site(Side::B).status()?.alarms;
            Ok(alarms.iter().all(|alarm| alarm.about != "audit log"))
        })?;
        trial.wait_for_log(Side::B, &format!("{lost} entries were lost"), 1)?;
        let all = lines(&file)?;
        let numbers: BTreeMap<u64, &Value> = all.iter().map(|entry| (number(entry), entry)).collect();
        ensure!(numbers.len() == all.len(), "a number was given twice");
        let missing = number(&entry) - numbers.range(..=number(&entry)).count() as u64;
        ensure!(
            missing == lost,
            "{missing} numbers are missing, {lost} entries were lost"
        );
        let done = trial.finish(load)?;
        ensure!(done.lost == 0, "{} frames had to be sent again", done.lost);
        Ok(())
    });
}
