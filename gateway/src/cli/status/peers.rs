//! Other gateways, and the paths to them.

use aoe_common::snapshot::{Directions, Path, Peer, Session, Snapshot};

use super::table::{Cell, Column, Table};
use super::view::{STANDING, View, troubled_first};
use super::words::{UNKNOWN, clip, count, duration, known, latency};
use crate::cli::top::limits::words;

/// Room for a word of the protocol.
const WORD: usize = 16;

/// Writes both.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let peers = troubled_first(&view.now.peers, |peer| &peer.standing);
    sessions(out, view, &peers);
    paths(out, view, &peers);
}

fn sessions(out: &mut String, view: &View<'_>, peers: &[&Peer]) {
    let columns = [Column::name("peers")]
        .into_iter()
        .chain(STANDING)
        .chain([Column::name("address")])
        .chain(["handshake", "protection"].map(Column::word))
        .chain([Column::number("rekey in")]);
    let mut table = Table::new(columns);
    for peer in peers {
        let [state, since] = view.standing(&peer.standing);
        let [handshake, protection, rekey] = keys(view, peer.session.as_ref());
        table.row([
            view.by_worker(&peer.name, peer.worker).into(),
            state,
            since,
            known(&peer.path.remote).into(),
            handshake,
            protection,
            rekey,
        ]);
        table.note(view.why(&peer.standing));
        if let Some(limit) = &peer.limit {
            let line = format!("limit: {}", words(limit));
            table.note(Cell::styled(line, view.paint.faint));
        }
    }
    view.table(out, "peers", &table);
}

fn keys(view: &View<'_>, session: Option<&Session>) -> [Cell; 3] {
    let Some(session) = session else {
        return [UNKNOWN; 3].map(Cell::from);
    };
    let word = |text: &str| clip(&known(text), WORD);
    let psk = if session.psk { "+psk" } else { "" };
    let quantum = if session.is_post_quantum() { "+pq" } else { "" };
    let rekey = if session.rekey_at > 0.0 {
        duration(session.rekey_at - view.now.gateway.now)
    } else {
        UNKNOWN.to_owned()
    };
    [
        word(&format!("{}{psk}{quantum}", session.handshake)),
        word(&session.protection),
        rekey,
    ]
    .map(Cell::from)
}

fn paths(out: &mut String, view: &View<'_>, peers: &[&Peer]) {
    let columns = [Column::name("paths")]
        .into_iter()
        .chain(STANDING)
        .chain(["RTT", "loss in", "out", "repaired", "lost"].map(Column::number))
        .chain([
            Column::name("MTU"),
            view.amounts.head("bytes in", "bytes in/s"),
            view.amounts.head("out", "out/s"),
        ]);
    let mut table = Table::new(columns);
    for peer in peers.iter().filter(|peer| peer.session.is_some()) {
        let path = &peer.path;
        let before = view
            .before
            .and_then(|before| find(before, peer))
            .map(|peer| &peer.path);
        let [state, since] = view.standing(&path.standing);
        let [loss_in, loss_out] = view.amounts.loss(path, before);
        let [bytes_in, bytes_out] = view.amounts.bytes(path.bytes, before.map(|path| path.bytes));
        let both = |n: Directions| Cell::from(count(n.received.saturating_add(n.sent)));
        table.row([
            view.by_worker(&peer.name, peer.worker).into(),
            state,
            since,
            path.round_trip_us.map_or(UNKNOWN.to_owned(), latency).into(),
            loss_in,
            loss_out,
            both(path.repaired),
            both(path.lost),
            mtu(path).into(),
            bytes_in,
            bytes_out,
        ]);
        if path.standing.why != peer.standing.why {
            table.note(view.why(&path.standing));
        }
    }
    if !table.is_empty() {
        view.table(out, "paths", &table);
    }
}

/// How long a packet may be, and where that is from.
fn mtu(path: &Path) -> String {
    match (path.mtu, path.mtu_why.as_str()) {
        (0, why) => known(why),
        (mtu, "") => mtu.to_string(),
        (mtu, why) => format!("{mtu} {}", known(why)),
    }
}

fn find<'a>(snapshot: &'a Snapshot, peer: &Peer) -> Option<&'a Peer> {
    let mut peers = snapshot.peers.iter();
    peers.find(|other| (&other.name, other.worker) == (&peer.name, peer.worker))
}
