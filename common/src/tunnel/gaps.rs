//! Which records of a session have not arrived: the zeros in its window. They are noticed by a later counter, and asked
//! for once they cannot just be late.
//!
//! ```text
//!   arrived   1111111 0110 11 01 111 0 1111111 00 111 0 11
//!                     ^floor                             ^next
//!   rounds         third^    second^          ^first
//! ```
//! Counters are missed in their order, so a round of questions is one place that moves along: below it everything was
//! asked for that often. In order, all it costs is one comparison per record.

use std::collections::VecDeque;
use std::time::Duration;

use super::replay::{ReplayWindow, WINDOW};
use super::report::Report;
use super::round_trip::RoundTrip;
use crate::time::Instant;

/// How long a missing record is worth asking for: the sender keeps none longer.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(1);
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
/// How often one record is asked for at most: with the shortest patience, as often as fits [`MAX_AGE`].
const ROUNDS: usize = 12;
/// Gaps noticed within this time count as noticed together.
const GRAIN: Duration = Duration::from_micros(125);
/// Moments remembered; of the older half of them, every other is forgotten to make room: what was noticed then counts as
/// noticed a little later.
const MAX_MARKS: usize = 128;

/// What has arrived of one session.
#[derive(Debug)]
pub(crate) struct Gaps {
    window: ReplayWindow,
    /// Below this nothing is missing, or wanted any more.
    floor: u64,
    /// How many counters from there on have not arrived.
    missing: u64,
    /// When gaps were noticed: ascending, and none below `floor`.
    marks: VecDeque<Mark>,
    /// Up to where everything was asked for once, twice, and so on: descending.
    rounds: [u64; ROUNDS],
    /// When there is something to ask for, or to give up.
    due: Instant,
    given_up: u64,
    /// Whether something arrived that the sender was not told of.
    news: bool,
}

/// Everything missing below `end`, and not below the mark before, was noticed then.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    noticed: Instant,
    first_asked: Option<Instant>,
}

/// How an opened record arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The one that was expected.
    InOrder,
    /// Records before it are missing.
    Gap,
    /// It had been missed.
    Late(Late),
    /// It had been given up.
    GivenUp,
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

/// When to ask for what is missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// After it was noticed.
    tolerance: Duration,
    /// After the question.
    patience: Duration,
}

impl Default for Gaps {
    fn default() -> Self {
        Gaps {
            window: ReplayWindow::default(),
            floor: 0,
            missing: 0,
            marks: VecDeque::new(),
            rounds: [0; ROUNDS],
            due: Instant::NEVER,
            given_up: 0,
            news: false,
        }
    }
}

impl Gaps {
    /// Whether a record of this counter may still be accepted; see [`ReplayWindow::would_accept`].
    pub(crate) fn would_accept(&self, counter: u64) -> bool {
        self.window.would_accept(counter)
    }

    /// Whether nothing has arrived yet.
    pub(crate) fn is_new(&self) -> bool {
        self.window.next() == 0
    }

    /// An authentic record is here; `None` if it was here before, or is too old.
    pub(crate) fn arrived(&mut self, counter: u64, tolerance: Duration, now: Instant) -> Option<Arrival> {
        let next = self.window.next();
        if counter < next {
            let late = self.late(counter, now);
            if !self.window.mark(counter) {
                return None;
            }
            self.missing -= u64::from(late.is_some());
            if self.missing == 0 {
                self.due = Instant::NEVER;
            }
            return Some(late.map_or(Arrival::GivenUp, Arrival::Late));
        }
        // What leaves the window is given up, and the rest of a long jump was never in it.
        let lowest = counter.saturating_add(1).saturating_sub(WINDOW);
        if self.missing > 0 && self.floor < lowest {
            self.give_up(lowest.min(next));
        }
        if !self.window.mark(counter) {
            return None;
        }
        if counter == next {
            return Some(Arrival::InOrder);
        }
        self.given_up += lowest.saturating_sub(next);
        if self.missing == 0 {
            self.start_at(next.max(lowest));
        }
        self.missing += counter - next.max(lowest);
        self.notice(counter, now);
        self.due = self.due.min(now + tolerance);
        Some(Arrival::Gap)
    }

    /// The sender should hear of what arrived.
    pub(crate) fn note_news(&mut self) {
        self.news = true;
    }

    /// Whether there is something to report.
    pub(crate) fn has_news(&self, now: Instant) -> bool {
        self.news || self.due <= now
    }

    /// When there is something to ask for.
    pub(crate) fn deadline(&self) -> Instant {
        self.due
    }

    /// How many records were given up since this was last asked.
    pub(crate) fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// What the sender is to be told now, if anything; whoever calls this sends it. What is too much for one report is
    /// in the next.
    pub(crate) fn report(&mut self, session: u32, pace: Pace, now: Instant) -> Option<Report> {
        while let Some(oldest) = self.marks.front().filter(|mark| mark.noticed + MAX_AGE <= now) {
            self.give_up(oldest.end);
        }
        let next = self.window.next();
        if self.missing == 0 {
            self.start_at(next);
        }
        self.floor = self.window.next_missing(self.floor, next);
        let mut report = Report::new(session, next, self.floor);
        self.due = self
            .marks
            .front()
            .map_or(Instant::NEVER, |mark| mark.noticed + MAX_AGE);
        // The last round is the furthest behind: so ranges ascend.
        for round in (0..ROUNDS).rev() {
            self.ask(round, pace, now, &mut report);
        }
        for round in 0..ROUNDS {
            self.due = self.due.min(self.round_due(round, pace));
        }
        (std::mem::take(&mut self.news) || !report.is_empty()).then_some(report)
    }

    /// Asks for what is due in a round, counted from zero.
    fn ask(&mut self, round: usize, pace: Pace, now: Instant, report: &mut Report) {
        let delay = pace.delay(round);
        let due = self.marks.partition_point(|mark| mark.noticed + delay <= now);
        let due_end = due
            .checked_sub(1)
            .and_then(|last| self.marks.get(last))
            .map_or(0, |mark| mark.end);
        let limit = self.limit(round);
        let Some(place) = self.rounds.get_mut(round) else {
            return;
        };
        let start = (*place).max(self.floor);
        *place = self.window.next_missing(start, limit);
        while *place < due_end.min(limit) {
            let end = self.window.next_arrived(*place, due_end.min(limit));
            if !report.add(*place, end) {
                break;
            }
            *place = self.window.next_missing(end, limit);
        }
        let place = *place;
        if round == 0 {
            let first = self.marks.partition_point(|mark| mark.end <= start);
            let asked = self
                .marks
                .iter_mut()
                .skip(first)
                .take_while(|mark| mark.end <= place);
            asked.for_each(|mark| _ = mark.first_asked.get_or_insert(now));
        }
    }

    /// When a round goes on.
    fn round_due(&self, round: usize, pace: Pace) -> Instant {
        let place = self.rounds.get(round).copied().unwrap_or_default();
        let at = self.marks.partition_point(|mark| mark.end <= place);
        match self.marks.get(at) {
            Some(mark) if place < self.limit(round) => mark.noticed + pace.delay(round),
            _ => Instant::NEVER,
        }
    }

    /// How far a round goes: up to where the one before it is.
    fn limit(&self, round: usize) -> u64 {
        let before = round.checked_sub(1).and_then(|before| self.rounds.get(before));
        before.copied().unwrap_or(self.window.next()).max(self.floor)
    }

    /// The sender will not send these again: they are not missed any more.
    pub(crate) fn abandon(&mut self, first: u64, end: u64) {
        let next = self.window.next();
        let closed = self.window.mark_all(first.max(self.floor), end.min(next));
        self.missing -= closed;
        self.news |= closed > 0;
    }

    /// Gives up what is missing below `end`.
    fn give_up(&mut self, end: u64) {
        let lost = self.window.count_missing(self.floor, end);
        self.given_up += lost;
        self.missing -= lost;
        self.floor = self.floor.max(end);
        self.news |= lost > 0;
        while self.marks.front().is_some_and(|mark| mark.end <= end) {
            self.marks.pop_front();
        }
    }

    /// Nothing is missing below.
    fn start_at(&mut self, floor: u64) {
        self.floor = floor;
        self.rounds = [floor; ROUNDS];
        self.marks.clear();
        self.due = Instant::NEVER;
    }

    /// Everything up to `end` that has not arrived is missing from now on.
    fn notice(&mut self, end: u64, now: Instant) {
        if let Some(last) = self.marks.back_mut()
            && last.first_asked.is_none()
            && last.noticed + GRAIN > now
        {
            last.end = end;
            return;
        }
        if self.marks.len() >= MAX_MARKS {
            let (mut at, mut forgotten) = (0, None);
            self.marks.retain_mut(|mark| {
                at += 1;
                if at <= MAX_MARKS / 2 && at % 2 == 1 {
                    forgotten = mark.first_asked;
                    return false;
                }
                mark.first_asked = forgotten.take().or(mark.first_asked);
                true
            });
        }
        self.marks.push_back(Mark {
            end,
            noticed: now,
            first_asked: None,
        });
    }

    /// What is known of a record that is missing.
    fn late(&self, counter: u64, now: Instant) -> Option<Late> {
        if counter < self.floor {
            return None;
        }
        let mark = self
            .marks
            .get(self.marks.partition_point(|mark| mark.end <= counter))?;
        Some(Late {
            by: now.saturating_since(mark.noticed),
            asked: mark.first_asked.map(|asked| now.saturating_since(asked)),
        })
    }
}

impl Arrival {
    /// Whether no newer record has arrived: its source address may become the peer's.
    pub(crate) fn is_newest(self) -> bool {
        matches!(self, Arrival::InOrder | Arrival::Gap)
    }
}

impl Pace {
    pub(crate) fn new(tolerance: Tolerance, round_trip: Option<&RoundTrip>) -> Pace {
        Pace {
            tolerance: tolerance.get(round_trip),
            patience: patience(round_trip),
        }
    }

    /// When a round of questions begins, after what is missing was noticed.
    fn delay(self, round: usize) -> Duration {
        let after_first = match round {
            0 => Duration::ZERO,
            1 => self.patience / INSIST,
            _ => self.patience * ((1 << (round - 1)) - 1),
        };
        self.tolerance + after_first
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
    const PACE: Pace = Pace {
        tolerance: SOON,
        patience: Duration::from_millis(16),
    };

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn arrive(gaps: &mut Gaps, counters: impl IntoIterator<Item = u64>, now: Instant) {
        for counter in counters {
            assert!(gaps.arrived(counter, SOON, now).is_some());
        }
    }

    fn ranges(gaps: &mut Gaps, now: Instant) -> Vec<(u64, u64)> {
        let report = gaps.report(7, PACE, now);
        report.map_or(Vec::new(), |report| report.missing().collect())
    }

    #[test]
    fn what_is_missing_is_asked_for_after_the_tolerance_twice_and_again_ever_more_rarely() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.arrived(0, SOON, at(0)), Some(Arrival::InOrder));
        assert_eq!(gaps.arrived(3, SOON, at(0)), Some(Arrival::Gap));
        assert_eq!(gaps.deadline(), at(1));
        gaps.note_news();
        let report = gaps.report(7, PACE, at(0)).unwrap();
        assert!(report.is_empty() && report.floor == 1 && report.next == 4);
        let mut asked = Vec::new();
        while gaps.deadline() < at(1000) {
            let now = gaps.deadline();
            assert_eq!(ranges(&mut gaps, now), [(1, 3)]);
            asked.push(now.as_micros() / 1000);
        }
        assert_eq!(asked, [1, 3, 17, 49, 113, 241, 497]);
        let report = gaps.report(7, PACE, at(1000)).unwrap();
        assert_eq!((report.floor, gaps.take_given_up()), (4, 2));
        assert_eq!(gaps.report(7, PACE, at(1000)), None);
        assert_eq!(gaps.arrived(2, SOON, at(1000)), Some(Arrival::GivenUp));
    }

    #[test]
    fn what_arrives_late_is_not_asked_for_and_comes_once() {
        let mut gaps = Gaps::default();
        arrive(&mut gaps, [9, 4, 0, 8], at(0));
        assert_eq!(gaps.arrived(4, SOON, at(0)), None);
        assert_eq!(ranges(&mut gaps, at(1)), [(1, 4), (5, 8)]);
        let Some(Arrival::Late(late)) = gaps.arrived(6, SOON, at(4)) else {
            panic!("it was missed")
        };
        assert_eq!(
            (late.by, late.asked),
            (Duration::from_millis(4), Some(Duration::from_millis(3)))
        );
        arrive(&mut gaps, [5, 7, 3, 1, 2], at(4));
        assert_eq!(gaps.deadline(), Instant::NEVER);
        gaps.note_news();
        assert_eq!(gaps.report(7, PACE, at(4)).unwrap().floor, 10);
    }

    #[test]
    fn rounds_go_on_side_by_side() {
        let mut gaps = Gaps::default();
        arrive(&mut gaps, [1], at(0));
        assert_eq!(ranges(&mut gaps, at(1)), [(0, 1)]);
        arrive(&mut gaps, [3], at(2));
        assert_eq!(
            ranges(&mut gaps, at(3)),
            [(0, 1), (2, 3)],
            "the second time, and the first"
        );
        arrive(&mut gaps, [5], at(4));
        assert_eq!(ranges(&mut gaps, at(4)), []);
        assert_eq!(ranges(&mut gaps, at(5)), [(2, 3), (4, 5)]);
        assert_eq!(ranges(&mut gaps, at(17)), [(0, 1), (4, 5)]);
    }

    #[test]
    fn nothing_in_the_window_is_forgotten_and_a_report_is_short() {
        // Every other record of a whole window is lost; each is asked for, in many reports.
        let mut gaps = Gaps::default();
        arrive(&mut gaps, (0..WINDOW / 2).map(|n| 2 * n + 1), at(0));
        let mut asked = BTreeSet::new();
        for report in 0.. {
            let ranges = ranges(&mut gaps, at(1));
            if ranges.is_empty() {
                assert_eq!(report, WINDOW / 2 / 32);
                break;
            }
            assert!(ranges.len() <= 32);
            asked.extend(ranges.into_iter().flat_map(|(first, end)| first..end));
        }
        assert!(asked.into_iter().eq((0..WINDOW / 2).map(|n| 2 * n)));
        // What leaves the window is given up.
        arrive(&mut gaps, [WINDOW + 99], at(2));
        assert_eq!(gaps.take_given_up(), 50);
        arrive(&mut gaps, [1 << 33], at(2));
        let behind = (1 << 33) + 1 - WINDOW;
        assert_eq!(gaps.take_given_up(), behind - 50 - (WINDOW / 2 + 1));
        assert_eq!(ranges(&mut gaps, at(9)), [(behind, 1 << 33)]);
    }

    #[test]
    fn moments_of_long_ago_are_remembered_less_exactly() {
        let mut gaps = Gaps::default();
        for millis in 0..900 {
            arrive(&mut gaps, [2 * millis + 1], at(millis));
            assert!(gaps.marks.len() <= MAX_MARKS);
        }
        let marks: Vec<_> = gaps
            .marks
            .iter()
            .map(|mark| mark.noticed.as_micros() / 1000)
            .collect();
        assert!(marks.windows(2).all(|two| two[0] < two[1]) && marks[marks.len() - 60] == 840);
        assert!(
            gaps.marks
                .iter()
                .all(|mark| mark.end < 2 * mark.noticed.as_micros() / 1000 + 2)
        );
    }

    #[test]
    fn what_the_sender_abandons_is_not_missed() {
        let mut gaps = Gaps::default();
        arrive(&mut gaps, [4, 9, 20], at(0));
        gaps.abandon(2, 6);
        gaps.abandon(12, 14);
        assert_eq!(ranges(&mut gaps, at(1)), [(0, 2), (6, 9), (10, 12), (14, 20)]);
        assert_eq!(
            gaps.arrived(3, SOON, at(2)),
            None,
            "what was in it came by another"
        );
        gaps.abandon(0, u64::MAX);
        assert_eq!(gaps.report(7, PACE, at(2)).unwrap().floor, 21);
        arrive(&mut gaps, [21], at(2));
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
        fn agrees_with_a_set(steps in prop::collection::vec((0u64..300, 0u64..4, 0u64..9), 1..200)) {
            let mut gaps = Gaps::default();
            let mut seen = BTreeSet::new();
            let mut now = at(0);
            for (counter, pause, step) in steps {
                now = now + Duration::from_millis(pause);
                if step == 0 {
                    let next = seen.last().map_or(0, |last| last + 1);
                    gaps.abandon(counter, counter + 3);
                    seen.extend((counter..counter + 3).filter(|counter| *counter < next));
                } else {
                    prop_assert_eq!(gaps.arrived(counter, SOON, now).is_some(), seen.insert(counter));
                }
                if step == 1 {
                    // Never what is there, and in order.
                    let ranges = ranges(&mut gaps, now);
                    prop_assert!(ranges.windows(2).all(|two| two[0].1 < two[1].0));
                    prop_assert!(ranges.iter().all(|(first, end)| (*first..*end).all(|one| !seen.contains(&one))));
                }
            }
            let newest = seen.last().copied().unwrap_or(0);
            let missing: BTreeSet<_> = (0..newest).filter(|counter| !seen.contains(counter)).collect();
            prop_assert_eq!(gaps.missing, missing.len() as u64);
            // All of it is asked for again, and in the end given up.
            let mut asked = BTreeSet::new();
            while gaps.deadline() < now + Duration::from_secs(2) {
                let at = gaps.deadline();
                asked.extend(ranges(&mut gaps, at).into_iter().flat_map(|(first, end)| first..end));
            }
            prop_assert_eq!(asked, missing.clone());
            prop_assert_eq!(gaps.take_given_up(), missing.len() as u64);
        }
    }
}
