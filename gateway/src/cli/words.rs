//! Numbers and names as a person reads them. What is unknown is `-`.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What is not known.
pub(super) const UNKNOWN: &str = "-";

/// What came from outside, safe for a terminal: characters that move the cursor, reverse the line or have no width are
/// replaced.
pub(super) fn plain(text: &str) -> String {
    let safe = |c: char| match c.width() {
        Some(1..) => c,
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(safe).collect()
}

/// [`plain`] text, or `-` if there is none.
pub(super) fn known(text: &str) -> String {
    if text.is_empty() {
        UNKNOWN.to_owned()
    } else {
        plain(text)
    }
}

/// Columns of a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `room` columns: what is too long loses its middle.
pub(super) fn shorten(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let Some(kept) = room.checked_sub(1) else {
        return String::new();
    };
    let head = within(text.chars(), kept.div_ceil(2));
    let tail = within(text.chars().rev(), kept / 2);
    head + "…" + &tail.chars().rev().collect::<String>()
}

/// The text up to `room` columns: what is too long loses its end.
pub(super) fn clip(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    within(text.chars(), room.saturating_sub(1)) + if room == 0 { "" } else { "…" }
}

fn within(chars: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= room
    };
    chars.take_while(fits).collect()
}

/// The text in lines of at most `room` columns, broken at spaces. A word that is longer loses its middle.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace().map(|word| shorten(word, room)) {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&word) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// How long, in the largest unit of which there are two: `90 s`, `5 min`, `3 h`, `400 d`, `3 y`.
pub(super) fn duration(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1.0, "s"), (60.0, "min"), (3600.0, "h"), (86_400.0, "d")];
    const YEAR: f64 = 365.25 * 86_400.0;
    let seconds = seconds.max(0.0);
    if seconds >= 2.0 * YEAR {
        return format!("{:.0} y", (seconds / YEAR).floor().min(999.0));
    }
    let (length, unit) = UNITS
        .into_iter()
        .rev()
        .find(|(length, _)| seconds >= 2.0 * length)
        .unwrap_or((1.0, "s"));
    format!("{:.0} {unit}", (seconds / length).floor())
}

/// How long ago a moment is, both in Unix time. A moment that is 0 is not known.
pub(super) fn age(now: f64, then: f64) -> String {
    if then > 0.0 {
        duration(now - then)
    } else {
        UNKNOWN.to_owned()
    }
}

/// A number in at most seven columns: `950`, `12 345`, `1.23 M`.
pub(super) fn count(n: u64) -> String {
    match n {
        0..1000 => n.to_string(),
        1000..1_000_000 => format!("{} {:03}", n / 1000, n % 1000),
        _ => scaled(n, ""),
    }
}

/// A size in at most seven columns: `512 B`, `1.23 kB`, `107 GB`.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1000 => format!("{n} B"),
        _ => scaled(n, "B"),
    }
}

/// Three digits with a decimal prefix, of a number of at least 1000.
fn scaled(n: u64, unit: &str) -> String {
    let mut divisor: u64 = 1;
    for prefix in ["k", "M", "G", "T", "P", "E"] {
        divisor = divisor.saturating_mul(1000);
        // Hundredths, rounded down: nothing is shown that was not reached.
        let hundredths = u128::from(n) * 100 / u128::from(divisor);
        let (whole, part) = (hundredths / 100, hundredths % 100);
        match whole {
            0..10 => return format!("{whole}.{part:02} {prefix}{unit}"),
            10..100 => return format!("{whole}.{} {prefix}{unit}", part / 10),
            100..1000 => return format!("{whole} {prefix}{unit}"),
            _ => {}
        }
    }
    n.to_string()
}

/// A time from request to answer: `85 us`, `1.2 ms`, `145 ms`, `1.3 s`.
pub(super) fn latency(us: u64) -> String {
    match us {
        0..1000 => format!("{us} us"),
        1000..100_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        100_000..1_000_000 => format!("{} ms", us / 1000),
        1_000_000..100_000_000 => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        _ => format!("{} s", (us / 1_000_000).min(99_999)),
    }
}

/// A part of a whole in per cent, or `-` if the whole is 0.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return UNKNOWN.to_owned();
    }
    let hundredths = (u128::from(part) * 10_000)
        .div_ceil(u128::from(whole))
        .min(10_000);
    match hundredths {
        0 => "0".to_owned(),
        10_000 => "100 %".to_owned(),
        1..1000 => format!("{}.{:02} %", hundredths / 100, hundredths % 100),
        _ => format!("{}.{} %", hundredths / 100, hundredths % 100 / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_at_a_glance() {
        let days = |n: f64| n * 86_400.0;
        for (seconds, text) in [
            (0.0, "0 s"),
            (-5.0, "0 s"),
            (3.9, "3 s"),
            (119.0, "119 s"),
            (120.0, "2 min"),
            (7_199.0, "119 min"),
            (7_200.0, "2 h"),
            (days(1.9), "45 h"),
            (days(3.0), "3 d"),
            (days(800.0), "2 y"),
            (f64::MAX, "999 y"),
            (f64::NAN, "0 s"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
        assert_eq!(age(100.0, 0.0), "-");
        assert_eq!(age(100.0, 97.0), "3 s");
        assert_eq!(age(100.0, 103.0), "0 s", "a clock that went back");
    }

    #[test]
    fn numbers_never_need_more_than_seven_columns() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (12_345, "12 345"),
            (999_999, "999 999"),
            (1_000_000, "1.00 M"),
            (1_239_999, "1.23 M"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(count(n), text);
        }
        for (n, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (1_234, "1.23 kB"),
            (81_399_000_000, "81.3 GB"),
            (999_999_999_999, "999 GB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        for (us, text) in [
            (0, "0 us"),
            (999, "999 us"),
            (1_250, "1.2 ms"),
            (45_999, "45.9 ms"),
            (145_999, "145 ms"),
            (1_300_000, "1.3 s"),
            (240_000_000, "240 s"),
        ] {
            assert_eq!(latency(us), text);
        }
        for digits in 0..64 {
            for n in [
                1_u64 << digits,
                (1_u64 << digits).wrapping_sub(1),
                u64::MAX >> digits,
            ] {
                for text in [count(n), bytes(n), latency(n), percent(n, n.rotate_left(9))] {
                    assert!(width(&text) <= 7, "{text}");
                }
            }
        }
    }

    #[test]
    fn a_loss_is_never_rounded_to_none() {
        assert_eq!(percent(0, 0), "-");
        assert_eq!(percent(0, 1_000_000), "0");
        assert_eq!(percent(1, 1_000_000), "0.01 %");
        assert_eq!(percent(97, 10_000), "0.97 %");
        assert_eq!(percent(1, 8), "12.5 %");
        assert_eq!(percent(9, 8), "100 %");
    }

    #[test]
    fn nothing_from_outside_reaches_a_terminal_raw() {
        assert_eq!(plain("a\u{1b}[31mb\n\u{9b}c\u{202e}d\u{7f}"), "a�[31mb��c�d�");
        assert_eq!(plain("Käse 倉庫"), "Käse 倉庫");
        assert_eq!(known(""), "-");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("backup", 6), "backup");
        assert_eq!(shorten("backup-of-the-house", 9), "back…ouse");
        assert_eq!(shorten("backup", 1), "…");
        assert_eq!(shorten("backup", 0), "");
        assert_eq!(shorten("倉庫倉庫倉庫", 6), "倉…庫");
        assert_eq!(clip("backup", 4), "bac…");
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghijkl x", 5), ["ab…kl", "x"]);
        assert_eq!(wrap("", 5), [""; 0]);
    }
}
