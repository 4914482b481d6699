//! What an operator should look at.

use super::table::painted;
use super::view::View;
use super::words::{age, wrap};
use crate::cli::rows;

/// More are counted.
const SHOWN: usize = 20;
/// Lines of one alarm.
const LINES: usize = 5;
/// Where the text begins.
const INDENT: usize = 20;

/// Writes them, the newest first.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let alarms = &view.now.alarms;
    let title = painted("alarms", view.paint.title);
    if alarms.is_empty() {
        out.push_str(&format!("{title}  {}\n", painted("none", view.paint.good)));
        return;
    }
    out.push_str(&format!("{title}      since\n"));
    for alarm in alarms.iter().take(SHOWN) {
        let standing = &alarm.standing;
        let state = rows::state(standing.state);
        let since = age(view.now.gateway.now, standing.since);
        out.push_str(&format!(
            "  {}{:pad$}{since:<8}",
            painted(state, view.style(standing.state)),
            "",
            pad = INDENT.saturating_sub(10 + state.len()),
        ));
        let lines = wrap(
            &rows::about(&alarm.about, &standing.why),
            view.room.saturating_sub(INDENT + 2),
        );
        let more = lines.len() > LINES;
        for (index, line) in lines.iter().take(LINES).enumerate() {
            if index > 0 {
                out.push_str(&" ".repeat(INDENT));
            }
            out.push_str(line);
            out.push_str(if more && index + 1 == LINES {
                " …\n"
            } else {
                "\n"
            });
        }
        if lines.is_empty() {
            out.push('\n');
        }
    }
    if let Some(more) = alarms.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        out.push_str(&format!("  and {more} more\n"));
    }
}
