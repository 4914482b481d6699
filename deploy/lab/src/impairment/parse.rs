//! The text form of an impairment: `loss=1%,delay=10ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::Impairment;

/// What there is, each with an example.
const NAMES: &str = "loss=1%, burst=0.1%, burst-len=8, duplicate=1%, reorder=1%, reorder-by=1ms, corrupt=1%, \
                     truncate=1%, delay=10ms, jitter=2ms, rate=10MB and mtu=1400";

/// Why a text is no impairment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImpairmentError {
    /// An item is not of the form name=value.
    #[error("{0:?} is not of the form name=value; there are {NAMES}")]
    NoPair(String),
    /// A name that means nothing.
    #[error("{0:?} is unknown; there are {NAMES}")]
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

/// The text that makes the same impairment; of a perfect path it is empty.
impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share =
            |name, share: f64| (share > 0.0).then(|| format!("{name}={}%", (share * 1e8).round() / 1e6));
        let time = |name, time: Duration| {
            let micros = time.as_micros();
            let text = if micros.is_multiple_of(1000) {
                format!("{name}={}ms", micros / 1000)
            } else {
                format!("{name}={micros}us")
            };
            (micros > 0).then_some(text)
        };
        let number = |name, number: u64, unit| (number > 0).then(|| format!("{name}={number}{unit}"));
        let (bursts, overtakes) = (self.burst > 0.0, self.reorder > 0.0);
        let items = [
            share("loss", self.loss),
            share("burst", self.burst),
            number("burst-len", u64::from(self.burst_len), "").filter(|_| bursts),
            share("duplicate", self.duplicate),
            share("reorder", self.reorder),
            time("reorder-by", self.reorder_by).filter(|_| overtakes),
            share("corrupt", self.corrupt),
            share("truncate", self.truncate),
            time("delay", self.delay),
            time("jitter", self.jitter),
            number("rate", self.rate, "B"),
            number("mtu", self.mtu as u64, ""),
        ];
        let items: Vec<String> = items.into_iter().flatten().collect();
        f.write_str(&items.join(","))
    }
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
    fn its_text_makes_it_again() {
        for text in [
            "",
            "loss=1%,delay=10ms",
            "loss=0.1%,burst=0.3%,burst-len=6,duplicate=5%,reorder=2%,reorder-by=1500us,corrupt=1%,truncate=1%,\
             delay=10ms,jitter=500us,rate=3000000B,mtu=1400",
        ] {
            let read: Impairment = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn every_mistake_says_what_to_write() {
        for (text, hint) in [
            ("loss", "name=value; there are loss=1%"),
            ("lost=1%", "unknown; there are loss=1%"),
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
