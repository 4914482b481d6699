//! Permissions that end at a date.
//!
//! The clock of this gateway decides, as it is at each moment: one that is set forward ends them, one that is set back
//! brings them back, and a gateway that is restarted comes to the same. A permission that ends is taken away as one is
//! that was removed from the configuration: what waits for it is dropped, and the peer is told.

use std::time::Duration;

use super::Exit;
use super::export::Export;
use crate::config::{ExportId, PeerId, Until};
use crate::context::Context;
use crate::event::Event;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::links::Links;

/// How long before the end the log says so: first, and once more.
const NOTICES: [Duration; 2] = [Duration::from_secs(24 * 3600), Duration::from_secs(3600)];
/// How soon a clock that was set is noticed, while anything has an end.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A clock that goes back by less is one that is only made to go slower.
const STEP: Duration = Duration::from_secs(1);

/// What the wall clock says, and when the next permission ends by it.
#[derive(Debug)]
pub(super) struct Calendar {
    /// What it said, and when.
    wall: Duration,
    at: Instant,
    /// What it will say when there is something to do; `None`: no permission has an end.
    next: Option<Duration>,
    /// When that is.
    due: Instant,
}

/// How near the end of a permission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nearness {
    Far,
    Day,
    Hour,
    Ended,
}

impl Calendar {
    pub(super) fn new(wall: Duration, at: Instant) -> Calendar {
        Calendar {
            wall,
            at,
            // Nobody has looked yet what ends.
            next: Some(Duration::ZERO),
            due: at,
        }
    }

    /// What the wall clock says.
    fn wall(&self, now: Instant) -> Duration {
        self.wall.saturating_add(now.saturating_since(self.at))
    }

    /// In whole seconds since 1970.
    pub(super) fn unix(&self, now: Instant) -> u64 {
        self.wall(now).as_secs()
    }

    /// The wall clock was looked at.
    fn set(&mut self, wall: Duration, now: Instant) {
        let went_back = self.wall(now).saturating_sub(wall) >= STEP;
        (self.wall, self.at) = (wall, now);
        self.due = match self.next {
            None => Instant::NEVER,
            Some(_) if went_back => now,
            Some(next) => now + next.saturating_sub(wall),
        };
    }

    /// When there is something to do, of permissions that end then.
    fn plan(&mut self, ends: impl Iterator<Item = Until>, now: Instant) {
        let wall = self.wall(now);
        let mut next: Option<Duration> = None;
        for Until(end) in ends {
            let end = Duration::from_secs(end);
            let moments = [end]
                .into_iter()
                .chain(NOTICES.map(|notice| end.saturating_sub(notice)));
            let first = moments.filter(|moment| *moment > wall).min();
            // Of one that has ended there is nothing to do, unless the clock is set back.
            let first = first.unwrap_or(Duration::MAX);
            next = Some(next.map_or(first, |next| next.min(first)));
        }
        self.next = next;
        self.due = next.map_or(Instant::NEVER, |next| now + next.saturating_sub(wall));
    }

    /// When to look at the clock at the latest.
    pub(super) fn deadline(&self, now: Instant) -> Instant {
        match self.next {
            Some(_) => self.due.min(now + LOOK_EVERY),
            None => Instant::NEVER,
        }
    }
}

impl Nearness {
    fn of(until: Until, unix: u64) -> Nearness {
        let left = until.0.saturating_sub(unix);
        let [day, hour] = NOTICES.map(|notice| notice.as_secs());
        match left {
            0 => Nearness::Ended,
            left if left <= hour => Nearness::Hour,
            left if left <= day => Nearness::Day,
            _ => Nearness::Far,
        }
    }
}

impl Exit {
    /// What the wall clock says. Returns when to look again.
    pub(crate) fn set_wall_clock(&mut self, wall: Duration, now: Instant) -> Instant {
        self.calendar.set(wall, now);
        self.calendar.deadline(now)
    }

    /// Ends what has come to its end. Called before anything is judged, sent or answered.
    #[inline]
    pub(super) fn keep_calendar(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        if cx.now >= self.calendar.due {
            self.turn_page(links, cx);
        }
    }

    fn turn_page(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        let dated = self
            .exports
            .iter()
            .filter(|(_, export)| export.ends().next().is_some());
        let dated: Vec<ExportId> = dated.map(|(id, _)| id).collect();
        for id in &dated {
            self.change_rights(*id, links, cx);
            self.note_ends(*id, links, cx);
        }
        self.plan_ends(cx);
        if !dated.is_empty() {
            self.tidy(cx);
            self.news = true;
            cx.timers.lower(Timer::Targets, cx.now);
        }
    }

    /// Something may have an end that had none.
    pub(super) fn plan_ends(&mut self, cx: &mut Context<'_>) {
        let ends = self.exports.values().flat_map(Export::ends);
        self.calendar.plan(ends.map(|(_, until)| until), cx.now);
        cx.timers.set(Timer::Grants, self.calendar.deadline(cx.now));
    }

    /// Does what is due.
    pub(super) fn handle_calendar(&mut self, links: &mut Links, cx: &mut Context<'_>) {
        if cx.timers.is_due(Timer::Grants, cx.now) {
            self.keep_calendar(links, cx);
            cx.timers.set(Timer::Grants, self.calendar.deadline(cx.now));
        }
    }

    /// Says what ends soon, and what has ended.
    pub(super) fn note_ends(&mut self, id: ExportId, links: &Links, cx: &mut Context<'_>) {
        let unix = self.calendar.unix(cx.now);
        let Some(export) = self.exports.get_mut(id) else {
            return;
        };
        let mut ends: Vec<(PeerId, Until)> = export.ends().collect();
        ends.sort_unstable();
        ends.dedup();
        let near = |(peer, until)| (peer, until, Nearness::of(until, unix));
        let ends: Vec<_> = ends.into_iter().map(near).collect();
        let before = std::mem::replace(&mut export.noted, ends.clone());
        for (peer, until, is) in ends {
            let was = before.iter().find(|(of, at, _)| (*of, *at) == (peer, until));
            let was = was.map_or(Nearness::Far, |(_, _, was)| *was);
            let (export_name, peer_name) = (export.name.clone(), links.name(peer));
            let event = match (was, is) {
                (was, is) if was == is => continue,
                (_, Nearness::Ended) => Event::GrantEnded {
                    export: export_name,
                    peer: peer_name,
                    until,
                    others: export.rights(peer).is_some(),
                },
                (Nearness::Ended, _) => Event::GrantBack {
                    export: export_name,
                    peer: peer_name,
                    until,
                },
                (was, is) if was > is => continue,
                _ => Event::GrantEnds {
                    export: export_name,
                    peer: peer_name,
                    until,
                    left: Duration::from_secs(until.0.saturating_sub(unix)),
                },
            };
            cx.telemetry.event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{ALICE, BOB, DISK, Stage, TARGET, allow, export};
    use super::*;
    use crate::config::Allow;
    use crate::drop_reason::DropReason;

    /// A target with one buffer: a write is at it, another waits, another one overlaps the first.
    #[test]
    fn what_waits_for_a_permission_that_ends_is_never_sent() {
        let mut disk = export("disk", TARGET);
        disk.allow = vec![
            Allow {
                until: Some(Until(10)),
                ..allow(ALICE)
            },
            allow(BOB),
        ];
        let mut stage = Stage::new(vec![disk], 1);
        stage.wait(Duration::from_millis(9600));
        for lba in [8, 80, 9] {
            stage.write(ALICE, DISK, lba);
        }
        let first = stage.sent()[0];
        stage.write(BOB, DISK, 800);
        stage.wait(Duration::from_millis(300));
        assert_eq!(stage.dropped(DropReason::ExportWithdrawn), 0);
        stage.wait(Duration::from_millis(200));
        assert_eq!(stage.dropped(DropReason::ExportWithdrawn), 3);
        assert!(stage.exit.exports.get(DISK).unwrap().rights(ALICE).is_none());
        stage.sent();
        stage.done(first);
        assert_eq!(stage.lbas(), [800], "the other one goes on");
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    const DAY: u64 = 24 * 3600;

    #[test]
    fn the_next_moment_is_a_notice_or_the_end() {
        let mut calendar = Calendar::new(Duration::from_secs(1000), at(5));
        assert_eq!(calendar.unix(at(7)), 1002);
        calendar.plan([].into_iter(), at(5));
        assert_eq!(calendar.deadline(at(5)), Instant::NEVER);
        let until = || [Until(1000 + 2 * DAY)].into_iter();
        for (elapsed, next) in [
            (0, DAY),
            (DAY - 1, DAY),
            (DAY, 2 * DAY - 3600),
            (2 * DAY - 3600, 2 * DAY),
        ] {
            calendar.plan(until(), at(5 + elapsed));
            assert_eq!(calendar.due, at(5 + next), "after {elapsed} s");
        }
        assert_eq!(calendar.deadline(at(5 + DAY + 5)), at(5 + DAY + 15));
        calendar.plan(until(), at(5 + 2 * DAY));
        assert_eq!(calendar.due, Instant::NEVER);
        assert!(
            calendar.deadline(at(5 + 2 * DAY)) < Instant::NEVER,
            "the clock may be set back"
        );
    }

    #[test]
    fn a_clock_that_is_set_moves_the_end() {
        let mut calendar = Calendar::new(Duration::from_secs(1000), at(0));
        calendar.plan([Until(1100)].into_iter(), at(0));
        assert_eq!(calendar.due, at(100));
        calendar.set(Duration::from_secs(1090), at(50));
        assert_eq!(calendar.due, at(60), "40 s forward");
        calendar.set(Duration::from_secs(1200), at(51));
        assert_eq!(calendar.due, at(51));
        calendar.plan([Until(1100)].into_iter(), at(51));
        assert_eq!(calendar.due, Instant::NEVER);
        calendar.set(Duration::from_secs(1201), at(52));
        assert_eq!(calendar.due, Instant::NEVER);
        calendar.set(Duration::from_secs(1000), at(53));
        assert_eq!(calendar.due, at(53), "it may be valid again");
    }
}
