//! What has to change in a running gateway so that it is as another configuration says.
//!
//! Two steps. [`GatewayConfig::take_ids`] gives what stays the id that it has; then [`diff`] compares by id. What stays is a
//! peer of the same name that is [about the same](super::Trust::is_about_the_same), an export of the same name, an import of the same export at the same address.

use std::fmt;
use std::sync::Arc;

use super::{
    ExportConfig, ExportId, GatewayConfig, ImportConfig, ImportId, OwnKeys, PeerConfig, PeerId, Revoked,
    TlsConfig, TunnelConfig,
};
use crate::table::{Id, Table};

/// One change of a running gateway.
#[derive(Debug)]
pub enum Change {
    /// What is not trusted any more.
    Revoked(Revoked),
    /// Our own keys. Sessions of those that go, end.
    Keys(OwnKeys),
    /// Settings of every tunnel.
    Tunnel(TunnelConfig),
    /// Certificates, authorities or revocation lists.
    Tls(Option<Arc<TlsConfig>>),
    /// A peer.
    Peer(PeerId, Step<PeerConfig>),
    /// An export.
    Export(ExportId, Step<ExportConfig>),
    /// An import.
    Import(ImportId, Step<ImportConfig>),
}

/// What happens to one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// It appears.
    Add(T),
    /// It is so from now on.
    Change(T),
    /// It disappears.
    Remove,
}

/// What differs and cannot change while a gateway runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NeedsRestart {
    /// The fields, as the configuration names them.
    pub fields: Vec<&'static str>,
}

impl fmt::Display for NeedsRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "only a restart can change {}", self.fields.join(", "))
    }
}

/// All ids were used: 65 535 things of one kind have come and gone since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("every number of this kind of thing was used since the start: only a restart gives new ones")]
pub struct OutOfIds;

impl GatewayConfig {
    /// Gives what a running configuration has too the id that it has there, and the rest ids that were never used there.
    ///
    /// # Errors
    /// [`OutOfIds`]
    pub fn take_ids(self, running: &GatewayConfig) -> Result<GatewayConfig, OutOfIds> {
        let segments = Renumbered::new(self.segments, &running.segments, |one, other| {
            one.name == other.name
        })?;
        let peers = Renumbered::new(self.peers, &running.peers, |one, other| {
            one.name == other.name && one.trust.is_about_the_same(&other.trust)
        })?;
        let mut exports = self.exports;
        for export in exports.values_mut() {
            export.segment = segments.id_of(export.segment);
            for allow in &mut export.allow {
                allow.peer = peers.id_of(allow.peer);
            }
        }
        let mut imports = self.imports;
        for import in imports.values_mut() {
            import.segment = segments.id_of(import.segment);
            import.peer = peers.id_of(import.peer);
        }
        let exports = Renumbered::new(exports, &running.exports, |one, other| one.name == other.name)?;
        let imports = Renumbered::new(imports, &running.imports, |one, other| {
            let key = |import: &ImportConfig| (import.peer, import.segment, import.address);
            key(one) == key(other) && one.export == other.export
        })?;
        Ok(GatewayConfig {
            segments: segments.table,
            peers: peers.table,
            exports: exports.table,
            imports: imports.table,
            ..self
        })
    }
}

/// A table with other ids.
struct Renumbered<I, T> {
    table: Table<I, T>,
    /// The new id of each old one, in the order of the old ones.
    ids: Vec<(I, I)>,
}

impl<I: Id, T> Renumbered<I, T> {
    fn new(
        things: Table<I, T>,
        running: &Table<I, T>,
        is_same: impl Fn(&T, &T) -> bool,
    ) -> Result<Self, OutOfIds> {
        let mut table = Table::default();
        table.use_up_to(running.next());
        let mut ids = Vec::with_capacity(things.len());
        for (old, thing) in things {
            let known = running.iter().find(|(_, known)| is_same(&thing, known));
            let id = match known {
                Some((id, _)) => {
                    table.insert(id, thing);
                    id
                }
                None => table.push(thing).ok_or(OutOfIds)?,
            };
            ids.push((old, id));
        }
        Ok(Renumbered { table, ids })
    }

    /// The new id; a reference that leads nowhere stays as it is.
    fn id_of(&self, old: I) -> I {
        let place = self.ids.binary_search_by_key(&old, |(old, _)| *old).ok();
        place
            .and_then(|place| self.ids.get(place))
            .map_or(old, |(_, new)| *new)
    }
}

/// What makes a gateway that runs by `old` one that runs by `new`, in the order in which it has to be done: what is trusted
/// no more goes first; then our keys; then what else goes; then peers, exports, imports. `new` must have taken its ids from `old`.
///
/// # Errors
/// [`NeedsRestart`], naming all that cannot change.
pub fn diff(old: &GatewayConfig, new: &GatewayConfig) -> Result<Vec<Change>, NeedsRestart> {
    let fixed = [
        ("`name` of [gateway]", old.name == new.name),
        ("`workers` of [gateway]", old.tunnel.worker == new.tunnel.worker),
        ("[[segment]]", old.segments.iter().eq(new.segments.iter())),
    ];
    let fields: Vec<_> = fixed
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(field, _)| field)
        .collect();
    if !fields.is_empty() {
        return Err(NeedsRestart { fields });
    }
    let mut changes = Vec::new();
    if old.revoked != new.revoked {
        changes.push(Change::Revoked(new.revoked.clone()));
    }
    if !old.keys.is_same(&new.keys) {
        changes.push(Change::Keys(new.keys.copy()));
    }
    let removed = |id| Change::Import(id, Step::Remove);
    changes.extend(gone(&old.imports, &new.imports).map(removed));
    changes.extend(gone(&old.exports, &new.exports).map(|id| Change::Export(id, Step::Remove)));
    changes.extend(gone(&old.peers, &new.peers).map(|id| Change::Peer(id, Step::Remove)));
    if old.tunnel != new.tunnel {
        changes.push(Change::Tunnel(new.tunnel.clone()));
    }
    if old.tls != new.tls {
        changes.push(Change::Tls(new.tls.clone()));
    }
    let peers = come(&old.peers, &new.peers, PeerConfig::copy, |one, other| {
        one.is_same(other)
    });
    changes.extend(peers.map(|(id, step)| Change::Peer(id, step)));
    let exports = come(&old.exports, &new.exports, ExportConfig::clone, ExportConfig::eq);
    changes.extend(exports.map(|(id, step)| Change::Export(id, step)));
    let imports = come(&old.imports, &new.imports, ImportConfig::clone, ImportConfig::eq);
    changes.extend(imports.map(|(id, step)| Change::Import(id, step)));
    Ok(changes)
}

fn gone<I: Id, T>(old: &Table<I, T>, new: &Table<I, T>) -> impl Iterator<Item = I> {
    old.ids().filter(|id| new.get(*id).is_none())
}

fn come<I: Id, T>(
    old: &Table<I, T>,
    new: &Table<I, T>,
    copy: impl Fn(&T) -> T,
    is_same: impl Fn(&T, &T) -> bool,
) -> impl Iterator<Item = (I, Step<T>)> {
    new.iter().filter_map(move |(id, thing)| match old.get(id) {
        None => Some((id, Step::Add(copy(thing)))),
        Some(known) if !is_same(known, thing) => Some((id, Step::Change(copy(thing)))),
        Some(_) => None,
    })
}

impl PeerConfig {
    fn is_same(&self, other: &PeerConfig) -> bool {
        let rest = |peer: &PeerConfig| (peer.endpoint, peer.endpoint_pinned, peer.path_mtu);
        self.trust.is_same(&other.trust)
            && rest(self) == rest(other)
            && self.name == other.name
            && self.protection == other.protection
            && self.limit == other.limit
    }
}
