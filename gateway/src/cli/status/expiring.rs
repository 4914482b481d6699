//! What ends by itself, the nearest end first.

use super::table::painted;
use super::view::View;
use super::words::{duration, plain, wrap};

/// More are counted.
const SHOWN: usize = 20;
/// Lines of one of them.
const LINES: usize = 4;
/// Where the text begins.
const INDENT: usize = 12;

/// Writes it, if anything does.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let all = &view.now.expiring;
    if all.is_empty() {
        return;
    }
    out.push_str(&format!("\n{}\n", painted("ends in", view.paint.title)));
    for row in all.iter().take(SHOWN) {
        let left = row.not_after - view.now.gateway.now;
        let left = if left > 0.0 {
            duration(left)
        } else {
            String::from("over")
        };
        let style = match row.within.as_str() {
            "far" => view.paint.faint,
            "over" => view.paint.fault,
            _ => view.paint.warning,
        };
        let text = match row.why.as_str() {
            "" => format!("{} {}", row.what, row.name),
            why => why.to_owned(),
        };
        let pad = " ".repeat(INDENT.saturating_sub(2 + left.len()));
        let mut front = format!("  {}{pad}", painted(&left, style));
        for line in wrap(&plain(&text), view.room.saturating_sub(INDENT))
            .iter()
            .take(LINES)
        {
            out.push_str(&format!("{front}{line}\n"));
            front = " ".repeat(INDENT);
        }
    }
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        out.push_str(&format!("  and {more} more\n"));
    }
}
