//! Lines of the text format: `name{label="value"} number`.

use std::collections::HashSet;
use std::fmt::Write as _;

use aoe_common::snapshot::{BUCKET_BOUNDS_US, Latency};

/// Name and value of a label.
pub(super) type Label<'a> = (&'static str, &'a str);

/// A number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// As it is.
    Number(u64),
    /// Microseconds, written in seconds.
    Micros(u64),
    /// A moment in Unix time, or a time; in seconds.
    Seconds(f64),
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Value::Number(n)
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Value::Number(is.into())
    }
}

/// Writes what a family is called, and what it is.
pub(super) fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string does not fail.
    let _ = write!(text, "# HELP {name} ");
    escape(text, help, false);
    let _ = writeln!(text, "\n# TYPE {name} {kind}");
}

/// Takes the samples of one family.
#[derive(Debug)]
pub(super) struct Samples<'t> {
    text: &'t mut String,
    name: &'static str,
    /// Labels that were written. Prometheus refuses two samples of the same.
    seen: HashSet<String>,
}

impl<'t> Samples<'t> {
    pub(super) fn new(text: &'t mut String, name: &'static str) -> Self {
        Samples {
            text,
            name,
            seen: HashSet::new(),
        }
    }

    /// Whether there was none yet.
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// One sample. Of two with the same labels the first counts.
    pub(super) fn add(&mut self, labels: &[Label<'_>], value: impl Into<Value>) {
        let labels = written(labels);
        if self.seen.contains(&labels) {
            return;
        }
        self.line("", &labels, None, value.into());
        self.seen.insert(labels);
    }

    /// A histogram: how many took no longer than each bound, in seconds, how long all took, and how many there are.
    pub(super) fn latency(&mut self, labels: &[Label<'_>], latency: &Latency) {
        let buckets = BUCKET_BOUNDS_US
            .into_iter()
            .map(Value::Micros)
            .zip(latency.buckets);
        self.histogram(labels, buckets, latency.count, Value::Micros(latency.sum_us));
    }

    /// A histogram of cumulative `buckets`; those that are larger than all bounds are in `count` only.
    pub(super) fn histogram(
        &mut self,
        labels: &[Label<'_>],
        buckets: impl Iterator<Item = (Value, u64)>,
        count: u64,
        sum: Value,
    ) {
        let labels = written(labels);
        if self.seen.contains(&labels) {
            return;
        }
        for (bound, n) in buckets {
            // A count is never less than what it counts, or a reader finds quantiles that are none.
            self.line("_bucket", &labels, Some(Some(bound)), n.min(count).into());
        }
        self.line("_bucket", &labels, Some(None), count.into());
        self.line("_sum", &labels, None, sum);
        self.line("_count", &labels, None, count.into());
        self.seen.insert(labels);
    }

    /// One line; `bound` is that of a bucket, `Some(None)` of the last one.
    fn line(&mut self, suffix: &str, labels: &str, bound: Option<Option<Value>>, value: Value) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        if !labels.is_empty() || bound.is_some() {
            self.text.push('{');
            self.text.push_str(labels);
            if let Some(bound) = bound {
                if !labels.is_empty() {
                    self.text.push(',');
                }
                self.text.push_str("le=\"");
                match bound {
                    Some(bound) => number(self.text, bound),
                    None => self.text.push_str("+Inf"),
                }
                self.text.push('"');
            }
            self.text.push('}');
        }
        self.text.push(' ');
        number(self.text, value);
        self.text.push('\n');
    }
}

fn number(text: &mut String, value: Value) {
    let _ = match value {
        Value::Number(n) => write!(text, "{n}"),
        Value::Seconds(seconds) => write!(text, "{seconds}"),
        Value::Micros(micros) => {
            let start = text.len();
            let _ = write!(text, "{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            let short = text.trim_end_matches('0').trim_end_matches('.').len();
            text.truncate(short.max(start + 1));
            Ok(())
        }
    };
}

/// `a="b",c="d"`.
fn written(labels: &[Label<'_>]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        escape(&mut text, value, true);
        text.push('"');
    }
    text
}

fn escape(text: &mut String, value: &str, in_quotes: bool) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if in_quotes => text.push_str("\\\""),
            // Names have none; what comes from elsewhere should not upset a terminal.
            c if c.is_control() => text.push(char::REPLACEMENT_CHARACTER),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(take: impl FnOnce(&mut Samples<'_>)) -> String {
        let mut text = String::new();
        take(&mut Samples::new(&mut text, "m"));
        text
    }

    #[test]
    fn numbers_are_exact() {
        for (value, written) in [
            (Value::Number(u64::MAX), "18446744073709551615"),
            (Value::Micros(0), "0"),
            (Value::Micros(10), "0.00001"),
            (Value::Micros(2_500_000), "2.5"),
            (Value::Micros(10_000_000), "10"),
            (Value::Micros(u64::MAX), "18446744073709.551615"),
            (Value::Seconds(1.5), "1.5"),
        ] {
            let mut text = String::new();
            number(&mut text, value);
            assert_eq!(text, written);
        }
    }

    #[test]
    fn labels_are_escaped_and_no_two_samples_have_the_same() {
        let text = samples(|samples| {
            samples.add(&[("a", "x\\y\"z\n\u{7}"), ("b", "<script>")], 1);
            samples.add(&[("a", "x\\y\"z\n\u{7}"), ("b", "<script>")], 2);
            samples.add(&[], true);
        });
        assert_eq!(text, "m{a=\"x\\\\y\\\"z\\n\u{fffd}\",b=\"<script>\"} 1\nm 1\n");
    }

    #[test]
    fn histograms_are_cumulative_and_never_count_more_than_there_is() {
        let mut latency = Latency {
            count: 3,
            sum_us: 2_000_123,
            ..Latency::default()
        };
        latency.buckets[17] = 2;
        latency.buckets[18] = 9;
        let text = samples(|samples| samples.latency(&[("a", "b")], &latency));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), BUCKET_BOUNDS_US.len() + 3);
        assert_eq!(lines[0], "m_bucket{a=\"b\",le=\"0.00001\"} 0");
        assert_eq!(
            lines[17..],
            [
                "m_bucket{a=\"b\",le=\"5\"} 2",
                "m_bucket{a=\"b\",le=\"10\"} 3",
                "m_bucket{a=\"b\",le=\"+Inf\"} 3",
                "m_sum{a=\"b\"} 2.000123",
                "m_count{a=\"b\"} 3",
            ]
        );
    }
}
