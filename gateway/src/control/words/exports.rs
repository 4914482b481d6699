//! Exports, and what peers may do with them.

use aoe_common::acl::difference;
use aoe_common::config::{Access, Allow, ConfigString, ExportConfig, ExportSafety, Limit};
use aoe_common::frame::MacAddr;

use super::usage::{Usage, in_use};
use super::{Kind, Lines, peer_name, segment_name};
use crate::clock::unix_time;
use crate::config::Loaded;

pub(super) fn compare(old: &Loaded, new: &Loaded, usage: &Usage<'_>, lines: &mut Lines) {
    for export in old.core.exports.values() {
        let name = &export.name;
        let kept = new.core.exports.values().find(|other| other.name == *name);
        for peer in peers(old, export) {
            let after = kept.map(|kept| rules(new, kept, &peer)).unwrap_or_default();
            compare_peer(&peer, name, (&rules(old, export, &peer), &after), usage, lines);
        }
        match kept {
            Some(kept) => compare_service((old, export), (new, kept), usage, lines),
            None => lines.add(Kind::Disappears, format!("export {name} disappears")),
        }
    }
    for export in new.core.exports.values() {
        let name = &export.name;
        let known = old.core.exports.values().find(|other| other.name == *name);
        if known.is_none() {
            let text = format!("export {name} appears: target {}", place(new, export));
            lines.add(Kind::Appears, text);
            lines.limit(&format!("export {name}"), (&Limit::default(), &export.limit), "");
        }
        let had = known.map(|known| peers(old, known)).unwrap_or_default();
        for peer in peers(new, export).into_iter().filter(|peer| !had.contains(peer)) {
            compare_peer(&peer, name, (&[], &rules(new, export, &peer)), usage, lines);
        }
    }
}

/// Who may use an export, each once.
fn peers(loaded: &Loaded, export: &ExportConfig) -> Vec<String> {
    let mut peers: Vec<String> = Vec::new();
    for allow in &export.allow {
        let peer = peer_name(loaded, allow.peer);
        if !peers.iter().any(|known| known == peer) {
            peers.push(peer.to_owned());
        }
    }
    peers
}

/// The rules of an export for a peer.
fn rules(loaded: &Loaded, export: &ExportConfig, peer: &str) -> Vec<Allow> {
    let theirs = export
        .allow
        .iter()
        .filter(|allow| peer_name(loaded, allow.peer) == peer);
    theirs.cloned().collect()
}

/// What one peer may do with an export before and after.
fn compare_peer(peer: &str, export: &str, rules: (&[Allow], &[Allow]), usage: &Usage<'_>, lines: &mut Lines) {
    match rules {
        (_, []) => {
            let used = in_use(usage.of_grant(peer, export));
            lines.add(Kind::Loss, format!("{peer} may no longer use {export}{used}"));
        }
        ([], [only]) if same_details(only, &Allow::new(only.peer, only.access)) => {
            granted(peer, export, only, usage, lines)
        }
        ([one], [other]) if same_details(one, other) => {
            compare_rights(peer, export, (one, other), usage, lines);
        }
        (old, new) => compare_rules(peer, export, (old, new), usage, lines),
    }
}

/// Whether two rules differ in nothing but whom they are for, writing, the config string and limits.
fn same_details(one: &Allow, other: &Allow) -> bool {
    let details = |allow: &Allow| {
        (
            allow.lba.clone(),
            allow.commands,
            allow.reserve,
            allow.mac_mask,
            allow.until,
        )
    };
    details(one) == details(other)
}

/// Several rules, or rules for parts: what differs by initiator, command and sector, by the time it is now.
fn compare_rules(
    peer: &str,
    export: &str,
    rules: (&[Allow], &[Allow]),
    usage: &Usage<'_>,
    lines: &mut Lines,
) {
    let now = unix_time().as_secs();
    for one in difference((rules.0, now), (rules.1, now)) {
        let text = super::rights::words(&one, peer, export);
        match one.gained {
            true => lines.add(Kind::Gain, text),
            false => lines.add(Kind::Loss, text + &in_use(usage.of_grant(peer, export))),
        }
    }
    let ends = |rules: &[Allow]| -> Vec<String> {
        let ends = rules.iter().filter_map(|allow| allow.until);
        ends.map(|until| until.to_string()).collect()
    };
    let subject = format!("{peer} on {export}");
    let word = |ends: Vec<String>| {
        if ends.is_empty() {
            String::from("never")
        } else {
            ends.join(" and ")
        }
    };
    lines.becomes(&subject, "until", word(ends(rules.0)), word(ends(rules.1)));
    // Of several rules one says the limit.
    let limit = |rules: &[Allow], of: fn(&Allow) -> Limit| {
        let limits = rules.iter().map(of);
        limits
            .into_iter()
            .find(|limit| *limit != Limit::default())
            .unwrap_or_default()
    };
    let both = |of: fn(&Allow) -> Limit| (limit(rules.0, of), limit(rules.1, of));
    let (of_peer, of_each) = (both(|allow| allow.limit), both(|allow| allow.initiator_limit));
    compare_limits(
        (peer, export),
        (&of_peer.0, &of_peer.1),
        (&of_each.0, &of_each.1),
        usage,
        lines,
    );
}

/// A peer that may use an export from now on.
fn granted(peer: &str, export: &str, allow: &Allow, usage: &Usage<'_>, lines: &mut Lines) {
    let Allow {
        peer: _,
        access,
        initiators,
        config_string,
        lba: _,
        commands: _,
        reserve: _,
        mac_mask: _,
        until: _,
        limit,
        initiator_limit,
    } = allow;
    let access = match access {
        Access::ReadOnly => "read",
        Access::ReadWrite => "read and write",
    };
    let only = match initiators {
        None => String::new(),
        Some(only) => format!(", for {} only", list(only)),
    };
    lines.add(Kind::Gain, format!("{peer} gains {access} on {export}{only}"));
    if *config_string == ConfigString::Set {
        lines.add(
            Kind::Gain,
            format!("{peer} may set the config string of {export}"),
        );
    }
    let none = Limit::default();
    compare_limits(
        (peer, export),
        (&none, limit),
        (&none, initiator_limit),
        usage,
        lines,
    );
}

/// How much a peer, and each of its initiators, may have of an export.
fn compare_limits(
    (peer, export): (&str, &str),
    limit: (&Limit, &Limit),
    of_each: (&Limit, &Limit),
    usage: &Usage<'_>,
    lines: &mut Lines,
) {
    let overruled = usage.overruled(export, peer);
    lines.limit(&format!("{peer} on {export}"), limit, overruled);
    let subject = format!("each initiator behind {peer} on {export}");
    lines.limit(&subject, of_each, "");
}

/// A peer that may use an export before and after.
fn compare_rights(peer: &str, export: &str, rights: (&Allow, &Allow), usage: &Usage<'_>, lines: &mut Lines) {
    let (old, new) = rights;
    let Allow {
        peer: _,
        access,
        initiators,
        config_string,
        lba: _,
        commands: _,
        reserve: _,
        mac_mask: _,
        until: _,
        limit,
        initiator_limit,
    } = new;
    let of_each = (&old.initiator_limit, initiator_limit);
    compare_limits((peer, export), (&old.limit, limit), of_each, usage, lines);
    match (old.access, *access) {
        (Access::ReadWrite, Access::ReadOnly) => lines.add(
            Kind::Loss,
            format!(
                "{peer} loses write on {export}{}",
                in_use(usage.of_grant(peer, export))
            ),
        ),
        (Access::ReadOnly, Access::ReadWrite) => {
            lines.add(Kind::Gain, format!("{peer} gains write on {export}"));
        }
        (Access::ReadOnly, Access::ReadOnly) | (Access::ReadWrite, Access::ReadWrite) => {}
    }
    match (old.config_string, *config_string) {
        (ConfigString::Set, ConfigString::Read) => lines.add(
            Kind::Loss,
            format!("{peer} may no longer set the config string of {export}"),
        ),
        (ConfigString::Read, ConfigString::Set) => {
            lines.add(
                Kind::Gain,
                format!("{peer} may set the config string of {export}"),
            );
        }
        (ConfigString::Read, ConfigString::Read) | (ConfigString::Set, ConfigString::Set) => {}
    }
    match (&old.initiators, initiators) {
        (None, None) => {}
        (None, Some(only)) => {
            let others = usage.of_others(peer, export, only);
            let text = format!(
                "every initiator behind {peer} loses {export}, but {}{}",
                list(only),
                in_use(others)
            );
            lines.add(Kind::Loss, text);
        }
        (Some(_), None) => lines.add(
            Kind::Gain,
            format!("every initiator behind {peer} gains {export}"),
        ),
        (Some(old), Some(new)) => {
            for mac in old.iter().filter(|mac| !new.contains(mac)) {
                let now = match usage.of_initiator(peer, export, *mac) {
                    0 => "",
                    _ => " (it uses it now)",
                };
                lines.add(
                    Kind::Loss,
                    format!("initiator {mac} behind {peer} loses {export}{now}"),
                );
            }
            for mac in new.iter().filter(|mac| !old.contains(mac)) {
                lines.add(
                    Kind::Gain,
                    format!("initiator {mac} behind {peer} gains {export}"),
                );
            }
        }
    }
}

/// Where its target is, and what happens when that is not what it should be.
fn compare_service(
    old: (&Loaded, &ExportConfig),
    new: (&Loaded, &ExportConfig),
    usage: &Usage<'_>,
    lines: &mut Lines,
) {
    let ExportConfig {
        name,
        segment: _,
        target: _,
        target_mac,
        safety,
        limit,
        allow: _,
    } = new.1;
    let subject = format!("export {name}");
    lines.becomes(&subject, "target", place(old.0, old.1), place(new.0, new.1));
    let mac = |mac: &Option<MacAddr>| mac.map_or_else(|| String::from("any"), |mac| mac.to_string());
    lines.becomes(&subject, "target_mac", mac(&old.1.target_mac), mac(target_mac));
    let ExportSafety {
        target_timeout,
        on_target_timeout,
        on_conflict,
        order,
        target_retry,
        sync,
    } = safety;
    let before = &old.1.safety;
    let time = |time| format!("{time:?}");
    let (old_time, new_time) = (time(before.target_timeout), time(*target_timeout));
    lines.becomes(&subject, "target_timeout", old_time, new_time);
    let what = before.on_target_timeout;
    lines.becomes(&subject, "on_target_timeout", what, on_target_timeout);
    lines.becomes(&subject, "on_conflict", before.on_conflict, on_conflict);
    lines.becomes(&subject, "order", before.order, order);
    let (old_time, new_time) = (time(before.target_retry), time(*target_retry));
    lines.becomes(&subject, "target_retry", old_time, new_time);
    lines.becomes(&subject, "sync", before.sync, sync);
    lines.limit(&subject, (&old.1.limit, limit), usage.overruled(name, ""));
}

fn place(loaded: &Loaded, export: &ExportConfig) -> String {
    format!("{} on {}", export.target, segment_name(loaded, export.segment))
}

fn list(initiators: &[MacAddr]) -> String {
    let shown: Vec<_> = initiators.iter().map(ToString::to_string).collect();
    shown.join(" ")
}
