//! Words of the configuration made into values: names, paths, times. Network addresses have [`net`](super::net).

use std::str::FromStr;
use std::time::Duration;

use super::redact::redact;
use super::settings::Group;
use super::suggest::nearest;

/// Longest name of a gateway, peer, segment or export, in bytes; export names travel between gateways.
const LONGEST_NAME: usize = 64;

/// Why a word will not do.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What is there.
    pub(crate) found: String,
    /// What to write instead.
    pub(crate) instead: String,
}

/// What a parser of one word gives.
pub(crate) type Parsed<T> = Result<T, Refusal>;

/// The text in quotation marks: cut if long, without control characters, without secrets.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let redacted = redact(text);
    let shown: String = redacted
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if redacted.chars().nth(LONGEST).is_some() {
        format!("\"{shown}…\"")
    } else {
        format!("\"{shown}\"")
    }
}

/// A name other parts of the configuration, logs and metrics use.
pub(super) fn name(text: &str) -> Parsed<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    let found = if text.is_empty() {
        String::from("the name is empty")
    } else if text.len() > LONGEST_NAME {
        format!("the name {} has {} bytes", quote(text), text.len())
    } else {
        let foreign = text.chars().find(|c| !plain(*c)).unwrap_or(' ');
        format!(
            "the name {} contains {}",
            quote(text),
            quote(&foreign.to_string())
        )
    };
    refuse(
        found,
        format!("use 1 to {LONGEST_NAME} characters out of a-z, A-Z, 0-9, `-`, `_` and `.`"),
    )
}

/// Any text an operator may read; bounded, one line.
pub(super) fn description(text: &str) -> Parsed<String> {
    const LONGEST: usize = 256;
    if text.chars().count() <= LONGEST && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    refuse(
        format!(
            "the description {} is longer than {LONGEST} characters or has control characters",
            quote(text)
        ),
        "write one line of plain text",
    )
}

/// A group of users of this host.
pub(super) fn group(text: &str) -> Parsed<Group> {
    match nix::unistd::Group::from_name(text) {
        Ok(Some(found)) => Ok(Group {
            name: found.name,
            gid: found.gid.as_raw(),
        }),
        Ok(None) | Err(_) => refuse(
            format!("this host has no group {}", quote(text)),
            "write the name of a group, as `getent group` lists them, or leave it out: then only the gateway's user and root may",
        ),
    }
}

/// The path of a file, or `credential:NAME`.
pub(super) fn file(text: &str) -> Parsed<String> {
    if let Err(fault) = aoe_keys::store::credential::name(text) {
        return refuse(
            fault.to_string(),
            "write credential:NAME, NAME being that of LoadCredential=NAME:PATH in the unit",
        );
    }
    path(text)
}

/// A path, not a key pasted in its place.
pub(super) fn path(text: &str) -> Parsed<String> {
    if aoe_keys::KeyKind::claimed_by(text).is_some() {
        return refuse(
            "this is key text, and a file is expected",
            "write the path of the key file; if this text is a secret, generate a new one: this file is no place for it",
        );
    }
    if text.is_empty() || text.contains('\0') {
        return refuse(
            "this is no path",
            "write the path of a file, relative to this one",
        );
    }
    Ok(text.to_owned())
}

/// One of a few words.
pub(super) fn word<T: FromStr>(text: &str, known: &[&str]) -> Parsed<T> {
    text.parse().map_err(|_| {
        let list = known
            .iter()
            .map(|word| format!("\"{word}\""))
            .collect::<Vec<_>>()
            .join(" or ");
        Refusal {
            found: format!("{} is not known here", quote(text)),
            instead: match nearest(text, known.iter().copied()) {
                Some(meant) => format!("did you mean \"{meant}\"? Allowed: {list}"),
                None => format!("write {list}"),
            },
        }
    })
}

/// A time with its unit, between two bounds.
pub(super) fn duration(text: &str, shortest: Duration, longest: Duration) -> Parsed<Duration> {
    let instead = || {
        let written = |time: Duration| match time.subsec_millis() {
            0 => format!("{}s", time.as_secs()),
            _ => format!("{}ms", time.as_millis()),
        };
        format!(
            "write a time from \"{}\" to \"{}\"",
            written(shortest),
            written(longest)
        )
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let Ok(number) = number.parse::<u64>() else {
        return refuse(format!("{} is no time", quote(text)), instead());
    };
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "" => {
            return refuse(
                format!("{} has no unit", quote(text)),
                format!("write \"{number}s\", \"{number}ms\" or \"{number}m\""),
            );
        }
        _ => {
            return refuse(
                format!("{} has an unknown unit", quote(text)),
                "units are `ms`, `s` and `m`, without a space",
            );
        }
    };
    match millis.map(Duration::from_millis) {
        Some(time) if (shortest..=longest).contains(&time) => Ok(time),
        _ => refuse(format!("{} is out of bounds", quote(text)), instead()),
    }
}

/// A time of the command line with its unit, from a second on.
///
/// # Errors
/// What is there, and what to write instead.
pub(crate) fn duration_text(text: &str, longest: Duration) -> Result<Duration, String> {
    duration(text, Duration::from_secs(1), longest)
        .map_err(|Refusal { found, instead }| format!("{found}; {instead}"))
}

/// How long to look for work before sleeping: a time from 1 µs to 10 ms, or zero for "off".
pub(super) fn busy_poll(text: &str) -> Parsed<Duration> {
    const LONGEST: Duration = Duration::from_millis(10);
    let instead = "write \"off\", or a time from \"1us\" to \"10ms\"";
    if text == "off" {
        return Ok(Duration::ZERO);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let micros = match (number.parse::<u64>(), unit) {
        (Ok(number), "us") => Some(number),
        (Ok(number), "ms") => number.checked_mul(1000),
        (Ok(_), "") => return refuse(format!("{} has no unit", quote(text)), instead),
        _ => return refuse(format!("{} is no time of that kind", quote(text)), instead),
    };
    match micros.map(Duration::from_micros) {
        Some(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => refuse(format!("{} is out of bounds", quote(text)), instead),
    }
}

/// Bytes of a socket's buffer.
pub(super) fn socket_buffer(text: &str) -> Parsed<usize> {
    let instead = "write a size from \"256kB\" to \"256MB\"";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let bytes = match (number.parse::<usize>(), unit) {
        (Ok(number), "kB") => number.checked_mul(1000),
        (Ok(number), "MB") => number.checked_mul(1_000_000),
        (Ok(_), "") => return refuse(format!("{} has no unit", quote(text)), instead),
        _ => return refuse(format!("{} is no size of that kind", quote(text)), instead),
    };
    match bytes {
        Some(bytes) if (256_000..=256_000_000).contains(&bytes) => Ok(bytes),
        _ => refuse(format!("{} is out of bounds", quote(text)), instead),
    }
}

/// A refusal of a word: what is there, and what to write instead.
pub(super) fn refuse<T>(found: impl Into<String>, instead: impl Into<String>) -> Parsed<T> {
    Err(Refusal {
        found: found.into(),
        instead: instead.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_bounds() {
        let five_to_120 = |text| duration(text, Duration::from_secs(5), Duration::from_secs(120));
        for (good, millis) in [("120s", 120_000), ("2m", 120_000), ("5000ms", 5000), ("5s", 5000)] {
            assert_eq!(
                five_to_120(good).unwrap(),
                Duration::from_millis(millis),
                "{good}"
            );
        }
        for bad in [
            "4999ms",
            "121s",
            "3m",
            "",
            "s",
            "-5s",
            "5 s",
            "5h",
            "18446744073709551615m",
            "99999999999999999999s",
        ] {
            assert!(five_to_120(bad).is_err(), "{bad}");
        }
        assert_eq!(
            five_to_120("60").unwrap_err().instead,
            "write \"60s\", \"60ms\" or \"60m\""
        );
    }

    #[test]
    fn busy_poll_is_off_or_short() {
        for (good, micros) in [
            ("off", 0),
            ("1us", 1),
            ("50us", 50),
            ("10ms", 10_000),
            ("10000us", 10_000),
        ] {
            assert_eq!(busy_poll(good).unwrap(), Duration::from_micros(micros), "{good}");
        }
        for bad in [
            "",
            "on",
            "0us",
            "10001us",
            "11ms",
            "1s",
            "50",
            "-1us",
            "99999999999999999999ms",
            "5 us",
        ] {
            assert!(busy_poll(bad).unwrap_err().instead.contains("\"off\""), "{bad}");
        }
    }

    #[test]
    fn buffers_have_a_size_with_its_unit() {
        for (good, bytes) in [("256kB", 256_000), ("8MB", 8_000_000), ("256MB", 256_000_000)] {
            assert_eq!(socket_buffer(good).unwrap(), bytes);
        }
        for bad in [
            "",
            "8",
            "8 MB",
            "255kB",
            "257MB",
            "8mb",
            "-8MB",
            "99999999999999999999MB",
        ] {
            assert!(socket_buffer(bad).unwrap_err().instead.contains("256kB"), "{bad}");
        }
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(name("site-a_1.x").unwrap(), "site-a_1.x");
        for bad in ["", "a b", "ä", &"x".repeat(65), "a\n"] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(name("a/b").unwrap_err().found.contains("contains \"/\""));
    }

    #[test]
    fn quoted_text_is_short_plain_and_without_secrets() {
        assert_eq!(quote("a\u{1b}[31m"), "\"a\\u{1b}[31m\"");
        assert!(quote(&"x".repeat(1 << 20)).chars().count() < 70);
        assert_eq!(quote("aoe-psk-1:abc"), "\"aoe-psk-•••••\"");
    }
}
