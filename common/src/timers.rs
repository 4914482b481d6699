//! What is due, and when: one table for the whole engine.
//!
//! A timer is the first moment at which one part has something to do. What makes something due lowers it; the part
//! itself, once it has worked, sets it to what is due next.

use crate::time::Instant;

/// Who has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Peers: calls, pings, reports, repairs, keys.
    Peers,
    /// Targets: questions, copies, requests that wait too long.
    Targets,
    /// Requests that wait for a limit.
    Limits,
    /// News for peers about exports.
    News,
    /// Imports: stations at their addresses, refusals to be passed on.
    Imports,
    /// Permissions that end.
    Grants,
    /// Our own keys that are used or dropped at a date.
    Keys,
    /// Lines of the log that repeat.
    Log,
}

impl Timer {
    const ALL: [Timer; 8] = [
        Timer::Peers,
        Timer::Targets,
        Timer::Limits,
        Timer::News,
        Timer::Imports,
        Timer::Grants,
        Timer::Keys,
        Timer::Log,
    ];

    const fn name(self) -> &'static str {
        match self {
            Timer::Peers => "peers",
            Timer::Targets => "targets",
            Timer::Limits => "limits",
            Timer::News => "news",
            Timer::Imports => "imports",
            Timer::Grants => "permissions",
            Timer::Keys => "keys",
            Timer::Log => "log",
        }
    }
}

/// When to come back, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment; [`Instant::NEVER`] if nothing is due.
    pub at: Instant,
    /// What for.
    pub why: &'static str,
}

/// All timers.
#[derive(Debug)]
pub(crate) struct Timers {
    at: [Instant; Timer::ALL.len()],
}

impl Timers {
    /// Everything is due now.
    pub(crate) fn new(now: Instant) -> Timers {
        Timers {
            at: [now; Timer::ALL.len()],
        }
    }

    /// It is due at this moment at the latest.
    pub(crate) fn lower(&mut self, timer: Timer, at: Instant) {
        self.set(timer, self.at(timer).min(at));
    }

    /// It is due at this moment and not before.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(known) = self.at.get_mut(timer as usize) {
            *known = at;
        }
    }

    pub(crate) fn is_due(&self, timer: Timer, now: Instant) -> bool {
        now >= self.at(timer)
    }

    /// What is due first.
    pub(crate) fn first(&self) -> Deadline {
        let first = Timer::ALL.into_iter().min_by_key(|timer| self.at(*timer));
        match first.map(|timer| (self.at(timer), timer)) {
            Some((at, timer)) if at < Instant::NEVER => Deadline {
                at,
                why: timer.name(),
            },
            _ => Deadline {
                at: Instant::NEVER,
                why: "nothing",
            },
        }
    }

    fn at(&self, timer: Timer) -> Instant {
        self.at.get(timer as usize).copied().unwrap_or(Instant::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_timer_says_when_and_why() {
        let at = |millis: u64| Instant::from_micros(millis * 1000);
        let mut timers = Timers::new(at(1));
        assert_eq!(timers.first().at, at(1));
        for timer in Timer::ALL {
            assert!(timers.is_due(timer, at(1)) && !timers.is_due(timer, at(0)));
            timers.set(timer, Instant::NEVER);
        }
        assert_eq!(timers.first().why, "nothing");
        timers.lower(Timer::Imports, at(9));
        timers.lower(Timer::Imports, at(10));
        timers.lower(Timer::Log, at(9) + std::time::Duration::from_micros(1));
        let first = timers.first();
        assert_eq!((first.at, first.why), (at(9), "imports"));
    }
}
