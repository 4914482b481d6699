//! Where the time goes: quantiles of each stage, and how many took how long.

use aoe_common::snapshot::{BUCKET_BOUNDS_US, Latency, Split};

use crate::cli::table::{Cell, Column, Table};
use crate::cli::top::between::Between;
use crate::cli::top::text::{Kind, Text, bar};
use crate::cli::words::{count, duration, latency, percent};

/// A stage and its times.
pub(super) type Part = (&'static str, Latency);

/// The stages that were measured.
pub(super) fn parts(split: &Split) -> Vec<Part> {
    let all = [
        ("total", split.total),
        ("segment", split.segment),
        ("tunnel", split.tunnel),
        ("queue", split.queue),
        ("target", split.target),
    ];
    let known = |(name, part): (&'static str, Option<Latency>)| Some((name, part?));
    all.into_iter().filter_map(known).collect()
}

/// A row for each stage.
pub(super) fn table(text: &mut Text, parts: &[Part], is_recent: bool, between: &Between) {
    let [_, of] = between.seconds();
    let of = match of.filter(|_| is_recent) {
        Some(seconds) => format!("times of the last {}", duration(seconds.round())),
        None => "times since the start".to_owned(),
    };
    if parts.is_empty() {
        text.line(Kind::Plain, &format!("{of}: nothing was measured"));
        return;
    }
    let heads = ["p50", "p90", "p99", "max", "requests"].map(Column::number);
    let mut table = Table::new([Column::name("stage")].into_iter().chain(heads));
    for (name, part) in parts {
        let times = [part.p50_us, part.p90_us, part.p99_us, part.max_us];
        let times = times.map(|us| Cell::from(latency(us)));
        let all = [Cell::from(*name)].into_iter().chain(times);
        table.row(all.chain([count(part.count).into()]));
    }
    text.line(Kind::Title, &of);
    text.table(&table);
}

/// How many of one stage took how long. Without `stage` there is only one.
pub(super) fn histogram(room: usize, parts: &[Part], stage: Option<usize>) -> Text {
    let mut text = Text::new(room);
    // Each key moves by one, and the first one that is shown is the last of them: the target of an export, for example.
    let at = stage.unwrap_or(0).wrapping_add(parts.len().saturating_sub(1));
    let Some((name, part)) = at.checked_rem(parts.len()).and_then(|at| parts.get(at)) else {
        return text;
    };
    let rows = rows(part);
    if rows.is_empty() {
        return text;
    }
    let title = match stage {
        Some(_) if parts.len() > 1 => format!("how long: {name} (Left, Right: another)"),
        _ => format!("how long: {name}"),
    };
    text.line(Kind::Title, &title);
    let highest = rows.iter().map(|(_, n)| *n).max().unwrap_or(0);
    for (bound, n) in &rows {
        let bound = match bound {
            Some(us) => format!("{} {:>7}", "up to", latency(*us)),
            None => "longer".to_owned(),
        };
        let bar = bar(*n, highest, room.saturating_sub(26));
        let part = percent(*n, part.count);
        text.line(Kind::Bars, &format!("  {bound:<13} {bar} {part:>7}"));
    }
    text
}

/// How many are in each bucket, from the first to the last in which there is something; `None`: longer than all bounds.
fn rows(part: &Latency) -> Vec<(Option<u64>, u64)> {
    let mut below = 0;
    let mut rows: Vec<(Option<u64>, u64)> = Vec::new();
    for (bound, upto) in BUCKET_BOUNDS_US.into_iter().zip(part.buckets) {
        rows.push((Some(bound), upto.saturating_sub(below)));
        below = upto.max(below);
    }
    if below == 0 && part.max_us <= BUCKET_BOUNDS_US.last().copied().unwrap_or(0) {
        // A gateway that has no buckets.
        return Vec::new();
    }
    rows.push((None, part.count.saturating_sub(below)));
    let is_used = |(_, n): &(Option<u64>, u64)| *n > 0;
    let first = rows.iter().position(is_used).unwrap_or(0);
    let last = rows.iter().rposition(is_used).unwrap_or(0);
    rows.into_iter().take(last + 1).skip(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_told_apart_and_what_is_longer_too() {
        let mut part = Latency {
            count: 110,
            max_us: 20_000_000,
            ..Latency::default()
        };
        for (at, n) in part.buckets.iter_mut().enumerate() {
            *n = match at {
                0..3 => 0,
                3 => 10,
                _ => 100,
            };
        }
        let rows = rows(&part);
        assert_eq!(rows.len(), 19 - 3 + 1);
        assert_eq!(rows[..2], [(Some(100), 10), (Some(250), 90)]);
        assert_eq!(rows.last(), Some(&(None, 10)));
        part.count = 100;
        part.max_us = 200;
        assert_eq!(self::rows(&part), [(Some(100), 10), (Some(250), 90)]);
        part.buckets = Default::default();
        assert_eq!(self::rows(&part), []);
    }

    #[test]
    fn each_stage_has_its_histogram() {
        let with = |name| {
            let mut part = Latency {
                count: 1,
                max_us: 5,
                ..Latency::default()
            };
            part.buckets = [1; BUCKET_BOUNDS_US.len()];
            (name, part)
        };
        let parts = [with("queue"), with("target")];
        let title = |stage| histogram(60, &parts, Some(stage)).lines[0].text.clone();
        assert!(title(0).contains("target") && title(1).contains("queue") && title(2).contains("target"));
        assert!(title(0_usize.wrapping_sub(1)).contains("queue"));
        assert_eq!(histogram(60, &[], Some(3)).lines, []);
    }
}
