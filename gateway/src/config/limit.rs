//! `limit = { … }`: how much somebody may have, and how much is kept free for them.

use std::time::Duration;

use aoe_common::config::{Limit, Rates};

use super::fault::{Faults, Kind};
use super::section::Section;
use super::shape::LIMIT;
use super::source::{Located, Place};
use super::value::{Parsed, Refusal, quote};

/// Most requests a second that can be written; far more than any gateway carries.
pub(crate) const MOST_IOPS: u64 = 100_000_000;
/// Most bytes a second.
pub(crate) const MOST_BANDWIDTH: u64 = 1_000_000_000_000;
/// Requests that an initiator has outstanding unless its import's `window` or its driver say otherwise.
const WINDOW: u64 = 64;
/// Bytes of the largest request that a frame of MTU 9000 carries.
const LARGEST: u64 = 17 * 512;
/// As long as a request may wait where a disk has several ways, nearly.
const SEVERAL_WAYS: Duration = Duration::from_secs(4);
/// A third of the time after which the Linux driver gives a disk up.
const FAR_TOO_LONG: Duration = Duration::from_secs(60);

/// Bytes a second, such as `50MB`: decimal units.
pub(crate) fn bandwidth(text: &str) -> Result<u64, String> {
    parse_bandwidth(text).map_err(|Refusal { found, instead }| format!("{found}; {instead}"))
}

fn parse_bandwidth(text: &str) -> Parsed<u64> {
    let refuse = |found: String, instead: String| Err(Refusal { found, instead });
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let Ok(number) = number.parse::<u64>() else {
        let instead = "write a whole number and its unit, such as \"100MB\" (bytes a second)";
        return refuse(format!("{} is no bandwidth", quote(text)), instead.to_owned());
    };
    let size = match unit {
        "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "" => {
            let instead = format!(
                "write \"{number}MB\", \"{number}kB\", \"{number}GB\" or \"{number}B\" (bytes a second)"
            );
            return refuse(format!("{} has no unit", quote(text)), instead);
        }
        _ => {
            let instead =
                "units are `B`, `kB`, `MB` and `GB` (decimal, bytes a second), without a space".to_owned();
            return refuse(format!("{} has an unknown unit", quote(text)), instead);
        }
    };
    match number.checked_mul(size) {
        Some(0) => {
            let instead =
                "write at least \"1B\", or leave it out; `aoe-gateway pause` stops an export".to_owned();
            refuse("nothing would pass".to_owned(), instead)
        }
        Some(rate) if rate <= MOST_BANDWIDTH => Ok(rate),
        _ => refuse(
            format!("{} is out of bounds", quote(text)),
            "write at most \"1000GB\"".to_owned(),
        ),
    }
}

/// Reads the limit of this key; none if it is absent.
pub(super) fn read(
    section: &Section<'_, '_>,
    key: &'static str,
    faults: &mut Faults,
) -> Option<Located<Limit>> {
    let table = section.optional_section(key, &LIMIT, faults)?;
    let mut rates = |iops, bandwidth| Rates {
        iops: table.rate(iops, faults, MOST_IOPS).map(|rate| rate.value),
        bandwidth: table
            .optional(bandwidth, faults, parse_bandwidth)
            .map(|rate| rate.value),
    };
    let limit = Limit {
        ceiling: rates("iops", "bandwidth"),
        floor: rates("floor_iops", "floor_bandwidth"),
    };
    let place = table.place();
    if let Err(fault) = limit.check() {
        let instead = "write a ceiling that is not below its floor, or leave one of the two out";
        faults.fault(Kind::Conflict, place, fault.to_string(), instead);
    }
    warn_of_long_waits(&limit, place, faults);
    Some(Located {
        value: limit,
        place: place.clone(),
    })
}

/// The limit as written, if one is.
pub(super) fn value(written: &Option<Located<Limit>>) -> Limit {
    written.as_ref().map(|limit| limit.value).unwrap_or_default()
}

/// Warns where one initiator alone waits for longer than is good for it.
fn warn_of_long_waits(limit: &Limit, place: &Place, faults: &mut Faults) {
    let Some(wait) = longest_wait(limit) else { return };
    let found = format!(
        "an initiator with {WINDOW} requests outstanding waits up to {} s for an answer",
        wait.as_secs_f64().round()
    );
    if wait >= FAR_TOO_LONG {
        let instead = "the Linux driver fails the disk after 181 s, and several initiators wait for longer: write more, or a \
                       smaller `window` at the import";
        faults.warn(place, found, instead);
    } else if wait >= SEVERAL_WAYS {
        let instead = "that is safe only where the disk has no second way past this gateway \
                       (docs/storage-safety.md): write more, or a smaller `window` at the import";
        faults.warn(place, found, instead);
    }
}

/// How long a full window of one initiator takes.
fn longest_wait(limit: &Limit) -> Option<Duration> {
    let micros = |n: u64, rate: u64| Duration::from_micros(n * 1_000_000 / rate.max(1));
    let Rates { iops, bandwidth } = limit.ceiling;
    let iops = iops.map(|rate| micros(WINDOW, rate));
    iops.max(bandwidth.map(|rate| micros(WINDOW * LARGEST, rate)))
}

/// Warns of floors that add up to more than the ceiling of all.
pub(super) fn warn_of_floors<'a>(
    all: &Option<Located<Limit>>,
    floors: impl Iterator<Item = &'a Option<Located<Limit>>> + Clone,
    faults: &mut Faults,
) {
    let Some(all) = all else { return };
    let sum = |floor: fn(&Limit) -> Option<u64>| {
        let rates = floors.clone().flatten().filter_map(|limit| floor(&limit.value));
        rates.fold(0u64, u64::saturating_add)
    };
    let sums = Rates {
        iops: Some(sum(|limit| limit.floor.iops)),
        bandwidth: Some(sum(|limit| limit.floor.bandwidth)),
    };
    let above = Limit {
        ceiling: all.value.ceiling,
        floor: sums,
    };
    if let Err(fault) = above.check() {
        let found = format!("the floors of its peers add up to too much: {fault}");
        faults.warn(
            &all.place,
            found,
            "raise this ceiling or lower the floors: until then each gets a part of its floor",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_have_decimal_units() {
        for (text, rate) in [
            ("100MB", 100_000_000),
            ("1GB", 1_000_000_000),
            ("500kB", 500_000),
            ("1B", 1),
            ("1000GB", MOST_BANDWIDTH),
        ] {
            assert_eq!(bandwidth(text), Ok(rate));
        }
        for (text, part) in [
            ("100", "\"100\" has no unit; write \"100MB\""),
            ("100MiB", "unknown unit; units are `B`, `kB`, `MB` and `GB`"),
            ("100 MB", "unknown unit"),
            ("1.5GB", "unknown unit"),
            ("MB", "is no bandwidth; write a whole number"),
            ("-1MB", "is no bandwidth"),
            ("0MB", "nothing would pass; write at least"),
            ("1001GB", "is out of bounds; write at most"),
            ("99999999999999999GB", "is out of bounds"),
            ("99999999999999999999999GB", "is no bandwidth"),
        ] {
            let fault = bandwidth(text).unwrap_err();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }

    #[test]
    fn a_window_at_a_small_limit_takes_long() {
        let limit = |iops, bandwidth| Limit {
            ceiling: Rates { iops, bandwidth },
            floor: Rates::default(),
        };
        assert_eq!(longest_wait(&limit(None, None)), None);
        assert_eq!(
            longest_wait(&limit(Some(1), Some(1_000_000_000))),
            Some(Duration::from_secs(64))
        );
        assert_eq!(
            longest_wait(&limit(Some(1000), Some(8704))),
            Some(Duration::from_secs(64))
        );
    }
}
