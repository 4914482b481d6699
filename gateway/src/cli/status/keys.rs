//! Our own keys, while one is replaced; and what is revoked.

use aoe_common::snapshot::{Key, KeyStage};

use super::table::painted;
use super::view::View;
use super::words::{UNKNOWN, clip, duration, known, plain, wrap};

/// Entries that are shown of what is revoked, and names of peers; more are counted.
const SHOWN: usize = 10;
/// Room for a fingerprint.
const FINGERPRINT: usize = 29;

/// Writes them, if there is anything to say.
pub(super) fn draw(out: &mut String, view: &View<'_>) {
    let keys = &view.now.keys;
    let is_quiet = |key: &Key| key.stage == KeyStage::InUse && key.drop_at.is_none();
    if keys.own.iter().any(|key| !is_quiet(key)) {
        out.push('\n');
        out.push_str(&format!("{}\n", painted("our keys", view.paint.title)));
        for key in &keys.own {
            let print = clip(&known(&key.fingerprint), FINGERPRINT);
            out.push_str(&format!("  {print}  {}\n", said(view, key)));
        }
        if !keys.without.is_empty() {
            let named: Vec<_> = keys.without.iter().take(SHOWN).map(String::as_str).collect();
            let more = match keys.without.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            lines(
                out,
                view,
                &format!("without the newest: {}{more}", named.join(", ")),
            );
        }
        let todo = match (
            keys.switched,
            keys.own.iter().any(|key| key.stage == KeyStage::Next),
        ) {
            (Some(_), _) => "`aoe-keys rotate --finish` puts the newest in its place",
            (None, true) => "`aoe-keys rotate --status` says what it waits for",
            (None, false) => "",
        };
        lines(out, view, todo);
    }
    let revoked = &view.now.gateway.revoked;
    if revoked.is_empty() {
        return;
    }
    out.push('\n');
    out.push_str(&format!("{}\n", painted("revoked", view.paint.title)));
    for entry in revoked.iter().rev().take(SHOWN) {
        let why = if entry.why.is_empty() {
            String::new()
        } else {
            format!(": {}", entry.why)
        };
        let whose = if entry.name.is_empty() {
            &entry.what
        } else {
            &entry.name
        };
        lines(
            out,
            view,
            &format!("{} since {}{why}", known(whose), known(&entry.when)),
        );
    }
    if let Some(more) = revoked.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        out.push_str(&format!("  and {more} more\n"));
    }
}

/// What a key is.
fn said(view: &View<'_>, key: &Key) -> String {
    let keys = &view.now.keys;
    let left = |at: f64| duration((at - view.now.gateway.now).max(0.0));
    let what = match key.stage {
        KeyStage::Next => match keys.switch_at {
            Some(at) => format!("next; it is used in {}", left(at)),
            None => "next; it is used once all peers have it".to_owned(),
        },
        KeyStage::InUse => "in use".to_owned(),
        KeyStage::Old => "old, and still accepted".to_owned(),
        KeyStage::Dropped => "not accepted any more".to_owned(),
        KeyStage::Revoked => "revoked".to_owned(),
        KeyStage::Unknown => UNKNOWN.to_owned(),
    };
    match key.drop_at.filter(|_| key.stage == KeyStage::Old) {
        Some(at) => format!("{what} for {}", left(at)),
        None => what,
    }
}

fn lines(out: &mut String, view: &View<'_>, text: &str) {
    for line in wrap(&plain(text), view.room.saturating_sub(2)) {
        out.push_str(&format!("  {line}\n"));
    }
}
