//! What windows and round trips allow, and which of them limits an import now.

use aoe_common::snapshot::{Import, Latency, Peer, Snapshot, State};
use serde::Serialize;

/// What a link of 1 Gbit/s carries, in bytes a second.
pub(super) const GIGABIT: u64 = 125_000_000;
const SECTOR: u64 = 512;

/// How much an import can carry at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// How long an answer takes, in microseconds: half of them took no longer.
    pub(super) round_trip_us: u64,
    /// Frames in flight.
    pub(super) window: u16,
    /// Bytes of sectors a second.
    pub(super) bytes_per_second: u64,
}

/// What this many frames in flight carry, each of so many sectors and answered after so long, in bytes a second.
pub(super) fn bytes_per_second(window: u64, sectors: u64, round_trip_us: u64) -> u64 {
    window
        .saturating_mul(sectors)
        .saturating_mul(SECTOR)
        .saturating_mul(1_000_000)
        / round_trip_us.max(1)
}

/// How much an import can carry, by what was measured; `None` if nothing was.
pub(super) fn reach(import: &Import, snapshot: &Snapshot) -> Option<Reach> {
    let peer = snapshot.peers.iter().find(|peer| peer.name == import.peer);
    let measured = import
        .latency
        .total
        .filter(|latency| latency.count > 0)
        .map(|latency| latency.p50_us);
    let round_trip_us = measured.or(peer?.path.round_trip_us)?;
    Some(Reach {
        round_trip_us,
        window: import.window,
        bytes_per_second: bytes_per_second(import.window.into(), import.sectors.into(), round_trip_us),
    })
}

/// A part of a whole, in percent.
#[expect(clippy::cast_precision_loss, reason = "to two digits")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => 100.0 * part as f64 / whole as f64,
    }
}

/// What limits an import, with what to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Bottleneck {
    /// The setting or the place.
    pub(super) what: String,
    /// Why it is that.
    pub(super) why: String,
    /// What to change.
    pub(super) advice: String,
}

/// What limits an import between two documents of one process, `seconds` apart; `None` if it carried nothing.
///
/// By Little's law the requests in flight on average are what all of them together took, by the time it took.
pub(super) fn bottleneck(before: &Import, now: &Import, peer: &Peer, seconds: f64) -> Option<Bottleneck> {
    if now.standing.state == State::Down || now.standing.state == State::Paused {
        return Some(Bottleneck {
            what: "it does not work now".to_owned(),
            why: now.standing.why.clone(),
            advice: "aoe-gateway status".to_owned(),
        });
    }
    let between = |is: Option<Latency>, was: Option<Latency>| {
        let latency = is?.since(&was.unwrap_or_default());
        (latency.count > 0).then_some(latency)
    };
    let (is, was) = (&now.latency, &before.latency);
    let total = between(is.total, was.total)?;
    let part = |is, was| between(is, was).map_or(0, |latency| latency.p50_us);
    let (queue, target) = (part(is.queue, was.queue), part(is.target, was.target));
    let tunnel = part(is.tunnel, was.tunnel);
    let in_flight = in_flight(total.sum_us, seconds);
    let window = f64::from(now.window);
    let found = format!(
        "{in_flight:.0} of {} frames in flight, {} us for an answer",
        now.window, total.p50_us
    );
    let rtt = peer.path.round_trip_us.unwrap_or_default();
    Some(if queue > target && queue > tunnel {
        Bottleneck {
            what: "the target, or a limit at the exit".to_owned(),
            why: format!(
                "{found}; {queue} us of it a request waits at the exit, {target} us it is at the target"
            ),
            advice: "on the exit: aoe-gateway status shows `waiting`, and the limits of this export"
                .to_owned(),
        }
    } else if in_flight >= 0.8 * window {
        Bottleneck {
            what: "window".to_owned(),
            why: found,
            advice: format!(
                "raise `window` of the [[import]] above {}; it may be 1024",
                now.window
            ),
        }
    } else if target > tunnel {
        Bottleneck {
            what: "the target".to_owned(),
            why: format!("{found}; {target} us of it a request is at the target"),
            advice: "a faster disk, or more in flight: iodepth of the initiator".to_owned(),
        }
    } else if tunnel > 3 * rtt.max(100) {
        Bottleneck {
            what: "a gateway's processor, or repairs on the path".to_owned(),
            why: format!("{found}; {tunnel} us of it between the gateways, whose round trip is {rtt} us"),
            advice: "see the processor of both hosts, loss of the path, `workers`".to_owned(),
        }
    } else {
        Bottleneck {
            what: "the initiator".to_owned(),
            why: format!("{found}: it asks for no more at a time"),
            advice: "more in flight: iodepth, threads, read-ahead (blockdev --setra) of the initiator"
                .to_owned(),
        }
    })
}

#[expect(clippy::cast_precision_loss, reason = "to whole frames")]
fn in_flight(sum_us: u64, seconds: f64) -> f64 {
    sum_us as f64 / 1e6 / seconds.max(1e-6)
}

#[cfg(test)]
mod tests {
    use aoe_common::snapshot::{Path, Split, Standing};

    use super::*;

    fn peer(rtt: u64) -> Peer {
        Peer {
            path: Path {
                round_trip_us: Some(rtt),
                ..Path::default()
            },
            ..Peer::default()
        }
    }

    fn latency(count: u64, us: u64) -> Option<Latency> {
        Some(Latency::default().with(count, us))
    }

    trait With {
        fn with(self, count: u64, us: u64) -> Self;
    }

    impl With for Latency {
        /// So many that all took so long.
        fn with(mut self, count: u64, us: u64) -> Self {
            self.count = count;
            self.sum_us = count * us;
            self.max_us = us;
            for (bound, bucket) in aoe_common::snapshot::BUCKET_BOUNDS_US
                .iter()
                .zip(&mut self.buckets)
            {
                *bucket = if us <= *bound { count } else { 0 };
            }
            self
        }
    }

    fn import(count: u64, total: u64, tunnel: u64, queue: u64, target: u64) -> Import {
        Import {
            standing: Standing {
                state: State::Up,
                ..Standing::default()
            },
            window: 64,
            sectors: 2,
            latency: Split {
                total: latency(count, total),
                segment: latency(count, 5),
                tunnel: latency(count, tunnel),
                queue: latency(count, queue),
                target: latency(count, target),
            },
            ..Import::default()
        }
    }

    fn limits(count: u64, total: u64, tunnel: u64, queue: u64, target: u64) -> String {
        let now = import(count, total, tunnel, queue, target);
        bottleneck(&Import::default(), &now, &peer(10_000), 1.0)
            .unwrap()
            .what
    }

    #[test]
    fn what_limits_is_where_the_time_goes() {
        // 6400 a second of 10 ms each: 64 in flight.
        assert_eq!(limits(6400, 10_000, 10_000, 5, 200), "window");
        assert_eq!(limits(500, 10_000, 10_000, 5, 200), "the initiator");
        assert!(limits(6400, 10_000, 500, 9_000, 500).starts_with("the target, or a limit"));
        assert_eq!(limits(100, 50_000, 500, 5, 49_000), "the target");
        assert!(limits(100, 100_000, 100_000, 5, 200).contains("processor"));
        let idle = import(0, 0, 0, 0, 0);
        assert_eq!(bottleneck(&idle, &idle, &peer(1), 1.0), None);
        let mut down = idle.clone();
        down.standing.state = State::Down;
        assert!(bottleneck(&idle, &down, &peer(1), 1.0).is_some());
    }

    #[test]
    fn a_window_carries_its_frames_once_a_round_trip() {
        assert_eq!(bytes_per_second(64, 2, 10_000), 6_553_600);
        assert_eq!(bytes_per_second(u64::MAX, 2, 0), u64::MAX);
        let mut snapshot = Snapshot::default();
        let mut one = import(0, 0, 0, 0, 0);
        one.peer = "b".into();
        assert_eq!(reach(&one, &snapshot), None);
        snapshot.peers = vec![Peer {
            name: "b".into(),
            ..peer(10_000)
        }];
        assert_eq!(reach(&one, &snapshot).unwrap().bytes_per_second, 6_553_600);
    }
}
