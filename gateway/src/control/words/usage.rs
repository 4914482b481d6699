//! Who uses what now.

use aoe_common::frame::MacAddr;
use aoe_common::snapshot::{Initiator, Limit, Side, Snapshot, State};

/// Looks things up in a snapshot.
pub(super) struct Usage<'a>(pub(super) &'a Snapshot);

impl Usage<'_> {
    /// Initiators behind this peer that use this export.
    pub(super) fn of_grant(&self, peer: &str, export: &str) -> u64 {
        let rows = self.0.exports.iter().filter(|row| row.name == export);
        let grants = rows.flat_map(|row| &row.allow).filter(|grant| grant.peer == peer);
        grants.map(|grant| grant.in_use).sum()
    }

    /// Of those the ones that are none of these.
    pub(super) fn of_others(&self, peer: &str, export: &str, those: &[MacAddr]) -> u64 {
        let those: Vec<_> = those.iter().map(ToString::to_string).collect();
        self.count(|row| {
            row.side == Side::There && row.peer == peer && row.export == export && !those.contains(&row.mac)
        })
    }

    /// Whether this one is among them.
    pub(super) fn of_initiator(&self, peer: &str, export: &str, mac: MacAddr) -> u64 {
        let mac = mac.to_string();
        self.count(|row| {
            row.side == Side::There && row.peer == peer && row.export == export && row.mac == mac
        })
    }

    /// Initiators here that use an import.
    pub(super) fn of_import(&self, peer: &str, export: &str, address: &str) -> u64 {
        self.count(|row| {
            row.side == Side::Here && row.peer == peer && row.export == export && row.address == address
        })
    }

    /// That a limit of an export, of a peer on it or of a peer is overruled by one that an operator set.
    pub(super) fn overruled(&self, export: &str, peer: &str) -> &'static str {
        let exports = || self.0.exports.iter().filter(|row| row.name == export);
        let grants = exports()
            .flat_map(|row| &row.allow)
            .filter(|grant| grant.peer == peer);
        let of_export = exports().filter_map(|row| row.limit.as_ref());
        let of_grant = grants.filter_map(|grant| grant.limit.as_ref());
        let peers = self.0.peers.iter().filter(|row| row.name == peer);
        let of_peer = peers.filter_map(|row| row.limit.as_ref());
        let is_live = |limit: &Limit| limit.from == "live";
        let overruled = match (export.is_empty(), peer.is_empty()) {
            (true, _) => of_peer.into_iter().any(is_live),
            (false, true) => of_export.into_iter().any(is_live),
            (false, false) => of_grant.into_iter().any(is_live),
        };
        match overruled {
            true => " (an operator has set another one, which stays in force until `limit clear`)",
            false => "",
        }
    }

    fn count(&self, is_wanted: impl Fn(&Initiator) -> bool) -> u64 {
        let at_work = |row: &&Initiator| row.standing.state == State::Up && is_wanted(row);
        self.0.initiators.iter().filter(at_work).count() as u64
    }
}

/// ` (2 initiators use it now)`; nothing, if nobody does.
pub(super) fn in_use(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => String::from(" (1 initiator uses it now)"),
        _ => format!(" ({count} initiators use it now)"),
    }
}
