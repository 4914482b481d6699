//! What limits imports and exports at this round trip.

use aoe_common::snapshot::{Import, Peer, Snapshot, State};

use super::finding::Findings;
use crate::cli::capacity::{self, Reach};
use crate::cli::{rows, words};

/// A path whose records go astray more often, in percent, is worth a look.
const LOSSY: f64 = 0.5;

/// Looks at paths, and at windows against round trips.
pub(super) fn examine(snapshot: &Snapshot, findings: &mut Findings) {
    for peer in &snapshot.peers {
        path(peer, findings);
    }
    for import in &snapshot.imports {
        window(import, snapshot, findings);
    }
    for export in &snapshot.exports {
        let about = format!("export {}", export.name);
        if export.buffers == 0 {
            findings.unknown(
                "buffers",
                &about,
                "its target was not heard, so its number of buffers is unknown",
                "",
            );
        } else if export.buffers < 8 {
            findings.warn(
                "buffers",
                &about,
                format!(
                    "target {} takes {} frames at a time",
                    export.target, export.buffers
                ),
                "give it more: vblade -b 64 …",
            );
        } else {
            let found = format!(
                "target {} takes {} frames at a time",
                export.target, export.buffers
            );
            findings.ok("buffers", &about, found);
        }
    }
    for alarm in &snapshot.alarms {
        let why = rows::without(&alarm.about, &alarm.standing.why);
        match alarm.standing.state {
            State::Down => findings.fail("alarm", &alarm.about, why, ""),
            _ => findings.warn("alarm", &alarm.about, why, ""),
        }
    }
    if snapshot.alarms.is_empty() {
        findings.ok(
            "alarm",
            "",
            "no alarm: sessions and targets are up, no second station answers for an address",
        );
    }
}

fn path(peer: &Peer, findings: &mut Findings) {
    if peer.session.is_none() {
        // The alarm says why.
        findings.unknown(
            "path",
            &peer.name,
            "there is no session, so nothing is known of the path",
            "",
        );
        return;
    }
    let path = &peer.path;
    let lost = capacity::share(path.missed.received, path.records.received)
        .max(capacity::share(path.missed.sent, path.records.sent));
    let rtt = path
        .round_trip_us
        .map_or_else(|| "unknown".to_owned(), words::latency);
    let found = format!("RTT {rtt}, MTU {} ({}), loss {lost:.2} %", path.mtu, path.mtu_why);
    let known = words::percent(path.missed.received, path.records.received);
    if lost > LOSSY {
        findings.warn(
            "path",
            &peer.name,
            format!("{found}; towards us {known}"),
            format!(
                "aoe-gateway path {}; look at links, tunnels and firewalls on the way",
                peer.name
            ),
        );
    } else if path.mtu < 1400 {
        findings.warn(
            "path",
            &peer.name,
            found,
            "short packets cost processor time: see whether a tunnel or a firewall on the way needs them; `path_mtu` sets it by hand",
        );
    } else {
        findings.ok("path", &peer.name, found);
    }
}

fn window(import: &Import, snapshot: &Snapshot, findings: &mut Findings) {
    let about = format!("import {}", import.address);
    let Some(Reach {
        round_trip_us,
        window,
        bytes_per_second,
        ..
    }) = capacity::reach(import, snapshot)
    else {
        findings.unknown(
            "window",
            &about,
            "nothing was answered yet, so its round trip is unknown",
            "",
        );
        return;
    };
    let found = format!(
        "window {window}, {} sectors a frame, {} for an answer: at most {}/s",
        import.sectors,
        words::latency(round_trip_us),
        words::bytes(bytes_per_second)
    );
    // What a link of 1 Gbit/s carries.
    if bytes_per_second >= capacity::GIGABIT {
        findings.ok("window", &about, found);
    } else {
        let needed = capacity::GIGABIT.saturating_mul(round_trip_us) / 1_000_000;
        let needed = needed.div_ceil(u64::from(import.sectors.max(1)) * 512);
        findings.warn(
            "window",
            &about,
            format!("{found}; for 1 Gbit/s it would take {needed} frames in flight"),
            format!(
                "raise `window` of the [[import]] (at most 1024) and the buffers of the target (vblade -b {needed}), or carry \
                 jumbo frames; see tuning.md"
            ),
        );
    }
}
