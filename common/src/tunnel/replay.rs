//! The sliding window that lets every record in once.

/// Counters remembered behind the newest one.
///
/// As many as are under way on a long fat path, and as can be asked for again: 8 KiB of memory per session.
pub(crate) const WINDOW: u64 = 1 << 16;

const WORDS: usize = 1025;

/// Which counters have been seen: a ring of bits, one word wider than the window so that moving forward can
/// clear whole words (RFC 6479).
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    /// One more than the newest counter seen; zero before the first.
    next: u64,
    bits: Box<[u64; WORDS]>,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        ReplayWindow {
            next: 0,
            bits: Box::new([0; WORDS]),
        }
    }
}

impl ReplayWindow {
    /// Whether `counter` may still be accepted. Cheap, changes nothing; ask before the AEAD and again, through
    /// [`mark`](Self::mark), after it.
    pub(crate) fn would_accept(&self, counter: u64) -> bool {
        if counter >= self.next {
            return counter != u64::MAX;
        }
        self.next - counter <= WINDOW && self.word(counter) & bit(counter) == 0
    }

    /// Marks `counter`; false if it was seen before or is too old. Call only for authentic records.
    #[must_use]
    pub(crate) fn mark(&mut self, counter: u64) -> bool {
        if !self.would_accept(counter) {
            return false;
        }
        if counter >= self.next {
            let newest_word = self.next.saturating_sub(1) / 64;
            let steps = (counter / 64 - newest_word).min(WORDS as u64);
            for step in 1..=steps {
                *self.word_mut((newest_word + step) * 64) = 0;
            }
            self.next = counter + 1;
        }
        *self.word_mut(counter) |= bit(counter);
        true
    }

    /// One more than the newest counter seen.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The first counter from `from` on that has not been seen, or `end`.
    ///
    /// This and what follows is right for counters within the window and below [`next`](Self::next).
    pub(crate) fn next_missing(&self, from: u64, end: u64) -> u64 {
        self.run(from, end, |word| word)
    }

    /// The first counter from `from` on that has been seen, or `end`.
    pub(crate) fn next_arrived(&self, from: u64, end: u64) -> u64 {
        self.run(from, end, |word| !word)
    }

    /// How many counters have not been seen.
    pub(crate) fn count_missing(&self, from: u64, end: u64) -> u64 {
        spans(from, end)
            .map(|(at, mask)| u64::from((!self.word(at) & mask).count_ones()))
            .sum()
    }

    /// Marks all of these; returns how many had not been seen.
    pub(crate) fn mark_all(&mut self, from: u64, end: u64) -> u64 {
        let missing = self.count_missing(from, end);
        spans(from, end).for_each(|(at, mask)| *self.word_mut(at) |= mask);
        missing
    }

    /// Where the ones end that begin at `from`, in words as `read` makes them.
    fn run(&self, from: u64, end: u64, read: impl Fn(u64) -> u64) -> u64 {
        spans(from, end)
            .find_map(|(at, mask)| {
                let other = !read(self.word(at)) & mask;
                (other != 0).then(|| at / 64 * 64 + u64::from(other.trailing_zeros()))
            })
            .unwrap_or(end)
    }

    fn word(&self, counter: u64) -> u64 {
        self.bits.get(index(counter)).copied().unwrap_or(u64::MAX)
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "index() is a remainder by the length of the array"
    )]
    fn word_mut(&mut self, counter: u64) -> &mut u64 {
        &mut self.bits[index(counter)]
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a remainder by WORDS")]
fn index(counter: u64) -> usize {
    (counter / 64 % WORDS as u64) as usize
}

fn bit(counter: u64) -> u64 {
    1 << (counter % 64)
}

/// The words that `from..end` lies in: a counter in each, and the bits that are meant.
fn spans(from: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let start = at;
        let bits = (end.saturating_sub(start)).min(64 - start % 64);
        at += bits;
        (bits > 0).then(|| (start, u64::MAX >> (64 - bits) << (start % 64)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_counter_passes_once_in_any_order() {
        let mut window = ReplayWindow::default();
        for counter in [0, 1, 5, 3, 4, 2, 9000, 8999, 1000] {
            assert!(window.mark(counter), "{counter}");
            assert!(!window.mark(counter), "{counter} twice");
        }
    }

    #[test]
    fn edges_of_the_window_and_long_jumps() {
        let mut window = ReplayWindow::default();
        assert!(window.mark(WINDOW));
        assert!(!window.would_accept(0), "so far behind the newest is outside");
        assert!(window.mark(1));
        assert!(window.mark(u64::from(u32::MAX) + 7), "counters cross 2^32");
        assert!(!window.mark(WINDOW));
        assert!(window.mark(u64::MAX - 1));
        assert!(!window.would_accept(u64::MAX), "the last counter is never used");
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec((0u64..200_000, prop::bool::ANY), 1..400)) {
            let mut window = ReplayWindow::default();
            let (mut seen, mut newest, mut base) = (BTreeSet::new(), None::<u64>, 0u64);
            for (step, jump) in steps {
                if jump { base += step }
                let counter = base.saturating_sub(step % 70_000);
                let in_window = newest.is_none_or(|newest| counter > newest || newest - counter < WINDOW);
                let expected = in_window && seen.insert(counter);
                prop_assert_eq!(window.mark(counter), expected);
                if expected { newest = newest.max(Some(counter)) }
            }
        }
    }
}
