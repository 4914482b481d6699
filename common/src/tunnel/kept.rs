//! Trains that were sent and may have to be sent again: moved here, not copied, and given back once they arrived.

use std::collections::VecDeque;
use std::time::Duration;

use super::gaps::MAX_AGE;
use crate::output::{SentTrain, TrainBatch};
use crate::time::Instant;

/// Memory that trains of one session may hold.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// Trains of one session, oldest first; their counters follow one another.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    trains: VecDeque<KeptTrain>,
    /// Memory of their buffers.
    bytes: usize,
    /// How many records were taken that were not taken before.
    taken: u64,
}

#[derive(Debug)]
struct KeptTrain {
    first: u64,
    count: u64,
    stride: usize,
    bytes: Vec<u8>,
    sent_at: Instant,
    /// Records sent again, by their place in the train, and when each of them last was.
    again: Vec<(u64, Instant)>,
    /// Records that are not sent again as they are, one bit each.
    abandoned: u64,
}

/// A record that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// Send it.
    Record(&'a [u8]),
    /// The path does not carry it any more.
    TooLong(&'a [u8]),
    /// It was sent too short a time ago.
    UnderWay,
    /// It is not sent again: a probe, or packed again before.
    Abandoned,
    /// It is not kept any more.
    Gone,
}

impl Kept {
    /// Keeps a train that was sent.
    pub(crate) fn keep(&mut self, sent: SentTrain, now: Instant, pool: &mut TrainBatch) {
        let bytes = pool.compact(sent.bytes);
        self.bytes += bytes.capacity();
        self.trains.push_back(KeptTrain {
            first: sent.records.first,
            count: bytes.len().div_ceil(sent.stride.max(1)) as u64,
            stride: sent.stride,
            bytes,
            sent_at: sent.records.sealed_at,
            again: Vec::new(),
            abandoned: if sent.records.is_probe { u64::MAX } else { 0 },
        });
        while self.bytes > MAX_BYTES {
            self.drop_oldest(pool);
        }
        self.expire(now, pool);
    }

    /// Everything below `counter` has arrived.
    pub(crate) fn arrived(&mut self, counter: u64, pool: &mut TrainBatch) {
        while self
            .trains
            .front()
            .is_some_and(|train| train.first + train.count <= counter)
        {
            self.drop_oldest(pool);
        }
    }

    /// Releases what is too old to be worth anything.
    pub(crate) fn expire(&mut self, now: Instant, pool: &mut TrainBatch) {
        while self
            .trains
            .front()
            .is_some_and(|train| train.sent_at + MAX_AGE <= now)
        {
            self.drop_oldest(pool);
        }
    }

    /// Releases everything.
    pub(crate) fn clear(&mut self, pool: &mut TrainBatch) {
        while !self.trains.is_empty() {
            self.drop_oldest(pool);
        }
    }

    /// The part of `first..end` that is kept.
    pub(crate) fn clamp(&self, first: u64, end: u64) -> (u64, u64) {
        let low = self.trains.front().map_or(0, |train| train.first);
        let high = self.trains.back().map_or(0, |train| train.first + train.count);
        (first.max(low), end.min(high))
    }

    /// How many records were taken that were not taken before.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// A record, unless it was first sent less than `least_age` ago, or sent again less than `pause` ago. The caller
    /// sends it, or, if it is longer than `longest`, packs again what is in it: then it is gone.
    pub(crate) fn take_record(
        &mut self,
        counter: u64,
        longest: usize,
        [least_age, pause]: [Duration; 2],
        now: Instant,
    ) -> Wanted<'_> {
        let at = self
            .trains
            .partition_point(|train| train.first + train.count <= counter);
        let Some(train) = self.trains.get_mut(at).filter(|train| train.first <= counter) else {
            return Wanted::Gone;
        };
        let index = counter - train.first;
        let bit = 1u64.checked_shl(u32::try_from(index).unwrap_or(u32::MAX));
        let Some(bit) = bit.filter(|bit| train.abandoned & bit == 0) else {
            return Wanted::Abandoned;
        };
        let again = train.again.iter_mut().find(|(known, _)| *known == index);
        if train.sent_at + least_age > now || again.as_ref().is_some_and(|(_, sent)| *sent + pause > now) {
            return Wanted::UnderWay;
        }
        match again {
            Some((_, sent)) => *sent = now,
            None => {
                train.again.push((index, now));
                self.taken += 1;
            }
        }
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let record = train.bytes.chunks(train.stride.max(1)).nth(index);
        match record {
            Some(record) if record.len() > longest => {
                train.abandoned |= bit;
                Wanted::TooLong(record)
            }
            Some(record) => Wanted::Record(record),
            None => Wanted::Gone,
        }
    }

    fn drop_oldest(&mut self, pool: &mut TrainBatch) {
        if let Some(train) = self.trains.pop_front() {
            self.bytes -= train.bytes.capacity();
            pool.give_back(train.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PeerId;
    use crate::output::Records;

    const TIMES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(4)];

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn sent(first: u64, stride: usize, bytes: Vec<u8>) -> SentTrain {
        SentTrain {
            records: Records {
                peer: PeerId(0),
                receiver: 1,
                first,
                sealed_at: at(0),
                is_probe: false,
            },
            stride,
            bytes,
        }
    }

    #[test]
    fn records_are_found_by_their_counter_until_they_arrived() {
        let (mut kept, mut pool) = (Kept::default(), TrainBatch::default());
        kept.keep(sent(5, 3, b"aaabbbcc".to_vec()), at(0), &mut pool);
        kept.keep(sent(8, 4, b"dddd".to_vec()), at(0), &mut pool);
        let take = |kept: &mut Kept, counter| match kept.take_record(counter, 100, TIMES, at(20)) {
            Wanted::Record(record) => Some(String::from_utf8(record.to_vec()).unwrap()),
            _ => None,
        };
        assert_eq!(take(&mut kept, 4), None);
        assert_eq!(take(&mut kept, 5).unwrap(), "aaa");
        assert_eq!(take(&mut kept, 7).unwrap(), "cc");
        assert_eq!(take(&mut kept, 8).unwrap(), "dddd");
        assert_eq!(take(&mut kept, 9), None);
        assert_eq!(kept.clamp(0, 100), (5, 9));
        kept.arrived(7, &mut pool);
        assert_eq!(
            take(&mut kept, 6).unwrap(),
            "bbb",
            "its train has not arrived whole"
        );
        kept.arrived(8, &mut pool);
        assert_eq!(kept.take_record(6, 100, TIMES, at(40)), Wanted::Gone);
        kept.arrived(9, &mut pool);
        assert!(kept.trains.is_empty() && kept.bytes == 0);
    }

    #[test]
    fn a_record_goes_again_after_a_pause_whatever_others_of_its_train_do_and_not_after_its_age() {
        let (mut kept, mut pool) = (Kept::default(), TrainBatch::default());
        kept.keep(sent(0, 3, b"aaabbb".to_vec()), at(9), &mut pool);
        let goes = |kept: &mut Kept, counter, millis| {
            matches!(
                kept.take_record(counter, 100, TIMES, at(millis)),
                Wanted::Record(_)
            )
        };
        assert!(!goes(&mut kept, 0, 9), "nobody can miss it yet");
        assert!(
            goes(&mut kept, 0, 10),
            "it was sealed long before it was handed over to be kept"
        );
        assert!(!goes(&mut kept, 0, 13) && goes(&mut kept, 1, 13));
        assert!(goes(&mut kept, 0, 14) && !goes(&mut kept, 1, 16) && goes(&mut kept, 1, 17));
        kept.expire(at(999), &mut pool);
        assert!(!kept.trains.is_empty());
        kept.expire(at(1000), &mut pool);
        assert!(kept.trains.is_empty());
    }

    #[test]
    fn what_is_too_long_for_the_path_is_handed_out_once() {
        let (mut kept, mut pool) = (Kept::default(), TrainBatch::default());
        kept.keep(sent(0, 3, b"aaabb".to_vec()), at(0), &mut pool);
        assert_eq!(kept.take_record(0, 2, TIMES, at(20)), Wanted::TooLong(b"aaa"));
        assert_eq!(kept.take_record(0, 2, TIMES, at(90)), Wanted::Abandoned);
        assert_eq!(kept.take_record(1, 2, TIMES, at(90)), Wanted::Record(b"bb"));
    }

    #[test]
    fn memory_is_bounded_and_comes_back_to_the_pool() {
        let (mut kept, mut pool) = (Kept::default(), TrainBatch::default());
        let mut first = 0;
        for len in [100, 3000, 20_000].into_iter().cycle().take(20_000) {
            let mut bytes = pool.lend();
            bytes.resize(len, 0);
            kept.keep(sent(first, 1400, bytes), at(0), &mut pool);
            first += len.div_ceil(1400) as u64;
            assert!(kept.bytes <= MAX_BYTES);
        }
        assert!(kept.trains.len() > 200, "short trains hold short buffers");
        kept.clear(&mut pool);
        assert_eq!(kept.bytes, 0);
    }
}
