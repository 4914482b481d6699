//! Settings of the whole gateway.

use std::time::Duration;

use aoe_common::config::TunnelConfig;

use super::{Kind, Lines};
use crate::config::{Loaded, Settings};
use crate::logging::DEFAULT_FILTER;

pub(super) fn compare(old: &Loaded, new: &Loaded, log: Option<&str>, lines: &mut Lines) {
    for address in old.listen.iter().filter(|address| !new.listen.contains(address)) {
        lines.add(Kind::Disappears, format!("listen {address} closes"));
    }
    for address in new.listen.iter().filter(|address| !old.listen.contains(address)) {
        lines.add(Kind::Appears, format!("listen {address} opens"));
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
    let Settings {
        busy_poll,
        log: filter,
        // Only a restart changes these.
        state: _,
        workers: _,
        observe: _,
        control: _,
    } = &new.settings;
    let spin = |time: &Duration| match time.is_zero() {
        true => String::from("off"),
        false => format!("{}us", time.as_micros()),
    };
    setting("busy_poll", spin(&old.settings.busy_poll), spin(busy_poll), "");
    let said = |filter: &Option<String>| filter.clone().unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    let note = match log {
        Some(log) => format!(", but the command line says {log}"),
        None => String::new(),
    };
    setting("log", said(&old.settings.log), said(filter), &note);
}
