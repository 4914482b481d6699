//! How large requests are.

use aoe_common::snapshot::Size;

use crate::cli::top::text::{Kind, Text, bar};
use crate::cli::words::{bytes, percent};

/// A bar for each size, of those since `base`; the share of it that was written stands behind it.
pub(super) fn draw(room: usize, now: &[Size], base: &[Size]) -> Text {
    let mut text = Text::new(room);
    let rows = since(now, base);
    let all = |size: &Size| size.reads.saturating_add(size.writes);
    let sum = rows.iter().map(all).fold(0, u64::saturating_add);
    if sum == 0 {
        return text;
    }
    text.line(Kind::Title, "how large: all, and of these written");
    let highest = rows.iter().map(all).max().unwrap_or(0);
    for size in &rows {
        let bound = format!("up to {}", bytes(u64::from(size.sectors) * 512));
        let n = all(size);
        let bar = bar(n, highest, room.saturating_sub(32));
        let (part, written) = (percent(n, sum), percent(size.writes, n));
        text.line(Kind::Bars, &format!("  {bound:<13} {bar} {part:>7} {written:>7}"));
    }
    text
}

/// What came since; all of it if numbers began again.
fn since(now: &[Size], base: &[Size]) -> Vec<Size> {
    let minus = |size: &Size| {
        let before = base.iter().find(|before| before.sectors == size.sectors);
        let before = before.copied().unwrap_or_default();
        Some(Size {
            sectors: size.sectors,
            reads: size.reads.checked_sub(before.reads)?,
            writes: size.writes.checked_sub(before.writes)?,
        })
    };
    let rows: Option<Vec<Size>> = now.iter().map(minus).collect();
    rows.unwrap_or_else(|| now.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(sectors: u16, reads: u64, writes: u64) -> Size {
        Size {
            sectors,
            reads,
            writes,
        }
    }

    #[test]
    fn sizes_are_of_the_last_seconds() {
        let (now, base) = (
            [size(1, 9, 0), size(16, 50, 50)],
            [size(1, 9, 0), size(16, 30, 10)],
        );
        let text = draw(60, &now, &base);
        let lines: Vec<&str> = text.lines.iter().map(|line| line.text.as_str()).collect();
        assert!(
            lines[1].starts_with("  up to 512 B") && lines[1].ends_with("      0       -"),
            "{lines:?}"
        );
        assert!(
            lines[2].contains("up to 8.19 kB") && lines[2].ends_with("  100 %  66.6 %"),
            "{lines:?}"
        );
        assert_eq!(since(&base, &now), base);
        assert_eq!(draw(60, &[], &[]).lines, []);
    }
}
