//! A configuration of all three gateways, drawn from a seed.

use std::time::Duration;

use aoe_common::config::{
    Access, Endpoint, ExportConfig, ExportSafety, ImportConfig, OnConflict, PathMtu, PostQuantum, Protection,
    SegmentId, TargetOrder,
};
use aoe_common::frame::Address;
use aoe_lab::random::Random;

use super::super::host::HostId;
use super::super::plan::{PeerPlan, SitePlan};
use super::super::site::SiteId;

/// Names of exports there may be.
pub(super) const EXPORTS: u16 = 4;
/// Who is there.
pub(super) struct Cast {
    pub(super) exit: SiteId,
    pub(super) edges: [SiteId; 2],
    /// Who works on each edge's LAN.
    pub(super) users: [HostId; 2],
    /// Who comes in the end and looks.
    pub(super) probers: [HostId; 2],
    pub(super) blades: Vec<Disk>,
}

#[derive(Clone, Copy)]
pub(super) struct Disk {
    pub(super) host: HostId,
    pub(super) segment: SegmentId,
    pub(super) address: Address,
}

/// How all three gateways are configured.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Whether each edge and the exit are peers, as each says.
    pub(super) edge_knows: [bool; 2],
    pub(super) exit_knows: [bool; 2],
    pub(super) exports: Vec<Option<ExportShape>>,
    pub(super) imports: [Vec<Option<ImportShape>>; 2],
    pub(super) max_age: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ExportShape {
    pub(super) disk: usize,
    pub(super) order: TargetOrder,
    pub(super) allow: [Option<AllowShape>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AllowShape {
    pub(super) access: Access,
    pub(super) covers: Covers,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Covers {
    All,
    User,
    Prober,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ImportShape {
    pub(super) shelf: u16,
    pub(super) window: u16,
}

impl Shape {
    /// Any configuration.
    pub fn draw(random: &mut Random) -> Shape {
        let mut two = |share| [random.happens(share), random.happens(share)];
        let (edge_knows, exit_knows) = (two(0.9), two(0.9));
        Shape {
            edge_knows,
            exit_knows,
            exports: (0..EXPORTS)
                .map(|_| random.happens(0.8).then(|| ExportShape::draw(random)))
                .collect(),
            imports: [(); 2].map(|()| {
                let one = |_| random.happens(0.8).then(|| ImportShape::draw(random));
                (0..EXPORTS).map(one).collect()
            }),
            max_age: Duration::from_millis([500, 1000, 3000][random.below(3) as usize]),
        }
    }

    /// Another configuration that differs in a few things, or in all.
    pub fn change(&self, random: &mut Random) -> Shape {
        if random.happens(0.2) {
            return Shape::draw(random);
        }
        let (mut next, other) = (self.clone(), Shape::draw(random));
        for _ in 0..1 + random.below(3) {
            let (edge, name) = (random.below(2) as usize, random.below(EXPORTS.into()) as usize);
            match random.below(6) {
                0 => next.exports[name] = other.exports[name].clone(),
                1 => next.imports[edge][name] = other.imports[edge][name],
                2 => next.max_age = other.max_age,
                3 => next.edge_knows[edge] ^= true,
                4 => next.exit_knows[edge] ^= true,
                _ => {
                    if let Some(export) = &mut next.exports[name] {
                        export.allow[edge] = AllowShape::draw(random);
                    }
                }
            }
        }
        next
    }

    /// The address by which a user has a disk, the disk, and what it may do there.
    pub(super) fn usable(&self, edge: usize, name: usize) -> Option<(Address, usize, Access)> {
        let export = self.exports[name].as_ref()?;
        let import = self.imports[edge][name]?;
        let allow = export.allow[edge].filter(|allow| allow.covers != Covers::Prober)?;
        let known = self.edge_knows[edge] && self.exit_knows[edge];
        known.then_some((address(import, name), export.disk, allow.access))
    }

    /// Configures a site so.
    pub(super) fn write(&self, cast: &Cast, names: &Names, site: SiteId, plan: &mut SitePlan) {
        plan.tunnel.max_age = self.max_age;
        plan.peers.clear();
        plan.imports.clear();
        plan.exports.clear();
        if site == cast.exit {
            for (edge, knows) in cast.edges.iter().zip(self.exit_knows) {
                plan.peers.extend(knows.then(|| peer(*edge)));
            }
            plan.exports = self.export_configs(cast, names, plan);
            return;
        }
        let edge = cast.edges.iter().position(|edge| *edge == site).expect("an edge");
        if !self.edge_knows[edge] {
            return;
        }
        plan.peers.push(peer(cast.exit));
        for (name, import) in self.imports[edge].iter().enumerate() {
            let Some(import) = import else { continue };
            plan.imports.push(ImportConfig {
                peer: plan.peer_id(cast.exit),
                export: export_name(name),
                segment: SegmentId(0),
                address: address(*import, name),
                window: import.window,
                on_conflict: OnConflict::Stop,
            });
        }
    }

    pub(super) fn export_configs(&self, cast: &Cast, names: &Names, plan: &SitePlan) -> Vec<ExportConfig> {
        let exports = self.exports.iter().enumerate();
        let exports = exports.filter_map(|(name, export)| Some((name, export.as_ref()?)));
        exports
            .map(|(name, export)| {
                let disk = cast.blades[export.disk];
                let mut allow = Vec::new();
                for (edge, allowed) in export.allow.iter().enumerate() {
                    let Some(allowed) = allowed.filter(|_| self.exit_knows[edge]) else {
                        continue;
                    };
                    let mut one = plan.allow(cast.edges[edge], allowed.access);
                    one.initiators = match allowed.covers {
                        Covers::All => None,
                        Covers::User => Some(vec![names.users[edge]]),
                        Covers::Prober => Some(vec![names.probers[edge]]),
                    };
                    allow.push(one);
                }
                ExportConfig {
                    name: export_name(name),
                    segment: disk.segment,
                    target: disk.address,
                    target_mac: None,
                    safety: ExportSafety {
                        order: export.order,
                        ..ExportSafety::default()
                    },
                    allow,
                    limit: Default::default(),
                }
            })
            .collect()
    }
}

impl ExportShape {
    pub(super) fn draw(random: &mut Random) -> ExportShape {
        ExportShape {
            disk: random.below(6) as usize,
            order: if random.happens(0.5) {
                TargetOrder::Any
            } else {
                TargetOrder::Fifo
            },
            allow: [AllowShape::draw(random), AllowShape::draw(random)],
        }
    }
}

impl AllowShape {
    pub(super) fn draw(random: &mut Random) -> Option<AllowShape> {
        let access = match random.below(4) {
            0 => return None,
            1 => Access::ReadOnly,
            _ => Access::ReadWrite,
        };
        let covers = [Covers::All, Covers::All, Covers::User, Covers::Prober][random.below(4) as usize];
        Some(AllowShape { access, covers })
    }
}

impl ImportShape {
    pub(super) fn draw(random: &mut Random) -> ImportShape {
        ImportShape {
            shelf: 107 + random.below(2) as u16,
            window: [8, 64][random.below(2) as usize],
        }
    }
}

pub(super) fn address(import: ImportShape, name: usize) -> Address {
    Address {
        shelf: import.shelf,
        slot: name as u8,
    }
}

pub(super) fn export_name(name: usize) -> String {
    format!("disk{name}")
}

pub(super) fn peer(site: SiteId) -> PeerPlan {
    PeerPlan {
        site,
        certificate: None,
        key: None,
        psk: None,
        post_quantum: PostQuantum::default(),
        endpoint: Endpoint::Known,
        endpoint_pinned: false,
        protection: vec![Protection::Encrypt],
        path_mtu: PathMtu::Fixed(1500),
        limit: Default::default(),
    }
}

/// The MACs that an export may list.
pub(super) struct Names {
    pub(super) users: [aoe_common::frame::MacAddr; 2],
    pub(super) probers: [aoe_common::frame::MacAddr; 2],
}
