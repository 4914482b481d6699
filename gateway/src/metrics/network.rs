//! Peers, the paths to them, and segments.

use aoe_common::snapshot::{Path, Peer, Segment, Snapshot};

use super::families::{Family, counter, gauge};
use super::parts;
use super::writer::{Label, Value};

pub(super) const PEERS: &[Family] = &[
    gauge(
        "aoe_peer_up",
        "Whether there is a session with a peer that carries requests; each worker has one.",
        |now, samples| {
            peers(now, |labels, peer| parts::up(labels, &peer.standing, samples));
        },
    ),
    gauge(
        "aoe_peer_state",
        "Which state the session with a peer is in: 1 for that one, 0 for all others.",
        |now, samples| {
            peers(now, |labels, peer| parts::states(labels, &peer.standing, samples));
        },
    ),
    gauge(
        "aoe_peer_state_timestamp_seconds",
        "When the state of a peer, or the reason for it, last changed, in Unix time.",
        |now, samples| {
            peers(now, |labels, peer| parts::since(labels, &peer.standing, samples));
        },
    ),
    gauge(
        "aoe_session_info",
        "1 for each session; its labels say how it is protected.",
        |now, samples| {
            peers(now, |labels, peer| {
                let Some(session) = &peer.session else { return };
                let mut labels = labels.to_vec();
                labels.extend([
                    ("handshake", session.handshake.as_str()),
                    ("protection", session.protection.as_str()),
                    ("cipher", session.cipher.as_str()),
                    ("psk", if session.psk { "yes" } else { "no" }),
                    ("post_quantum", session.post_quantum.as_str()),
                ]);
                samples.add(&labels, true);
            });
        },
    ),
    gauge(
        "aoe_session_keys_timestamp_seconds",
        "When the keys of a session were agreed, in Unix time; they are replaced at least every 120 s.",
        |now, samples| {
            peers(now, |labels, peer| {
                if let Some(session) = &peer.session {
                    samples.add(labels, Value::Seconds(session.since));
                }
            });
        },
    ),
    gauge(
        "aoe_path_up",
        "Whether the path to a peer carries what is needed; only with a session.",
        |now, samples| {
            paths(now, |labels, path| parts::up(labels, &path.standing, samples));
        },
    ),
    gauge(
        "aoe_path_round_trip_seconds",
        "The round trip to a peer; absent until it was measured.",
        |now, samples| {
            paths(now, |labels, path| {
                if let Some(micros) = path.round_trip_us {
                    samples.add(labels, Value::Micros(micros));
                }
            });
        },
    ),
    gauge(
        "aoe_path_mtu_bytes",
        "The longest IP packet that is sent to a peer; 0 until it is known.",
        |now, samples| {
            paths(now, |labels, path| samples.add(labels, u64::from(path.mtu)));
        },
    ),
    counter(
        "aoe_path_bytes_total",
        "Datagram payload of records.",
        |now, samples| {
            carried(now, |labels, path| parts::directions(labels, path.bytes, samples));
        },
    ),
    counter(
        "aoe_path_records_total",
        "Records opened (received) and sealed (sent).",
        |now, samples| {
            carried(now, |labels, path| {
                parts::directions(labels, path.records, samples)
            });
        },
    ),
    counter(
        "aoe_path_records_missed_total",
        "Records that did not arrive at once, as their receiver says: the loss of the path, before repair.",
        |now, samples| {
            carried(now, |labels, path| {
                parts::directions(labels, path.missed, samples)
            });
        },
    ),
    counter(
        "aoe_path_records_repaired_total",
        "Records that were sent again.",
        |now, samples| {
            carried(now, |labels, path| {
                parts::directions(labels, path.repaired, samples)
            });
        },
    ),
    counter(
        "aoe_path_records_lost_total",
        "Records that never arrived: the loss that is left after repair.",
        |now, samples| {
            carried(now, |labels, path| parts::directions(labels, path.lost, samples));
        },
    ),
];

pub(super) const SEGMENTS: &[Family] = &[
    gauge(
        "aoe_segment_up",
        "Whether frames pass on a segment.",
        |now, samples| {
            segments(now, |labels, segment| {
                parts::up(labels, &segment.standing, samples)
            });
        },
    ),
    gauge(
        "aoe_segment_state",
        "Which state a segment is in: 1 for that one, 0 for all others.",
        |now, samples| {
            segments(now, |labels, segment| {
                parts::states(labels, &segment.standing, samples)
            });
        },
    ),
    gauge(
        "aoe_segment_state_timestamp_seconds",
        "When the state of a segment, or the reason for it, last changed, in Unix time.",
        |now, samples| {
            segments(now, |labels, segment| {
                parts::since(labels, &segment.standing, samples)
            });
        },
    ),
    gauge(
        "aoe_segment_mtu_bytes",
        "The MTU of the device of a segment; 0 while it is down.",
        |now, samples| {
            segments(now, |labels, segment| samples.add(labels, u64::from(segment.mtu)));
        },
    ),
    counter(
        "aoe_segment_frames_total",
        "Frames captured on a segment (received), and sent.",
        |now, samples| {
            segments(now, |labels, segment| {
                parts::directions(labels, segment.frames, samples)
            });
        },
    ),
    counter(
        "aoe_segment_bytes_total",
        "Bytes of frames captured on a segment (received), and sent.",
        |now, samples| {
            segments(now, |labels, segment| {
                parts::directions(labels, segment.bytes, samples)
            });
        },
    ),
];

fn peers(now: &Snapshot, mut each: impl FnMut(&[Label<'_>], &Peer)) {
    for peer in &now.peers {
        let worker = peer.worker.to_string();
        each(&[("peer", &peer.name), ("worker", &worker)], peer);
    }
}

/// Paths that there are now: without a session nothing is known of one.
fn paths(now: &Snapshot, mut each: impl FnMut(&[Label<'_>], &Path)) {
    peers(now, |labels, peer| {
        if peer.session.is_some() {
            each(labels, &peer.path);
        }
    });
}

/// What was carried, with or without a session now.
fn carried(now: &Snapshot, mut each: impl FnMut(&[Label<'_>], &Path)) {
    peers(now, |labels, peer| each(labels, &peer.path));
}

fn segments(now: &Snapshot, mut each: impl FnMut(&[Label<'_>], &Segment)) {
    for segment in &now.segments {
        each(
            &[("segment", &segment.name), ("device", &segment.device)],
            segment,
        );
    }
}
