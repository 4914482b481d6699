//! Which records of a session have not arrived: noticed by a later counter, asked for once they cannot just be late.
//!
//! In order, all it costs is one comparison per record.

use std::collections::VecDeque;
use std::time::Duration;

use super::replay::WINDOW;
use super::report::{MAX_RANGES, Report};
use super::round_trip::RoundTrip;
use crate::time::Instant;

/// How long a missing record is worth asking for: the sender keeps none longer.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(1);
/// Missing ranges remembered per session; beyond that the oldest is given up.
const MAX_MISSING: usize = 64;
/// How much later than a record with a greater counter one may arrive without being missed: a quarter of the shortest
/// round trip (as RFC 8985 does), within these.
const LEAST_TOLERANCE: Duration = Duration::from_micros(500);
const MOST_TOLERANCE: Duration = Duration::from_millis(50);
/// The same as long as the round trip is not known.
const FIRST_TOLERANCE: Duration = Duration::from_millis(5);
/// A question is repeated after this part of the time its answer may take: question and repair are lost as easily as
/// anything else, and a frame that is repaired at the second attempt only is often too late.
const INSIST: u32 = 8;
/// How long an answer takes as long as the round trip is not known.
const FIRST_PATIENCE: Duration = Duration::from_millis(100);

/// What is missing of one session.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// One more than the newest counter that arrived.
    next: u64,
    /// Counters below `next` that did not, ascending.
    missing: VecDeque<Missing>,
    /// Whether something arrived that the sender was not told of.
    news: bool,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    first: u64,
    end: u64,
    noticed: Instant,
    asked: u32,
    first_asked: Instant,
    ask_at: Instant,
}

/// How an opened record arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing to say.
    InOrder,
    /// Records before it are missing; ask for them then, if they have not come.
    Gap(Instant),
    /// It had been missed.
    Late(Late),
}

/// A record that had been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    /// Since when.
    by: Duration,
    /// How long ago it was first asked for, if it was.
    asked: Option<Duration>,
}

/// How long overtaken records are waited for; learned from those that came by themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tolerance(Duration);

impl Gaps {
    /// A record has opened.
    pub(crate) fn arrived(&mut self, counter: u64, now: Instant, tolerance: Duration) -> Arrival {
        if counter == self.next {
            self.next += 1;
            return Arrival::InOrder;
        }
        if counter < self.next {
            return self.fill(counter, now).map_or(Arrival::InOrder, Arrival::Late);
        }
        let ask_at = now + tolerance;
        self.missing.push_back(Missing {
            first: self.next,
            end: counter,
            noticed: now,
            asked: 0,
            first_asked: now,
            ask_at,
        });
        self.next = counter + 1;
        Arrival::Gap(ask_at)
    }

    /// The sender should hear of what arrived.
    pub(crate) fn note_news(&mut self) {
        self.news = true;
    }

    pub(crate) fn has_news(&self) -> bool {
        self.news
    }

    /// Lets go of what is not worth asking for any more; returns how many records that were.
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let mut given_up = 0;
        let lowest = self.next.saturating_sub(WINDOW);
        loop {
            let too_many = self.missing.len() > MAX_MISSING;
            let Some(oldest) = self.missing.front_mut() else {
                return given_up;
            };
            if !too_many && oldest.end > lowest && oldest.noticed + MAX_AGE > now {
                given_up += lowest.saturating_sub(oldest.first);
                oldest.first = oldest.first.max(lowest);
                return given_up;
            }
            given_up += oldest.end - oldest.first;
            self.missing.pop_front();
            self.news = true;
        }
    }

    /// When there is something to ask for.
    pub(crate) fn deadline(&self) -> Instant {
        let at = self.missing.iter().map(|missing| missing.ask_at).min();
        at.unwrap_or(Instant::NEVER)
    }

    /// What the sender is to be told now. Whoever calls this sends it.
    pub(crate) fn report(&mut self, session: u32, patience: Duration, now: Instant) -> (Report, u64) {
        let floor = self.missing.front().map_or(self.next, |missing| missing.first);
        let mut report = Report::new(session, self.next, floor);
        let mut new = 0;
        let due = self.missing.iter_mut().filter(|missing| missing.ask_at <= now);
        for missing in due.take(MAX_RANGES) {
            report.add(missing.first, missing.end);
            if missing.asked == 0 {
                new += missing.end - missing.first;
                missing.first_asked = now;
            }
            missing.asked += 1;
            missing.ask_at = match missing.asked {
                1 => now + patience / INSIST,
                asked => missing.first_asked + patience * ((1 << (asked - 2).min(10)) * 2 - 1),
            };
        }
        self.news = false;
        (report, new)
    }

    /// The sender will not send these again: they are not missed any more.
    pub(crate) fn abandon(&mut self, first: u64, end: u64) {
        let before = self.missing.len();
        let mut at = self.missing.partition_point(|missing| missing.end <= first);
        while let Some(missing) = self.missing.get_mut(at).filter(|missing| missing.first < end) {
            let after = Missing {
                first: missing.first.max(end),
                ..*missing
            };
            missing.end = missing.end.min(first);
            let (has_before, has_after) = (missing.first < missing.end, after.first < after.end);
            match (has_before, has_after) {
                (false, false) => _ = self.missing.remove(at),
                (false, true) => *missing = after,
                (true, false) => at += 1,
                (true, true) if before < MAX_MISSING => {
                    self.missing.insert(at + 1, after);
                    at += 2;
                }
                (true, true) => at += 1,
            }
            self.news = true;
            if has_after {
                break;
            }
        }
    }

    fn fill(&mut self, counter: u64, now: Instant) -> Option<Late> {
        let at = self.missing.partition_point(|missing| missing.end <= counter);
        let found = self.missing.get(at)?;
        if counter < found.first {
            return None;
        }
        let late = Late {
            by: now.saturating_since(found.noticed),
            asked: (found.asked > 0).then(|| now.saturating_since(found.first_asked)),
        };
        let news = self.news;
        self.abandon(counter, counter + 1);
        self.news = news;
        Some(late)
    }
}

impl Tolerance {
    /// How long to wait for what was overtaken.
    pub(crate) fn get(self, round_trip: Option<&RoundTrip>) -> Duration {
        let Some(round_trip) = round_trip else {
            return self.0.max(FIRST_TOLERANCE);
        };
        let shortest = round_trip.shortest();
        let most = shortest.clamp(FIRST_TOLERANCE, MOST_TOLERANCE);
        self.0
            .min(most)
            .max(shortest / 4)
            .clamp(LEAST_TOLERANCE, MOST_TOLERANCE)
    }

    /// Learns from a record that had been missed. One that came sooner after the first question than half the shortest
    /// round trip came by itself, and was only late; any other may have been sent again for the question.
    pub(crate) fn learn(&mut self, late: Late, round_trip: Option<&RoundTrip>) {
        let answer = round_trip.map_or(Duration::ZERO, |round_trip| round_trip.shortest() / 2);
        if late.asked.is_none_or(|ago| ago < answer) {
            self.0 = self.0.max((late.by + late.by / 4).min(MOST_TOLERANCE));
        } else {
            self.0 -= self.0 / 16;
        }
    }
}

impl Late {
    /// Whether it may have been sent again.
    pub(crate) fn was_asked_for(self) -> bool {
        self.asked.is_some()
    }
}

/// How long to wait for what was asked for.
pub(crate) fn patience(round_trip: Option<&RoundTrip>) -> Duration {
    round_trip.map_or(FIRST_PATIENCE, |round_trip| {
        round_trip.patience() + LEAST_TOLERANCE
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const RTT: Duration = Duration::from_millis(10);

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn ranges(report: &Report) -> Vec<(u64, u64)> {
        report.missing().collect()
    }

    #[test]
    fn what_is_missing_is_asked_for_after_the_tolerance_and_again_ever_more_rarely() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.arrived(0, at(0), SOON), Arrival::InOrder);
        assert_eq!(gaps.arrived(3, at(0), SOON), Arrival::Gap(at(1)));
        let (report, new) = gaps.report(7, RTT, at(0));
        assert!(new == 0 && ranges(&report).is_empty() && report.floor == 1 && report.next == 4);
        let mut asked = Vec::new();
        while gaps.deadline() < at(900) {
            let now = gaps.deadline();
            let (report, new) = gaps.report(7, RTT, now);
            assert_eq!(
                (ranges(&report), new),
                (vec![(1, 3)], if asked.is_empty() { 2 } else { 0 })
            );
            asked.push(now.as_micros() / 1000);
        }
        assert_eq!(asked, [1, 2, 11, 31, 71, 151, 311, 631]);
        assert_eq!((gaps.expire(at(999)), gaps.expire(at(1000))), (0, 2));
        assert_eq!(gaps.report(7, RTT, at(1000)).0.floor, 4);
    }

    #[test]
    fn what_arrives_late_is_not_asked_for_and_ranges_split() {
        let mut gaps = Gaps::default();
        gaps.arrived(9, at(0), SOON);
        for counter in [4, 0, 8] {
            assert!(matches!(gaps.arrived(counter, at(0), SOON), Arrival::Late(_)));
        }
        assert_eq!(
            gaps.arrived(4, at(0), SOON),
            Arrival::InOrder,
            "replays are not seen here"
        );
        assert_eq!(ranges(&gaps.report(7, RTT, at(1)).0), [(1, 4), (5, 8)]);
        for counter in [6, 5, 7, 3, 1, 2] {
            gaps.arrived(counter, at(1), SOON);
        }
        assert_eq!(gaps.deadline(), Instant::NEVER);
        assert_eq!(gaps.report(7, RTT, at(1)).0.floor, 10);
    }

    #[test]
    fn a_peer_that_sends_every_other_counter_or_jumps_costs_no_memory() {
        let mut gaps = Gaps::default();
        let mut given_up = 0;
        for n in 0..100_000 {
            gaps.arrived(2 * n + 1, at(0), SOON);
            given_up += gaps.expire(at(0));
            assert!(gaps.missing.len() <= MAX_MISSING);
        }
        assert_eq!(given_up, 100_000 - MAX_MISSING as u64);
        gaps.arrived(1 << 40, at(0), SOON);
        gaps.expire(at(0));
        let (report, _) = gaps.report(7, RTT, at(5));
        assert_eq!(ranges(&report), [((1 << 40) + 1 - WINDOW, 1 << 40)]);
    }

    #[test]
    fn what_the_sender_abandons_is_not_missed() {
        let mut gaps = Gaps::default();
        for counter in [4, 9, 20] {
            gaps.arrived(counter, at(0), SOON);
        }
        let missing =
            |gaps: &Gaps| -> Vec<_> { gaps.missing.iter().map(|one| (one.first, one.end)).collect() };
        assert_eq!(missing(&gaps), [(0, 4), (5, 9), (10, 20)]);
        gaps.abandon(2, 6);
        assert_eq!(missing(&gaps), [(0, 2), (6, 9), (10, 20)]);
        gaps.abandon(12, 14);
        assert_eq!(missing(&gaps), [(0, 2), (6, 9), (10, 12), (14, 20)]);
        gaps.abandon(0, 11);
        assert_eq!(missing(&gaps), [(11, 12), (14, 20)]);
        gaps.abandon(0, u64::MAX);
        assert_eq!(gaps.report(7, RTT, at(1)).0.floor, 21);
    }

    #[test]
    fn the_tolerance_follows_what_came_by_itself_and_not_what_was_repaired() {
        let millis = Duration::from_millis;
        let round_trip = RoundTrip::first(millis(40), at(0));
        let known = Some(&round_trip);
        let late = |by, asked: Option<u64>| Late {
            by: millis(by),
            asked: asked.map(millis),
        };
        let mut tolerance = Tolerance::default();
        assert_eq!(
            (tolerance.get(None), tolerance.get(known)),
            (FIRST_TOLERANCE, millis(10))
        );
        // A repair may take less than any ping of late, and is not there before half the way is done.
        (0..100).for_each(|_| tolerance.learn(late(45, Some(20)), known));
        tolerance.learn(late(20, Some(10)), None);
        assert_eq!(tolerance.get(known), millis(10));
        tolerance.learn(late(8, None), known);
        assert_eq!(tolerance.get(known), millis(10));
        tolerance.learn(late(20, Some(10)), known);
        assert_eq!(tolerance.get(known), millis(25));
        tolerance.learn(late(300, Some(19)), known);
        assert_eq!(tolerance.get(known), millis(40), "no more than a round trip");
        let near = RoundTrip::first(millis(1), at(0));
        assert_eq!(tolerance.get(Some(&near)), FIRST_TOLERANCE);
        (0..200).for_each(|_| tolerance.learn(late(120, Some(110)), known));
        assert_eq!(tolerance.get(known), millis(10));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(counters in prop::collection::vec(0u64..200, 1..150)) {
            let mut gaps = Gaps::default();
            let mut seen = BTreeSet::new();
            for counter in counters {
                if seen.insert(counter) {
                    gaps.arrived(counter, at(0), Duration::ZERO);
                }
            }
            let newest = *seen.last().unwrap();
            let missing: Vec<_> = (0..newest).filter(|counter| !seen.contains(counter)).collect();
            let mut found: Vec<u64> = Vec::new();
            while gaps.deadline() <= at(0) {
                let (report, _) = gaps.report(7, RTT, at(0));
                found.extend(report.missing().flat_map(|(first, end)| first..end));
            }
            prop_assert_eq!(found, missing);
        }
    }
}
