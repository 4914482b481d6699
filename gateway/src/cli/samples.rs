//! Documents made by hand.

mod huge;

use aoe_common::snapshot::*;

pub(crate) use self::huge::huge;

/// When they were made.
pub(super) const NOW: f64 = 1_700_000_000.0;

pub(super) fn standing(state: State, why: &str, ago: f64) -> Standing {
    Standing {
        state,
        why: why.to_owned(),
        since: NOW - ago,
    }
}

pub(super) fn latency(p50_us: u64) -> Option<Latency> {
    Some(Latency {
        count: 1000,
        p50_us,
        p90_us: p50_us * 2,
        p99_us: p50_us * 4,
        max_us: p50_us * 10,
        ..Latency::default()
    })
}

/// A gateway that has nothing but a name.
pub(super) fn empty() -> Snapshot {
    Snapshot {
        version: VERSION,
        gateway: Gateway {
            name: "site-b".into(),
            program: "0.1.0".into(),
            pid: 4242,
            now: NOW,
            started: NOW - 3.2 * 86_400.0,
            configured: NOW - 7_300.0,
            workers: 1,
            ..Gateway::default()
        },
        ..Snapshot::default()
    }
}

/// A gateway as there are many: an export in use, one whose target is away, and an import.
pub(crate) fn typical() -> Snapshot {
    let mut snapshot = empty();
    snapshot.gateway.reloads = 4;
    let silent = "target e7.4 does not answer; requests are kept for it until 10 s have passed; see whether it runs and its \
                  segment is up";
    snapshot.alarms = vec![Alarm {
        about: "export archive".into(),
        standing: standing(State::Down, &format!("export archive: {silent}"), 190.0),
    }];
    snapshot.segments = vec![segment("san", "eth1")];
    snapshot.sockets = vec![Socket {
        address: "0.0.0.0:34978".into(),
        worker: 0,
        receive_buffer: Granted {
            asked: 7_500_000,
            granted: 212_992,
        },
        send_buffer: Granted {
            asked: 7_500_000,
            granted: 7_500_000,
        },
        receive_offload: true,
        send_offload: true,
        dropped: 3,
    }];
    snapshot.peers = vec![
        peer("site-a", "198.51.100.1:34978"),
        Peer {
            name: "site-c".into(),
            standing: standing(
                State::Down,
                "no answer from site-c: look at its endpoint and port, at firewalls, and whether both sides have each \
                 other's key",
                47.0 * 3600.0,
            ),
            path: Path {
                remote: "[2001:db8::7]:34978".into(),
                ..Path::default()
            },
            ..Peer::default()
        },
    ];
    snapshot.imports = vec![import("e109.1", "site-a", "mirror")];
    let mut backup = export("backup", "e7.3");
    backup.allow[0].until = Some(1_801_353_600.0);
    backup.allow[1].until = Some(1_798_070_400.0);
    backup.allow[1].rules = vec![
        "rw sectors 0-1023, until 2026-12-24T00:00:00Z".into(),
        "ro, smart-read-data, smart-return-status".into(),
    ];
    snapshot.exports = vec![
        backup,
        Export {
            name: "archive".into(),
            segment: "san".into(),
            target: "e7.4".into(),
            standing: standing(State::Down, silent, 190.0),
            buffers: 16,
            waiting: 3,
            allow: vec![grant("site-a", "read-only", 0)],
            refusals: vec![Refusals {
                reason: "refused_read_only".into(),
                count: 17,
                last_who: "52:54:00:12:34:56".into(),
                last_what: "a write (the export is read-only)".into(),
                last: NOW - 4.0,
            }],
            ..Export::default()
        },
    ];
    snapshot.initiators = vec![
        Initiator {
            limit: None,
            mac: "52:54:00:12:34:56".into(),
            side: Side::There,
            peer: "site-a".into(),
            export: "backup".into(),
            address: String::new(),
            standing: standing(State::Up, "", 60.0),
            last: NOW - 0.2,
            traffic: traffic(),
            latency: latency(900),
        },
        Initiator {
            limit: None,
            mac: "52:54:00:12:34:99".into(),
            side: Side::Here,
            peer: "site-a".into(),
            export: "mirror".into(),
            address: "e109.1".into(),
            standing: standing(State::Up, "it asked for nothing in the last minute", 360.0),
            last: NOW - 420.0,
            traffic: Traffic {
                requests: 12,
                answered: 12,
                read_bytes: 6_144,
                ..Traffic::default()
            },
            latency: None,
        },
    ];
    snapshot
}

pub(super) fn traffic() -> Traffic {
    Traffic {
        requests: 1_234_567,
        answered: 1_234_555,
        read_bytes: 81_300_000_000,
        written_bytes: 12_100_000_000,
        in_flight: 12,
        resent: 2,
        refused: 0,
    }
}

fn segment(name: &str, device: &str) -> Segment {
    Segment {
        name: name.into(),
        standing: standing(State::Up, "", 3.2 * 86_400.0),
        device: device.into(),
        mac: "52:54:00:00:00:01".into(),
        mtu: 9000,
        frames: directions(1_240_000, 2_480_000),
        bytes: directions(12_200_000_000, 81_500_000_000),
    }
}

fn directions(received: u64, sent: u64) -> Directions {
    Directions { received, sent }
}

pub(super) fn peer(name: &str, remote: &str) -> Peer {
    Peer {
        limit: None,
        name: name.into(),
        standing: standing(State::Up, "", 3.1 * 86_400.0),
        fingerprint: "9bcb-00e2-ceb9-36bd-a597-f78a".into(),
        keys: vec![Key {
            fingerprint: "9bcb-00e2-ceb9-36bd-a597-f78a".into(),
            ..Key::default()
        }],
        has_key: "1943-3760-d798-2487-481a-f534".into(),
        has_key_since: Some(NOW - 86_400.0),
        keys_refused: String::new(),
        worker: 0,
        session: Some(Session {
            handshake: "noise".into(),
            protection: "encrypt".into(),
            cipher: "aes-256-gcm".into(),
            psk: true,
            post_quantum: "none".into(),
            our_key: "1943-3760-d798-2487-481a-f534".into(),
            peer_key: "9bcb-00e2-ceb9-36bd-a597-f78a".into(),
            since: NOW - 27.0,
            rekey_at: NOW + 93.0,
        }),
        path: Path {
            remote: remote.into(),
            standing: standing(State::Up, "", 3.1 * 86_400.0),
            round_trip_us: Some(10_213),
            jitter_us: Some(412),
            reordered: 12,
            mtu: 1500,
            mtu_why: "probed".into(),
            bytes: directions(13_000_000_000, 82_000_000_000),
            records: directions(9_000_000, 60_000_000),
            missed: directions(87_300, 720_000),
            repaired: directions(87_290, 719_900),
            lost: directions(10, 100),
        },
    }
}

pub(super) fn import(address: &str, peer: &str, export: &str) -> Import {
    Import {
        address: address.into(),
        segment: "san".into(),
        peer: peer.into(),
        export: export.into(),
        standing: standing(State::Up, "", 3.1 * 86_400.0),
        access: "read-write".into(),
        sectors: 17,
        window: 64,
        traffic: Traffic {
            requests: 12,
            answered: 12,
            read_bytes: 6_144,
            ..Traffic::default()
        },
        latency: Split {
            total: latency(11_900),
            segment: latency(40),
            tunnel: latency(11_000),
            queue: latency(12),
            target: latency(840),
        },
        ..Import::default()
    }
}

pub(super) fn grant(peer: &str, access: &str, in_use: u64) -> Grant {
    Grant {
        peer: peer.into(),
        access: access.into(),
        in_use,
        ..Grant::default()
    }
}

pub(super) fn export(name: &str, target: &str) -> Export {
    Export {
        name: name.into(),
        segment: "san".into(),
        target: target.into(),
        standing: standing(State::Up, "", 3.2 * 86_400.0),
        mac: "52:54:00:00:00:07".into(),
        disk: r#"serial "7.3:vm", model "Coraid EtherDrive vblade", 209715200 sectors"#.into(),
        size_bytes: 107_374_182_400,
        buffers: 16,
        at_target: 12,
        waiting: 0,
        allow: vec![grant("site-c", "read-only", 0), grant("site-a", "read-write", 2)],
        traffic: traffic(),
        latency: Split {
            queue: latency(12),
            target: latency(880),
            ..Split::default()
        },
        ..Export::default()
    }
}
