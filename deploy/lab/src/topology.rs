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

mod ground;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aoe_common::frame::Address;

use crate::gateway::{
    Access, AllowSection, Attachment, Binaries, ExportFile, ImportSection, PeerSection, RunningGateway,
    SegmentSection, Site,
};
use crate::initiator::Initiator;
use crate::netns::{Namespace, veth};
use crate::target::Target;
use crate::target::server::TargetServer;

use ground::{address, end, end_host, prefix_len, socket};

pub use ground::Ground;

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
    /// One cable: nothing in the way.
    Cable,
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
    /// Where they stand.
    pub ground: Ground,
    /// Site A, called `site-a`.
    pub site_a: Site,
    /// Site B, called `site-b`.
    pub site_b: Site,
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
        Self::on(Ground::build(plan)?, dir, binaries)
    }

    /// Puts two sites on a ground that is there already.
    ///
    /// # Errors
    /// When a directory or a key cannot be made.
    pub fn on(ground: Ground, dir: &Path, binaries: &Binaries) -> Result<Self> {
        let plan = ground.plan;
        let mut site_a = site(dir, binaries, "site-a", ground.a, plan.attach_a, plan.segment_mtu)?;
        let mut site_b = site(dir, binaries, "site-b", ground.b, plan.attach_b, plan.segment_mtu)?;
        introduce(&mut site_a, &site_b, Some(ground.b_seen_from_a));
        introduce(&mut site_b, &site_a, Some(ground.a_seen_from_b));
        Ok(World {
            ground,
            site_a,
            site_b,
            dir: dir.to_owned(),
            binaries: binaries.clone(),
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
            b: self.site_b.start(&self.ground.gwb)?,
            a: self.site_a.start(&self.ground.gwa)?,
        })
    }

    /// The device of site A's initiator.
    pub fn initiator_device(&self) -> &'static str {
        end_device(self.ground.plan.attach_a)
    }

    /// The device of site B's target.
    pub fn target_device(&self) -> &'static str {
        end_device(self.ground.plan.attach_b)
    }

    /// An initiator at site A; on TAP the gateway has to be running.
    ///
    /// # Errors
    /// When its device does not appear.
    pub fn initiator(&self) -> Result<Initiator> {
        Initiator::open(&self.ground.ini, self.initiator_device(), PATIENCE)
    }

    /// Runs an embedded target at site B; on TAP the gateway has to be running.
    ///
    /// # Errors
    /// When its device does not appear.
    pub fn serve(&self, target: Target) -> Result<TargetServer> {
        TargetServer::start_within(&self.ground.tgt, self.target_device(), target, PATIENCE)
    }

    /// Another gateway, in the network where site B is: its host, with a device `san` whose other end is
    /// `eth0` of a second host, and its directory. It knows site B, which does not know it.
    ///
    /// # Errors
    /// As [`World::build`].
    pub fn stranger(&self, name: &str) -> Result<(Namespace, Namespace, Site)> {
        let ground = &self.ground;
        let plan = ground.plan;
        let host = Namespace::new(name)?;
        let behind = end_host("behind", &host, Attach::Nic, plan.segment_mtu)?;
        veth(end(&host, "wan0"), end(&ground.wan, "c"), plan.underlay_mtu)?;
        ground.wan.add_port("br0", "c")?;
        let network = match plan.between {
            Between::Relay => 113,
            Between::Bridge | Between::Cable => 100,
        };
        let ours = address(plan.internet, (network, 66));
        host.add_address("wan0", ours, prefix_len(plan.internet))?;
        let mut site = site(
            &self.dir,
            &self.binaries,
            name,
            ours,
            Attach::Nic,
            plan.segment_mtu,
        )?;
        let theirs = self.site_b.config.listen.first().map(|at| at.ip());
        introduce(&mut site, &self.site_b, theirs);
        Ok((host, behind, site))
    }
}

impl Gateways {
    /// Waits until site A can use an import.
    ///
    /// # Errors
    /// When it cannot after 20 s; the message carries the logs' ends.
    pub fn wait_for_import(&mut self, import: Address) -> Result<()> {
        self.wait_for_import_within(import, PATIENCE)
    }

    /// As [`Gateways::wait_for_import`], for another time than 20 s.
    ///
    /// # Errors
    /// As [`Gateways::wait_for_import`].
    pub fn wait_for_import_within(&mut self, import: Address, patience: Duration) -> Result<()> {
        let Err(error) = self.a.wait_for_import(import, patience) else {
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

/// A file that lets one peer use a target that works in order, as vblade and ours do.
pub fn export_file(name: &str, target: Address, peer: &str, access: Access) -> ExportFile {
    let allow = AllowSection {
        peer: peer.to_owned(),
        access,
        initiators: None,
        config_string: None,
        limit: None,
        more: Vec::new(),
    };
    ExportFile {
        name: name.to_owned(),
        segment: SEGMENT.to_owned(),
        target,
        target_mac: None,
        order: Some("fifo".to_owned()),
        allow: vec![allow],
        limit: None,
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
        endpoint_pinned: false,
        psk: None,
        post_quantum: None,
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

fn end_device(attach: Attach) -> &'static str {
    match attach {
        Attach::Nic => "eth0",
        Attach::Tap => TAP,
    }
}
