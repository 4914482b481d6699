use std::time::Duration;

use super::*;
use crate::config::Endpoint;
use crate::drop_reason::DropReason;
use crate::tunnel::links::two::{FIRST, Side, carry, pair, pair_with, run};

const SECOND: Duration = Duration::from_secs(1);

fn take_down(side: &mut Side) -> Option<(bool, u64)> {
    side.with(|links, cx| links.take_down(FIRST, "user 0", cx))
}

fn take_up(side: &mut Side) -> Option<bool> {
    side.with(|links, cx| links.take_up(FIRST, "user 0", cx))
}

#[test]
fn a_peer_that_is_taken_down_is_told_why_and_neither_called_nor_answered() {
    let (mut one, mut other) = pair();
    assert_eq!(take_down(&mut one), Some((true, 1)));
    assert_eq!(take_down(&mut one), Some((false, 0)));
    carry(&mut one, &mut other);
    assert!(!one.is_up(FIRST) && !other.is_up(FIRST));
    let log = other.log().join("\n");
    assert!(
        log.contains("the peer's operator took this gateway down"),
        "{log}"
    );
    let log = one.log().join("\n");
    assert!(log.contains("site-2 was taken down by user 0"), "{log}");
    // The other one calls, again and again.
    let mut dropped = Vec::new();
    for _ in 0..120 {
        one.pass_time(SECOND);
        other.pass_time(SECOND);
        assert!(one.take_sent().is_empty(), "not a word");
        for datagram in other.take_sent() {
            dropped.extend(one.take(2, &datagram).err());
        }
    }
    assert!(dropped.len() > 10, "{dropped:?}");
    assert!(
        dropped.iter().all(|why| *why == DropReason::HandshakeTakenDown),
        "{dropped:?}"
    );
    assert!(!one.is_up(FIRST));
    let troubles: Vec<_> = one
        .telemetry
        .troubles()
        .map(|(_, event, _)| event.to_string())
        .collect();
    assert!(
        troubles.len() == 1 && troubles[0].contains("taken down by user 0"),
        "{troubles:?}"
    );
}

#[test]
fn a_peer_that_is_taken_up_is_called_at_once() {
    let (mut one, mut other) = pair();
    take_down(&mut one);
    carry(&mut one, &mut other);
    run(&mut one, &mut other, 30 * SECOND);
    one.log();
    assert_eq!(take_up(&mut one), Some(true));
    assert_eq!(take_up(&mut one), Some(false));
    carry(&mut one, &mut other);
    assert!(
        one.is_up(FIRST) && other.is_up(FIRST),
        "without waiting for a timer"
    );
    assert_eq!(one.telemetry.troubles().count(), 0);
    assert!(one.log().join("\n").contains("is taken up again by user 0"));
}

#[test]
fn one_that_has_to_call_is_heard_again_when_it_is_taken_up() {
    let (mut one, mut other) = pair_with(|config| config.endpoint = Endpoint::Known);
    one.change(|config| config.endpoint = Endpoint::Unknown, 2);
    take_down(&mut one);
    carry(&mut one, &mut other);
    run(&mut one, &mut other, 30 * SECOND);
    assert!(!one.is_up(FIRST));
    take_up(&mut one);
    run(&mut one, &mut other, 10 * SECOND);
    assert!(one.is_up(FIRST) && other.is_up(FIRST));
}

#[test]
fn a_reload_does_not_take_it_up() {
    let (mut one, mut other) = pair();
    take_down(&mut one);
    carry(&mut one, &mut other);
    one.change(|config| config.endpoint_pinned = true, 2);
    one.call(FIRST, 2);
    run(&mut one, &mut other, 10 * SECOND);
    assert!(!one.is_up(FIRST) && !other.is_up(FIRST));
    assert_eq!(one.with(|links, cx| links.take_down(PeerId(9), "", cx)), None);
}
