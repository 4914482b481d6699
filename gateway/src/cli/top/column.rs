//! Columns of a list, and which of them fit.

use super::value::Value;
use crate::cli::words::width;

/// A name is not wider.
const WIDEST_NAME: usize = 28;
/// A name is shortened to that before a column goes, and to less if nothing can go.
const SHORT_NAME: usize = 14;
/// Blanks between two columns.
pub(super) const GAP: usize = 1;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) head: &'static str,
    /// Columns of a terminal; `None`: as wide as the names in it.
    width: Option<usize>,
    /// Whether it is read from the left.
    pub(super) is_text: bool,
    /// Those with the largest go first where room is short.
    rank: u8,
}

impl Column {
    /// Names, on the left.
    pub(super) const fn name(head: &'static str, rank: u8) -> Self {
        Column {
            head,
            width: None,
            is_text: true,
            rank,
        }
    }

    /// States, on the left.
    pub(super) const fn state() -> Self {
        Self::word("state", 8, 1)
    }

    /// Numbers, on the right; always as wide, so that nothing moves when they change.
    pub(super) const fn number(head: &'static str, rank: u8) -> Self {
        Self::wide(head, 7, rank)
    }

    /// As [`number`](Self::number), and so many columns wide.
    pub(super) const fn wide(head: &'static str, width: usize, rank: u8) -> Self {
        Column {
            head,
            width: Some(width),
            is_text: false,
            rank,
        }
    }

    /// Words, on the left, so many columns wide.
    pub(super) const fn word(head: &'static str, width: usize, rank: u8) -> Self {
        Column {
            is_text: true,
            ..Self::wide(head, width, rank)
        }
    }
}

/// A column that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which one it is.
    pub(super) index: usize,
    pub(super) width: usize,
}

/// Chooses columns for `room` columns of a terminal. The first one and the one that is sorted by stay in any case.
pub(super) fn fit<'a>(
    columns: &[Column],
    rows: impl Iterator<Item = &'a [Value]> + Clone,
    sorted: usize,
    room: usize,
) -> Vec<Place> {
    let mut places: Vec<Place> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let names = || rows.clone().filter_map(|row| row.get(index)).map(of_name).max();
            let width = match column.width {
                Some(width) => width,
                None => names().unwrap_or(0).min(WIDEST_NAME),
            };
            // The head of the column that is sorted by has a mark.
            let head = self::width(column.head) + usize::from(index == sorted);
            Place {
                index,
                width: width.max(head),
            }
        })
        .collect();
    let is_name = |place: &Place| {
        columns
            .get(place.index)
            .is_some_and(|column| column.width.is_none())
    };
    let rank = |place: &Place| match columns.get(place.index) {
        Some(column) if place.index != 0 && place.index != sorted => column.rank,
        _ => 0,
    };
    while total(&places) > room {
        let widest = |least: usize| {
            let names = places.iter().enumerate().filter(|(_, place)| is_name(place));
            let widest = names.max_by_key(|(_, place)| place.width)?;
            (widest.1.width > least).then_some(widest.0)
        };
        let last = places.iter().enumerate().max_by_key(|(_, place)| rank(place));
        let last = last.filter(|(_, place)| rank(place) > 0).map(|(at, _)| at);
        match (widest(SHORT_NAME), last) {
            (Some(at), _) => shrink(&mut places, at),
            (None, Some(at)) => drop(places.remove(at)),
            (None, None) => match widest(1) {
                Some(at) => shrink(&mut places, at),
                None => break,
            },
        }
    }
    places
}

/// Columns of a terminal that these need.
pub(super) fn total(places: &[Place]) -> usize {
    let gaps = places.len().saturating_sub(1) * GAP;
    places.iter().map(|place| place.width).sum::<usize>() + gaps
}

fn of_name(value: &Value) -> usize {
    match value {
        Value::Name(name) => width(name),
        other => width(&other.text()),
    }
}

fn shrink(places: &mut [Place], at: usize) {
    if let Some(place) = places.get_mut(at) {
        place.width -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::name("export", 0),
        Column::state(),
        Column::number("req/s", 3),
        Column::number("read/s", 2),
    ];

    fn heads(room: usize, sorted: usize) -> Vec<(&'static str, usize)> {
        let row = [
            Value::name("a-long-name-of-an-export"),
            Value::Unknown,
            Value::Count(1),
            Value::Count(1),
        ];
        let places = fit(&COLUMNS, std::iter::once(row.as_slice()), sorted, room);
        assert!(total(&places) <= room || room < 12, "{places:?}");
        places
            .iter()
            .map(|place| (COLUMNS[place.index].head, place.width))
            .collect()
    }

    #[test]
    fn names_get_short_before_columns_go_and_the_sorted_one_stays() {
        let all = [("export", 24), ("state", 8), ("req/s", 7), ("read/s", 7)];
        assert_eq!(heads(80, 0), all);
        assert_eq!(heads(40, 0)[0], ("export", 15));
        assert_eq!(heads(32, 0), [("export", 14), ("state", 8), ("read/s", 7)]);
        assert_eq!(heads(32, 2), [("export", 14), ("state", 8), ("req/s", 7)]);
        assert_eq!(heads(20, 2), [("export", 12), ("req/s", 7)]);
        assert_eq!(heads(10, 2), [("export", 2), ("req/s", 7)]);
        for room in 0..100 {
            for sorted in 0..5 {
                heads(room, sorted);
            }
        }
    }
}
