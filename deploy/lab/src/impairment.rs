//! What a bad path does to datagrams, without sockets: seeded, repeatable, usable under virtual time.

mod parse;
mod repairs;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use aoe_common::time::Instant;

use crate::random::Random;

pub use parse::ImpairmentError;
pub use repairs::Repairs;

/// How bad a path is in one direction. Probabilities are per datagram, from 0 to 1; the default is a perfect path.
///
/// Its text form is a list like `loss=1%,delay=10ms,jitter=2ms`, with the names of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairment {
    /// Probability of a single loss.
    pub loss: f64,
    /// Probability that a burst of losses begins.
    pub burst: f64,
    /// Mean number of datagrams lost in a burst.
    pub burst_len: u32,
    /// Probability of a second copy.
    pub duplicate: f64,
    /// Probability of being overtaken.
    pub reorder: f64,
    /// How much longer an overtaken datagram takes.
    pub reorder_by: Duration,
    /// Probability of one changed bit.
    pub corrupt: f64,
    /// Probability of losing part of its end.
    pub truncate: f64,
    /// Time every datagram takes.
    pub delay: Duration,
    /// Random time on top, up to this; order is kept.
    pub jitter: Duration,
    /// Bytes a second the path carries; 0: no limit. What does not fit within 100 ms is lost.
    pub rate: u64,
    /// Datagrams with more bytes than this are lost; 0: no limit.
    pub mtu: usize,
}

/// What a path has done to datagrams, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCounters {
    /// Datagrams that came in.
    pub entered: u64,
    /// Datagrams that came out, copies included.
    pub delivered: u64,
    /// Datagrams lost, for whatever reason.
    pub lost: u64,
    /// Extra copies made.
    pub duplicated: u64,
    /// Datagrams held back so that others overtook them.
    pub reordered: u64,
    /// Datagrams with a bit changed or an end missing.
    pub damaged: u64,
}

/// How long a queue in front of a rate limit may get.
const LONGEST_QUEUE: Duration = Duration::from_millis(100);

/// One direction of a path: datagrams go in, and come out later, or never, or twice.
#[derive(Debug)]
pub struct Path {
    impairment: Impairment,
    random: Random,
    /// Datagrams that a burst will still take.
    burst_left: u64,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    next_number: u64,
    /// When the last datagram that keeps its order comes out.
    last_due: Instant,
    /// When the rate limit has sent all it has taken.
    busy_until: Instant,
    counters: PathCounters,
    /// Nothing, unless somebody asked for it.
    repairs: Option<Repairs>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Instant,
    number: u64,
    bytes: Vec<u8>,
}

impl Path {
    /// A path; the same seed and inputs give the same outputs.
    pub fn new(impairment: Impairment, seed: u64) -> Self {
        Path {
            impairment,
            random: Random::new(seed),
            burst_left: 0,
            under_way: BinaryHeap::new(),
            next_number: 0,
            last_due: Instant::from_micros(0),
            busy_until: Instant::from_micros(0),
            counters: PathCounters::default(),
            repairs: None,
        }
    }

    /// Changes the path; what is under way stays as it is.
    pub fn set(&mut self, impairment: Impairment) {
        self.impairment = impairment;
        self.burst_left = 0;
    }

    /// How bad it is.
    pub fn impairment(&self) -> Impairment {
        self.impairment
    }

    /// What it has done.
    pub fn counters(&self) -> PathCounters {
        self.counters
    }

    /// Watches from now on how lost datagrams are repaired.
    pub fn watch_repairs(&mut self) {
        self.repairs = Some(Repairs::default());
    }

    /// What was seen of it; `None` without [`Path::watch_repairs`].
    pub fn repairs(&self) -> Option<&Repairs> {
        self.repairs.as_ref()
    }

    /// A datagram enters.
    pub fn push(&mut self, datagram: &[u8], now: Instant) {
        self.counters.entered += 1;
        let Some(departure) = self.depart(datagram.len(), now) else {
            self.counters.lost += 1;
            if let Some(repairs) = &mut self.repairs {
                repairs.lose(datagram, now);
            }
            return;
        };
        let mut bytes = datagram.to_vec();
        self.damage(&mut bytes);
        let jitter = self.random.below(micros(self.impairment.jitter) + 1);
        let mut due = departure + self.impairment.delay + Duration::from_micros(jitter);
        if self.random.happens(self.impairment.reorder) {
            self.counters.reordered += 1;
            due = due + self.impairment.reorder_by;
        } else {
            due = due.max(self.last_due);
            self.last_due = due;
        }
        if let Some(repairs) = &mut self.repairs {
            repairs.arrive(datagram, due);
        }
        if self.random.happens(self.impairment.duplicate) {
            self.counters.duplicated += 1;
            self.enqueue(due, bytes.clone());
        }
        self.enqueue(due, bytes);
    }

    /// The next datagram that has come out by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.deadline() > now {
            return None;
        }
        let Reverse(out) = self.under_way.pop()?;
        self.counters.delivered += 1;
        Some(out.bytes)
    }

    /// When the next datagram comes out; [`Instant::NEVER`] if none is under way.
    pub fn deadline(&self) -> Instant {
        self.under_way
            .peek()
            .map_or(Instant::NEVER, |Reverse(next)| next.due)
    }

    /// When a datagram has left the sender's end; `None` if it is lost.
    fn depart(&mut self, len: usize, now: Instant) -> Option<Instant> {
        let Impairment {
            loss,
            burst,
            burst_len,
            rate,
            mtu,
            ..
        } = self.impairment;
        // Every datagram draws the same numbers, whatever else is switched on, so that runs stay comparable.
        let (single, begins) = (self.random.happens(loss), self.random.happens(burst));
        let length = self.random.below((u64::from(burst_len) * 2).saturating_sub(1)) + 1;
        if self.burst_left > 0 {
            self.burst_left -= 1;
            return None;
        }
        if begins {
            self.burst_left = length - 1;
            return None;
        }
        if single || (mtu > 0 && len > mtu) {
            return None;
        }
        if rate == 0 {
            return Some(now);
        }
        let start = self.busy_until.max(now);
        if start.saturating_since(now) > LONGEST_QUEUE {
            return None;
        }
        self.busy_until = start + Duration::from_micros(len as u64 * 1_000_000 / rate);
        Some(self.busy_until)
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if self.random.happens(self.impairment.corrupt) {
            let bit = self.random.below(bytes.len() as u64 * 8);
            let at = usize::try_from(bit / 8).unwrap_or(0);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (bit % 8);
                self.counters.damaged += 1;
            }
        }
        if self.random.happens(self.impairment.truncate) {
            let kept = self.random.below(bytes.len() as u64);
            bytes.truncate(usize::try_from(kept).unwrap_or(0));
            self.counters.damaged += 1;
        }
    }

    fn enqueue(&mut self, due: Instant, bytes: Vec<u8>) {
        let number = self.next_number;
        self.next_number += 1;
        self.under_way.push(Reverse(UnderWay { due, number, bytes }));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `count` numbered datagrams, one each millisecond, and returns (time, number) of what comes out.
    fn pass(impairment: Impairment, seed: u64, count: u32) -> (Vec<(u64, u32)>, PathCounters) {
        let mut path = Path::new(impairment, seed);
        let mut out = Vec::new();
        let mut drain = |path: &mut Path, now| {
            while path.deadline() <= now {
                let at = path.deadline();
                let bytes = path.pop(at).unwrap();
                let number = bytes.try_into().map_or(u32::MAX, u32::from_be_bytes);
                out.push((at.as_micros(), number));
            }
        };
        for number in 0..count {
            let now = Instant::from_micros(u64::from(number) * 1000);
            drain(&mut path, now);
            path.push(&number.to_be_bytes(), now);
        }
        drain(&mut path, Instant::from_micros(u64::MAX - 1));
        (out, path.counters())
    }

    fn text(text: &str) -> Impairment {
        text.parse().unwrap()
    }

    #[test]
    fn a_perfect_path_changes_nothing() {
        let (out, counters) = pass(Impairment::default(), 1, 100);
        assert_eq!(
            out,
            (0..100)
                .map(|number| (u64::from(number) * 1000, number))
                .collect::<Vec<_>>()
        );
        assert_eq!((counters.lost, counters.delivered), (0, 100));
    }

    #[test]
    fn the_same_seed_repeats_and_another_does_not() {
        let bad = text("loss=5%,duplicate=5%,reorder=5%,reorder-by=3ms,corrupt=5%,truncate=5%,jitter=2ms");
        assert_eq!(pass(bad, 3, 1000), pass(bad, 3, 1000));
        assert_ne!(pass(bad, 3, 1000).0, pass(bad, 4, 1000).0);
    }

    #[test]
    fn losses_are_as_many_as_asked_and_bursts_come_together() {
        let (_, single) = pass(text("loss=1%"), 5, 100_000);
        assert!((850..1150).contains(&single.lost), "{}", single.lost);
        let (out, bursts) = pass(text("burst=0.1%,burst-len=10"), 5, 100_000);
        assert!((700..1500).contains(&bursts.lost), "{}", bursts.lost);
        let gaps = out.windows(2).filter(|pair| pair[1].1 != pair[0].1 + 1).count();
        assert!(gaps < 160, "{gaps} gaps for {} losses", bursts.lost);
    }

    #[test]
    fn delay_and_jitter_keep_the_order_and_reordering_does_not() {
        let (late, _) = pass(text("delay=10ms,jitter=5ms"), 2, 1000);
        assert!(late.is_sorted_by_key(|(_, number)| *number));
        for (at, number) in late {
            let took = at - u64::from(number) * 1000;
            assert!((10_000..=15_000).contains(&took), "{took}");
        }
        let (out, counters) = pass(text("reorder=10%,reorder-by=5ms"), 2, 1000);
        assert!(!out.is_sorted_by_key(|(_, number)| *number));
        assert_eq!((out.len(), counters.lost), (1000, 0));
        assert!((60..140).contains(&counters.reordered), "{}", counters.reordered);
    }

    #[test]
    fn copies_damage_and_big_datagrams_are_counted() {
        let (out, counters) = pass(text("duplicate=10%,corrupt=10%,truncate=10%"), 2, 1000);
        assert_eq!(out.len() as u64, 1000 + counters.duplicated);
        assert!((60..140).contains(&counters.duplicated) && (120..280).contains(&counters.damaged));
        assert_eq!(pass(text("mtu=3"), 2, 10).1.lost, 10);
        assert_eq!(pass(text("mtu=4"), 2, 10).1.lost, 0);
    }

    #[test]
    fn a_rate_spaces_datagrams_and_sheds_what_would_wait_too_long() {
        let (out, counters) = pass(text("rate=2kB"), 2, 1000);
        // Four bytes at 2000 bytes a second: one each 2 ms, though one comes each millisecond.
        assert!(out.windows(2).all(|pair| pair[1].0 - pair[0].0 == 2000));
        assert!((400..500).contains(&counters.lost), "{}", counters.lost);
    }

    #[test]
    fn a_repair_takes_from_the_first_loss_until_the_same_bytes_arrive() {
        let mut path = Path::new(text("loss=100%"), 1);
        let at = Instant::from_micros;
        path.push(b"before", at(1));
        path.watch_repairs();
        path.push(b"twice lost", at(1000));
        path.push(b"never repaired", at(2000));
        path.push(b"twice lost", at(3000));
        path.set(text("delay=10ms"));
        for (datagram, time) in [
            (&b"before"[..], 4000),
            (b"twice lost", 5000),
            (b"twice lost", 6000),
        ] {
            path.push(datagram, at(time));
        }
        let repairs = path.repairs().unwrap();
        assert_eq!(
            (repairs.lost, repairs.times.as_slice()),
            (2, &[Duration::from_millis(14)][..])
        );
    }

    #[test]
    fn an_empty_datagram_survives_damage() {
        let mut path = Path::new(text("corrupt=100%,truncate=100%"), 1);
        path.push(&[], Instant::from_micros(0));
        assert_eq!(path.pop(Instant::from_micros(0)), Some(vec![]));
    }
}
