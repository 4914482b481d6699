//! Samples by the number of their second or minute, the oldest overwritten.

use super::usage::Sample;

/// Samples of one page.
pub(super) const PAGE: u64 = 60;

/// The samples of a page.
type Samples = [Sample; 60];

/// The samples of one thing. Only pages on which something happened take memory (960 bytes).
#[derive(Debug)]
pub(super) struct Ring(Vec<Page>);

#[derive(Debug, Default)]
struct Page {
    number: u64,
    /// Which samples there are, a bit for each: the others were never taken.
    taken: u64,
    /// `None`: nothing happened.
    samples: Option<Box<Samples>>,
}

impl Ring {
    /// Of so many pages.
    pub(super) fn new(pages: usize) -> Ring {
        Ring((0..pages.max(1)).map(|_| Page::default()).collect())
    }

    /// Writes one. Says whether memory was taken for a page.
    pub(super) fn set(&mut self, at: u64, sample: Sample) -> bool {
        let (number, place) = split(at);
        let Some(page) = self.page(number) else {
            return false;
        };
        if page.number != number {
            page.number = number;
            page.taken = 0;
            if let Some(samples) = &mut page.samples {
                **samples = [Sample::default(); 60];
            }
        }
        page.taken |= 1 << place;
        let is_new = page.samples.is_none() && !sample.is_nothing();
        if is_new {
            page.samples = Some(Box::new([Sample::default(); 60]));
        }
        if let Some(slot) = page.samples.as_mut().and_then(|samples| samples.get_mut(place)) {
            *slot = sample;
        }
        is_new
    }

    /// One of them; `None`: it was never taken, or is not kept any more.
    pub(super) fn get(&self, at: u64) -> Option<Sample> {
        let (number, place) = split(at);
        let page = self.0.get(self.index(number))?;
        let is_there = page.number == number && page.taken >> place & 1 == 1;
        is_there.then(|| {
            let samples = page.samples.as_ref();
            samples
                .and_then(|samples| samples.get(place))
                .copied()
                .unwrap_or_default()
        })
    }

    /// Forgets what is older than page `first`. Says how many pages of memory that gave back.
    pub(super) fn forget_before(&mut self, first: u64) -> usize {
        let old = self.0.iter_mut().filter(|page| page.number < first);
        old.map(|page| usize::from(std::mem::take(page).samples.is_some()))
            .sum()
    }

    /// Whether there is no sample in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|page| page.taken == 0)
    }

    fn page(&mut self, number: u64) -> Option<&mut Page> {
        let index = self.index(number);
        self.0.get_mut(index)
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number % (self.0.len() as u64)).unwrap_or_default()
    }
}

/// The memory of all rings of a kind.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) used: usize,
    most: usize,
    /// Those before it are not kept.
    pub(super) first: u64,
}

impl Pages {
    pub(super) fn new(most: usize) -> Pages {
        Pages {
            used: 0,
            most,
            first: 0,
        }
    }

    pub(super) fn take(&mut self, pages: usize) {
        self.used = self.used.saturating_add(pages);
    }

    pub(super) fn give_back(&mut self, pages: usize) {
        self.used = self.used.saturating_sub(pages);
    }

    /// Whether there are too many; then the oldest of those kept are kept no more.
    pub(super) fn is_too_much(&mut self) -> bool {
        let is_too_much = self.used > self.most;
        self.first = self.first.saturating_add(u64::from(is_too_much));
        is_too_much
    }
}

/// The number of the page, and the place on it.
fn split(at: u64) -> (u64, usize) {
    (at / PAGE, usize::try_from(at % PAGE).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::usage::Usage;
    use super::*;
    use crate::snapshot::Traffic;

    fn sample(requests: u64) -> Sample {
        let traffic = Traffic {
            requests,
            ..Traffic::default()
        };
        let usage = Usage {
            traffic,
            ..Usage::default()
        };
        Sample::part(&usage, (0, 1), 1, 1)
    }

    #[test]
    fn nothing_is_something_else_than_a_gap() {
        let mut ring = Ring::new(3);
        assert!(!ring.set(5, sample(0)), "no memory for nothing");
        assert_eq!((ring.get(5), ring.get(6)), (Some(sample(0)), None));
        assert!(ring.set(7, sample(7)));
        assert!(!ring.set(8, sample(8)));
        assert_eq!(ring.get(5), Some(sample(0)));
        assert_eq!((ring.get(6), ring.get(7)), (None, Some(sample(7))));
    }

    #[test]
    fn the_oldest_page_is_overwritten_whole() {
        let mut ring = Ring::new(2);
        ring.set(0, sample(1));
        ring.set(59, sample(2));
        ring.set(60, sample(3));
        assert!(!ring.set(121, sample(4)), "its memory is used again");
        assert_eq!(
            [0, 59, 60, 120, 121].map(|at| ring.get(at)),
            [None, None, Some(sample(3)), None, Some(sample(4))]
        );
        assert_eq!(ring.forget_before(2), 1);
        assert_eq!((ring.get(60), ring.get(121)), (None, Some(sample(4))));
        assert_eq!(ring.forget_before(3), 1);
        assert!(ring.is_empty());
    }
}
