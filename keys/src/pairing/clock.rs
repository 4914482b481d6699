//! Times of invitations: seconds since 1970, and how long one lasts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::refusal::{Refusal, Result};

/// How far two hosts' clocks may be apart.
pub(super) const SKEW: u64 = 5 * 60;
/// How long a record of an invitation stays after the end of this, so that a late use is told what it is.
pub(super) const REMEMBERED: u64 = 30 * 24 * 3600;

/// Seconds since 1970 by this host's clock.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A moment for people: `2026-12-02 21:00 UTC`.
pub fn moment(seconds: u64) -> String {
    let stamp = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    match stamp {
        Some(stamp) => stamp.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        None => format!("{seconds} s after 1970"),
    }
}

/// How long an invitation lasts, such as `72h`: a whole number and `m`, `h` or `d`; a minute to 30 days.
///
/// # Errors
/// A refusal that says what is allowed.
pub fn lifetime(text: &str) -> Result<Duration> {
    let units = [("m", 60), ("h", 3600), ("d", 24 * 3600)];
    let found = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds)
    });
    match found {
        Some(seconds) if (60..=30 * 24 * 3600).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(Refusal::usage(format!(
            "{text:?} is no time an invitation can last; write 1m to 30d, such as 72h"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_lasts_a_minute_to_thirty_days() {
        for (text, seconds) in [("1m", 60), ("72h", 72 * 3600), ("30d", 30 * 24 * 3600)] {
            assert_eq!(lifetime(text).unwrap().as_secs(), seconds, "{text}");
        }
        for bad in [
            "",
            "h",
            "0h",
            "31d",
            "72",
            "-1h",
            "1w",
            "99999999999999999999d",
            "213503982334601d",
        ] {
            assert!(lifetime(bad).unwrap_err().words.contains("72h"), "{bad}");
        }
    }

    #[test]
    fn moments_are_readable_and_any_number_is_one() {
        assert_eq!(moment(1_801_353_600), "2027-01-31 00:00 UTC");
        assert!(moment(u64::MAX).ends_with("after 1970"));
    }
}
