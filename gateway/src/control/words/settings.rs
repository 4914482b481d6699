//! Settings of the whole gateway.

use std::time::Duration;

use aoe_common::config::TunnelConfig;

use super::{Kind, Lines};
use crate::config::Loaded;

pub(super) fn compare(old: &Loaded, new: &Loaded, log: Option<&str>, lines: &mut Lines) {
    for address in old.listen.iter().filter(|address| !new.listen.contains(address)) {
        lines.add(Kind::Disappears, format!("listen {address} closes"));
    }
    for address in new.listen.iter().filter(|address| !old.listen.contains(address)) {
        lines.add(Kind::Appears, format!("listen {address} opens"));
    }
    let looks = |loaded: &Loaded| loaded.metrics.as_ref().map(|metrics| metrics.listen);
    match (looks(old), looks(new)) {
        (Some(was), Some(is)) if was != is => {
            lines.add(Kind::Changes, format!("metrics: listen {was} becomes {is}"));
        }
        (Some(was), None) => lines.add(Kind::Disappears, format!("metrics: listen {was} closes")),
        (None, Some(is)) => lines.add(Kind::Appears, format!("metrics: listen {is} opens")),
        _ => {}
    }
    if let (Some(was), Some(is)) = (&old.metrics, &new.metrics) {
        let list = |hosts: &[String]| format!("[{}]", hosts.join(", "));
        lines.becomes("metrics", "hosts", list(&was.hosts), list(&is.hosts));
    }
    let mut setting = |key: &str, was: String, is: String, note: &str| {
        if was != is {
            lines.add(Kind::Setting, format!("{key} {was} becomes {is}{note}"));
        }
    };
    let TunnelConfig {
        // These two are no keys of the file.
        ciphers: _,
        worker: _,
        rekey_after,
        keepalive,
        max_age,
    } = &new.core.tunnel;
    let before = &old.core.tunnel;
    let time = |time: &Duration| format!("{time:?}");
    setting("rekey_after", time(&before.rekey_after), time(rekey_after), "");
    setting("keepalive", time(&before.keepalive), time(keepalive), "");
    setting("max_age", time(&before.max_age), time(max_age), "");
    let (_, keys) = old.settings.compare(&new.settings);
    for (key, was, is) in keys {
        let note = match log.filter(|_| key == "log") {
            Some(log) => format!(", but the command line says {log}"),
            None => String::new(),
        };
        setting(key, was, is, &note);
    }
}
