//! An export or an import.

use aoe_common::snapshot::{Export, Import, Limit, Refusals, Side, Size, Split, Traffic};

use super::{changes, head, rates, refusals, sizes, times, users};
use crate::cli::rows::{self, access};
use crate::cli::top::between::Between;
use crate::cli::top::picture::Picture;
use crate::cli::top::row::Row;
use crate::cli::top::text::{Kind, Text};
use crate::cli::top::{exports, imports, limits};
use crate::cli::words::{bytes, count, known, plain};

/// Where both are wide enough, histograms stand beside each other.
const WIDE: usize = 76;

/// What an export and an import have in common.
struct Carried<'a> {
    traffic: &'a Traffic,
    before: Option<Traffic>,
    sizes: (&'a [Size], &'a [Size]),
    times: (Split, bool),
    refusals: &'a [Refusals],
}

pub(super) fn export(text: &mut Text, picture: &Picture, export: &Export, row: &Row, stage: usize) {
    let between = &picture.between;
    let name = plain(&export.name);
    head(text, picture, &format!("export {name}"), &export.standing);
    let size = match export.size_bytes {
        0 => String::new(),
        size => format!(", {}", bytes(size)),
    };
    let target = format!(
        "target {} {} on {}, disk {}{size}",
        known(&export.target),
        known(&export.mac),
        known(&export.segment),
        known(&export.disk),
    );
    text.wrapped(Kind::Plain, 2, &target);
    let here = format!(
        "at the target {} of {}, waiting {}",
        count(export.at_target),
        export.buffers,
        count(export.waiting)
    );
    text.wrapped(Kind::Plain, 2, &here);
    let find = |snapshot| exports::find(snapshot, &row.id);
    let before = between.before.as_deref().and_then(find);
    let base = between.base.as_deref().and_then(find);
    let carried = Carried {
        traffic: &export.traffic,
        before: before.map(|export| export.traffic),
        sizes: (&export.sizes, base.map_or(&[], |export| &export.sizes)),
        times: (
            between.recent_split(&export.latency, base.map(|export| &export.latency)),
            base.is_some(),
        ),
        refusals: &export.refusals,
    };
    carry(text, picture, row, &carried, stage);
    let of_all = export
        .limit
        .iter()
        .map(|limit| ("all together".to_owned(), limit));
    let of_peers = export.allow.iter().filter_map(|grant| {
        let limit = grant.limit.as_ref()?;
        Some((plain(&grant.peer), limit))
    });
    limited(text, of_all.chain(of_peers));
    text.gap();
    let grants = export.allow.iter().map(|grant| {
        let named = rows::grant(&plain(&grant.peer), grant);
        format!("{named} ({} in use)", count(grant.in_use))
    });
    let grants: Vec<String> = grants.collect();
    let allowed = match grants.is_empty() {
        true => "for nobody".to_owned(),
        false => format!("for {}", grants.join(", ")),
    };
    text.wrapped(Kind::Plain, 2, &allowed);
    for grant in &export.allow {
        if let Some(rules) = rows::rules(&plain(&grant.peer), grant) {
            text.wrapped(Kind::Plain, 2, &rules);
        }
    }
    let uses =
        |user: &aoe_common::snapshot::Initiator| user.side == Side::There && user.export == export.name;
    users::draw(text, picture, uses, export.others);
    refusals::draw(text, between, carried.refusals);
    changes(text, picture, &format!("export {}", export.name));
}

pub(super) fn import(text: &mut Text, picture: &Picture, import: &Import, row: &Row, stage: usize) {
    let between = &picture.between;
    let name = plain(&import.address);
    head(text, picture, &format!("import {name}"), &import.standing);
    let what = format!(
        "export {} of {}, on {}, {}, {} sectors a frame, window {}",
        known(&import.export),
        known(&import.peer),
        known(&import.segment),
        access(&import.access),
        import.sectors,
        import.window,
    );
    text.wrapped(Kind::Plain, 2, &what);
    let find = |snapshot| imports::find(snapshot, &row.id);
    let before = between.before.as_deref().and_then(find);
    let base = between.base.as_deref().and_then(find);
    let carried = Carried {
        traffic: &import.traffic,
        before: before.map(|import| import.traffic),
        sizes: (&import.sizes, base.map_or(&[], |import| &import.sizes)),
        times: (
            between.recent_split(&import.latency, base.map(|import| &import.latency)),
            base.is_some(),
        ),
        refusals: &import.refusals,
    };
    carry(text, picture, row, &carried, stage);
    let uses =
        |user: &aoe_common::snapshot::Initiator| user.side == Side::Here && user.address == import.address;
    users::draw(text, picture, uses, import.others);
    refusals::draw(text, between, carried.refusals);
    changes(text, picture, &format!("import {}", import.address));
}

/// Rates, times, sizes.
fn carry(text: &mut Text, picture: &Picture, row: &Row, carried: &Carried<'_>, stage: usize) {
    traffic(text, &picture.between, carried.traffic, carried.before.as_ref());
    rates(text, picture, row, "requests a second");
    text.gap();
    let (split, is_recent) = &carried.times;
    times::table(text, &times::parts(split), *is_recent, &picture.between);
    text.gap();
    let (now, base) = carried.sizes;
    if text.room >= WIDE {
        let half = (text.room - 2) / 2;
        let left = times::histogram(half, &times::parts(split), Some(stage));
        text.beside(left, sizes::draw(half, now, base));
    } else {
        text.append(times::histogram(text.room, &times::parts(split), Some(stage)));
        text.gap();
        text.append(sizes::draw(text.room, now, base));
    }
}

/// What is carried, a second and since the start.
pub(super) fn traffic(text: &mut Text, between: &Between, now: &Traffic, before: Option<&Traffic>) {
    let a_second = |part: fn(&Traffic) -> u64| between.rate(part(now), before.map(part));
    let unknown = || "-".to_owned();
    let counted = |part| a_second(part).map_or_else(unknown, count);
    let moved = |part| a_second(part).map_or_else(unknown, bytes);
    let line = format!(
        "{} req/s, {}/s read, {}/s written, {} in flight",
        counted(|traffic| traffic.requests),
        moved(|traffic| traffic.read_bytes),
        moved(|traffic| traffic.written_bytes),
        count(now.in_flight)
    );
    text.wrapped(Kind::Plain, 2, &line);
    let line = format!(
        "since the start {} requests, {} read, {} written, {} sent again, {} refused",
        count(now.requests),
        bytes(now.read_bytes),
        bytes(now.written_bytes),
        count(now.resent),
        count(now.refused)
    );
    text.wrapped(Kind::Plain, 2, &line);
}

/// Limits by who has them.
pub(super) fn limited<'a>(text: &mut Text, limits: impl Iterator<Item = (String, &'a Limit)>) {
    let mut limits = limits.peekable();
    if limits.peek().is_none() {
        return;
    }
    text.gap();
    text.line(Kind::Title, "limits");
    for (who, limit) in limits {
        text.wrapped(Kind::Plain, 2, &format!("{who}: {}", limits::words(limit)));
    }
}
