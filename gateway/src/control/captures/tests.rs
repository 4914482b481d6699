use std::time::Duration;

use aoe_common::config::{
    ExportConfig, ExportSafety, GatewayConfig, OwnKeys, Revoked, SegmentConfig, SegmentId, TunnelConfig,
};
use aoe_common::frame::Address;
use aoe_common::table::Table;
use aoe_common::tap::Batch;
use aoe_keys::SecretKey;
use tokio::io::Interest;
use tokio::sync::mpsc::Sender;

use super::lines::Line;
use super::*;
use crate::driver::{Command, CommandReceiver, channel};

const BY: By = By::Program { uid: 0, pid: 7 };

fn config(exports: &[&str]) -> GatewayConfig {
    let export = |name: &&str| ExportConfig {
        name: (*name).to_owned(),
        segment: SegmentId(0),
        target: Address { shelf: 7, slot: 3 },
        target_mac: None,
        safety: ExportSafety::default(),
        limit: Default::default(),
        allow: Vec::new(),
    };
    GatewayConfig {
        name: "site".to_owned(),
        keys: OwnKeys::of(SecretKey::from_bytes([1; 32])),
        revoked: Revoked::default(),
        tls: None,
        segments: vec![SegmentConfig {
            name: "san".to_owned(),
        }]
        .into(),
        peers: Table::default(),
        exports: exports.iter().map(export).collect::<Vec<_>>().into(),
        imports: Table::default(),
        tunnel: TunnelConfig::default(),
    }
}

fn wanted(words: &str) -> Wanted {
    serde_json::from_str(words).unwrap()
}

fn bench() -> (Captures, CommandReceiver) {
    let (worker, receiver) = channel().unwrap();
    (Captures::new(vec![worker], Clock::start()), receiver)
}

fn refused(wish: &str) -> String {
    let (captures, _worker) = bench();
    let found = captures.prepare(&wanted(wish), BY, &config(&["backup", "archive"]));
    found.unwrap_err()
}

#[test]
fn a_wish_is_understood_or_answered_by_what_would_be_right() {
    let (captures, _worker) = bench();
    let wish = wanted(r#"{"exports": ["archive", "backup", "archive"], "snaplen": 64}"#);
    let begun = captures
        .prepare(&wish, BY, &config(&["backup", "archive"]))
        .unwrap();
    let names: Vec<_> = begun
        .interfaces
        .iter()
        .map(|interface| interface.name.as_str())
        .collect();
    assert_eq!(names, ["export backup", "export archive"]);
    assert_eq!(begun.interfaces[0].description, "target e7.3 on segment san");
    assert_eq!((begun.snaplen, begun.seconds), (64, 300));
    for (wish, why) in [
        (r#"{"exports": ["bakup"]}"#, "did you mean backup?"),
        (r#"{"imports": ["e1.1"]}"#, "there is none"),
        (r#"{"all": true, "peer": "x"}"#, "no peer is called"),
        (r#"{"all": true, "initiator": "x"}"#, "write its MAC"),
        (r#"{"all": true, "seconds": 3601}"#, "from 1 s to 3600 s"),
        (r#"{"all": true, "count": 0}"#, "at least 1"),
        (r#"{"all": true, "snaplen": 99999}"#, "no frame is longer"),
        ("{}", "say what to capture"),
    ] {
        let said = refused(wish);
        assert!(said.contains(why), "{wish}: {said}");
    }
    let unknown = serde_json::from_str::<Wanted>(r#"{"exprots": []}"#);
    assert!(unknown.is_err());
}

#[test]
fn there_are_only_so_many_and_one_that_nobody_claims_is_forgotten() {
    let (captures, _worker) = bench();
    let config = config(&["backup"]);
    let wish = wanted(r#"{"all": true}"#);
    for _ in 0..MOST_CAPTURES {
        captures.prepare(&wish, BY, &config).unwrap();
    }
    let said = captures.prepare(&wish, BY, &config).unwrap_err();
    assert!(
        said.contains("4 captures run already") && said.contains("user 0, process 7"),
        "{said}"
    );
    assert!(captures.rows().is_empty(), "none has begun");
    for capture in captures.all().iter_mut() {
        let old = Instant::now().checked_sub(UNCLAIMED).unwrap();
        Arc::get_mut(capture).unwrap().prepared = old;
    }
    captures.prepare(&wish, BY, &config).unwrap();
}

/// A capture that has begun: what it says, and where batches go.
async fn begun(captures: &Captures, worker: &mut CommandReceiver, wish: &str) -> (UnixStream, Sender<Batch>) {
    let begun = captures.prepare(&wanted(wish), BY, &config(&["backup"])).unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    captures.stream(begun.id, Arc::new(far));
    tokio::task::yield_now().await;
    let Some(Command::BeginCapture { id, to, .. }) = worker.next() else {
        panic!("it was not told")
    };
    assert_eq!(id, begun.id);
    assert_eq!(captures.rows().len(), 1);
    (near, to)
}

/// The last line that is said, while the worker ends what it is told to end.
async fn last_line(near: &UnixStream, worker: &mut CommandReceiver) -> Line {
    let mut text = Vec::new();
    loop {
        while let Some(command) = worker.next() {
            if let Command::EndCapture { done, .. } = command {
                done.send(Default::default()).unwrap();
            }
        }
        let ready = tokio::time::timeout(Duration::from_millis(5), near.ready(Interest::READABLE));
        let mut chunk = [0; 4096];
        if ready.await.is_ok()
            && let Ok(count) = near.try_read(&mut chunk)
        {
            text.extend_from_slice(&chunk[..count]);
            if count == 0 {
                let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
                return serde_json::from_slice(lines[lines.len() - 2]).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_capture_ends_when_what_it_captures_goes_and_is_forgotten() {
    let (captures, mut worker) = bench();
    let (near, _to) = begun(&captures, &mut worker, r#"{"exports": ["backup"]}"#).await;
    captures.follow(&config(&["backup"]));
    tokio::task::yield_now().await;
    assert_eq!(captures.rows().len(), 1, "it is still there");
    captures.follow(&config(&[]));
    let Line::End(end) = last_line(&near, &mut worker).await else {
        panic!()
    };
    assert_eq!(end.reason, "export backup: not configured any more");
    assert!(end.cut && end.dropped == [0]);
    assert!(captures.rows().is_empty());
}

#[tokio::test]
async fn who_wants_no_more_gets_the_end() {
    let (captures, mut worker) = bench();
    let (near, _to) = begun(&captures, &mut worker, r#"{"all": true}"#).await;
    let near = near.into_std().unwrap();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    let near = UnixStream::from_std(near).unwrap();
    let Line::End(end) = last_line(&near, &mut worker).await else {
        panic!()
    };
    assert_eq!((end.reason.as_str(), end.cut), ("ended by who asked", false));
}

#[tokio::test]
async fn a_capture_ends_by_itself() {
    let (captures, mut worker) = bench();
    let (near, _to) = begun(&captures, &mut worker, r#"{"all": true, "seconds": 1}"#).await;
    let Line::End(end) = last_line(&near, &mut worker).await else {
        panic!()
    };
    assert_eq!((end.reason.as_str(), end.cut), ("its time is over", false));
}
