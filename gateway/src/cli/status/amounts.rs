//! What was carried: all of it, or, where two documents are at hand, per second between them.

use aoe_common::snapshot::{Directions, Latency, Path, Snapshot, Traffic};

use super::table::{Cell, Column};
use super::words::{self, UNKNOWN};
use crate::cli::rates::{self, per_second};

/// How amounts are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amounts {
    /// Since the gateway started.
    Totals,
    /// Per second, between two documents of the same process that many seconds apart; `None` if there is no other one.
    Rates(Option<f64>),
}

/// Heads of requests, bytes read and bytes written.
const TOTAL: [Column; 3] = [
    Column::number("requests"),
    Column::number("read"),
    Column::number("written"),
];
const RATE: [Column; 3] = [
    Column::number("req/s"),
    Column::number("read/s"),
    Column::number("write/s"),
];

impl Amounts {
    /// Rates between two documents.
    pub(super) fn between(now: &Snapshot, before: Option<&Snapshot>) -> Self {
        Amounts::Rates(before.and_then(|before| rates::seconds(before, now)))
    }

    /// The heads of [`traffic`](Self::traffic).
    pub(super) fn heads(self) -> [Column; 3] {
        match self {
            Amounts::Totals => TOTAL,
            Amounts::Rates(_) => RATE,
        }
    }

    /// The head of a column of bytes.
    pub(super) fn head(self, total: &'static str, rate: &'static str) -> Column {
        Column::number(match self {
            Amounts::Totals => total,
            Amounts::Rates(_) => rate,
        })
    }

    /// Requests, bytes read and bytes written.
    pub(super) fn traffic(self, now: &Traffic, before: Option<&Traffic>) -> [Cell; 3] {
        let of = |part: fn(&Traffic) -> u64| (part(now), before.map(part));
        [
            self.amount(of(|traffic| traffic.requests)).map(words::count),
            self.amount(of(|traffic| traffic.read_bytes)).map(words::bytes),
            self.amount(of(|traffic| traffic.written_bytes)).map(words::bytes),
        ]
        .map(known)
    }

    /// Bytes in and out.
    pub(super) fn bytes(self, now: Directions, before: Option<Directions>) -> [Cell; 2] {
        self.directions(now, before).map(|n| known(n.map(words::bytes)))
    }

    /// Numbers in and out.
    pub(super) fn counts(self, now: Directions, before: Option<Directions>) -> [Cell; 2] {
        self.directions(now, before).map(|n| known(n.map(words::count)))
    }

    /// How long it took: since the start, or between the documents. What is new between them took its whole time there.
    pub(super) fn latency(self, now: Option<Latency>, before: Option<Latency>) -> Option<Latency> {
        let latency = match (self, now, before) {
            (Amounts::Rates(Some(_)), Some(now), Some(before)) => Some(now.since(&before)),
            _ => now,
        };
        latency.filter(|latency| latency.count > 0)
    }

    /// Records lost on the way, in and out, of all that were sent.
    pub(super) fn loss(self, now: &Path, before: Option<&Path>) -> [Cell; 2] {
        let since = |part: fn(&Path) -> u64| match self {
            Amounts::Totals => Some(part(now)),
            Amounts::Rates(_) => part(now).checked_sub(part(before?)),
        };
        let share = |missed: fn(&Path) -> u64, arrived: fn(&Path) -> u64, lost: fn(&Path) -> u64| {
            let sent = since(arrived)?.saturating_add(since(lost)?);
            Some(words::percent(since(missed)?, sent))
        };
        [
            share(
                |path| path.missed.received,
                |path| path.records.received,
                |path| path.lost.received,
            ),
            // What we sealed is all that was sent.
            share(|path| path.missed.sent, |path| path.records.sent, |_| 0),
        ]
        .map(known)
    }

    /// Requests a second, by which initiators are sorted; the total if there is no rate.
    pub(super) fn weight(self, now: u64, before: Option<u64>) -> u64 {
        self.amount((now, before)).unwrap_or(0)
    }

    fn directions(self, now: Directions, before: Option<Directions>) -> [Option<u64>; 2] {
        [
            self.amount((now.received, before.map(|before| before.received))),
            self.amount((now.sent, before.map(|before| before.sent))),
        ]
    }

    fn amount(self, (now, before): (u64, Option<u64>)) -> Option<u64> {
        match self {
            Amounts::Totals => Some(now),
            Amounts::Rates(seconds) => per_second(now.checked_sub(before?)?, seconds?),
        }
    }
}

fn known(text: Option<String>) -> Cell {
    text.unwrap_or_else(|| UNKNOWN.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now: f64, pid: u32) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.gateway.now = now;
        snapshot.gateway.pid = pid;
        snapshot
    }

    #[test]
    fn rates_are_between_documents_of_one_process() {
        let (before, now) = (at(10.0, 1), at(12.0, 1));
        let rates = Amounts::between(&now, Some(&before));
        assert_eq!(rates, Amounts::Rates(Some(2.0)));
        assert_eq!(rates.weight(500, Some(100)), 200);
        assert_eq!(rates.amount((500, None)), None, "a row that is new");
        assert_eq!(rates.amount((5, Some(100))), None, "a counter that began again");
        assert_eq!(Amounts::between(&now, Some(&at(10.0, 2))), Amounts::Rates(None));
        assert_eq!(Amounts::between(&now, Some(&now)), Amounts::Rates(None));
        assert_eq!(Amounts::between(&now, None).amount((5, Some(1))), None);
        assert_eq!(Amounts::Totals.amount((5, None)), Some(5));
    }

    #[test]
    fn loss_is_of_what_was_sent() {
        let path = |records, missed, lost| Path {
            records: Directions {
                received: records,
                sent: records,
            },
            missed: Directions {
                received: missed,
                sent: missed,
            },
            lost: Directions {
                received: lost,
                sent: lost,
            },
            ..Path::default()
        };
        let text = |cells: [Cell; 2]| cells.map(|cell| cell.text().to_owned());
        let (before, now) = (path(1000, 0, 0), path(1900, 100, 100));
        assert_eq!(text(Amounts::Totals.loss(&now, None)), ["5.00 %", "5.27 %"]);
        let rates = Amounts::Rates(Some(1.0));
        assert_eq!(text(rates.loss(&now, Some(&before))), ["10.0 %", "11.1 %"]);
        assert_eq!(text(rates.loss(&now, None)), ["-", "-"]);
        assert_eq!(text(Amounts::Totals.loss(&Path::default(), None)), ["-", "-"]);
    }
}
