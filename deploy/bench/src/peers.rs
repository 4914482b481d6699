//! The ways from one segment to the other.

mod address;
mod boringtun;
mod fastd;
mod kernel;
mod openvpn;
pub(crate) mod ours;
mod program;
mod running;
mod vpncloud;

use std::path::Path;

use anyhow::Result;
use aoe_lab::topology::Ground;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub(crate) use address::{IMPORT, TARGET, nth};
pub(crate) use program::Availability;
pub(crate) use running::Running;

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
    /// aoe-gateway with transport = "tls"
    OursTls,
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
            Peer::OursTls => "aoe-gateway, transport tls",
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
            Peer::Ours | Peer::OursBlocking | Peer::OursAuthenticate | Peer::OursWorkers | Peer::OursTls
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
            Peer::Ours | Peer::OursBlocking | Peer::OursAuthenticate | Peer::OursWorkers | Peer::OursTls => {
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
            Peer::OursWorkers => {
                ours::start(ground, dir, disks, |config| config.workers = Some(ours::WORKERS))
            }
            Peer::OursTls => ours::start_with_tls(ground, dir, disks),
            Peer::FastdAes => fastd::start(&ground, dir, "aes128-ctr+umac"),
            Peer::FastdSalsa => fastd::start(&ground, dir, "salsa2012+umac"),
            Peer::Openvpn => openvpn::start(&ground, dir),
            Peer::Vpncloud => vpncloud::start(&ground, dir),
            Peer::Boringtun => boringtun::start(&ground, dir),
        }
    }
}
