use std::net::SocketAddr;

use aoe_keys::SecretKey;

use super::*;
use crate::config::{OwnKeys, PathMtu, PeerConfig, Protection, Revoked, Trust, TunnelConfig};
use crate::output::Output;
use crate::random::Secrets;
use crate::telemetry::Telemetry;
use crate::tunnel::link::CALLS_PER_SECOND;
use crate::tunnel::session::tests::pair;

fn peer(secret: u8) -> PeerConfig {
    PeerConfig {
        name: "peer".to_owned(),
        trust: Trust::of_key(SecretKey::from_bytes([secret; 32]).public()),
        endpoint: Endpoint::Unknown,
        endpoint_pinned: false,
        protection: vec![Protection::Encrypt],
        path_mtu: PathMtu::Fixed(1280),
        limit: Default::default(),
    }
}

fn links(secret: u8, peer: PeerConfig, now: Instant) -> Links {
    let secret = SecretKey::from_bytes([secret; 32]);
    let secrets = Secrets::new([3; 32]);
    Links::new(
        (OwnKeys::of(secret), Revoked::default()),
        vec![peer].into(),
        TunnelConfig::default(),
        secrets,
        now,
        Duration::ZERO,
    )
    .unwrap()
}

#[test]
fn a_peer_that_calls_without_end_is_answered_ten_times_in_a_second() {
    let now = Instant::default();
    let (mut out, mut telemetry) = (Output::default(), Telemetry::default());
    let segments = crate::table::Table::default();
    let mut timers = crate::timers::Timers::new(now);
    let mut cx = Context {
        timers: &mut timers,
        segments: &segments,
        now,
        out: &mut out,
        telemetry: &mut telemetry,
        tap: None,
    };
    let (mut caller, mut listener) = (links(1, peer(2), now), links(2, peer(1), now));
    let path = |n: u32| Path::new(0, SocketAddr::from((n.to_be_bytes(), 1)));
    let mut answered = 0;
    for n in 0..60 {
        // From ever new addresses, so that no limit for one of them counts.
        cx.now = now + Duration::from_millis(u64::from(n) * 10);
        caller.links.get_mut(PeerId(0)).unwrap().path.address = Some(path(n));
        caller.dial(PeerId(0), 0, &mut cx);
        let call = cx.out.trains.iter().next().unwrap().bytes.to_vec();
        cx.out.trains.clear();
        match listener.handle_init(path(n), &call, &mut cx) {
            Ok(()) => answered += 1,
            Err(reason) => assert_eq!(reason, DropReason::HandshakeRateLimited),
        }
        cx.out.trains.clear();
    }
    assert_eq!(answered, CALLS_PER_SECOND);
}

#[test]
fn no_two_sessions_of_a_peer_have_one_index() {
    let now = Instant::default();
    let mut links = links(2, peer(1), now);
    // The session gets an index that this peer can have; 20 bits of it are random.
    let (mut session, _) = pair(now);
    session.local_index = links.new_index(PeerId(0));
    let used = session.local_index;
    links.links.get_mut(PeerId(0)).unwrap().sessions.previous = Some(session);
    assert!((0..3_000_000).all(|_| links.new_index(PeerId(0)) != used));
}
