//! A peer: its session, its path, and who uses what of it or through it.

use aoe_common::snapshot::{Path, Peer};

use super::disk::limited;
use super::{changes, head, rates, users};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::top::between::{both, loss};
use crate::cli::top::peers;
use crate::cli::top::picture::Picture;
use crate::cli::top::row::Row;
use crate::cli::top::text::{Kind, Text};
use crate::cli::words::{UNKNOWN, age, bytes, count, duration, known, latency, plain};

pub(super) fn peer(text: &mut Text, picture: &Picture, peer: &Peer, row: &Row) {
    let between = &picture.between;
    let now = between.made();
    let name = plain(&peers::name(peer, between.now.gateway.workers));
    head(text, picture, &format!("peer {name}"), &peer.standing);
    let session = match &peer.session {
        None => "no session".to_owned(),
        Some(session) => format!(
            "session: {}{}{}, {} with {}, keys of {} ago, new ones in {}",
            known(&session.handshake),
            if session.psk { "+psk" } else { "" },
            if session.is_post_quantum() {
                format!("+{}", known(&session.post_quantum))
            } else {
                String::new()
            },
            known(&session.protection),
            known(&session.cipher),
            age(now, session.since),
            duration(session.rekey_at - now),
        ),
    };
    text.wrapped(Kind::Plain, 2, &session);
    text.wrapped(Kind::Plain, 2, &format!("key {}", known(&peer.fingerprint)));
    path(text, picture, &peer.path, row);
    limited(
        text,
        peer.limit
            .iter()
            .map(|limit| ("all exports together".to_owned(), limit)),
    );
    let exports = between.now.exports.iter();
    let of_exports = exports.flat_map(|export| {
        let grants = export.allow.iter().filter(|grant| grant.peer == peer.name);
        grants.filter_map(|grant| Some((format!("export {}", plain(&export.name)), grant.limit.as_ref()?)))
    });
    limited(text, of_exports);
    users::draw(text, picture, |user| user.peer == peer.name, 0);
    changes(text, picture, &format!("peer {}", peer.name));
}

fn path(text: &mut Text, picture: &Picture, path: &Path, row: &Row) {
    let between = &picture.between;
    let before = between.before.as_deref();
    let before = before.and_then(|before| peers::find(before, &row.id));
    let before = before.map(|peer| &peer.path);
    let round_trip = path.round_trip_us.map_or(UNKNOWN.to_owned(), latency);
    let mtu = match path.mtu {
        0 => UNKNOWN.to_owned(),
        mtu => mtu.to_string(),
    };
    let line = format!(
        "path: to {}, round trip {round_trip}, MTU {mtu} {}",
        known(&path.remote),
        plain(&path.mtu_why)
    );
    text.wrapped(Kind::Plain, 2, &line);
    text.wrapped(Kind::Fault, 2, &plain(&path.standing.why));
    rates(text, picture, row, "bytes a second, both ways,");
    text.gap();
    let columns = [
        "a second",
        "bytes",
        "records",
        "sent again",
        "never arrived",
        "missed at first",
    ];
    let mut table = Table::new(columns.iter().enumerate().map(|(at, head)| match at {
        0 => Column::word(head),
        _ => Column::number(head),
    }));
    let [loss_in, loss_out] = loss(path, before);
    let a_second = |now: u64, before: Option<u64>, show: fn(u64) -> String| {
        Cell::from(between.rate(now, before).map_or(UNKNOWN.to_owned(), show))
    };
    for (way, missed) in [(Way::In, loss_in), (Way::Out, loss_out)] {
        let n = |part: fn(&Path) -> aoe_common::snapshot::Directions, show| {
            a_second(way.of(part(path)), before.map(|path| way.of(part(path))), show)
        };
        table.row([
            way.word().into(),
            n(|path| path.bytes, bytes),
            n(|path| path.records, count),
            n(|path| path.repaired, count),
            n(|path| path.lost, count),
            missed.text().into(),
        ]);
    }
    text.table(&table);
    let line = format!(
        "since the start {} in, {} out, {} records sent again, {} never arrived",
        bytes(path.bytes.received),
        bytes(path.bytes.sent),
        count(both(path.repaired)),
        count(both(path.lost)),
    );
    text.wrapped(Kind::Plain, 2, &line);
}

/// Of two directions.
#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Way::In => "in",
            Way::Out => "out",
        }
    }

    fn of(self, n: aoe_common::snapshot::Directions) -> u64 {
        match self {
            Way::In => n.received,
            Way::Out => n.sent,
        }
    }
}
