//! What stands in one place of a list: how it reads, and how it sorts.

use std::cmp::Ordering;

use aoe_common::snapshot::State;

use crate::cli::rows;
use crate::cli::words::{self, UNKNOWN};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Not known, or not measured.
    Unknown,
    /// A name from outside, safe for a terminal.
    Name(String),
    /// How something is.
    State(State),
    /// So many.
    Count(u64),
    /// So many bytes.
    Bytes(u64),
    /// So many microseconds.
    Micros(u64),
    /// How long ago, in seconds.
    Ago(f64),
    /// A part of a whole.
    Share(u64, u64),
    /// So many of as many as there is room for.
    Of(u64, u64),
}

impl Value {
    /// A name that may be empty or harmful.
    pub(super) fn name(text: &str) -> Value {
        match text {
            "" => Value::Unknown,
            text => Value::Name(words::plain(text)),
        }
    }

    /// How long ago a moment was, both in Unix time; 0 is not known.
    pub(super) fn ago(now: f64, then: f64) -> Value {
        if then > 0.0 {
            Value::Ago((now - then).max(0.0))
        } else {
            Value::Unknown
        }
    }

    /// Something that may not be known.
    pub(super) fn of<T>(what: Option<T>, value: fn(T) -> Value) -> Value {
        what.map_or(Value::Unknown, value)
    }

    /// As a person reads it.
    pub(super) fn text(&self) -> String {
        match self {
            Value::Unknown => UNKNOWN.to_owned(),
            Value::Name(name) => name.clone(),
            Value::State(state) => rows::state(*state).to_owned(),
            Value::Count(n) => words::count(*n),
            Value::Bytes(n) => words::bytes(*n),
            Value::Micros(us) => words::latency(*us),
            Value::Ago(seconds) => words::duration(*seconds),
            Value::Share(part, whole) => words::percent(*part, *whole),
            Value::Of(part, 0) => words::count(*part),
            Value::Of(part, whole) => format!("{}/{}", words::count(*part), words::count(*whole)),
        }
    }

    /// Which of two stands first: the name that is first in the alphabet, the worse state, the larger number, the
    /// shorter while. Values of one column are of one kind.
    pub(super) fn before(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Name(one), Value::Name(other)) => one.cmp(other),
            (Value::State(one), Value::State(other)) => rows::trouble(*one).cmp(&rows::trouble(*other)),
            (Value::Ago(one), Value::Ago(other)) => one.total_cmp(other),
            (Value::Share(..), Value::Share(..)) => other.share().total_cmp(&self.share()),
            _ => other.amount().cmp(&self.amount()),
        }
    }

    fn amount(&self) -> u64 {
        match self {
            Value::Count(n) | Value::Bytes(n) | Value::Micros(n) | Value::Of(n, _) => *n,
            _ => 0,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "to sort, three digits are enough")]
    fn share(&self) -> f64 {
        match self {
            Value::Share(part, whole) => *part as f64 / (*whole).max(1) as f64,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_and_the_larger_stand_first() {
        for (first, second) in [
            (Value::Count(5), Value::Count(4)),
            (Value::Bytes(5), Value::Bytes(4)),
            (Value::Micros(1000), Value::Micros(999)),
            (Value::Of(3, 16), Value::Of(2, 2)),
            (Value::Share(1, 2), Value::Share(3, 8)),
            (Value::Ago(1.0), Value::Ago(2.0)),
            (Value::State(State::Down), Value::State(State::Up)),
            (Value::name("a"), Value::name("b")),
        ] {
            assert_eq!(first.before(&second), Ordering::Less, "{first:?} {second:?}");
            assert_eq!(second.before(&first), Ordering::Greater);
        }
    }

    #[test]
    fn a_value_reads_as_in_status() {
        for (value, text) in [
            (Value::name(""), "-"),
            (Value::name("a\u{1b}b"), "a�b"),
            (Value::Of(12, 16), "12/16"),
            (Value::Of(12, 0), "12"),
            (Value::Share(1, 100), "1.00 %"),
            (Value::ago(100.0, 0.0), "-"),
            (Value::ago(100.0, 97.5), "2 s"),
        ] {
            assert_eq!(value.text(), text);
        }
    }
}
