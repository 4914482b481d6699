//! What a simulation is made of, before it starts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aoe_common::config::{
    Access, CertificateName, Endpoint, ExportConfig, ExportId, ImportConfig, ImportId, Limit, PathMtu,
    PostQuantum, Protection, SegmentId, TlsConfig, TunnelConfig,
};
use aoe_common::frame::{Address, MacAddr};
use aoe_keys::PublicKey;
use aoe_lab::initiator::driver::{Driver, Habit};
use aoe_lab::random::{Random, mix};
use aoe_lab::target::{Backing, Blade, BladeSettings, Target};

use super::host::{Host, HostId, Kind};
use super::keys::KeyPlan;
use super::lan::{Lan, LanId, LanWeather, Port};
use super::site::{Site, SiteId};
use super::wire::Weather;
use super::world::World;

/// Sectors of a disk, unless a test says otherwise: few, so that requests meet.
pub const DISK_SECTORS: usize = 512;

/// Sites, LANs and hosts, to be changed until [`Plan::build`].
pub struct Plan {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// The gateways.
    pub sites: Vec<SitePlan>,
    /// What lies between them.
    pub weather: Weather,
    lans: Vec<Lan>,
    hosts: Vec<Host>,
}

/// One gateway.
pub struct SitePlan {
    /// Its name, for itself and for its peers.
    pub name: String,
    /// Its secret key.
    pub secret: [u8; 32],
    /// What it proves itself by to peers that know it by its certificate.
    pub tls: Option<Arc<TlsConfig>>,
    /// Its other keys, and those that it does not trust.
    pub keys: KeyPlan,
    /// Its listen addresses.
    pub sockets: Vec<SocketAddr>,
    /// LANs it is attached to; the index is the [`SegmentId`].
    pub segments: Vec<LanId>,
    /// Its peers; the index is the `PeerId`.
    pub peers: Vec<PeerPlan>,
    /// Its exports.
    pub exports: Vec<ExportConfig>,
    /// Its imports.
    pub imports: Vec<ImportConfig>,
    /// Its tunnel settings.
    pub tunnel: TunnelConfig,
    /// Whether its exit keeps writes in order.
    pub guard: Guard,
}

/// Whether an exit keeps writes in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// It does.
    #[default]
    On,
    /// It does not, so that a test can show that it would notice.
    Off,
}

/// One gateway as another one knows it.
#[derive(Clone)]
pub struct PeerPlan {
    /// Which.
    pub site: SiteId,
    /// The name in its certificate; `None`: it is known by its key.
    pub certificate: Option<CertificateName>,
    /// Its key, as the file here has it; `None`: the one that it had at its start.
    pub key: Option<PublicKey>,
    /// The shared secret, if there is one.
    pub psk: Option<[u8; 32]>,
    /// Whether keys are to withstand a quantum computer.
    pub post_quantum: PostQuantum,
    /// Whether it can be called.
    pub endpoint: Endpoint,
    /// Whether it is spoken to at its endpoint only.
    pub endpoint_pinned: bool,
    /// Modes accepted.
    pub protection: Vec<Protection>,
    /// The path's MTU as configured.
    pub path_mtu: PathMtu,
    /// What it may have of all exports.
    pub limit: Limit,
}

/// What [`Plan::pair`] made.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The site with the initiator.
    pub edge: SiteId,
    /// The site with the target.
    pub exit: SiteId,
    /// The initiator's LAN.
    pub left: LanId,
    /// The target's LAN.
    pub right: LanId,
    /// The initiator.
    pub initiator: HostId,
    /// The target, with one blade at [`REAL`].
    pub target: HostId,
}

/// Where the pair's target is.
pub const REAL: Address = Address { shelf: 7, slot: 3 };
/// Where the pair's initiator sees it.
pub const SEEN: Address = Address { shelf: 107, slot: 3 };

impl Plan {
    /// Nothing yet.
    pub fn new(seed: u64) -> Self {
        Plan {
            seed,
            sites: Vec::new(),
            weather: Weather::calm(Duration::from_millis(1)),
            lans: Vec::new(),
            hosts: Vec::new(),
        }
    }

    /// Two sites that know each other, LANs of MTU 1500, one initiator, one target, one export that may be read
    /// and written.
    pub fn pair(seed: u64) -> (Self, Pair) {
        Plan::pair_on(seed, [1500, 1500])
    }

    /// [`Plan::pair`] with LANs of these MTUs, left and right.
    pub fn pair_on(seed: u64, mtus: [u16; 2]) -> (Self, Pair) {
        let (mut plan, [edge, exit], [left, right]) = Plan::gateways_on(seed, mtus);
        let target = plan.target(right);
        plan.blade(target, REAL, BladeSettings::default());
        let initiator = plan.initiator(left);
        let pair = Pair {
            edge,
            exit,
            left,
            right,
            initiator,
            target,
        };
        (plan, pair)
    }

    /// What [`Plan::pair_on`] makes, without the two hosts: sites edge and exit, LANs left and right.
    pub fn gateways_on(seed: u64, mtus: [u16; 2]) -> (Self, [SiteId; 2], [LanId; 2]) {
        let mut plan = Plan::new(seed);
        let [left, right] = mtus.map(|mtu| plan.lan(mtu));
        let (edge, exit) = (plan.site(&[left]), plan.site(&[right]));
        plan.introduce(edge, exit);
        plan.export(exit, "disk", right, REAL, edge, Access::ReadWrite);
        plan.import(edge, exit, "disk", left, SEEN);
        (plan, [edge, exit], [left, right])
    }

    /// One more edge, on a LAN of its own, that imports what [`Plan::gateways_on`] exports.
    pub fn another_edge(&mut self, exit: SiteId) -> (SiteId, LanId) {
        let left = self.lan(1500);
        let edge = self.site(&[left]);
        self.introduce(edge, exit);
        let exit_plan = &mut self.sites[exit.0];
        let allow = exit_plan.allow(edge, Access::ReadWrite);
        exit_plan.exports[0].allow.push(allow);
        self.import(edge, exit, "disk", left, SEEN);
        (edge, left)
    }

    /// A LAN.
    pub fn lan(&mut self, mtu: u16) -> LanId {
        self.lans.push(Lan {
            mtu,
            weather: LanWeather::default(),
            ports: Vec::new(),
        });
        LanId(self.lans.len() - 1)
    }

    /// A gateway on these LANs, with one IPv4 socket.
    pub fn site(&mut self, lans: &[LanId]) -> SiteId {
        let site = self.sites.len();
        for (segment, lan) in (0..).zip(lans) {
            self.lans[lan.0].ports.push(Port::Gateway(site, segment));
        }
        let mut random = Random::new(mix(self.seed) ^ site as u64);
        let mut secret = [0; 32];
        let (words, _) = secret.as_chunks_mut::<8>();
        for word in words.iter_mut() {
            *word = random.next_u64().to_le_bytes();
        }
        self.sites.push(SitePlan {
            name: format!("site-{site}"),
            secret,
            tls: None,
            keys: KeyPlan::default(),
            sockets: vec![address(site)],
            segments: lans.to_vec(),
            peers: Vec::new(),
            exports: Vec::new(),
            imports: Vec::new(),
            tunnel: TunnelConfig::default(),
            guard: Guard::default(),
        });
        SiteId(site)
    }

    /// Makes two sites peers that know each other's endpoint.
    pub fn introduce(&mut self, one: SiteId, other: SiteId) {
        for (site, peer) in [(one, other), (other, one)] {
            self.sites[site.0].peers.push(PeerPlan {
                site: peer,
                certificate: None,
                key: None,
                psk: None,
                post_quantum: PostQuantum::default(),
                endpoint: Endpoint::Known,
                endpoint_pinned: false,
                protection: vec![Protection::Encrypt],
                path_mtu: PathMtu::Fixed(1500),
                limit: Limit::default(),
            });
        }
    }

    /// What `site` knows of `peer`.
    ///
    /// # Panics
    /// If they were not introduced.
    pub fn peer_mut(&mut self, site: SiteId, peer: SiteId) -> &mut PeerPlan {
        let mut peers = self.sites[site.0].peers.iter_mut();
        peers
            .find(|known| known.site == peer)
            .expect("these sites were introduced")
    }

    /// Moves everything to IPv6.
    pub fn use_ipv6(&mut self) {
        for (site, plan) in self.sites.iter_mut().enumerate() {
            plan.sockets = vec![SocketAddr::new(
                format!("2001:db8::{}", site + 1).parse().expect("an address"),
                34978,
            )];
        }
    }

    /// The MTU of the path: as configured on every side, and in truth.
    pub fn set_path_mtu(&mut self, mtu: u16) {
        self.weather.mtu = mtu;
        let peers = self.sites.iter_mut().flat_map(|site| &mut site.peers);
        peers.for_each(|peer| peer.path_mtu = PathMtu::Fixed(mtu));
    }

    /// Lets both sides find the MTU of the path, which is this.
    pub fn probe_path_mtu(&mut self, mtu: u16) {
        self.weather.mtu = mtu;
        let peers = self.sites.iter_mut().flat_map(|site| &mut site.peers);
        peers.for_each(|peer| peer.path_mtu = PathMtu::Auto);
    }

    /// Exports a target to one peer.
    pub fn export(
        &mut self,
        site: SiteId,
        name: &str,
        lan: LanId,
        target: Address,
        peer: SiteId,
        access: Access,
    ) -> ExportId {
        let plan = &mut self.sites[site.0];
        let allow = plan.allow(peer, access);
        plan.exports.push(ExportConfig {
            name: name.to_owned(),
            segment: segment(plan, lan),
            target,
            target_mac: None,
            safety: aoe_common::config::ExportSafety::default(),
            allow: vec![allow],
            limit: Default::default(),
        });
        ExportId(plan.exports.len() as u16 - 1)
    }

    /// Imports a peer's export.
    pub fn import(
        &mut self,
        site: SiteId,
        peer: SiteId,
        export: &str,
        lan: LanId,
        address: Address,
    ) -> ImportId {
        let plan = &mut self.sites[site.0];
        plan.imports.push(ImportConfig {
            peer: plan.peer_id(peer),
            export: export.to_owned(),
            segment: segment(plan, lan),
            address,
            window: 64,
            on_conflict: aoe_common::config::OnConflict::Stop,
        });
        ImportId(plan.imports.len() as u16 - 1)
    }

    /// A Linux initiator.
    pub fn initiator(&mut self, lan: LanId) -> HostId {
        let mtu = self.lans[lan.0].mtu;
        self.host(lan, |mac| Kind::Initiator(Box::new(Driver::new(mac, mtu.into()))))
    }

    /// An initiator that repeats requests in its own way.
    pub fn initiator_with(&mut self, lan: LanId, habit: Habit) -> HostId {
        let host = self.initiator(lan);
        if let Kind::Initiator(driver) = &mut self.hosts[host.0].kind {
            driver.set_habit(habit);
        }
        host
    }

    /// Gives an initiator a second network card on its LAN: its ATA requests leave by each in turn (`ifrotate`).
    pub fn second_card(&mut self, host: HostId) {
        let host = &mut self.hosts[host.0];
        let MacAddr([first, .., last]) = host.mac;
        host.second = Some(MacAddr([first, 0, 0, 0, 2, last]));
    }

    /// A target without blades, which takes 50 µs for every request.
    pub fn target(&mut self, lan: LanId) -> HostId {
        let mtu = self.lans[lan.0].mtu;
        self.host(lan, |mac| {
            let mut target = Target::new(mac, mtu.into());
            target.set_service_time(Duration::from_micros(50));
            Kind::Target(Box::new(target))
        })
    }

    /// A disk of [`DISK_SECTORS`] zeros on a target.
    ///
    /// # Panics
    /// If the host is no target.
    pub fn blade(&mut self, host: HostId, address: Address, settings: BladeSettings) {
        let Kind::Target(target) = &mut self.hosts[host.0].kind else {
            panic!("{host:?} is no target")
        };
        target.add(Blade::new(address, Backing::ram(DISK_SECTORS), settings));
    }

    /// A host that sends what the test says and remembers what it hears.
    pub fn station(&mut self, lan: LanId) -> HostId {
        self.host(lan, |_| Kind::Station(Vec::new()))
    }

    /// The address of a host to be.
    pub fn mac(&self, host: HostId) -> MacAddr {
        self.hosts[host.0].mac
    }

    /// Starts everything: links up, processes running, nothing said yet.
    pub fn build(self) -> World {
        let sites = self.sites.into_iter().map(Site::new).collect();
        World::new(self.seed, sites, self.lans, self.hosts, self.weather)
    }

    fn host(&mut self, lan: LanId, kind: impl FnOnce(MacAddr) -> Kind) -> HostId {
        let host = self.hosts.len();
        let mac = MacAddr([2, 0, 0, 0, 1, host as u8]);
        self.lans[lan.0].ports.push(Port::Host(host));
        self.hosts.push(Host::new(lan, mac, kind(mac)));
        HostId(host)
    }
}

/// A gateway's address on one of its segments.
pub fn gateway_mac(site: SiteId, segment: SegmentId) -> MacAddr {
    MacAddr([2, 0, 0, 1, segment.0 as u8, site.0 as u8])
}

fn segment(plan: &SitePlan, lan: LanId) -> SegmentId {
    let at = plan.segments.iter().position(|known| *known == lan);
    SegmentId(at.expect("the site is attached to this LAN") as u16)
}

fn address(site: usize) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, site as u8 + 1], 34978))
}
