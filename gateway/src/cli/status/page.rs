//! The page: one part after another.

use super::view::View;
use super::{
    alarms, captures, expiring, exports, head, imports, initiators, keys, peers, refusals, segments,
};

/// Draws it; `unread` parts of the document were not understood.
pub(super) fn draw(view: &View<'_>, unread: usize) -> String {
    let mut out = String::new();
    head::draw(&mut out, view, unread);
    for part in [
        alarms::draw,
        peers::draw,
        segments::draw,
        imports::draw,
        exports::draw,
        initiators::draw,
        refusals::draw,
    ] {
        out.push('\n');
        part(&mut out, view);
    }
    expiring::draw(&mut out, view);
    keys::draw(&mut out, view);
    captures::draw(&mut out, view);
    out
}
