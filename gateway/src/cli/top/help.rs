//! What the keys do, and what the columns are.

use super::text::{Kind, Text};

const KEYS: [(&str, &str); 13] = [
    (
        "1 to 6, Tab",
        "exports, imports, initiators, peers, alarms, changes of the last hour",
    ),
    (
        "Up, Down, PgUp, PgDn",
        "choose a row, or move a text; also k, j, Home, End",
    ),
    ("Enter", "everything about the row; Enter or Escape goes back"),
    (
        "Left, Right",
        "sort by the column to the left or right; also < and >, S and s",
    ),
    ("r", "turn the order round"),
    (
        "/",
        "show only what has these words; Enter keeps them, Escape ends it",
    ),
    ("Space", "the picture stands still; Space again: go on"),
    ("?", "this text"),
    ("Ctrl-L", "draw again what another program has written over"),
    ("Ctrl-Z", "back to the shell for a while; fg goes on"),
    ("q, Ctrl-C", "end"),
    ("In details:", ""),
    ("Left, Right", "how long it took in another stage"),
];

const COLUMNS: [(&str, &str); 15] = [
    (
        "req/s, read/s, write/s",
        "requests and bytes of sectors a second, in the last interval",
    ),
    (
        "p50, p99",
        "half, and 99 of 100, took no longer, in the last 10 seconds; for an export: at its target",
    ),
    ("queue99", "99 of 100 waited no longer at the exit"),
    (
        "at tgt",
        "requests at the target, of as many as it takes at a time",
    ),
    ("waiting", "requests that wait for it"),
    ("flight", "requests that were not answered yet"),
    ("limited", "requests that wait because of a limit; - is no limit"),
    (
        "again/s",
        "initiators: requests sent again; peers: records sent again, both ways",
    ),
    ("refus/s", "requests refused"),
    ("in/s, out/s", "bytes of records from the peer and to it"),
    (
        "loss in, out",
        "records that did not arrive at once, from the peer and to it",
    ),
    ("lost/s", "records that never arrived"),
    (
        "since, seen",
        "how long it is so, how long ago it last asked for anything",
    ),
    (
        "last ...",
        "the rate of each row: bars as high as its own highest; . is 0, blank is not known",
    ),
    ("-", "not known, or nothing was measured"),
];

/// Writes it.
pub(super) fn draw(text: &mut Text) {
    for (title, rows) in [("Keys", KEYS.as_slice()), ("Columns", COLUMNS.as_slice())] {
        text.gap();
        text.line(Kind::Title, title);
        for (what, does) in rows {
            let mut part = Text::new(text.room.saturating_sub(INDENT));
            part.wrapped(Kind::Plain, 0, does);
            if part.lines.is_empty() {
                text.line(Kind::Plain, &format!("  {what}"));
            }
            for (at, line) in part.lines.iter().enumerate() {
                let what = if at == 0 { what } else { "" };
                text.line(Kind::Plain, &format!("  {what:<24}{}", line.text));
            }
        }
    }
}

/// Where it says what a key does.
const INDENT: usize = 26;
