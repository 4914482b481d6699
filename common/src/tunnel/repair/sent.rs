//! What was sent: kept until the peer has it, and sent again when it asks, or when nothing is heard of the last of it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::again::Again;
use crate::output::{Path, SentTrain, TrainBatch};
use crate::time::Instant;
use crate::tunnel::gaps::MAX_AGE;
use crate::tunnel::kept::{Kept, MAX_BYTES, Wanted};
use crate::tunnel::peer_clock::PeerClock;
use crate::tunnel::replay::WINDOW;
use crate::tunnel::report::Report;
use crate::tunnel::round_trip::RoundTrip;

/// As many bytes are sent again as were sent before, at most; so many are granted in advance, and can be saved up.
const FIRST_CREDIT: usize = 64 << 10;
const MOST_CREDIT: usize = MAX_BYTES;
/// A record is not sent again before this part of the shortest round trip has passed since it was sent at first: nobody
/// can miss it yet, and how long the shortest takes is not known exactly.
const SOONEST: u32 = 2;
/// Nor before this part of it since it was last sent again: less than what lies between two questions, which are
/// answered each.
const PAUSE: u32 = 16;
/// Records looked at for reports: so many for each that is sent, as an honest peer asks for none more often; so many in
/// advance, and saved up at most.
const LOOKS: usize = 16;
const FIRST_LOOKS: usize = 4096;
const MOST_LOOKS: usize = 1 << 20;
/// What the answer to a ping or record may take besides the round trip: the peer's news, and slow clocks.
const PROBE_SLACK: Duration = Duration::from_millis(3);
/// How long to wait for news of the last record as long as the round trip is not known.
const FIRST_PROBE: Duration = Duration::from_millis(100);

/// What was sent to a peer and may have to be sent again.
#[derive(Debug)]
pub(crate) struct Sent {
    current: Sending,
    /// The session before: what was under way when it was replaced.
    previous: Sending,
    credit: usize,
    looks: usize,
}

/// What was sent by one session.
#[derive(Debug, Default)]
struct Sending {
    receiver: u32,
    kept: Kept,
    /// Below this the peer misses nothing.
    floor: u64,
    /// The newest record that the peer has to speak of, and when it was sent.
    tail: Option<(u64, Instant)>,
    probes: u32,
}

/// What a report led to.
#[derive(Debug)]
pub(crate) struct Resent {
    /// Records sent again, and their bytes.
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Records taken to be sent again, as they are or packed again, that were not before.
    pub(crate) repaired: u64,
    /// Records that are kept no more.
    pub(crate) lost: u64,
    /// The longest of them.
    pub(crate) longest: usize,
    /// Records that are kept no more, or exceed what may be sent again.
    pub(crate) refused: u64,
    /// Records that the path does not carry any more.
    pub(crate) too_long: Vec<Vec<u8>>,
    /// The records that will not be sent again.
    pub(crate) abandoned: Report,
}

/// What to do about a last record of which nothing was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Send a ping.
    Ping,
    /// Send that record again.
    Record {
        /// The session, by the receiver's index.
        receiver: u32,
        /// The record.
        counter: u64,
    },
}

impl Default for Sent {
    fn default() -> Self {
        Sent {
            current: Sending::default(),
            previous: Sending::default(),
            credit: FIRST_CREDIT,
            looks: FIRST_LOOKS,
        }
    }
}

impl Sent {
    /// Keeps a train that was sent.
    pub(crate) fn keep(&mut self, sent: SentTrain, now: Instant, pool: &mut TrainBatch) {
        let receiver = sent.records.receiver;
        self.credit = (self.credit + sent.bytes.len()).min(MOST_CREDIT);
        self.looks = (self.looks + LOOKS * sent.bytes.len().div_ceil(sent.stride.max(1))).min(MOST_LOOKS);
        if receiver == self.previous.receiver && receiver != self.current.receiver {
            return self.previous.kept.keep(sent, now, pool);
        }
        self.begin(receiver, pool);
        self.current.kept.keep(sent, now, pool);
    }

    /// Record `counter` of a session, sealed just now, asks for news.
    pub(crate) fn await_news(&mut self, receiver: u32, counter: u64, now: Instant, pool: &mut TrainBatch) {
        self.begin(receiver, pool);
        self.current.tail = Some((counter, now));
        self.current.probes = 0;
    }

    /// What is sent now is of this session.
    fn begin(&mut self, receiver: u32, pool: &mut TrainBatch) {
        if receiver != self.current.receiver {
            self.previous.kept.clear(pool);
            self.previous = std::mem::take(&mut self.current);
            self.current.receiver = receiver;
        }
    }

    /// Releases everything: the peer is gone, or another process.
    pub(crate) fn clear(&mut self, pool: &mut TrainBatch) {
        for sending in [&mut self.current, &mut self.previous] {
            sending.kept.clear(pool);
            *sending = Sending::default();
        }
    }

    /// The peer told what has arrived: sends again what has not.
    pub(crate) fn handle_report(
        &mut self,
        report: &Report,
        clock: &mut PeerClock,
        way: Option<(Path, usize)>,
        now: Instant,
        trains: &mut TrainBatch,
    ) -> Resent {
        let mut resent = Resent {
            records: 0,
            bytes: 0,
            repaired: 0,
            lost: 0,
            longest: 0,
            refused: 0,
            too_long: Vec::new(),
            abandoned: Report::new(report.session, report.next, report.floor),
        };
        let [current, previous] = [&mut self.current, &mut self.previous];
        let Some(sending) = [current, previous]
            .into_iter()
            .find(|sending| sending.receiver == report.session)
        else {
            return resent;
        };
        sending.floor = sending.floor.max(report.floor);
        sending.kept.arrived(sending.floor, trains);
        if sending.tail.is_some_and(|(counter, _)| counter < report.next) {
            sending.tail = None;
        }
        let shortest = clock.round_trip().map_or(Duration::ZERO, RoundTrip::shortest);
        let times = [shortest / SOONEST, shortest / PAUSE];
        let Some((path, datagram_len)) = way else {
            return resent;
        };
        let mut again = Again::default();
        let taken = sending.kept.taken();
        for (first, end) in report.missing() {
            // A report that was overtaken may miss what has arrived since.
            let first = first.max(sending.floor);
            if first >= end {
                continue;
            }
            let (from, to) = sending.kept.clamp(first, end);
            if from >= to {
                resent.lost += (end - first).min(WINDOW);
                resent.abandoned.add(first, end);
                continue;
            }
            resent.lost += ((end - first) - (to - from)).min(WINDOW);
            resent.abandoned.add(first, from);
            for counter in from..to {
                let Some(looks) = self.looks.checked_sub(1) else {
                    break;
                };
                self.looks = looks;
                match sending.kept.take_record(counter, datagram_len, times, now) {
                    Wanted::UnderWay => {}
                    Wanted::Abandoned => _ = resent.abandoned.add(counter, counter + 1),
                    Wanted::Gone => {
                        resent.lost += 1;
                        resent.abandoned.add(counter, counter + 1);
                    }
                    Wanted::TooLong(record) => {
                        resent.too_long.push(record.to_vec());
                        resent.abandoned.add(counter, counter + 1);
                    }
                    Wanted::Record(record) if record.len() > self.credit => resent.refused += 1,
                    Wanted::Record(record) => {
                        self.credit -= record.len();
                        clock.resent(report.session, counter);
                        resent.records += 1;
                        resent.bytes += record.len() as u64;
                        resent.longest = resent.longest.max(record.len());
                        again.push(path, record, trains);
                    }
                }
            }
        }
        again.end(path, trains);
        resent.repaired = sending.kept.taken() - taken;
        resent.refused += resent.lost;
        resent
    }

    /// Sends one record again, and returns its length; a record that the path does not carry any more is handed out.
    pub(crate) fn send_again(
        &mut self,
        receiver: u32,
        counter: u64,
        way: (Path, usize),
        now: Instant,
        trains: &mut TrainBatch,
    ) -> Result<usize, Vec<u8>> {
        let (path, datagram_len) = way;
        let credit = self.credit;
        let mut again = Again::default();
        let Some(sending) = self.sending(receiver) else {
            return Ok(0);
        };
        let len = match sending
            .kept
            .take_record(counter, datagram_len, [Duration::ZERO; 2], now)
        {
            Wanted::Record(record) if record.len() <= credit => {
                again.push(path, record, trains);
                record.len()
            }
            Wanted::TooLong(record) => return Err(record.to_vec()),
            Wanted::Record(_) | Wanted::UnderWay | Wanted::Abandoned | Wanted::Gone => 0,
        };
        again.end(path, trains);
        self.credit -= len;
        Ok(len)
    }

    /// When a last record has to be asked about.
    pub(crate) fn probe_at(&self, round_trip: Option<&RoundTrip>) -> Instant {
        let wait = round_trip.map_or(FIRST_PROBE, |round_trip| round_trip.patience() + PROBE_SLACK);
        let at = |sending: &Sending| match sending.tail {
            // Older than that nobody sends it again.
            Some((_, sent)) => {
                let at = sent + wait * ((1 << sending.probes.min(10)) * 2 - 1);
                if at < sent + MAX_AGE { at } else { sent + MAX_AGE }
            }
            None => Instant::NEVER,
        };
        at(&self.current).min(at(&self.previous))
    }

    /// What to do about a last record of which nothing was heard; ask again until there is nothing to do.
    pub(crate) fn probe(&mut self, round_trip: Option<&RoundTrip>, now: Instant) -> Option<Probe> {
        let wait = round_trip.map_or(FIRST_PROBE, |round_trip| round_trip.patience() + PROBE_SLACK);
        for (sending, is_current) in [(&mut self.previous, false), (&mut self.current, true)] {
            let Some((counter, sent)) = sending.tail else {
                continue;
            };
            if sent + MAX_AGE <= now {
                (sending.tail, sending.probes) = (None, 0);
                continue;
            }
            if sent + wait * ((1 << sending.probes.min(10)) * 2 - 1) > now {
                continue;
            }
            sending.probes += 1;
            // The record first: it is what the peer waits for, if it is lost. If only the news of it is, it takes
            // another one to hear of it.
            return Some(match is_current && sending.probes > 1 {
                true => Probe::Ping,
                false => Probe::Record {
                    receiver: sending.receiver,
                    counter,
                },
            });
        }
        None
    }

    /// Releases what is too old.
    pub(crate) fn expire(&mut self, now: Instant, pool: &mut TrainBatch) {
        self.previous.kept.expire(now, pool);
        self.current.kept.expire(now, pool);
    }

    fn sending(&mut self, receiver: u32) -> Option<&mut Sending> {
        [&mut self.current, &mut self.previous]
            .into_iter()
            .find(|sending| sending.receiver == receiver)
    }
}
