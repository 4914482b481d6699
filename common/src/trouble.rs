//! Troubles: what an operator should look at. Each is logged when it begins, seldom while it lasts, and once when it is
//! over.
//!
//! A trouble is an [`Event`] about something. About one thing there is one trouble at a time. It is a *state*, which
//! lasts until somebody says that it is over, or a *happening*, which is counted and is over when it has not happened
//! for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{ExportId, ImportId, PeerId};
use crate::event::Event;
use crate::refusal::RefusalKind;
use crate::time::Instant;

/// Troubles at a time; more are not logged.
const MAX_TROUBLES: usize = 4096;
/// A trouble that lasts is logged again after this time, then after twice as long, and so on.
const FIRST_REPEAT: Duration = Duration::from_secs(60);
/// The longest time between two lines about a trouble that lasts.
const LAST_REPEAT: Duration = Duration::from_secs(3600);
/// A happening is over when it did not happen for this long. Linux initiators ask for targets once a minute.
pub(crate) const QUIET: Duration = Duration::from_secs(180);
/// Lines about one thing that may follow each other at once, because the trouble changed or came back.
const BURST: u8 = 3;
/// Time in which one more such line may be logged.
const BURST_REFILL: Duration = Duration::from_secs(20);
/// Causes of one trouble that are logged at once; of others the repeated line tells.
const MAX_CAUSES: usize = 4;
/// A general cause does not replace a specific one that was seen in this time.
pub(crate) const STALE: Duration = Duration::from_secs(60);

/// What a trouble is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// Callers that are no peers of ours.
    Strangers,
    /// Whether there is a session with a peer.
    Session(PeerId),
    /// Calls of a peer whose stamp is too old.
    ClockOf(PeerId),
    /// Calls of ours whose stamp is too old for a peer.
    OurClock(PeerId),
    /// Datagrams of a pinned peer that are not from its endpoint.
    Elsewhere(PeerId),
    /// What a peer says of its keys, and is not believed.
    KeysOf(PeerId),
    /// What we say of our keys, and a peer does not believe.
    OurKeys(PeerId),
    /// Whether the path to a peer carries packets of the least size.
    Path(PeerId),
    /// Whether the keys with a peer are good enough for frames.
    Quantum(PeerId),
    /// Whether the target of an export answers.
    Target(ExportId),
    /// Whether an operator keeps requests from an export.
    Paused(ExportId),
    /// Whether an operator keeps requests from an import, here or at its exit.
    PausedImport(ImportId),
    /// Whether it may be another disk, or two, that answer for an export.
    Conflict(ExportId),
    /// A second station that answers for an export and is not believed.
    Imposter(ExportId),
    /// Exports that a peer imports and may not use.
    Missed(PeerId),
    /// Whether an import can be used.
    Import(ImportId),
    /// Whether the exit refuses writes to an import.
    Writes(ImportId),
    /// What is refused to initiators at an import.
    RefusedHere(ImportId, RefusalKind),
    /// What is refused to initiators behind a peer.
    RefusedThere(PeerId, RefusalKind),
    /// Datagrams to a peer that the kernel does not take.
    Sending(Option<PeerId>),
    /// Datagrams that the kernel does not hand over.
    Receiving,
    /// Times in which nothing was done.
    Standstill,
    /// Whether frames of an import carry all they could.
    Frames(ImportId),
    /// Another station that answers for an import's address.
    Foreign(ImportId),
}

/// All troubles.
#[derive(Debug)]
pub(crate) struct Troubles {
    known: BTreeMap<About, Known>,
    wake: Instant,
}

impl Default for Troubles {
    fn default() -> Self {
        Troubles {
            known: BTreeMap::new(),
            wake: Instant::NEVER,
        }
    }
}

#[derive(Debug)]
struct Known {
    /// What is wrong; `None`: nothing any more. It is remembered for a while, so that what comes and goes all the time
    /// does not fill the log.
    event: Option<Event>,
    lasts: Lasts,
    since: Instant,
    /// When it was last raised, or over.
    last: Instant,
    /// How often it happened since it was last logged.
    times: u64,
    /// Causes that were logged since it began: two that alternate are not logged each time.
    causes: Vec<Event>,
    /// Whether it was logged since it began, or has a cause that is yet to be.
    logged: bool,
    /// When it may be logged next.
    log_at: Instant,
    /// Time from the next line to the one after it.
    pause: Duration,
    /// Lines that may come at once, and since when it is not refilled.
    burst: (u8, Instant),
}

/// What has been known of a state that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// There was no such trouble.
    Not,
    /// It was over too soon, or came and went too often, to be logged: nor is its end.
    Unlogged,
    /// It was logged: so is its end.
    Logged,
}

/// How a trouble ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    UntilOver,
    UntilQuiet,
}

impl Troubles {
    /// A state begins, goes on, or has another cause. It is logged when it has lasted for `grace`.
    #[must_use]
    pub(crate) fn raise(
        &mut self,
        now: Instant,
        grace: Duration,
        about: About,
        event: Event,
    ) -> Option<Event> {
        let known = self.enter(about, Lasts::UntilOver, now)?;
        if let Some(standing) = &known.event {
            let stale = now.saturating_since(known.last) >= STALE;
            if *standing == event || standing.outranks(&event, stale) {
                if *standing == event {
                    known.last = now;
                }
                return None;
            }
        } else {
            known.since = now;
            known.causes.clear();
        }
        known.last = now;
        if known.causes.contains(&event) || known.causes.len() >= MAX_CAUSES {
            known.event = Some(event);
            return None;
        }
        // What waits for its grace does not wait longer because its cause changes.
        let log_at = known.soonest(now) + grace;
        let waits = known.event.is_some() && !known.logged;
        known.log_at = if waits { log_at.min(known.log_at) } else { log_at };
        known.event = Some(event);
        known.logged = false;
        let log_at = known.log_at;
        if log_at > now {
            self.wake = self.wake.min(log_at);
            return None;
        }
        let line = known.log(now);
        let wake = known.wake();
        self.wake = self.wake.min(wake);
        line
    }

    /// Something happened that is counted. `event` is asked for its wording if it may be logged.
    #[must_use]
    pub(crate) fn happened(
        &mut self,
        now: Instant,
        times: u64,
        about: About,
        event: impl FnOnce() -> Event,
    ) -> Option<Event> {
        let known = self.enter(about, Lasts::UntilQuiet, now)?;
        if known.event.is_none() {
            (known.since, known.logged) = (now, false);
            known.log_at = known.soonest(now);
        }
        if known.times == 0 {
            known.event = Some(event());
        }
        known.times = known.times.saturating_add(times);
        known.last = now;
        let line = if known.log_at <= now { known.log(now) } else { None };
        let wake = known.wake();
        self.wake = self.wake.min(wake);
        line
    }

    /// A state is over, if it was.
    pub(crate) fn over(&mut self, now: Instant, about: About) -> Was {
        let known = self.known.get_mut(&about);
        let Some(known) = known.filter(|known| known.event.is_some()) else {
            return Was::Not;
        };
        known.event = None;
        known.last = now;
        self.wake = self.wake.min(now + FIRST_REPEAT);
        if known.logged { Was::Logged } else { Was::Unlogged }
    }

    /// What these were about is not there any more; nothing more is logged of them.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(About) -> bool) {
        self.known.retain(|about, _| !is_gone(*about));
    }

    /// What lasts, or happened lately, and was logged: what it is about, the line, and since when.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (About, &Event, Instant)> {
        let logged = self.known.iter().filter(|(_, known)| known.logged);
        logged.filter_map(|(about, known)| Some((*about, known.event.as_ref()?, known.since)))
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.wake
    }

    /// The lines that are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Event> {
        if now < self.wake {
            return Vec::new();
        }
        let mut lines = Vec::new();
        self.known.retain(|_, known| {
            lines.extend(known.line(now));
            known.event.is_some() || now < known.last + FIRST_REPEAT
        });
        let wakes = self.known.values().map(Known::wake);
        self.wake = wakes.min().unwrap_or(Instant::NEVER);
        lines
    }

    fn enter(&mut self, about: About, lasts: Lasts, now: Instant) -> Option<&mut Known> {
        if self.known.len() >= MAX_TROUBLES && !self.known.contains_key(&about) {
            return None;
        }
        Some(self.known.entry(about).or_insert(Known {
            event: None,
            lasts,
            since: now,
            last: now,
            times: 0,
            causes: Vec::new(),
            logged: false,
            log_at: now,
            pause: FIRST_REPEAT,
            burst: (BURST, now),
        }))
    }
}

impl Known {
    /// When something that has just begun may be logged.
    fn soonest(&mut self, now: Instant) -> Instant {
        let (left, since) = self.burst;
        let refills = now.saturating_since(since).as_micros() / BURST_REFILL.as_micros();
        if refills > 0 {
            let refills = u8::try_from(refills).unwrap_or(u8::MAX);
            self.burst = (left.saturating_add(refills).min(BURST), now);
        }
        if self.burst.0 > 0 {
            self.pause = FIRST_REPEAT;
            now
        } else {
            self.log_at.max(now)
        }
    }

    /// Logs it.
    fn log(&mut self, now: Instant) -> Option<Event> {
        let event = self.event.clone()?;
        let first = !std::mem::replace(&mut self.logged, true);
        if first && self.lasts == Lasts::UntilOver {
            self.causes.push(event.clone());
        }
        self.burst.0 = self.burst.0.saturating_sub(u8::from(first));
        self.log_at = now + self.pause;
        self.pause = (self.pause * 2).min(LAST_REPEAT);
        let (times, lasted) = (std::mem::take(&mut self.times), now.saturating_since(self.since));
        Some(if first && times <= 1 {
            event
        } else {
            Event::Still {
                event: Box::new(event),
                times,
                lasted,
            }
        })
    }

    /// The line that is due, if one is.
    fn line(&mut self, now: Instant) -> Option<Event> {
        let happening = self.lasts == Lasts::UntilQuiet;
        if happening && self.times == 0 && now >= self.last + QUIET {
            let event = self.event.take().filter(|_| self.logged)?;
            return Some(Event::Over(Box::new(event)));
        }
        if now < self.log_at || happening && self.times == 0 {
            return None;
        }
        self.log(now)
    }

    fn wake(&self) -> Instant {
        match (&self.event, self.lasts) {
            (None, _) => self.last + FIRST_REPEAT,
            (Some(_), Lasts::UntilQuiet) if self.times == 0 => self.last + QUIET,
            (Some(_), _) => self.log_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About = About::Session(PeerId(0));

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn lost(why: &'static str) -> Event {
        Event::SessionLost {
            peer: "b".to_owned(),
            why,
        }
    }

    fn silent() -> Event {
        Event::PeerSilent { peer: "b".to_owned() }
    }

    fn refused(why: &'static str) -> Event {
        Event::HandshakeRefused {
            peer: "b".to_owned(),
            why,
        }
    }

    /// Every line that comes by itself from `from` to `to`, with its second.
    fn lines(troubles: &mut Troubles, from: u64, to: u64) -> Vec<(u64, String)> {
        let mut lines = Vec::new();
        for second in from..=to {
            let due = troubles.handle_timeout(at(second)).into_iter();
            lines.extend(due.map(|event| (second, event.to_string())));
        }
        lines
    }

    #[test]
    fn a_state_is_logged_at_once_then_ever_more_seldom_and_not_when_it_is_over() {
        let mut troubles = Troubles::default();
        assert_eq!(
            troubles.raise(at(0), Duration::ZERO, ABOUT, lost("x")),
            Some(lost("x"))
        );
        assert_eq!(troubles.raise(at(1), Duration::ZERO, ABOUT, lost("x")), None);
        let repeats = lines(&mut troubles, 1, 36_000);
        let seconds: Vec<u64> = repeats.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds[..5], [60, 180, 420, 900, 1860]);
        assert!(seconds.windows(2).all(|pair| pair[1] - pair[0] <= 3600));
        assert_eq!(repeats[0].1, format!("{} (for 60 s)", lost("x")));
        assert_eq!(troubles.over(at(36_001), ABOUT), Was::Logged);
        assert_eq!(troubles.over(at(36_001), ABOUT), Was::Not);
        assert_eq!(lines(&mut troubles, 36_001, 50_000), []);
        assert!(troubles.known.is_empty() && troubles.deadline() == Instant::NEVER);
    }

    #[test]
    fn a_state_shorter_than_its_grace_is_not_logged_and_its_end_is_not_either() {
        let mut troubles = Troubles::default();
        let grace = Duration::from_secs(8);
        assert_eq!(troubles.raise(at(0), grace, ABOUT, silent()), None);
        assert_eq!(lines(&mut troubles, 0, 7), []);
        assert_eq!(troubles.over(at(7), ABOUT), Was::Unlogged);
        assert_eq!(lines(&mut troubles, 7, 100), []);
        assert_eq!(troubles.raise(at(100), grace, ABOUT, silent()), None);
        assert_eq!(lines(&mut troubles, 100, 109), [(108, silent().to_string())]);
    }

    #[test]
    fn happenings_are_counted_and_end_by_themselves() {
        let mut troubles = Troubles::default();
        let mut logged = Vec::new();
        for second in 0..100 {
            logged.extend(troubles.happened(at(second), 10, ABOUT, || refused("x")));
            logged.extend(troubles.handle_timeout(at(second)));
        }
        let told: Vec<String> = logged.iter().map(ToString::to_string).collect();
        let line = refused("x").to_string();
        assert_eq!(
            told,
            [
                format!("{line} (10 times)"),
                format!("{line} (600 times in 60 s)")
            ]
        );
        assert_eq!(
            lines(&mut troubles, 100, 1000),
            [
                (180, format!("{line} (390 times in 180 s)")),
                (279, format!("over, not seen for 180 s: {line}"))
            ]
        );
        assert!(troubles.known.is_empty());
    }

    #[test]
    fn a_general_cause_does_not_hide_a_specific_one_but_outlives_it() {
        let mut troubles = Troubles::default();
        let raise =
            |troubles: &mut Troubles, second, event| troubles.raise(at(second), Duration::ZERO, ABOUT, event);
        assert!(raise(&mut troubles, 0, refused("x")).is_some());
        assert_eq!(raise(&mut troubles, 10, silent()), None);
        assert_eq!(raise(&mut troubles, 20, refused("x")), None);
        assert_eq!(raise(&mut troubles, 79, silent()), None);
        assert_eq!(raise(&mut troubles, 80, silent()), Some(silent()));
        assert_eq!(raise(&mut troubles, 81, refused("x")), None, "logged before");
        assert_eq!(raise(&mut troubles, 82, refused("y")), Some(refused("y")));
        // Why it was lost stays true for as long as there is none.
        assert!(raise(&mut troubles, 100, lost("x")).is_some());
        assert_eq!(raise(&mut troubles, 900, silent()), None);
    }

    #[test]
    fn what_comes_and_goes_does_not_fill_the_log() {
        let mut troubles = Troubles::default();
        let mut told = 0;
        for second in 0..600 {
            let why = if second % 2 == 0 { "x" } else { "y" };
            told += troubles
                .raise(at(second), Duration::ZERO, ABOUT, lost(why))
                .iter()
                .count();
            told += troubles.handle_timeout(at(second)).len();
            if second % 3 == 0 {
                troubles.over(at(second), ABOUT);
            }
        }
        assert!((4..=34).contains(&told), "{told}");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut troubles = Troubles::default();
        for number in 0..=u16::MAX {
            let about = About::Foreign(ImportId(number));
            let _ = troubles.happened(at(0), 1, about, || refused("x"));
        }
        assert_eq!(troubles.known.len(), MAX_TROUBLES);
    }
}
