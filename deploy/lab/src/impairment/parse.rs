//! The text form of an impairment: `loss=1%,delay=10ms`.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::Impairment;

/// Why a text is no impairment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImpairmentError {
    /// An item is not of the form name=value.
    #[error("{0:?} is not of the form name=value")]
    NoPair(String),
    /// A name that means nothing.
    #[error(
        "{0:?} is unknown; there are loss, burst, burst-len, duplicate, reorder, reorder-by, corrupt, truncate, \
         delay, jitter, rate and mtu"
    )]
    UnknownName(String),
    /// A value of the wrong kind.
    #[error("{name}={value}: write {wanted}")]
    BadValue {
        /// Whose value.
        name: String,
        /// The value.
        value: String,
        /// An example of a good one.
        wanted: &'static str,
    },
}

impl FromStr for Impairment {
    type Err = ImpairmentError;

    fn from_str(text: &str) -> Result<Self, ImpairmentError> {
        let mut impairment = Impairment {
            burst_len: 8,
            reorder_by: Duration::from_millis(1),
            ..Impairment::default()
        };
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, value) = item
                .split_once('=')
                .ok_or_else(|| ImpairmentError::NoPair(item.to_owned()))?;
            let bad = |wanted| ImpairmentError::BadValue {
                name: name.to_owned(),
                value: value.to_owned(),
                wanted,
            };
            let share = || percent(value).ok_or_else(|| bad("a share such as 1% or 0.5%"));
            let time = || duration(value).ok_or_else(|| bad("a time such as 10ms, 500us or 1s"));
            match name {
                "loss" => impairment.loss = share()?,
                "burst" => impairment.burst = share()?,
                "burst-len" => {
                    impairment.burst_len = value
                        .parse()
                        .map_err(|_| bad("a number of datagrams such as 8"))?;
                }
                "duplicate" => impairment.duplicate = share()?,
                "reorder" => impairment.reorder = share()?,
                "reorder-by" => impairment.reorder_by = time()?,
                "corrupt" => impairment.corrupt = share()?,
                "truncate" => impairment.truncate = share()?,
                "delay" => impairment.delay = time()?,
                "jitter" => impairment.jitter = time()?,
                "rate" => {
                    impairment.rate =
                        rate(value).ok_or_else(|| bad("bytes a second such as 500kB or 100MB"))?;
                }
                "mtu" => impairment.mtu = value.parse().map_err(|_| bad("a number of bytes such as 1400"))?,
                _ => return Err(ImpairmentError::UnknownName(name.to_owned())),
            }
        }
        Ok(impairment)
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn percent(text: &str) -> Option<f64> {
    number(text.strip_suffix('%')?)
        .map(|share| share / 100.0)
        .filter(|share| *share <= 1.0)
}

fn duration(text: &str) -> Option<Duration> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (digits, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    number(digits).and_then(|count| Duration::try_from_secs_f64(count * unit).ok())
}

fn rate(text: &str) -> Option<u64> {
    let units = [("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1)];
    let (digits, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(*unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_items_is_read() {
        let read: Impairment = "loss=1%, delay=10ms,jitter=500us,rate=3MB,mtu=1400"
            .parse()
            .unwrap();
        assert_eq!(
            (read.loss, read.delay, read.jitter),
            (0.01, Duration::from_millis(10), Duration::from_micros(500))
        );
        assert_eq!((read.rate, read.mtu), (3_000_000, 1400));
        assert_eq!("".parse::<Impairment>().unwrap().loss, 0.0);
    }

    #[test]
    fn every_mistake_says_what_to_write() {
        for (text, hint) in [
            ("loss", "name=value"),
            ("lost=1%", "unknown"),
            ("loss=1", "1%"),
            ("loss=101%", "1%"),
            ("loss=-1%", "1%"),
            ("delay=10", "10ms"),
            ("rate=fast", "100MB"),
            ("mtu=big", "1400"),
        ] {
            let error = text.parse::<Impairment>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
