//! The standard world: two sites and what is between them.
//!
//! ```text
//!     ini                 gwa                wan                gwb                 tgt
//!  [initiator]--veth--[san gateway wan0]--veth--[bridge or relay]--veth--[wan0 gateway san]--veth--[target]
//!     eth0                                a                  b                      eth0
//! ```
//!
//! With TAP attachment there is no namespace `ini` (or `tgt`): the end runs on the gateway's own host, on the TAP
//! device the gateway makes.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aoe_common::frame::Address;

use crate::gateway::{
    Access, AllowSection, Attachment, Binaries, ExportFile, ImportSection, PORT, PeerSection, RunningGateway,
    SegmentSection, Site,
};
use crate::initiator::Initiator;
use crate::netns::{Namespace, VethEnd, veth};
use crate::relay::{Relay, RelayEnd};
use crate::target::Target;
use crate::target::server::TargetServer;

/// Name of the one segment at each site.
pub const SEGMENT: &str = "san";
/// How long devices, sessions and imports may take to appear.
pub const PATIENCE: Duration = Duration::from_secs(20);

const TAP: &str = "aoe0";

/// How a site's AoE end is attached to its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A host of its own, by a cable.
    Nic,
    /// On the gateway's host, by a TAP device.
    Tap,
}

/// What is between the gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// An Ethernet bridge: nothing gets lost.
    Bridge,
    /// A UDP relay that can do harm.
    Relay,
}

/// Which Internet Protocol the gateways talk over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Internet {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What world to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorldPlan {
    /// MTU of both segments (IP-style).
    pub segment_mtu: u32,
    /// MTU between the gateways.
    pub underlay_mtu: u32,
    /// Site A's attachment.
    pub attach_a: Attach,
    /// Site B's attachment.
    pub attach_b: Attach,
    /// What is between them.
    pub between: Between,
    /// Over which protocol.
    pub internet: Internet,
}

impl Default for WorldPlan {
    fn default() -> Self {
        WorldPlan {
            segment_mtu: 1500,
            underlay_mtu: 1500,
            attach_a: Attach::Nic,
            attach_b: Attach::Nic,
            between: Between::Bridge,
            internet: Internet::V4,
        }
    }
}

/// Two sites that know each other's keys and addresses. The gateways are not running yet.
#[derive(Debug)]
pub struct World {
    /// What was asked for.
    pub plan: WorldPlan,
    /// Host of site A's initiator.
    pub ini: Namespace,
    /// Host of site A's gateway.
    pub gwa: Namespace,
    /// What is between the gateways; its devices `a` and `b` lead to them.
    pub wan: Namespace,
    /// Host of site B's gateway.
    pub gwb: Namespace,
    /// Host of site B's target.
    pub tgt: Namespace,
    /// Site A, called `site-a`.
    pub site_a: Site,
    /// Site B, called `site-b`.
    pub site_b: Site,
    /// The relay, if there is one.
    pub relay: Option<Relay>,
    dir: PathBuf,
    binaries: Binaries,
}

/// Both gateways of a world.
#[derive(Debug)]
pub struct Gateways {
    /// Site A's.
    pub a: RunningGateway,
    /// Site B's.
    pub b: RunningGateway,
}

impl World {
    /// Builds namespaces, cables, directories and keys. `dir` gets a directory for every site.
    ///
    /// # Errors
    /// Without the rights to make namespaces, or when a step fails; the message says which.
    pub fn build(dir: &Path, binaries: &Binaries, plan: WorldPlan) -> Result<Self> {
        let (gwa, gwb, wan) = (
            Namespace::new("gwa")?,
            Namespace::new("gwb")?,
            Namespace::new("wan")?,
        );
        let ini = end_host("ini", &gwa, plan.attach_a, plan.segment_mtu)?;
        let tgt = end_host("tgt", &gwb, plan.attach_b, plan.segment_mtu)?;
        for (gateway, port) in [(&gwa, "a"), (&gwb, "b")] {
            veth(end(gateway, "wan0"), end(&wan, port), plan.underlay_mtu)?;
        }
        let at = |text| address(plan.internet, text);
        let prefix = if plan.internet == Internet::V4 { 24 } else { 64 };
        let (a, b) = match plan.between {
            Between::Bridge => (at((100, 1)), at((100, 2))),
            Between::Relay => (at((100, 1)), at((113, 1))),
        };
        gwa.add_address("wan0", a, prefix)?;
        gwb.add_address("wan0", b, prefix)?;
        let relay = match plan.between {
            Between::Bridge => {
                wan.add_bridge("br0", &["a", "b"])?;
                wan.set_mtu("br0", plan.underlay_mtu)?;
                None
            }
            Between::Relay => {
                let (towards_a, towards_b) = (at((100, 254)), at((113, 254)));
                wan.add_address("a", towards_a, prefix)?;
                wan.add_address("b", towards_b, prefix)?;
                let end = |ours, gateway| RelayEnd {
                    ours: socket(ours),
                    gateway: socket(gateway),
                };
                Some(Relay::start(&wan, end(towards_a, a), end(towards_b, b), 1)?)
            }
        };
        let mut site_a = site(dir, binaries, "site-a", a, plan.attach_a, plan.segment_mtu)?;
        let mut site_b = site(dir, binaries, "site-b", b, plan.attach_b, plan.segment_mtu)?;
        let (seen_from_a, seen_from_b) = match plan.between {
            Between::Bridge => (b, a),
            Between::Relay => (at((100, 254)), at((113, 254))),
        };
        introduce(&mut site_a, &site_b, Some(seen_from_a));
        introduce(&mut site_b, &site_a, Some(seen_from_b));
        let (dir, binaries) = (dir.to_owned(), binaries.clone());
        Ok(World {
            plan,
            ini,
            gwa,
            wan,
            gwb,
            tgt,
            site_a,
            site_b,
            relay,
            dir,
            binaries,
        })
    }

    /// Lets site B export the target at `target`, and site A present it at `import`.
    pub fn share(&mut self, export: &str, target: Address, access: Access, import: Address) {
        self.site_b
            .exports
            .push(export_file(export, target, "site-a", access));
        self.site_a
            .config
            .imports
            .push(import_section("site-b", export, import));
    }

    /// Starts both gateways.
    ///
    /// # Errors
    /// When one cannot be started. Whether they come up is another question.
    pub fn start(&self) -> Result<Gateways> {
        Ok(Gateways {
            b: self.site_b.start(&self.gwb)?,
            a: self.site_a.start(&self.gwa)?,
        })
    }

    /// The device of site A's initiator.
    pub fn initiator_device(&self) -> &'static str {
        end_device(self.plan.attach_a)
    }

    /// The device of site B's target.
    pub fn target_device(&self) -> &'static str {
        end_device(self.plan.attach_b)
    }

    /// An initiator at site A; on TAP the gateway has to be running.
    ///
    /// # Errors
    /// When its device does not appear.
    pub fn initiator(&self) -> Result<Initiator> {
        Initiator::open(&self.ini, self.initiator_device(), PATIENCE)
    }

    /// Runs an embedded target at site B; on TAP the gateway has to be running.
    ///
    /// # Errors
    /// When its device does not appear.
    pub fn serve(&self, target: Target) -> Result<TargetServer> {
        TargetServer::start_within(&self.tgt, self.target_device(), target, PATIENCE)
    }

    /// Another gateway next to the two (only with a bridge between): its host, with a device `san` whose other end is
    /// `eth0` of a second host, and its directory. It knows site B, which does not know it.
    ///
    /// # Errors
    /// As [`World::build`].
    pub fn stranger(&self, name: &str) -> Result<(Namespace, Namespace, Site)> {
        let host = Namespace::new(name)?;
        let behind = end_host("behind", &host, Attach::Nic, self.plan.segment_mtu)?;
        veth(end(&host, "wan0"), end(&self.wan, "c"), self.plan.underlay_mtu)?;
        self.wan.add_port("br0", "c")?;
        let ours = address(self.plan.internet, (100, 66));
        host.add_address("wan0", ours, if ours.is_ipv4() { 24 } else { 64 })?;
        let mut site = site(
            &self.dir,
            &self.binaries,
            name,
            ours,
            Attach::Nic,
            self.plan.segment_mtu,
        )?;
        introduce(
            &mut site,
            &self.site_b,
            Some(address(self.plan.internet, (100, 2))),
        );
        Ok((host, behind, site))
    }
}

impl Gateways {
    /// Waits until site A can use an import.
    ///
    /// # Errors
    /// When it cannot after 20 s; the message carries the logs' ends.
    pub fn wait_for_import(&mut self, import: Address) -> Result<()> {
        let Err(error) = self.a.wait_for_import(import, PATIENCE) else {
            return Ok(());
        };
        bail!(
            "{error:#}site-b's last lines:\n{}",
            self.b.process().transcript().tail(20)
        )
    }

    /// Stops both; they have to end clean.
    ///
    /// # Errors
    /// When one does not.
    pub fn stop(&mut self) -> Result<()> {
        let (a, b) = (self.a.stop(), self.b.stop());
        a.context("site A's gateway")?;
        b.context("site B's gateway")
    }
}

/// A file that lets one peer use a target.
pub fn export_file(name: &str, target: Address, peer: &str, access: Access) -> ExportFile {
    let allow = AllowSection {
        peer: peer.to_owned(),
        access,
        initiators: None,
        config_string: None,
    };
    ExportFile {
        name: name.to_owned(),
        segment: SEGMENT.to_owned(),
        target,
        target_mac: None,
        allow: vec![allow],
    }
}

/// A section that presents a peer's export.
pub fn import_section(peer: &str, export: &str, address: Address) -> ImportSection {
    ImportSection {
        peer: peer.to_owned(),
        export: export.to_owned(),
        segment: SEGMENT.to_owned(),
        address,
        window: None,
    }
}

/// Makes `site` know `peer`: its name, its key, and where it is (`None`: it has to call).
pub fn introduce(site: &mut Site, peer: &Site, at: Option<IpAddr>) {
    site.config.peers.push(PeerSection {
        name: peer.name().to_owned(),
        key: peer.public_key().to_owned(),
        endpoint: at.map(|at| socket(at).to_string()),
        psk: None,
        protection: Vec::new(),
        path_mtu: None,
    });
}

fn site(
    dir: &Path,
    binaries: &Binaries,
    name: &str,
    listen: IpAddr,
    attach: Attach,
    mtu: u32,
) -> Result<Site> {
    let mut site = Site::create(&dir.join(name), binaries, name)?;
    site.config.listen.push(socket(listen));
    let attachment = match attach {
        Attach::Nic => Attachment::Nic(SEGMENT.to_owned()),
        Attach::Tap => Attachment::Tap {
            device: TAP.to_owned(),
            mtu,
        },
    };
    site.config.segments.push(SegmentSection {
        name: SEGMENT.to_owned(),
        attachment,
    });
    Ok(site)
}

/// The host of an AoE end: a namespace behind the gateway's device `san`, or the gateway's own.
fn end_host(name: &str, gateway: &Namespace, attach: Attach, mtu: u32) -> Result<Namespace> {
    match attach {
        Attach::Tap => Ok(gateway.clone()),
        Attach::Nic => {
            let host = Namespace::new(name)?;
            veth(end(&host, "eth0"), end(gateway, SEGMENT), mtu)?;
            Ok(host)
        }
    }
}

fn end_device(attach: Attach) -> &'static str {
    match attach {
        Attach::Nic => "eth0",
        Attach::Tap => TAP,
    }
}

fn end<'a>(namespace: &'a Namespace, name: &'a str) -> VethEnd<'a> {
    VethEnd {
        namespace,
        name,
        mac: None,
    }
}

fn socket(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, PORT)
}

/// Addresses for documentation (RFC 5737, RFC 3849): a network number, 100 or 113, and a host.
fn address(internet: Internet, (network, host): (u8, u8)) -> IpAddr {
    match internet {
        Internet::V4 if network == 100 => IpAddr::from([198, 51, 100, host]),
        Internet::V4 => IpAddr::from([203, 0, network, host]),
        Internet::V6 => IpAddr::from([0x2001, 0xdb8, 0, u16::from(network), 0, 0, 0, u16::from(host)]),
    }
}
