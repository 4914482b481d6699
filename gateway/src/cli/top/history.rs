//! How busy each row was since `top` started, up to some minutes.

use std::collections::{BTreeMap, VecDeque};

/// So many rates of each row are kept: at one a second, four minutes.
pub(super) const KEPT: usize = 240;

/// Rates of rows, one for each document. `None`: not known then.
#[derive(Clone, Debug, Default)]
pub(super) struct History(BTreeMap<String, VecDeque<Option<u64>>>);

impl History {
    /// A document says how busy each row is. Rows that it does not have are forgotten.
    pub(super) fn note<'a>(&mut self, rates: impl Iterator<Item = (&'a str, Option<u64>)>) {
        let mut before = std::mem::take(&mut self.0);
        for (id, rate) in rates {
            let mut row = before.remove(id).unwrap_or_default();
            push(&mut row, rate);
            self.0.insert(id.to_owned(), row);
        }
    }

    /// There is no document.
    pub(super) fn silence(&mut self) {
        for row in self.0.values_mut() {
            push(row, None);
        }
    }

    /// The rates of a row, the oldest first.
    pub(super) fn of(&self, id: &str) -> Vec<Option<u64>> {
        self.0
            .get(id)
            .map_or(Vec::new(), |row| row.iter().copied().collect())
    }
}

fn push(row: &mut VecDeque<Option<u64>>, rate: Option<u64>) {
    if row.len() >= KEPT {
        row.pop_front();
    }
    row.push_back(rate);
}

/// The last rates as bars of eight heights, one column each, at the right of `room` columns. The largest of them is as
/// high as the line; what is not 0 can be seen; what is not known is blank.
pub(super) fn spark(rates: &[Option<u64>], room: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = rates.get(rates.len().saturating_sub(room)..).unwrap_or_default();
    let highest = shown.iter().flatten().copied().max().unwrap_or(0).max(1);
    let bar = |rate: &Option<u64>| match rate {
        None => ' ',
        Some(0) => '·',
        Some(rate) => {
            let step = (u128::from(*rate) * BARS.len() as u128).div_ceil(u128::from(highest));
            let step = usize::try_from(step).unwrap_or(BARS.len());
            BARS.get(step.saturating_sub(1)).copied().unwrap_or('█')
        }
    };
    let blanks = std::iter::repeat_n(' ', room.saturating_sub(shown.len()));
    blanks.chain(shown.iter().map(bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_forgets_rows_that_are_gone() {
        let mut history = History::default();
        for n in 0..1000 {
            history.note([("a", Some(n)), ("b", None)].into_iter());
        }
        assert_eq!(history.of("a").len(), KEPT);
        assert_eq!(history.of("a").last(), Some(&Some(999)));
        history.silence();
        assert_eq!(history.of("a").last(), Some(&None));
        history.note([("b", Some(1))].into_iter());
        assert_eq!(history.of("a"), []);
        assert_eq!(history.of("b").len(), KEPT);
    }

    #[test]
    fn bars_are_as_high_as_their_rates() {
        let rates = [None, Some(0), Some(1), Some(50), Some(100)];
        assert_eq!(spark(&rates, 5), " ·▁▄█");
        assert_eq!(spark(&rates, 7), "   ·▁▄█");
        assert_eq!(spark(&rates, 2), "▄█");
        assert_eq!(spark(&rates, 0), "");
        assert_eq!(spark(&[Some(u64::MAX), Some(0)], 2), "█·");
        assert_eq!(spark(&[], 2), "  ");
    }
}
