//! What happened between documents: rates of the last interval, times of the last seconds.

use std::collections::VecDeque;
use std::rc::Rc;

use aoe_common::snapshot::{Directions, Latency, Path, Snapshot, Split};

use super::value::Value;
use crate::cli::rates;

/// Times are of so many seconds: long enough for quantiles of a slow disk, short enough to see what changes.
pub(super) const TIMES_OF: f64 = 10.0;

/// Documents of one process of the gateway, the oldest first: those of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Past(VecDeque<Rc<Snapshot>>);

impl Past {
    /// Adds a document; `false`: it is the one that is the last already.
    pub(super) fn note(&mut self, now: Rc<Snapshot>) -> bool {
        if let Some(last) = self.0.back() {
            let (was, is) = (&last.gateway, &now.gateway);
            if (was.pid, was.started, was.now) == (is.pid, is.started, is.now) {
                return false;
            }
            if rates::seconds(last, &now).is_none() {
                self.0.clear();
            }
        }
        self.0.push_back(now);
        // The one before the last stays, however long ago it was made.
        while self.0.len() > 2 && self.is_second_old() {
            self.0.pop_front();
        }
        true
    }

    fn is_second_old(&self) -> bool {
        let age = |(then, now): (&Rc<Snapshot>, &Rc<Snapshot>)| now.gateway.now - then.gateway.now;
        self.0.get(1).zip(self.0.back()).map(age) >= Some(TIMES_OF)
    }

    /// The last document and what there is to compare it with.
    pub(super) fn between(&self) -> Option<Between> {
        let now = Rc::clone(self.0.back()?);
        let before = self.0.len().checked_sub(2).and_then(|at| self.0.get(at)).cloned();
        let base = self.0.front().filter(|_| before.is_some()).cloned();
        Some(Between { now, before, base })
    }
}

/// A document, and earlier ones of the same process.
#[derive(Clone, Debug)]
pub(super) struct Between {
    pub(super) now: Rc<Snapshot>,
    /// Rates are since this one.
    pub(super) before: Option<Rc<Snapshot>>,
    /// Times are since this one.
    pub(super) base: Option<Rc<Snapshot>>,
}

impl Between {
    /// When it was made.
    pub(super) fn made(&self) -> f64 {
        self.now.gateway.now
    }

    /// A total as so many a second.
    pub(super) fn rate(&self, now: u64, before: Option<u64>) -> Option<u64> {
        let seconds = rates::seconds(self.before.as_deref()?, &self.now)?;
        rates::per_second(now.checked_sub(before?)?, seconds)
    }

    /// As [`rate`](Self::rate): so many.
    pub(super) fn counts(&self, now: u64, before: Option<u64>) -> Value {
        Value::of(self.rate(now, before), Value::Count)
    }

    /// As [`rate`](Self::rate): so many bytes.
    pub(super) fn bytes(&self, now: u64, before: Option<u64>) -> Value {
        Value::of(self.rate(now, before), Value::Bytes)
    }

    /// What was measured in the last seconds, or since the start if this is the first document. `None`: nothing was.
    pub(super) fn recent(&self, now: Option<Latency>, base: Option<Latency>) -> Option<Latency> {
        let recent = match (now, base) {
            (Some(now), Some(base)) => Some(now.since(&base)),
            (now, _) => now,
        };
        recent.filter(|latency| latency.count > 0)
    }

    /// As [`recent`](Self::recent), of each part.
    pub(super) fn recent_split(&self, now: &Split, base: Option<&Split>) -> Split {
        let part = |part: fn(&Split) -> Option<Latency>| self.recent(part(now), base.and_then(part));
        Split {
            total: part(|split| split.total),
            segment: part(|split| split.segment),
            tunnel: part(|split| split.tunnel),
            queue: part(|split| split.queue),
            target: part(|split| split.target),
        }
    }

    /// How long the last interval was, and how long that of the times, in seconds.
    pub(super) fn seconds(&self) -> [Option<f64>; 2] {
        [&self.before, &self.base].map(|then| rates::seconds(then.as_deref()?, &self.now))
    }
}

/// Records that did not arrive at once, of all that were sent since `before`: in, and out.
pub(super) fn loss(now: &Path, before: Option<&Path>) -> [Value; 2] {
    let since = |part: fn(&Path) -> u64| part(now).checked_sub(part(before?));
    let share = |missed: Option<u64>, sent: Option<u64>| match (missed, sent) {
        (Some(missed), Some(sent)) if sent > 0 => Value::Share(missed, sent),
        _ => Value::Unknown,
    };
    let arrived = since(|path| path.records.received);
    let lost = since(|path| path.lost.received);
    let sent = arrived
        .zip(lost)
        .map(|(arrived, lost)| arrived.saturating_add(lost));
    [
        share(since(|path| path.missed.received), sent),
        share(since(|path| path.missed.sent), since(|path| path.records.sent)),
    ]
}

/// Both ways together.
pub(super) fn both(n: Directions) -> u64 {
    n.received.saturating_add(n.sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now: f64, pid: u32) -> Rc<Snapshot> {
        let mut snapshot = Snapshot::default();
        (snapshot.gateway.now, snapshot.gateway.pid) = (now, pid);
        Rc::new(snapshot)
    }

    #[test]
    fn rates_are_of_the_last_interval_and_per_second() {
        let mut past = Past::default();
        assert!(past.between().is_none());
        assert!(past.note(at(100.0, 1)));
        assert_eq!(past.between().unwrap().rate(700, Some(300)), None);
        assert!(!past.note(at(100.0, 1)), "the same document");
        assert!(past.note(at(104.0, 1)));
        let between = past.between().unwrap();
        assert_eq!(between.rate(700, Some(300)), Some(100));
        assert_eq!(between.rate(700, None), None, "a new row");
        assert_eq!(between.rate(3, Some(300)), None, "a counter that began again");
        assert!(past.note(at(105.0, 2)));
        assert_eq!(
            past.between().unwrap().rate(700, Some(300)),
            None,
            "another process"
        );
    }

    #[test]
    fn times_are_of_the_last_seconds() {
        let mut past = Past::default();
        for second in 0..60 {
            past.note(at(f64::from(second), 1));
        }
        let seconds = past.between().unwrap().seconds();
        assert_eq!(seconds, [Some(1.0), Some(TIMES_OF)]);
        assert!(past.0.len() < 13);
        past.note(at(1000.0, 1));
        assert_eq!(past.between().unwrap().seconds(), [Some(941.0), Some(941.0)]);
    }

    #[test]
    fn loss_is_of_what_was_sent() {
        let path = |records, missed, lost| {
            let n = |n| Directions { received: n, sent: n };
            Path {
                records: n(records),
                missed: n(missed),
                lost: n(lost),
                ..Path::default()
            }
        };
        let [received, sent] = loss(&path(1900, 100, 100), Some(&path(1000, 0, 0)));
        assert_eq!((received.text(), sent.text()), ("10.0 %".into(), "11.1 %".into()));
        assert_eq!(loss(&path(1, 1, 1), None), [Value::Unknown, Value::Unknown]);
        assert_eq!(loss(&path(1, 1, 1), Some(&path(1, 1, 1)))[0], Value::Unknown);
    }
}
