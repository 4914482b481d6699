//! The ways from one segment to the other.

mod boringtun;
mod fastd;
mod kernel;
mod openvpn;
pub(crate) mod ours;
mod vpncloud;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use aoe_common::frame::Address;
use aoe_lab::netns::{Namespace, Process};
use aoe_lab::topology::{Gateways, Ground, SEGMENT};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Where the target's first disk is.
pub(crate) const TARGET: Address = Address { shelf: 7, slot: 3 };
/// Where our gateway presents it.
pub(crate) const IMPORT: Address = Address { shelf: 107, slot: 3 };

/// Workers of a gateway that has several.
const WORKERS: u8 = 2;

/// The same for disk number `disk`; the first is 0.
pub(crate) fn nth(first: Address, disk: u8) -> Address {
    Address {
        slot: first.slot + disk,
        ..first
    }
}

/// A way from one segment to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Peer {
    /// No tunnel: both gateways bridge. The ceiling
    Bridge,
    /// The kernel's VXLAN: no security. The ceiling of tunnels
    Vxlan,
    /// aoe-gateway as it comes
    Ours,
    /// aoe-gateway with busy_poll = "off": it sleeps as soon as there is nothing to do
    OursBlocking,
    /// aoe-gateway with protection = "authenticate"
    OursAuthenticate,
    /// aoe-gateway with workers = 2
    OursWorkers,
    /// fastd, aes128-ctr+umac
    FastdAes,
    /// fastd, salsa2012+umac
    FastdSalsa,
    /// OpenVPN, TLS, AES-256-GCM
    Openvpn,
    /// VpnCloud, AES-128-GCM
    Vpncloud,
    /// boringtun (userspace WireGuard) with a VXLAN inside
    Boringtun,
}

/// Whether a peer can run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It can; what it says its version is.
    Ready(String),
    /// It cannot; what to do about it.
    Missing(String),
}

/// What keeps a way open; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where the initiator finds the first disk.
    pub(crate) address: Address,
    _processes: Vec<Process>,
    _gateways: Option<Gateways>,
}

impl Peer {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it is, in a few words.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Peer::Bridge => "plain Ethernet bridge, no tunnel",
            Peer::Vxlan => "kernel VXLAN, not encrypted",
            Peer::Ours => "aoe-gateway as it comes (encrypt)",
            Peer::OursBlocking => "aoe-gateway, busy_poll off",
            Peer::OursAuthenticate => "aoe-gateway, authenticate",
            Peer::OursWorkers => "aoe-gateway, workers = 2",
            Peer::FastdAes => "fastd, aes128-ctr+umac",
            Peer::FastdSalsa => "fastd, salsa2012+umac",
            Peer::Openvpn => "OpenVPN, TLS, AES-256-GCM, 4 MiB buffers",
            Peer::Vpncloud => "VpnCloud, AES-128-GCM",
            Peer::Boringtun => "boringtun (userspace WireGuard), VXLAN inside",
        }
    }

    /// Whether it is one of our own.
    pub(crate) fn is_ours(self) -> bool {
        matches!(
            self,
            Peer::Ours | Peer::OursBlocking | Peer::OursAuthenticate | Peer::OursWorkers
        )
    }

    /// Whether it is another's and encrypts: what we are compared with.
    pub(crate) fn is_rival(self) -> bool {
        !self.is_ours() && !matches!(self, Peer::Bridge | Peer::Vxlan)
    }

    /// Whether it is UDP between the gateways, so that a relay can stand there.
    pub(crate) fn goes_through_relay(self) -> bool {
        self != Peer::Bridge
    }

    /// Whether it can run here.
    pub(crate) fn availability(self) -> Availability {
        match self {
            Peer::Bridge | Peer::Vxlan => Availability::Ready(kernel::version()),
            Peer::Ours | Peer::OursBlocking | Peer::OursAuthenticate | Peer::OursWorkers => {
                Availability::Ready(env!("CARGO_PKG_VERSION").to_owned())
            }
            Peer::FastdAes | Peer::FastdSalsa => fastd::availability(),
            Peer::Openvpn => openvpn::availability(),
            Peer::Vpncloud => vpncloud::availability(),
            Peer::Boringtun => boringtun::availability(),
        }
    }

    /// Opens this way on a ground, for so many disks. `dir` is for its files.
    ///
    /// # Errors
    /// When a step fails; the message says which.
    pub(crate) fn start(self, ground: Ground, dir: &Path, disks: u8) -> Result<Running> {
        std::fs::create_dir_all(dir)?;
        match self {
            Peer::Bridge => kernel::bridge(&ground),
            Peer::Vxlan => kernel::vxlan(&ground),
            Peer::Ours => ours::start(ground, dir, disks, |_| {}),
            Peer::OursBlocking => ours::start(ground, dir, disks, ours::block),
            Peer::OursAuthenticate => ours::start(ground, dir, disks, |config| {
                for peer in &mut config.peers {
                    peer.protection = vec!["authenticate".to_owned()];
                }
            }),
            Peer::OursWorkers => ours::start(ground, dir, disks, |config| config.workers = Some(WORKERS)),
            Peer::FastdAes => fastd::start(&ground, dir, "aes128-ctr+umac"),
            Peer::FastdSalsa => fastd::start(&ground, dir, "salsa2012+umac"),
            Peer::Openvpn => openvpn::start(&ground, dir),
            Peer::Vpncloud => vpncloud::start(&ground, dir),
            Peer::Boringtun => boringtun::start(&ground, dir),
        }
    }
}

impl Running {
    /// A plain L2 way: the target keeps its address.
    fn layer_two(processes: Vec<Process>) -> Self {
        Running {
            address: TARGET,
            _processes: processes,
            _gateways: None,
        }
    }
}

/// Bridges a gateway's segment with the device that leads to the other site.
fn bridge(gateway: &Namespace, device: &str) -> Result<()> {
    gateway.add_bridge("br0", &[SEGMENT, device])
}

/// Where a program is, in `PATH` or where Debian keeps what is root's.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

/// A program with arguments.
fn command(program: &str, args: &[&str]) -> Result<Command> {
    let path = find(program).with_context(|| format!("{program} is not installed"))?;
    let mut command = Command::new(path);
    command.args(args);
    Ok(command)
}

/// What a program prints.
fn output(program: &str, args: &[&str]) -> Result<String> {
    let output = command(program, args)?.output();
    let output = output.with_context(|| format!("starting {program}"))?;
    anyhow::ensure!(
        output.status.success(),
        "{program} {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The second word of what `program --version` prints first.
fn version_of(program: &str, hint: &str) -> Availability {
    let Ok(mut command) = command(program, &["--version"]) else {
        return Availability::Missing(hint.to_owned());
    };
    let said = command.output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    Availability::Ready(said.split_whitespace().nth(1).unwrap_or("?").to_owned())
}

/// TAP devices are made through this.
fn tap_refusal() -> Option<String> {
    let opened = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    opened.err().map(|error| format!("/dev/net/tun: {error}"))
}
