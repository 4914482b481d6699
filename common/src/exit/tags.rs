//! Tags of the frames that the exit sends to targets.
//!
//! ```text
//!   31   30   29 ............................... 0
//!  +---+---+---------------------------------------+
//!  | 1 | Q |                sealed                 |
//!  +---+---+---------------------------------------+
//!                            ^
//!                            | a permutation of 30 bits, by a key drawn at the start of the process
//!            29 ......... 16 | 15 .............. 0
//!           +----------------+---------------------+
//!   Q = 0   |   generation   |        slot         |   one copy of a request
//!           +------------+---+---------------------+
//!   Q = 1   |     0      | S |       target        |   a question of our own; S: to a second station
//!           +------------+---+---------------------+
//! ```
//! Bit 31 is never set by a Linux kernel initiator, and it ignores replies that have it: our replies cannot be
//! mistaken for those of an initiator on the same host.
//!
//! Each copy of a request has a tag of its own: the generation of a slot counts the copies that were sent from it. Slots
//! are used in turn, and at least 4096 are free, so a tag comes back only after 4096 × 16 384 copies: at 200,000 a
//! second after more than five minutes, ten times as long as an answer is waited for.
//!
//! A restarted process has another key. The answers that a target still owes the one before it are opened to
//! any of 2^30 numbers, so one of them fits one of `n` copies that are waited for with a probability of `n` / 2^30, and
//! then it still has to be from the right target, of the right length and about the right sectors.

use super::ids::{SlotId, TargetId};
use crate::frame::Tag;

const OURS: u32 = 1 << 31;
const QUESTION: u32 = 1 << 30;
const SECOND: u32 = 1 << 16;
const SLOT_BITS: u32 = 16;
/// Generations of one slot.
const GENERATIONS: u16 = 1 << 14;
const HALF_BITS: u32 = 15;
const HALF: u32 = (1 << HALF_BITS) - 1;
const ROUNDS: usize = 4;

/// Makes and recognises tags.
#[derive(Debug)]
pub(crate) struct Tags {
    keys: [u64; ROUNDS],
}

/// Which of the copies that were ever sent from one slot, modulo 2^14.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Generation(u16);

impl Generation {
    /// The one after so many copies more.
    pub(crate) fn after(self, copies: u8) -> Generation {
        Generation((self.0 + u16::from(copies)) % GENERATIONS)
    }

    /// How many copies after the first of a request this one was sent, if `first` is that one's.
    pub(crate) fn since(self, first: Generation) -> u16 {
        self.0.wrapping_sub(first.0) % GENERATIONS
    }
}

/// What was sent with a tag of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A copy of a request.
    Copy { slot: SlotId, generation: Generation },
    /// A question of our own.
    Question { target: TargetId, whom: Whom },
}

/// Which station a question of our own is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The one that is taken for the target.
    Target,
    /// Another one that answered for it.
    Second,
}

impl Tags {
    /// `seed` must not be that of another process.
    pub(crate) fn new(seed: [u8; 32]) -> Tags {
        let (words, _) = seed.as_chunks::<8>();
        let mut keys = [0; ROUNDS];
        for (key, word) in keys.iter_mut().zip(words) {
            *key = u64::from_le_bytes(*word);
        }
        Tags { keys }
    }

    /// The tag of a copy that is sent from a slot.
    pub(crate) fn of_copy(&self, slot: SlotId, generation: Generation) -> Tag {
        Tag(OURS | self.seal(u32::from(generation.0) << SLOT_BITS | u32::from(slot.0)))
    }

    /// The tag of a question.
    pub(crate) fn of_question(&self, target: TargetId, whom: Whom) -> Tag {
        let second = match whom {
            Whom::Target => 0,
            Whom::Second => SECOND,
        };
        Tag(OURS | QUESTION | self.seal(second | u32::from(target.0)))
    }

    /// What was sent with this tag, if it can be one of ours.
    pub(crate) fn open(&self, tag: Tag) -> Option<Sent> {
        if tag.0 & OURS == 0 {
            return None;
        }
        let plain = self.unseal(tag.0 & !(OURS | QUESTION));
        let low = u16::try_from(plain & 0xffff).ok()?;
        let high = u16::try_from(plain >> SLOT_BITS).ok()?;
        if tag.0 & QUESTION == 0 {
            return Some(Sent::Copy {
                slot: SlotId(low),
                generation: Generation(high),
            });
        }
        let target = TargetId(low);
        match plain & !0xffff {
            0 => Some(Sent::Question {
                target,
                whom: Whom::Target,
            }),
            SECOND => Some(Sent::Question {
                target,
                whom: Whom::Second,
            }),
            _ => None,
        }
    }

    /// A Feistel network: each half is changed by the other one, which any function will do for.
    fn seal(&self, plain: u32) -> u32 {
        let (mut left, mut right) = (plain >> HALF_BITS, plain & HALF);
        for key in self.keys {
            (left, right) = (right, left ^ scramble(right, key));
        }
        left << HALF_BITS | right
    }

    fn unseal(&self, sealed: u32) -> u32 {
        let (mut left, mut right) = (sealed >> HALF_BITS, sealed & HALF);
        for key in self.keys.into_iter().rev() {
            (left, right) = (right ^ scramble(left, key), left);
        }
        left << HALF_BITS | right
    }
}

/// Half a tag's worth of bits that depend on all bits of both (the finalizer of SplitMix64).
fn scramble(half: u32, key: u64) -> u32 {
    let mut mixed = key.wrapping_add(u64::from(half));
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from(mixed >> (64 - HALF_BITS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn tags(process: u8) -> Tags {
        Tags::new([process; 32])
    }

    #[test]
    fn what_is_sealed_is_opened_and_a_question_is_no_request() {
        let tags = tags(1);
        for number in [0, 1, 4095, u16::MAX] {
            let slot = SlotId(number);
            for generation in [0, 1, GENERATIONS - 1].map(Generation) {
                let tag = tags.of_copy(slot, generation);
                assert_eq!(tags.open(tag), Some(Sent::Copy { slot, generation }));
                assert_eq!(tag.0 >> 30, 0b10);
            }
            for whom in [Whom::Target, Whom::Second] {
                let target = TargetId(number);
                let tag = tags.of_question(target, whom);
                assert_eq!(tags.open(tag), Some(Sent::Question { target, whom }));
                assert_eq!(tag.0 >> 30, 0b11);
            }
        }
        assert_eq!(tags.open(Tag(7)), None);
    }

    #[test]
    fn tags_are_spread_over_all_there_are_and_none_is_given_twice() {
        let tags = tags(2);
        let mut seen = BTreeSet::new();
        let mut ones = [0u32; 30];
        for slot in 0..4096 {
            for generation in 0..4 {
                let tag = tags.of_copy(SlotId(slot), Generation(generation)).0;
                assert!(seen.insert(tag));
                for (bit, ones) in ones.iter_mut().enumerate() {
                    *ones += tag >> bit & 1;
                }
            }
        }
        // 16 384 tags: half of them have any one bit, give or take five deviations of 64.
        assert!(ones.iter().all(|ones| ones.abs_diff(8192) < 320), "{ones:?}");
    }

    /// 2048 answers owed to the process before, 2048 copies waited for: one in 256 pairs of processes has a tag in
    /// common.
    #[test]
    fn another_process_has_other_tags() {
        let waited_for = |process| -> BTreeSet<u32> {
            let tags = tags(process);
            (0..2048)
                .map(|slot| tags.of_copy(SlotId(slot), Generation(0)).0)
                .collect()
        };
        let ours = waited_for(0);
        let hits: usize = (1..=64)
            .map(|process| waited_for(process).intersection(&ours).count())
            .sum();
        assert!(hits <= 3, "{hits}");
        let questions = |process| tags(process).of_question(TargetId(0), Whom::Target);
        let others: BTreeSet<u32> = (0..64).map(|process| questions(process).0).collect();
        assert_eq!(others.len(), 64);
        for process in 1..64 {
            assert_eq!(tags(process).open(questions(0)), None);
        }
    }
}
