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
    /// Whether something arrived that the sender does not know of.
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

    /// What the sender is to be told now, if anything; the caller sends it. What is too much for one report is
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
mod tests;
