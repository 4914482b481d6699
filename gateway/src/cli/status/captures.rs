//! Captures that run: they see plaintext, so nobody should overlook one.

use super::table::painted;
use super::view::View;
use super::words::{age, plain, wrap};

/// Where the text begins.
const INDENT: usize = 20;

/// Writes them, if there are any.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let captures = &view.now.captures;
    if captures.is_empty() {
        return;
    }
    let title = painted("captures", view.paint.title);
    out.push_str(&format!("\n{title}    since\n"));
    for capture in captures {
        let text = format!(
            "{}, by {}: {} frames, {} dropped",
            plain(&capture.what),
            plain(&capture.by),
            capture.frames,
            capture.dropped
        );
        let since = age(view.now.gateway.now, capture.since);
        let mut front = format!("  {:10}{since:<8}", capture.id);
        for line in wrap(&text, view.room.saturating_sub(INDENT)) {
            out.push_str(&format!("{front}{line}\n"));
            front = " ".repeat(INDENT);
        }
    }
}
