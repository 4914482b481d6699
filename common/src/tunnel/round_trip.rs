//! How long the way to a peer and back takes.

use std::time::Duration;

use crate::time::Instant;

/// How long the shortest round trip counts as the shortest: paths change.
const SHORTEST_LASTS: Duration = Duration::from_secs(10);

/// No answer is waited for much longer than the shortest takes, whatever single answers took: a peer that stood still
/// for a second would slow repair down for many.
const MOST_PATIENCE: u32 = 4;
const MOST_PATIENCE_SLACK: Duration = Duration::from_millis(20);

/// How long pongs take: RFC 6298's smoothing, and the shortest of late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    smoothed: Duration,
    variation: Duration,
    shortest: Duration,
    shortest_at: Instant,
}

impl RoundTrip {
    pub(crate) fn first(took: Duration, now: Instant) -> RoundTrip {
        RoundTrip {
            smoothed: took,
            variation: took / 4,
            shortest: took,
            shortest_at: now,
        }
    }

    pub(crate) fn add(&mut self, took: Duration, now: Instant) {
        self.variation = (self.variation * 3 + self.smoothed.abs_diff(took)) / 4;
        self.smoothed = (self.smoothed * 7 + took) / 8;
        if took <= self.shortest || now.saturating_since(self.shortest_at) >= SHORTEST_LASTS {
            (self.shortest, self.shortest_at) = (took, now);
        }
    }

    /// The usual time.
    pub(crate) fn usual(&self) -> Duration {
        self.smoothed
    }

    /// How much single times differ from it.
    pub(crate) fn variation(&self) -> Duration {
        self.variation
    }

    /// The shortest time of late.
    pub(crate) fn shortest(&self) -> Duration {
        self.shortest
    }

    /// A time that an answer rarely exceeds: the usual one and four times its variation.
    pub(crate) fn patience(&self) -> Duration {
        let most = self.shortest * MOST_PATIENCE + MOST_PATIENCE_SLACK;
        (self.smoothed + self.variation * 4).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn round_trips_are_smoothed_and_the_shortest_fades() {
        let mut round_trip = RoundTrip::first(Duration::from_millis(4), at(0));
        for n in 1..200 {
            round_trip.add(Duration::from_millis(10), at(n * 100));
            let shortest = round_trip.shortest().as_millis();
            assert_eq!(shortest, if n < 100 { 4 } else { 10 }, "{n}");
        }
        assert!((9990..=10_000).contains(&round_trip.smoothed.as_micros()));
        assert!((10_000..10_100).contains(&round_trip.patience().as_micros()));
    }

    #[test]
    fn a_peer_that_stood_still_is_not_waited_for_ever_after() {
        let mut round_trip = RoundTrip::first(Duration::from_millis(10), at(0));
        round_trip.add(Duration::from_secs(2), at(2000));
        assert_eq!(round_trip.patience(), Duration::from_millis(60));
    }
}
