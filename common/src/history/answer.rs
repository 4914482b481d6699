//! What is said about the past.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::ring::PAGE;
use super::series::Series;
use super::usage::Sample;
use super::{DAY, HOUR, History, Kind, Minute, second};
use crate::time::Instant;

/// How much of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The last hour, by seconds.
    Hour,
    /// The last day, by minutes.
    Day,
}

/// What there is a past of.
#[derive(Clone, Debug, Serialize)]
pub struct Index<'a> {
    /// When it was made, in Unix time, in seconds.
    pub now: f64,
    /// The second of the last look, counted from the start.
    pub second: u64,
    /// The second it was made in.
    pub now_second: u64,
    /// Seconds between two looks.
    pub period: u64,
    /// Seconds and minutes before these are not kept.
    pub kept_seconds: u64,
    /// As above.
    pub kept_minutes: u64,
    /// Things there is no room for.
    pub untold: usize,
    /// Things there is a past of.
    pub series: Vec<Row<'a>>,
    /// The busiest initiators of each minute of the last hour, the oldest first.
    pub users: Vec<&'a Minute>,
}

/// A thing there is a past of.
#[derive(Clone, Debug, Serialize)]
pub struct Row<'a> {
    /// Its number, for [`History::columns`].
    pub id: u32,
    /// What it is.
    pub kind: Kind,
    /// The name of an export, the shelf.slot of an import.
    pub name: &'a str,
    /// The segment of an import.
    pub segment: &'a str,
    /// Whether it is there now.
    pub there: bool,
    /// Bytes a second in each of the last 60 minutes, the oldest first; the last is this minute so far. `None` is a gap.
    pub spark: Vec<Option<u64>>,
}

/// The past of one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Columns {
    /// Whose.
    pub id: u32,
    /// When it was made, in Unix time, in seconds.
    pub now: f64,
    /// The second it was made in, counted from the start.
    pub now_second: u64,
    /// Seconds that one sample is of: 1 or 60.
    pub step: u64,
    /// The number of the first sample: its second, or its minute.
    pub first: u64,
    /// How many there are.
    pub count: usize,
    /// A list for each number; `null` is a gap.
    #[serde(flatten)]
    pub columns: Samples,
}

/// Samples, one after the other.
#[derive(Clone, Debug)]
pub struct Samples(Vec<Option<Sample>>);

impl Serialize for Samples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Sample::FIELDS.len()))?;
        for (field, name) in Sample::FIELDS.into_iter().enumerate() {
            let column = self.0.iter().map(|sample| sample.map(|sample| sample.get(field)));
            map.serialize_entry(name, &column.collect::<Vec<_>>())?;
        }
        map.end()
    }
}

impl History {
    /// What there is a past of; `unix` is the time by the wall clock at `now`, in seconds.
    pub fn index(&self, now: Instant, unix: f64) -> Index<'_> {
        let last = self.last.map_or(0, second);
        let rows = self.things.iter().map(|(thing, (id, series))| Row {
            id: *id,
            kind: thing.kind,
            name: &thing.name,
            segment: &thing.segment,
            there: series.seen == last,
            spark: spark(series, last),
        });
        Index {
            now: unix,
            second: last,
            now_second: second(now),
            period: self.period.as_secs(),
            kept_seconds: self.seconds.first.saturating_mul(PAGE),
            kept_minutes: self.minutes.first.saturating_mul(PAGE),
            untold: self.untold,
            series: rows.collect(),
            users: self.users.minutes().collect(),
        }
    }

    /// The past of the thing with this number, as far as it came after second or minute `after`; `None`: there is none.
    pub fn columns(
        &self,
        id: u32,
        span: Span,
        after: Option<u64>,
        now: Instant,
        unix: f64,
    ) -> Option<Columns> {
        let (_, series) = self.things.values().find(|(other, _)| *other == id)?;
        let last = self.last.map_or(0, second);
        // The minute that is not over has no sample.
        let (end, most, step) = match span {
            Span::Hour => (last.saturating_add(1), HOUR, 1),
            Span::Day => (last / PAGE, DAY / PAGE, PAGE),
        };
        let wanted = after.map_or(0, |after| after.saturating_add(1));
        let first = end.saturating_sub(most).max(wanted).min(end);
        let sample = |at| match span {
            Span::Hour => series.second(at),
            Span::Day => series.minute(at),
        };
        let samples: Vec<_> = (first..end).map(sample).collect();
        Some(Columns {
            id,
            now: unix,
            now_second: second(now),
            step,
            first,
            count: samples.len(),
            columns: Samples(samples),
        })
    }
}

fn spark(series: &Series, last: u64) -> Vec<Option<u64>> {
    let now = last / PAGE;
    let first = now.saturating_sub(PAGE - 1);
    let minute = |at| {
        let sample = if at == now {
            series.minute_so_far()
        } else {
            series.minute(at)
        };
        sample.map(|sample| sample.bytes() / PAGE)
    };
    (first..=now).map(minute).collect()
}
