//! boringtun, userspace WireGuard from crates.io. It carries IP, so a VXLAN runs inside.

use std::fs;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aoe_lab::gateway::PORT;
use aoe_lab::netns::Namespace;
use aoe_lab::topology::Ground;
use nix::mount::{MsFlags, mount};

use super::kernel;
use super::program::{Availability, command, find, output, tap_refusal, version_of};
use super::running::Running;

/// Where its control sockets are.
const SOCKETS: &str = "/var/run/wireguard";
/// What WireGuard adds to a packet over IPv4, and over IPv6 to be safe.
const OVERHEAD: u32 = 80;
/// Another one than boringtun has itself.
const VXLAN_PORT: u16 = 4789;

/// Control sockets of all namespaces are in one directory, so devices need different names.
static STARTED: AtomicUsize = AtomicUsize::new(0);

pub(super) fn availability() -> Availability {
    let hint =
        "not installed (cargo install --locked boringtun-cli --version 0.7.1, apt-get install openssl)";
    if let Some(refusal) = tap_refusal() {
        return Availability::Missing(refusal);
    }
    if let Err(error) = make_room() {
        return Availability::Missing(format!("it keeps its sockets in {SOCKETS}: {error}"));
    }
    if find("openssl").is_none() {
        return Availability::Missing(hint.to_owned());
    }
    version_of("boringtun-cli", hint)
}

pub(super) fn start(ground: &Ground, dir: &Path) -> Result<Running> {
    let (a, b) = (key(dir, "a")?, key(dir, "b")?);
    let (inner_a, inner_b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let sites = [
        (
            "b",
            &ground.gwb,
            (inner_b, inner_a),
            (&b, &a),
            ground.a_seen_from_b,
        ),
        (
            "a",
            &ground.gwa,
            (inner_a, inner_b),
            (&a, &b),
            ground.b_seen_from_a,
        ),
    ];
    let mut processes = Vec::new();
    for (name, gateway, inner, (own, other), endpoint) in sites {
        let device = format!("bt{number}{name}");
        let log = dir.join(format!("boringtun-{name}.log"));
        let mut command = command("boringtun-cli", &["--foreground", "--disable-drop-privileges"])?;
        command
            .arg("--log")
            .arg(dir.join(format!("boringtun-{name}.out")))
            .arg(&device);
        let process = gateway.spawn(&format!("boringtun {name}"), command, Some(&log))?;
        gateway.wait_for_link(&device, Duration::from_secs(10))?;
        configure(
            &device,
            &format!(
                "set=1\nprivate_key={}\nlisten_port={PORT}\nreplace_peers=true\npublic_key={}\nendpoint={endpoint}:{PORT}\n\
                 replace_allowed_ips=true\nallowed_ip=192.0.2.0/24\n\n",
                own.secret, other.public
            ),
        )?;
        open(gateway, &device, inner, ground)?;
        processes.push(process);
    }
    Ok(Running::layer_two(processes))
}

/// Gives a tunnel device its address, and puts a VXLAN onto it.
fn open(gateway: &Namespace, device: &str, inner: (IpAddr, IpAddr), ground: &Ground) -> Result<()> {
    gateway.set_mtu(device, ground.plan.underlay_mtu - OVERHEAD)?;
    gateway.add_address(device, inner.0, 24)?;
    gateway.set_up(device)?;
    kernel::add_vxlan(gateway, ground, inner, VXLAN_PORT)
}

/// Says something to a device's control socket and demands that it agrees.
fn configure(device: &str, order: &str) -> Result<()> {
    let path = PathBuf::from(SOCKETS).join(format!("{device}.sock"));
    let until = Instant::now() + Duration::from_secs(10);
    let mut socket = loop {
        match UnixStream::connect(&path) {
            Ok(socket) => break socket,
            Err(error) if Instant::now() >= until => bail!("connecting to {}: {error}", path.display()),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(order.as_bytes())?;
    let mut answer = [0; 64];
    let len = socket
        .read(&mut answer)
        .context("waiting for boringtun to agree")?;
    let answer = String::from_utf8_lossy(answer.get(..len).unwrap_or_default()).into_owned();
    ensure!(answer.contains("errno=0"), "boringtun answers {answer:?}");
    Ok(())
}

/// An X25519 key pair in hexadecimal, as the control socket wants it.
struct Key {
    secret: String,
    public: String,
}

fn key(dir: &Path, name: &str) -> Result<Key> {
    let path = dir.join(format!("{name}.x25519")).to_string_lossy().into_owned();
    output("openssl", &["genpkey", "-algorithm", "x25519", "-out", &path])?;
    let text = output("openssl", &["pkey", "-in", &path, "-noout", "-text"])?;
    let (secret, public) = text.split_once("pub:").context("openssl printed no key")?;
    let digits = |text: &str| -> String {
        let lines = text.lines().filter(|line| line.starts_with("    "));
        lines
            .flat_map(str::chars)
            .filter(char::is_ascii_hexdigit)
            .collect()
    };
    Ok(Key {
        secret: digits(secret),
        public: digits(public),
    })
}

/// Makes the directory of its control sockets where nothing stays: in this mount namespace, which is our own, files of
/// running programs are hidden by an empty file system.
fn make_room() -> io::Result<()> {
    if Path::new(SOCKETS).exists() {
        return Ok(());
    }
    mount(
        None::<&str>,
        "/var/run",
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=1m,mode=0755"),
    )?;
    fs::create_dir(SOCKETS)
}
