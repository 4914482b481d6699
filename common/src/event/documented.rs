//! `docs/log.md` has every line that is logged at WARN, as it is logged.

mod keys;

use std::net::SocketAddr;
use std::time::Duration;

use aoe_keys::SecretKey;

use super::{Event, ForeignEffect, FrameLimit, ImportFault, Level, Missed, Place, Refusal, Withdrawn};
use crate::config::{CertificateFault, CertificateName, Cipher, OnConflict, PeerId, Protection, Until};
use crate::disk::Disk;
use crate::frame::{Address, MacAddr};

const IMPORT: Address = Address { shelf: 107, slot: 3 };
const TARGET: Address = Address { shelf: 7, slot: 3 };
const INITIATOR: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
const STATION: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 9]);

fn a() -> String {
    "site-a".to_owned()
}

fn b() -> String {
    "site-b".to_owned()
}

fn backup() -> String {
    "backup".to_owned()
}

fn me() -> String {
    "user 0, process 4711".to_owned()
}

fn of_sessions() -> Vec<Event> {
    let from = SocketAddr::from(([192, 0, 2, 9], 34978));
    vec![
        Event::EndpointNeeded(PeerId(0)),
        Event::SessionUp {
            peer: b(),
            protection: Protection::Encrypt,
            cipher: Cipher::Aes256Gcm,
        },
        Event::SessionRekeyed { peer: b() },
        Event::PostQuantumKeys { peer: b() },
        Event::NotPostQuantum { peer: b() },
        Event::SessionLost {
            peer: b(),
            why: "it does not answer; see whether it runs, and whether the path to it works",
        },
        Event::PeerSilent { peer: b() },
        Event::PeerMoved { peer: b() },
        Event::PeerElsewhere { peer: b() },
        Event::PeerClockBehind {
            peer: a(),
            behind: Duration::from_secs(86_400),
        },
        Event::OwnClockBehind {
            peer: b(),
            behind: Duration::from_secs(86_400),
        },
        Event::PskChanged {
            peer: b(),
            ends_in: Some(Duration::from_secs(140)),
        },
        Event::PeerRemoved { peer: b() },
        Event::PeerTakenDown { peer: a(), by: me() },
        Event::PeerTakenUp { peer: a(), by: me() },
        Event::PathTooSmall {
            peer: b(),
            least: 576,
        },
        Event::PathMtu {
            peer: b(),
            mtu: 1500,
            why: "probes of that size are answered",
        },
        Event::NoAgreement {
            peer: a(),
            what: "the two sides accept no common protection mode; compare `protection` of the peer on both",
        },
        Event::HandshakeRefused {
            peer: a(),
            why: "it calls but never confirms; compare the psk of both sides, and see whether our datagrams reach it",
        },
        Event::Stranger {
            from,
            key: Some(SecretKey::from_bytes([1; 32]).public().fingerprint()),
        },
        Event::Stranger { from, key: None },
        Event::CertificateRefused {
            peer: b(),
            why: CertificateFault::Expired(1_801_353_600),
        },
        Event::StrangerCertificate {
            from,
            names: vec![CertificateName::dns("c.example")],
            why: None,
        },
        Event::StrangerCertificate {
            from,
            names: vec![CertificateName::dns("b.example")],
            why: Some(CertificateFault::UnknownIssuer),
        },
        Event::NobodyCalls { peer: a() },
        Event::SendFailed {
            peer: Some(b()),
            error: "Operation not permitted (os error 1) (a packet filter of this host forbids it)"
                .to_owned(),
        },
        Event::ReceiveFailed {
            error: "Connection refused (os error 111)".to_owned(),
        },
        Event::StoodStill(Duration::from_secs(8)),
        Event::Still {
            event: Box::new(Event::PeerMoved { peer: b() }),
            times: 2,
            lasted: Duration::from_secs(60),
        },
        Event::Over(Box::new(Event::PeerMoved { peer: b() })),
    ]
}

fn of_exports() -> Vec<Event> {
    let until = Until(1_801_353_600);
    vec![
        Event::GrantEnds {
            export: backup(),
            peer: a(),
            until,
            left: Duration::from_secs(86_400),
        },
        Event::GrantEnded {
            export: backup(),
            peer: a(),
            until,
            others: false,
        },
        Event::GrantBack {
            export: backup(),
            peer: a(),
            until,
        },
        Event::ExportPaused {
            export: backup(),
            by: me(),
            lasts: Duration::from_secs(60),
        },
        Event::ExportResumed {
            export: backup(),
            by: None,
            lasted: Duration::from_secs(60),
        },
        Event::TargetUp {
            export: backup(),
            target: TARGET,
            mac: STATION,
            buffer_count: 16,
            sectors: 2,
        },
        Event::TargetDown {
            export: backup(),
            target: TARGET,
        },
        Event::SecondResponder {
            export: backup(),
            mac: STATION,
            on_conflict: Some(OnConflict::Stop),
        },
        Event::TargetChanged {
            export: backup(),
            target: TARGET,
            difference: "serial \"V2\", not \"V1\"".to_owned(),
            on_conflict: OnConflict::Stop,
        },
        Event::DiskGrown {
            export: backup(),
            target: TARGET,
            was: 131_072,
            is: 262_144,
        },
        Event::DiskKnown {
            export: backup(),
            disk: Disk::unlike_any(),
        },
        Event::ConflictOver {
            export: backup(),
            target: TARGET,
        },
        Event::ExportMissed {
            peer: a(),
            export: "vault".to_owned(),
            why: Missed::Nowhere,
            others: 0,
        },
        Event::ExportMissed {
            peer: a(),
            export: backup(),
            why: Missed::NotAllowed,
            others: 0,
        },
        Event::ExportFound { peer: a() },
        Event::RequestRefused {
            place: Place::Exit,
            export: backup(),
            peer: a(),
            initiator: INITIATOR,
            what: Refusal::ReadOnly,
        },
    ]
}

fn paused(by: Option<String>) -> Event {
    Event::ImportPaused {
        address: IMPORT,
        peer: b(),
        export: backup(),
        lasts: Duration::from_secs(60),
        by,
    }
}

fn of_imports() -> Vec<Event> {
    let down = |why| Event::ImportDown {
        peer: b(),
        export: backup(),
        address: IMPORT,
        why,
    };
    let foreign = |effect| Event::ForeignResponder {
        address: IMPORT,
        mac: STATION,
        effect,
    };
    vec![
        Event::ImportUp {
            peer: b(),
            export: backup(),
            address: IMPORT,
            sectors: 17,
        },
        down(ImportFault::NoSession),
        down(ImportFault::PathUnproven),
        down(ImportFault::NotPostQuantum),
        down(ImportFault::PeerRestarted),
        down(ImportFault::SegmentDown),
        down(ImportFault::Taken),
        down(ImportFault::Untold),
        down(ImportFault::NotOffered { others: Some(1) }),
        down(ImportFault::Withdrawn(Withdrawn::NotExported)),
        down(ImportFault::Withdrawn(Withdrawn::NotAllowed)),
        down(ImportFault::Withdrawn(Withdrawn::Ended)),
        down(ImportFault::Removed),
        down(ImportFault::TargetNeverHeard),
        down(ImportFault::TargetAway),
        down(ImportFault::FramesTooShortHere),
        down(ImportFault::FramesTooShortThere),
        Event::ShortFrames {
            address: IMPORT,
            sectors: 2,
            possible: 17,
            limit: FrameLimit::OurSegment,
        },
        Event::WritesRefused {
            peer: b(),
            export: backup(),
            address: IMPORT,
        },
        Event::WritesTaken { address: IMPORT },
        paused(Some(me())),
        paused(None),
        Event::ImportResumed {
            address: IMPORT,
            by: None,
        },
        Event::ImportChanged {
            peer: b(),
            export: backup(),
            address: IMPORT,
        },
        foreign(ForeignEffect::NotPresented),
        Event::ForeignGone { address: IMPORT },
        Event::RequestRefused {
            place: Place::Import(IMPORT),
            export: backup(),
            peer: b(),
            initiator: INITIATOR,
            what: Refusal::ReadOnly,
        },
    ]
}

/// One event of each kind, or more where they differ in what is to be done.
fn samples() -> Vec<Event> {
    [of_sessions(), of_exports(), of_imports(), keys::samples()].concat()
}

/// The names of all kinds, as they stand in the source.
fn kinds() -> Vec<&'static str> {
    variants(include_str!("../event.rs"), "Event")
}

/// The names of the variants of an enum, as they stand in its source.
fn variants(source: &'static str, name: &str) -> Vec<&'static str> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let variants = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let name = line.split([' ', '(', ',', '{']).next()?;
        name.starts_with(char::is_uppercase).then_some(name)
    });
    variants.collect()
}

#[test]
fn every_warning_stands_in_the_page_about_the_log_as_it_is_logged() {
    let samples = samples();
    let debug: Vec<String> = samples.iter().map(|event| format!("{event:?}")).collect();
    let has = |kind: &str| {
        let named = |text: &String| {
            text.strip_prefix(kind)
                .is_some_and(|rest| rest.starts_with([' ', '(', '{']))
        };
        debug.iter().any(named)
    };
    let forgotten: Vec<&str> = kinds().into_iter().filter(|kind| !has(kind)).collect();
    assert!(
        kinds().len() >= 30 && forgotten.is_empty(),
        "no sample of {forgotten:?}"
    );
    let page = include_str!("../../../docs/log.md");
    let loud = samples
        .iter()
        .filter(|event| event.level() == Level::Warn && !matches!(event, Event::Still { .. }));
    let missing: Vec<String> = loud
        .map(ToString::to_string)
        .filter(|line| !page.lines().any(|other| other == line))
        .collect();
    assert!(missing.is_empty(), "not in docs/log.md:\n{}", missing.join("\n"));
}

/// The rows of the page's table of ids: id and level.
fn rows() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../../docs/log.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`')));
    cells
        .filter_map(|mut cells| Some((cells.nth(1)?, cells.next()?)))
        .collect()
}

#[test]
fn every_event_has_an_id_that_the_page_lists_with_its_level() {
    let mut ids = std::collections::BTreeMap::new();
    for event in samples() {
        if matches!(event, Event::Still { .. } | Event::Over(_)) {
            assert_eq!(event.id(), "peer-moved", "that of what it is about");
            assert!(event.facts().mark.is_some());
            continue;
        }
        let level = match event.level() {
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
        };
        let row = rows().into_iter().find(|(id, _)| *id == event.id());
        let (id, documented) = row.unwrap_or_else(|| panic!("`{}` is not in docs/log.md", event.id()));
        assert!(
            documented.contains(level),
            "{id} is logged at {level}, not {documented}"
        );
        let debug = format!("{event:?}");
        let debug = debug.strip_prefix("Keys(").unwrap_or(&debug);
        let kind = debug.split([' ', '(', '{']).next().unwrap().to_owned();
        let known = ids.insert(id, kind.clone());
        assert!(
            known.is_none_or(|known| known == kind),
            "{id} is the id of two events"
        );
    }
    // What is said of something said before has its id; what becomes of keys has ids of its own.
    assert_eq!(ids.len(), kinds().len() - 3 + keys::kinds().len(), "{ids:?}");
}

#[test]
fn facts_name_who_and_what() {
    let refused = Event::RequestRefused {
        place: Place::Import(IMPORT),
        export: backup(),
        peer: b(),
        initiator: INITIATOR,
        what: Refusal::ReadOnly,
    };
    let facts = refused.facts();
    assert_eq!((facts.id, facts.mark), ("request-refused", None));
    assert_eq!((facts.peer, facts.export), (Some("site-b"), Some("backup")));
    assert_eq!((facts.import, facts.initiator), (Some(IMPORT), Some(INITIATOR)));
    assert_eq!(facts.reason.as_deref(), Some("a write (the export is read-only)"));
    let over = Event::Over(Box::new(refused.clone()));
    let of_over = over.facts();
    assert_eq!(
        (of_over.id, of_over.mark),
        ("request-refused", Some(super::Mark::Over))
    );
    assert_eq!(of_over.peer, Some("site-b"));
}
