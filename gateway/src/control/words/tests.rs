use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{
    Access, Allow, ConfigString, Endpoint, ExportConfig, ExportSafety, GatewayConfig, ImportConfig,
    OnConflict, OnTargetTimeout, OwnKeys, PathMtu, PeerConfig, PeerId, Protection, Revoked, SegmentConfig,
    SegmentId, TargetOrder, Trust, TunnelConfig,
};
use aoe_common::frame::{Address, MacAddr};
use aoe_common::snapshot::{Export, Grant, Initiator, Side, Snapshot, Standing, State};
use aoe_keys::{Psk, SecretKey};

use super::*;
use crate::config::{Device, Metrics, Settings};

fn key(byte: u8) -> aoe_keys::PublicKey {
    SecretKey::from_bytes([byte; 32]).public()
}

fn peer(name: &str, byte: u8) -> PeerConfig {
    PeerConfig {
        name: name.to_owned(),
        trust: Trust::of_key(key(byte)),
        endpoint: Endpoint::Unknown,
        endpoint_pinned: false,
        protection: vec![Protection::Encrypt],
        path_mtu: PathMtu::Auto,
        limit: Default::default(),
    }
}

fn allow(peer: u16, access: Access) -> Allow {
    Allow::new(PeerId(peer), access)
}

fn export(name: &str, slot: u8, allow: Vec<Allow>) -> ExportConfig {
    ExportConfig {
        name: name.to_owned(),
        segment: SegmentId(0),
        target: Address { shelf: 7, slot },
        target_mac: None,
        safety: ExportSafety::default(),
        allow,
        limit: Default::default(),
    }
}

fn import(export: &str, slot: u8) -> ImportConfig {
    ImportConfig {
        peer: PeerId(1),
        export: export.to_owned(),
        segment: SegmentId(0),
        address: Address { shelf: 107, slot },
        window: 64,
        on_conflict: OnConflict::Stop,
    }
}

fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

/// A gateway with the peers site-a and site-b, an export and an import.
fn loaded(change: impl FnOnce(&mut Loaded)) -> Loaded {
    let segments = ["san", "lab"].map(|name| SegmentConfig {
        name: name.to_owned(),
    });
    let mut loaded = Loaded {
        core: GatewayConfig {
            name: "here".to_owned(),
            keys: OwnKeys::of(SecretKey::from_bytes([9; 32])),
            revoked: Revoked::default(),
            tls: None,
            segments: segments.into_iter().collect(),
            peers: [peer("site-a", 1), peer("site-b", 2)].into_iter().collect(),
            exports: [export(
                "backup",
                3,
                vec![allow(0, Access::ReadWrite), allow(1, Access::ReadOnly)],
            )]
            .into_iter()
            .collect(),
            imports: [import("vault", 3)].into_iter().collect(),
            tunnel: TunnelConfig::default(),
        },
        listen: vec!["0.0.0.0:34978".parse().unwrap()],
        endpoints: BTreeMap::from([("site-a".to_owned(), "a.example:34978".to_owned())]),
        devices: BTreeMap::from([("san".to_owned(), Device::Nic("eth1".to_owned()))]),
        metrics: None,
        settings: Settings {
            batch: 64,
            socket_buffer: 7_500_000,
            busy_poll: Duration::from_micros(50),
            state: None,
            workers: 1,
            observe: "o".into(),
            control_group: None,
            control: "c".into(),
            log: None,
            audit: None,
            key: "k".into(),
        },
        revocations: Vec::new(),
        origin: Default::default(),
    };
    change(&mut loaded);
    loaded
}

fn row(side: Side, peer: &str, export: &str, address: &str, mac: MacAddr) -> Initiator {
    Initiator {
        mac: mac.to_string(),
        side,
        peer: peer.to_owned(),
        export: export.to_owned(),
        address: address.to_owned(),
        standing: Standing {
            state: State::Up,
            ..Standing::default()
        },
        ..Initiator::default()
    }
}

/// Two initiators behind site-a use backup, one behind site-b does; three here use the import.
fn usage() -> Snapshot {
    let grant = |peer: &str, in_use| Grant {
        peer: peer.to_owned(),
        in_use,
        ..Grant::default()
    };
    let here = (1..=3).map(|n| row(Side::Here, "site-b", "vault", "e107.3", mac(n)));
    let there = [
        row(Side::There, "site-a", "backup", "", mac(0x11)),
        row(Side::There, "site-a", "backup", "", mac(0x12)),
        row(Side::There, "site-b", "backup", "", mac(0x21)),
    ];
    Snapshot {
        exports: vec![Export {
            name: "backup".to_owned(),
            allow: vec![grant("site-a", 2), grant("site-b", 1)],
            ..Export::default()
        }],
        initiators: here.chain(there).collect(),
        ..Snapshot::default()
    }
}

/// The words for a change of the usual gateway.
fn said(change: impl FnOnce(&mut Loaded)) -> Vec<String> {
    between(|_| (), change)
}

fn between(before: impl FnOnce(&mut Loaded), change: impl FnOnce(&mut Loaded)) -> Vec<String> {
    let lines = words(&loaded(before), &loaded(change), &usage(), None);
    lines.into_iter().map(|line| line.text).collect()
}

fn first_export(loaded: &mut Loaded) -> &mut ExportConfig {
    loaded.core.exports.values_mut().next().unwrap()
}

/// A third peer.
fn add_peer(loaded: &mut Loaded) {
    loaded.core.peers.push(peer("site-c", 3));
}

fn first_peer(loaded: &mut Loaded) -> &mut PeerConfig {
    loaded.core.peers.values_mut().next().unwrap()
}

#[test]
fn the_same_again_needs_no_words() {
    assert!(said(|_| ()).is_empty());
}

#[test]
fn rights_that_are_lost_say_who_uses_them_now() {
    let lost = said(|new| first_export(new).allow[0].access = Access::ReadOnly);
    assert_eq!(lost, ["site-a loses write on backup (2 initiators use it now)"]);
    let lost = said(|new| drop(first_export(new).allow.pop()));
    assert_eq!(
        lost,
        ["site-b may no longer use backup (1 initiator uses it now)"]
    );
    let lost = said(|new| first_export(new).allow[0].initiators = Some(vec![mac(0x11)]));
    let text = "every initiator behind site-a loses backup, but 02:00:00:00:00:11 (1 initiator uses it now)";
    assert_eq!(lost, [text]);
    let lost = between(
        |old| first_export(old).allow[0].initiators = Some(vec![mac(0x11), mac(0x77), mac(0x12)]),
        |new| first_export(new).allow[0].initiators = Some(vec![mac(0x12)]),
    );
    let texts = [
        "initiator 02:00:00:00:00:11 behind site-a loses backup (it uses it now)",
        "initiator 02:00:00:00:00:77 behind site-a loses backup",
    ];
    assert_eq!(lost, texts);
    let lost = between(
        |old| first_export(old).allow[0].config_string = ConfigString::Set,
        |_| (),
    );
    assert_eq!(lost, ["site-a may no longer set the config string of backup"]);
    let lost = said(|new| drop(new.core.exports.remove(aoe_common::config::ExportId(0))));
    let texts = [
        "site-a may no longer use backup (2 initiators use it now)",
        "site-b may no longer use backup (1 initiator uses it now)",
        "export backup disappears",
    ];
    assert_eq!(lost, texts);
}

#[test]
fn rights_that_are_gained_are_said_too() {
    let gained = said(|new| first_export(new).allow[1].access = Access::ReadWrite);
    assert_eq!(gained, ["site-b gains write on backup"]);
    let gained = said(|new| {
        let mut grant = allow(1, Access::ReadOnly);
        grant.initiators = Some(vec![mac(1), mac(2)]);
        grant.config_string = ConfigString::Set;
        let grants = vec![allow(0, Access::ReadWrite), grant];
        new.core.exports.push(export("archive", 4, grants));
    });
    let texts = [
        "export archive appears: target e7.4 on san",
        "site-a gains read and write on archive",
        "site-b gains read on archive, for 02:00:00:00:00:01 02:00:00:00:00:02 only",
        "site-b may set the config string of archive",
    ];
    assert_eq!(gained, texts);
    let gained = between(
        |old| first_export(old).allow[0].initiators = Some(vec![mac(1)]),
        |_| (),
    );
    assert_eq!(gained, ["every initiator behind site-a gains backup"]);
    let gained = between(
        |old| first_export(old).allow[0].initiators = Some(vec![mac(1)]),
        |new| first_export(new).allow[0].initiators = Some(vec![mac(1), mac(2)]),
    );
    assert_eq!(gained, ["initiator 02:00:00:00:00:02 behind site-a gains backup"]);
}

#[test]
fn imports_come_go_and_change() {
    let texts = said(|new| {
        new.core.imports = [import("archive", 4)].into_iter().collect();
    });
    let expected = [
        "import e107.3 disappears (3 initiators use it now)",
        "import e107.4 of site-b/archive appears on san",
    ];
    assert_eq!(texts, expected);
    let texts = said(|new| {
        let import = new.core.imports.values_mut().next().unwrap();
        import.window = 32;
        import.on_conflict = OnConflict::Alarm;
    });
    let expected = [
        "import e107.3: window 64 becomes 32",
        "import e107.3: on_conflict stop becomes alarm",
    ];
    assert_eq!(texts, expected);
    let twice = |loaded: &mut Loaded| {
        loaded.core.imports.push(ImportConfig {
            segment: SegmentId(1),
            ..import("vault", 3)
        });
    };
    assert_eq!(
        between(twice, |_| ()),
        ["import e107.3 on lab disappears (3 initiators use it now)"]
    );
}

#[test]
fn an_export_is_served_in_another_way() {
    let texts = said(|new| {
        let export = first_export(new);
        export.target.slot = 9;
        export.target_mac = Some(mac(5));
        export.safety = ExportSafety {
            target_timeout: Duration::from_secs(30),
            on_target_timeout: OnTargetTimeout::Error,
            on_conflict: OnConflict::Alarm,
            order: TargetOrder::Fifo,
            target_retry: Duration::from_millis(400),
            sync: true,
        };
    });
    let expected = [
        "export backup: target e7.3 on san becomes e7.9 on san",
        "export backup: target_mac any becomes 02:00:00:00:00:05",
        "export backup: target_timeout 60s becomes 30s",
        "export backup: on_target_timeout silent becomes error",
        "export backup: on_conflict stop becomes alarm",
        "export backup: order any becomes fifo",
        "export backup: target_retry 50ms becomes 400ms",
        "export backup: sync false becomes true",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn peers_come_go_and_change_and_no_secret_is_shown() {
    assert_eq!(said(add_peer), ["peer site-c appears"]);
    assert_eq!(
        between(add_peer, |_| ()),
        ["peer site-c disappears: its session ends"]
    );
    let texts = said(|new| {
        let peer = first_peer(new);
        peer.trust = Trust::of_key(key(77));
        peer.trust.set_psk(Some(Psk::from_bytes([7; 32])));
        peer.endpoint_pinned = true;
        peer.protection = vec![Protection::Authenticate, Protection::Encrypt];
        peer.path_mtu = PathMtu::Fixed(1400);
        new.endpoints = BTreeMap::from([("site-b".to_owned(), "b.example:1".to_owned())]);
    });
    let expected = [
        "peer site-a: endpoint a.example:34978 is removed: it must call",
        "peer site-a: another key: its session ends",
        "psk of site-a appears: from the next handshake on, so change it on both sides within three minutes",
        "peer site-a: is spoken to at its endpoint only",
        "peer site-a: protection encrypt becomes authenticate or encrypt",
        "peer site-a: path_mtu auto becomes 1400",
        "peer site-b: endpoint b.example:1: it is called there",
    ];
    assert_eq!(texts, expected);
    let psk = |byte| {
        move |loaded: &mut Loaded| {
            first_peer(loaded)
                .trust
                .set_psk(Some(Psk::from_bytes([byte; 32])))
        }
    };
    assert!(between(psk(1), psk(1)).is_empty());
    let changes =
        "psk of site-a changes: from the next handshake on, so change it on both sides within three minutes";
    assert_eq!(between(psk(1), psk(2)), [changes]);
    assert!(between(psk(1), |_| ())[0].starts_with("psk of site-a disappears: "));
}

#[test]
fn a_peer_with_another_key_keeps_its_rights_by_name() {
    // As after `take_ids`: the new one has a number of its own.
    let texts = said(|new| {
        new.core.peers = [(PeerId(1), peer("site-b", 2)), (PeerId(5), peer("site-a", 77))]
            .into_iter()
            .collect();
        first_export(new).allow[0].peer = PeerId(5);
    });
    assert_eq!(texts, ["peer site-a: another key: its session ends"]);
}

#[test]
fn settings_of_the_gateway_come_last_and_losses_first() {
    let change = |new: &mut Loaded| {
        new.core.tunnel.max_age = Duration::from_millis(1500);
        new.core.tunnel.keepalive = Duration::from_secs(1);
        new.core.tunnel.rekey_after = Duration::from_secs(60);
        new.settings.busy_poll = Duration::ZERO;
        new.settings.log = Some("debug".to_owned());
        new.listen = vec!["[::]:34978".parse().unwrap()];
        new.metrics = Some(Metrics {
            listen: "127.0.0.1:9478".parse().unwrap(),
            hosts: Vec::new(),
        });
        new.core.imports = [import("vault", 3), import("x", 5)].into_iter().collect();
        first_export(new).allow[1].access = Access::ReadWrite;
        first_export(new).allow[0].access = Access::ReadOnly;
    };
    let expected = [
        "site-a loses write on backup (2 initiators use it now)",
        "listen 0.0.0.0:34978 closes",
        "import e107.5 of site-b/x appears on san",
        "listen [::]:34978 opens",
        "metrics: listen 127.0.0.1:9478 opens",
        "site-b gains write on backup",
        "rekey_after 120s becomes 60s",
        "keepalive 5s becomes 1s",
        "max_age 1s becomes 1.5s",
        "busy_poll 50us becomes off",
        "log info becomes debug",
    ];
    assert_eq!(said(change), expected);
    let open = |port, hosts: &[&str]| {
        loaded(|new| {
            new.metrics = Some(Metrics {
                listen: SocketAddr::from(([127, 0, 0, 1], port)),
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            });
        })
    };
    let moved = words(&open(1, &[]), &open(2, &["gw"]), &usage(), None);
    let moved: Vec<_> = moved.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        moved,
        [
            "metrics: listen 127.0.0.1:1 becomes 127.0.0.1:2",
            "metrics: hosts [] becomes [gw]"
        ]
    );
    let closed = words(&open(1, &[]), &loaded(|_| ()), &usage(), None);
    assert_eq!(closed[0].text, "metrics: listen 127.0.0.1:1 closes");
    let fixed = words(&loaded(|_| ()), &loaded(change), &usage(), Some("trace"));
    let last = fixed.last().unwrap();
    assert_eq!(
        last.text,
        "log info becomes debug, but the command line says trace"
    );
    assert_eq!((fixed[0].kind, last.kind), (Kind::Loss, Kind::Setting));
}
