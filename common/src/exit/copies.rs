//! The copies of one request that went to its target, and which of them were answered.

use crate::time::Instant;

/// Most copies of one request. Behind the first few there are two seconds between them, so it is one that was asked for
/// two minutes without an answer.
const MOST: u8 = 64;
/// Newest copies of which it is known when they were sent.
const TIMED: usize = 4;

/// The copies of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Copies {
    count: u8,
    /// One bit for each.
    answered: u64,
    /// When the first was sent.
    first: Instant,
    /// When the newest were sent, each at its number modulo [`TIMED`].
    sent: [Instant; TIMED],
}

/// Number of a copy, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CopyId(u8);

impl CopyId {
    pub(crate) fn number(self) -> u8 {
        self.0
    }
}

impl Copies {
    /// How many there are.
    pub(crate) fn count(&self) -> u8 {
        self.count
    }

    /// Whether there may be one more.
    pub(crate) fn has_room(&self) -> bool {
        self.count < MOST
    }

    /// The copy `distance` after the first, if there is one.
    pub(crate) fn get(&self, distance: u16) -> Option<CopyId> {
        let id = u8::try_from(distance).ok()?;
        (id < self.count).then_some(CopyId(id))
    }

    /// Notes one that was sent.
    pub(crate) fn sent(&mut self, now: Instant) {
        if self.count == 0 {
            self.first = now;
        }
        if let Some(place) = self.sent.get_mut(usize::from(self.count) % TIMED) {
            *place = now;
        }
        self.count = self.count.saturating_add(1).min(MOST);
    }

    /// When the first was sent, if one was.
    pub(crate) fn first_sent(&self) -> Option<Instant> {
        (self.count > 0).then_some(self.first)
    }

    /// When the newest was sent; the beginning of time if none was.
    pub(crate) fn last_sent(&self) -> Instant {
        let newest = usize::from(self.count.wrapping_sub(1)) % TIMED;
        self.sent.get(newest).copied().unwrap_or_default()
    }

    /// When this one was sent, if that is still known.
    pub(crate) fn sent_at(&self, copy: CopyId) -> Option<Instant> {
        let timed = usize::from(self.count.saturating_sub(copy.0)) <= TIMED;
        self.sent
            .get(usize::from(copy.0) % TIMED)
            .copied()
            .filter(|_| timed)
    }

    /// Whether this one was answered.
    pub(crate) fn is_answered(&self, copy: CopyId) -> bool {
        self.answered & bit(copy) != 0
    }

    /// Notes that this one was answered.
    pub(crate) fn answer(&mut self, copy: CopyId) {
        self.answered |= bit(copy);
    }

    /// Whether none of them can be at the target, for it has answered them all.
    pub(crate) fn all_answered(&self) -> bool {
        self.answered.count_ones() >= u32::from(self.count)
    }
}

fn bit(copy: CopyId) -> u64 {
    1 << (copy.0 % MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn each_copy_is_answered_by_itself() {
        let mut copies = Copies::default();
        assert!(copies.all_answered() && copies.get(0).is_none() && copies.first_sent().is_none());
        copies.sent(at(1));
        copies.sent(at(2));
        let (one, two) = (copies.get(0).unwrap(), copies.get(1).unwrap());
        assert!(copies.get(2).is_none());
        assert_eq!((copies.sent_at(one), copies.last_sent()), (Some(at(1)), at(2)));
        assert_eq!(copies.first_sent(), Some(at(1)));
        copies.answer(two);
        copies.answer(two);
        assert!(copies.is_answered(two) && !copies.is_answered(one) && !copies.all_answered());
        copies.answer(one);
        assert!(copies.all_answered());
    }

    #[test]
    fn there_are_at_most_sixty_four_and_the_newest_have_their_times() {
        let mut copies = Copies::default();
        for n in 0..64 {
            assert!(copies.has_room());
            copies.sent(at(n));
        }
        assert!(!copies.has_room());
        let times: Vec<_> = (0..64)
            .filter_map(|n| copies.sent_at(copies.get(n).unwrap()))
            .collect();
        assert_eq!(times, [at(60), at(61), at(62), at(63)]);
        for n in 0..63 {
            copies.answer(copies.get(n).unwrap());
            assert!(!copies.all_answered());
        }
        copies.answer(copies.get(63).unwrap());
        assert!(copies.all_answered());
    }
}
