//! What an operator should look at.

use super::table::painted;
use super::view::{View, word};
use super::words::{age, plain, wrap};

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
        let state = word(standing.state);
        let since = age(view.now.gateway.now, standing.since);
        out.push_str(&format!(
            "  {}{:pad$}{since:<8}",
            painted(state, view.style(standing.state)),
            "",
            pad = INDENT.saturating_sub(10 + state.len()),
        ));
        let lines = wrap(
            &text(&alarm.about, &standing.why),
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

/// The line of the log; what it is about stands before it if the line does not name it.
fn text(about: &str, why: &str) -> String {
    let (about, why) = (plain(about), plain(why));
    let name = about.rsplit(' ').next().unwrap_or_default();
    match (about.is_empty(), why.is_empty()) {
        (true, _) => why,
        (_, true) => about,
        _ if why.contains(name) => why,
        _ => format!("{about}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_an_alarm_is_about_is_said_once() {
        let why = "session with site-a is lost: it does not answer";
        assert_eq!(text("peer site-a", why), why);
        assert_eq!(text("clock", "it went back"), "clock: it went back");
        assert_eq!(text("peer site-a", ""), "peer site-a");
    }
}
