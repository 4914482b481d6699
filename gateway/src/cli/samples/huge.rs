//! A document in which everything is as long as it can be.

use aoe_common::snapshot::*;

use super::{NOW, empty, grant, standing};

/// Every number as large as it can be, every name as long.
pub(crate) fn huge(name: &str) -> Snapshot {
    let many = u64::MAX;
    let granted = Granted {
        asked: many,
        granted: many,
    };
    let both = Directions {
        received: many,
        sent: many,
    };
    let traffic = Traffic {
        requests: many,
        answered: many,
        read_bytes: many,
        written_bytes: many,
        in_flight: many,
        resent: many,
        refused: many,
    };
    let slow = Some(Latency {
        count: many,
        sum_us: many,
        buckets: [many; BUCKET_BOUNDS_US.len()],
        p50_us: 99_999_999,
        p90_us: many,
        p99_us: many,
        max_us: many,
    });
    let key = || Key {
        fingerprint: name.into(),
        stage: KeyStage::InUse,
        drop_at: Some(NOW),
    };
    let size = Size {
        sectors: u16::MAX,
        reads: many,
        writes: many,
    };
    let split = Split {
        total: slow,
        segment: slow,
        tunnel: slow,
        queue: slow,
        target: slow,
    };
    let state = standing(
        State::Degraded,
        &format!("{name} is slow ").repeat(40),
        59.0 * 60.0,
    );
    let paused = Paused {
        by: name.into(),
        since: NOW,
        resumes: NOW + 150.0,
    };
    let refusals = vec![Refusals {
        reason: "request_initiator_not_allowed".into(),
        count: many,
        last_who: "52:54:00:12:34:56".into(),
        last_what: "more sectors than a frame carries, in many words more".into(),
        last: NOW - 59.0 * 60.0,
    }];
    Snapshot {
        gateway: Gateway {
            name: name.into(),
            program: "0.1.0-a-long-build-with-a-hash".into(),
            pid: u32::MAX,
            reloads: many,
            workers: 16,
            started: 1.0,
            configured: 1.0,
            ..empty().gateway
        },
        alarms: vec![
            Alarm {
                about: format!("peer {name}"),
                standing: state.clone(),
            };
            300
        ],
        segments: vec![Segment {
            name: name.into(),
            standing: state.clone(),
            device: name.into(),
            mac: "52:54:00:12:34:56".into(),
            mtu: u16::MAX,
            frames: both,
            bytes: both,
        }],
        sockets: vec![Socket {
            address: name.into(),
            worker: 15,
            receive_buffer: granted,
            send_buffer: granted,
            receive_offload: true,
            send_offload: true,
            dropped: many,
        }],
        keys: Keys {
            own: vec![key(); 4],
            switch: name.into(),
            switch_at: Some(NOW),
            switched: Some(NOW),
            without: vec![name.into(); 16],
            revoked: many,
        },
        peers: vec![Peer {
            limit: None,
            name: name.into(),
            standing: state.clone(),
            fingerprint: name.into(),
            keys: vec![key(); 4],
            has_key: name.into(),
            has_key_since: Some(NOW),
            keys_refused: name.into(),
            worker: 15,
            session: Some(Session {
                handshake: "tls+mlkem768".into(),
                protection: "authenticate".into(),
                cipher: "chacha20-poly1305".into(),
                psk: true,
                post_quantum: "ml-kem-768".into(),
                our_key: name.into(),
                peer_key: name.into(),
                since: NOW,
                rekey_at: NOW + 7_000.0,
            }),
            path: Path {
                remote: "[2001:db8:1234:5678:9abc:def0:1234:5678%enp65535s0f1]:65535".into(),
                standing: state.clone(),
                round_trip_us: Some(many),
                jitter_us: Some(many),
                reordered: many,
                mtu: u16::MAX,
                mtu_why: "searching again after a change".into(),
                bytes: both,
                records: both,
                missed: Directions {
                    received: many / 3,
                    sent: many / 3,
                },
                repaired: both,
                lost: both,
            },
        }],
        imports: vec![Import {
            address: "e65534.254".into(),
            segment: name.into(),
            peer: name.into(),
            export: name.into(),
            standing: state.clone(),
            paused: Some(paused.clone()),
            access: "read-write".into(),
            sectors: u8::MAX,
            window: u16::MAX,
            traffic,
            sizes: vec![size],
            latency: split,
            refusals: refusals.clone(),
            others: many,
            worker: 15,
        }],
        exports: vec![Export {
            limit: None,
            name: name.into(),
            segment: name.into(),
            target: "e65534.254".into(),
            standing: state.clone(),
            paused: Some(paused.clone()),
            disk: name.repeat(10),
            size_bytes: many,
            buffers: u16::MAX,
            at_target: many,
            waiting: many,
            allow: vec![
                Grant {
                    until: Some(f64::MAX),
                    rules: vec![name.to_owned(); 8],
                    ..grant(name, "read-write", many)
                };
                64
            ],
            traffic,
            sizes: vec![size],
            latency: split,
            refusals,
            others: many,
            worker: 15,
            mac: String::new(),
        }],
        initiators: vec![
            Initiator {
                limit: None,
                mac: "52:54:00:12:34:56".into(),
                side: Side::There,
                peer: name.into(),
                export: name.into(),
                address: "e65534.254".into(),
                standing: state,
                last: NOW - 59.0 * 60.0,
                traffic,
                latency: slow,
            };
            300
        ],
        ..empty()
    }
}
