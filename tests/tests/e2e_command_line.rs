//! The programs as an operator uses them: the documented commands and files word by word, signals, exit codes, and
//! what must not matter: who reads the log.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{PipeReader, Read};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::{Access, RunningGateway};
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::{Namespace, Process, VethEnd, veth};
use aoe_lab::topology::{Attach, PATIENCE, WorldPlan};
use e2e::stage::{Spoken, Stage, Vblade, play, run, run_command, tool};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const TARGET: Address = Address { shelf: 7, slot: 3 };
const IMPORT: Address = Address { shelf: 107, slot: 3 };

const GATEWAY_A: &str = r#"
# gateway.toml
[gateway]
name = "site-a"
listen = ["0.0.0.0:34978"]
key = "site-a.key"              # relative to this file
exports = "exports.d"

[[segment]]
name = "san"
nic = "eth1"                    # or: tap = "aoe0"

[[peer]]
name = "site-b"
key = "PUBLIC-KEY-TEXT"
endpoint = "198.51.100.7:34978" # optional: without it the peer must call
psk = "site-b.psk"              # optional
protection = ["encrypt"]        # accepted modes, in order of preference

[[import]]
peer = "site-b"
export = "backup"
segment = "san"
as = "e107.3"                   # the address initiators see here
"#;

const GATEWAY_B: &str = r#"
[gateway]
name = "site-b"
listen = ["0.0.0.0:34978"]
key = "site-b.key"
exports = "exports.d"

[[segment]]
name = "san"
nic = "eth1"

[[peer]]
name = "site-a"
key = "PUBLIC-KEY-TEXT"
psk = "site-b.psk"
"#;

const BACKUP: &str = r#"
# exports.d/backup.toml on site-b
name = "backup"
segment = "san"
target = "e7.3"                 # the real address here
[[allow]]
peer = "site-a"
access = "read-write"           # or "read-only"
initiators = ["52:54:00:12:34:56"]  # optional: without it, any initiator behind that peer
"#;

/// A directory in which commands are given, and the programs' own.
struct Desk<'a> {
    stage: &'a Stage,
    dir: &'a Path,
}

impl Desk<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let program = self.stage.binaries().dir().join(words[0]);
        let mut command = Command::new(program);
        command.args(&words[1..]).current_dir(self.dir);
        command.env_remove("AOE_GATEWAY_LOG").env_remove("JOURNAL_STREAM");
        command
    }

    /// Gives a command that ends by itself.
    fn give(&self, words: &str) -> Result<Spoken> {
        let words: Vec<_> = words.split(' ').collect();
        run_command(None, self.command(&words), PATIENCE)
    }

    /// Gives a command that must end with 0; returns its standard output.
    fn done(&self, words: &str) -> Result<String> {
        let spoken = self.give(words)?;
        ensure!(spoken.code == Some(0), "{words}: {spoken:?}");
        Ok(spoken.stdout)
    }
}

#[test]
fn the_documented_commands_and_files_work_word_by_word() {
    play(|stage| {
        let (a, b) = (stage.dir().join("a"), stage.dir().join("b"));
        for dir in [&a, &b] {
            fs::create_dir(dir)?;
            fs::create_dir(dir.join("exports.d"))?;
        }
        let (at_a, at_b) = (Desk { stage, dir: &a }, Desk { stage, dir: &b });
        let version = at_a.done("aoe-gateway --version")?;
        ensure!(
            version == format!("aoe-gateway {}\n", env!("CARGO_PKG_VERSION")),
            "{version:?}"
        );

        at_a.done("aoe-keys generate --out site-a.key")?;
        at_b.done("aoe-keys generate --out site-b.key")?;
        let (key_a, key_b) = (
            at_a.done("aoe-keys public site-a.key")?,
            at_b.done("aoe-keys public site-b.key")?,
        );
        for key in [&key_a, &key_b] {
            let is_alone = key.lines().count() == 1 && key.ends_with('\n') && !key.trim_end().contains(' ');
            ensure!(is_alone, "the key text alone: {key:?}");
        }
        at_a.done("aoe-keys psk --out site-b.psk")?;
        fs::copy(a.join("site-b.psk"), b.join("site-b.psk"))?;
        for secret in [a.join("site-a.key"), a.join("site-b.psk"), b.join("site-b.key")] {
            let mode = fs::metadata(&secret)?.permissions().mode() & 0o777;
            ensure!(mode == 0o600, "{} has mode {mode:o}", secret.display());
        }
        fs::write(
            a.join("gateway.toml"),
            GATEWAY_A.replace("PUBLIC-KEY-TEXT", key_b.trim_end()),
        )?;
        fs::write(
            b.join("gateway.toml"),
            GATEWAY_B.replace("PUBLIC-KEY-TEXT", key_a.trim_end()),
        )?;
        fs::write(b.join("exports.d/backup.toml"), BACKUP)?;
        for desk in [&at_a, &at_b] {
            println!("{}", desk.done("aoe-gateway check --config gateway.toml")?);
        }

        let rooms = ["initiator", "a", "b", "target"].map(Namespace::new);
        let [ini, gwa, gwb, tgt] = rooms;
        let (ini, gwa, gwb, tgt) = (ini?, gwa?, gwb?, tgt?);
        let listed: MacAddr = "52:54:00:12:34:56".parse()?;
        cable((&ini, "eth0", Some(listed)), (&gwa, "eth1"))?;
        cable((&tgt, "eth0", None), (&gwb, "eth1"))?;
        cable((&gwa, "eth0", None), (&gwb, "eth0"))?;
        gwa.add_address("eth0", "198.51.100.6".parse()?, 24)?;
        gwb.add_address("eth0", "198.51.100.7".parse()?, 24)?;

        let run_words = ["aoe-gateway", "run", "--config", "gateway.toml"];
        let mut gateway_b = gwb.spawn("site B", at_b.command(&run_words), Some(&b.join("gateway.log")))?;
        let mut gateway_a = gwa.spawn("site A", at_a.command(&run_words), Some(&a.join("gateway.log")))?;
        let image = stage.image("disk.img", 1024)?;
        let _vblade = Vblade::start(&tgt, "eth0", TARGET, &image, &[])?;
        gateway_a.wait_for_line("session with site-b is up", PATIENCE)?;
        gateway_a.wait_for_line("import e107.3 is up", PATIENCE)?;

        let mut initiator = Initiator::open(&ini, "eth0", PATIENCE)?;
        let mut disk = initiator.disk(IMPORT, PATIENCE)?;
        disk.write(1000, &[0x5a; 4096])?;
        ensure!(disk.read(1000, 8)? == [0x5a; 4096]);
        ensure!(fs::read(&image)?[1000 * 512..1008 * 512] == [0x5a; 4096]);

        for (gateway, signal) in [
            (&mut gateway_a, Signal::SIGTERM),
            (&mut gateway_b, Signal::SIGINT),
        ] {
            let seen = gateway.transcript().len();
            gateway.signal(Signal::SIGUSR1)?;
            let counters = gateway.wait_for_line_after(seen, "counters", PATIENCE)?;
            ensure!(counters.contains("handshakes="), "{counters}");
            demand_clean_end(gateway, signal)?;
        }
        // The one told to end has told the other.
        gateway_b.wait_for_line("session with site-a is lost: the peer was shut down", PATIENCE)?;
        Ok(())
    });
}

fn demand_clean_end(gateway: &mut Process, signal: Signal) -> Result<()> {
    gateway.signal(signal)?;
    let status = gateway.wait(PATIENCE)?;
    ensure!(status.code() == Some(0), "{signal}: {status}");
    gateway.wait_for_line(&format!("ending: {signal}"), PATIENCE)?;
    Ok(())
}

#[test]
fn nobody_has_to_read_the_log() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        world.site_a.write()?;
        let _b = world.site_b.start(&world.ground.gwb)?;
        let _vblade = stage.serve(&world, TARGET, 64, &[])?;
        let desk = Desk {
            stage,
            dir: world.site_a.dir(),
        };
        let gateway = stage.binaries().gateway();
        let gateway = gateway.to_str().context("a path in UTF-8")?;

        // Standard error is a pipe whose reader has gone; all three streams are closed; the reader never reads.
        let closed_pipe = || -> Result<(Command, Option<PipeReader>)> {
            let (reader, writer) = std::io::pipe()?;
            drop(reader);
            let mut command = desk.command(&[
                "aoe-gateway",
                "--log-level",
                "trace",
                "run",
                "--config",
                "gateway.toml",
            ]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
            Ok((command, None))
        };
        let nothing_open = || -> Result<(Command, Option<PipeReader>)> {
            let mut command = Command::new(tool("sh")?);
            let line = format!("exec {gateway} run --config gateway.toml <&- >&- 2>&-");
            command.args(["-c", &line]).current_dir(desk.dir);
            Ok((command, None))
        };
        let never_read = || -> Result<(Command, Option<PipeReader>)> {
            let (reader, writer) = std::io::pipe()?;
            // One page, so that it is full after a dozen lines.
            fcntl(&reader, FcntlArg::F_SETPIPE_SZ(4096))?;
            let mut command = desk.command(&["aoe-gateway", "run", "--config", "gateway.toml"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
            Ok((command, Some(reader)))
        };
        for (what, made) in [
            ("a pipe without reader", closed_pipe()?),
            ("closed streams", nothing_open()?),
            ("a reader that never reads", never_read()?),
        ] {
            let (mut command, reader) = made;
            let child = world.ground.gwa.run(move || Ok(command.spawn()?))?;
            let mut child = Ours(child);
            let mut initiator = world.initiator()?;
            let mut disk = initiator.disk(IMPORT, PATIENCE).context(what)?;
            for round in 0..40 {
                // Every time a line of some hundred bytes.
                child.signal(Signal::SIGUSR1)?;
                let data = [round; 512];
                disk.write(7, &data)?;
                ensure!(disk.read(7, 1)? == data, "{what}");
            }
            child.signal(Signal::SIGTERM)?;
            let status = child.wait()?;
            ensure!(status.code() == Some(0), "{what}: {status}");
            println!("{what}: worked, and ended with {status}");
            if let Some(mut reader) = reader {
                let mut log = String::new();
                reader.read_to_string(&mut log)?;
                ensure!(log.len() > 3000, "the pipe was not full: {} bytes", log.len());
            }
        }
        Ok(())
    });
}

#[test]
fn a_bad_configuration_starts_nothing() {
    play(|stage| {
        let mut world = stage.world(WorldPlan {
            attach_a: Attach::Tap,
            ..WorldPlan::default()
        })?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        let site = &mut world.site_a;
        site.config.imports[0].segment = "sna".to_owned();
        let mut refused = site.start(&world.ground.gwa)?;
        demand_end(&mut refused, 78, &["gateway.toml", "sna"])?;
        ensure!(!world.ground.gwa.has_link("aoe0"), "it made a device");

        // A key that others may read, with the command that mends it; both faults at once.
        let key = site.dir().join("site-a.key");
        fs::set_permissions(&key, PermissionsExt::from_mode(0o644))?;
        let mut refused = site.start(&world.ground.gwa)?;
        demand_end(&mut refused, 78, &["sna", "chmod 600"])?;
        let checked = Spoken::from(site.check()?);
        ensure!(checked.code == Some(78), "{checked:?}");
        ensure!(
            checked.stdout.contains("sna") && checked.stdout.contains("chmod 600"),
            "{checked:?}"
        );

        fs::set_permissions(&key, PermissionsExt::from_mode(0o600))?;
        site.config.imports[0].segment = "san".to_owned();
        let mut running = site.start(&world.ground.gwa)?;
        running.process().wait_for_line("ready", PATIENCE)?;
        ensure!(world.ground.gwa.has_link("aoe0"));
        running.stop()?;
        ensure!(!world.ground.gwa.has_link("aoe0"), "its device outlived it");
        Ok(())
    });
}

#[test]
fn a_port_in_use_and_a_missing_right_are_named() {
    play(|stage| {
        let world = stage.world(WorldPlan::default())?;
        let taken = world
            .ground
            .gwa
            .run(|| Ok(UdpSocket::bind("198.51.100.1:34978")?))?;
        let mut refused = world.site_a.start(&world.ground.gwa)?;
        demand_end(
            &mut refused,
            71,
            &["cannot listen on 198.51.100.1:34978", "in use"],
        )?;
        drop(taken);

        // Root as far as files go, but without the right to packet sockets.
        let (gateway, config) = (stage.binaries().gateway(), world.site_a.config_path());
        let words = [
            gateway.to_string_lossy(),
            "run --config".into(),
            config.to_string_lossy(),
        ]
        .join(" ");
        let mut args = vec!["--bounding-set=-net_raw", "--inh-caps=-net_raw", "--"];
        args.extend(words.split(' '));
        let refused = run(&world.ground.gwa, "setpriv", &args, PATIENCE)?;
        ensure!(
            refused.code == Some(77) && refused.stderr.contains("CAP_NET_RAW"),
            "{refused:?}"
        );
        println!("{}", refused.stderr);
        Ok(())
    });
}

fn demand_end(gateway: &mut RunningGateway, code: i32, words: &[&str]) -> Result<()> {
    let process = gateway.process();
    let status = process.wait(PATIENCE)?;
    ensure!(
        status.code() == Some(code),
        "{status} instead of {code}:\n{}",
        process.transcript().tail(20)
    );
    for word in words {
        process
            .wait_for_line(word, PATIENCE)
            .with_context(|| format!("{word:?} is missing"))?;
    }
    Ok(())
}

fn cable(one: (&Namespace, &str, Option<MacAddr>), other: (&Namespace, &str)) -> Result<()> {
    let end = |namespace, name, mac| VethEnd { namespace, name, mac };
    veth(end(one.0, one.1, one.2), end(other.0, other.1, None), 1500)
}

/// A process that is killed if the story fails before it has ended.
struct Ours(Child);

impl Ours {
    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.0.id())?), signal)?)
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < until, "it still runs");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // It has ended already, unless the story failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
