//! Peers.

use aoe_common::config::{PeerConfig, Protection};

use super::usage::Usage;
use super::{Kind, Lines};
use crate::config::Loaded;

pub(super) fn compare(old: &Loaded, new: &Loaded, usage: &Usage<'_>, lines: &mut Lines) {
    let of = |loaded: &Loaded, name: &str| loaded.core.peers.values().any(|peer| peer.name == name);
    for peer in old.core.peers.values() {
        let name = &peer.name;
        if !of(new, name) {
            let text = format!("peer {name} disappears: its session ends");
            lines.add(Kind::Disappears, text);
        }
    }
    for peer in new.core.peers.values() {
        let name = &peer.name;
        match old.core.peers.values().find(|known| known.name == *name) {
            None => lines.add(Kind::Appears, format!("peer {name} appears")),
            Some(known) => {
                let text = match (old.endpoints.get(name), new.endpoints.get(name)) {
                    (Some(was), Some(is)) if was != is => format!("endpoint {was} becomes {is}"),
                    (Some(was), None) => format!("endpoint {was} is removed: it must call"),
                    (None, Some(is)) => format!("endpoint {is}: it is called there"),
                    (Some(_), Some(_)) | (None, None) => String::new(),
                };
                if !text.is_empty() {
                    lines.add(Kind::Changes, format!("peer {name}: {text}"));
                }
                compare_one(known, peer, usage, lines);
            }
        }
    }
}

fn compare_one(old: &PeerConfig, new: &PeerConfig, usage: &Usage<'_>, lines: &mut Lines) {
    let PeerConfig {
        name,
        trust,
        // It follows from the endpoint as it is written.
        endpoint: _,
        endpoint_pinned,
        protection,
        path_mtu,
        limit,
    } = new;
    let subject = format!("peer {name}");
    match (old.trust.certificate_name(), trust.certificate_name()) {
        (None, None) if old.trust.keys() != trust.keys() => {
            let used = old.trust.as_key().and_then(|trust| trust.in_call_order().next());
            let text = match used.is_some_and(|used| trust.keys().contains(&used)) {
                true => format!("{subject}: other keys, and the one that it uses stays"),
                false => format!("{subject}: another key: its session ends"),
            };
            lines.add(Kind::Changes, text);
        }
        (Some(was), Some(is)) if was != is => lines.add(
            Kind::Changes,
            format!("{subject}: certificate_name {was} becomes {is}: its session ends"),
        ),
        (None, Some(is)) => lines.add(
            Kind::Changes,
            format!("{subject}: transport noise becomes tls, by the certificate name {is}: its session ends"),
        ),
        (Some(_), None) => lines.add(
            Kind::Changes,
            format!("{subject}: transport tls becomes noise: its session ends"),
        ),
        (None, None) | (Some(_), Some(_)) => {}
    }
    let what = match (old.trust.psk(), trust.psk()) {
        (None, None) => None,
        (Some(old), Some(new)) => (old.expose() != new.expose()).then_some("changes"),
        (None, Some(_)) => Some("appears"),
        (Some(_), None) => Some("disappears"),
    };
    if let Some(what) = what {
        let text = format!(
            "psk of {name} {what}: from the next handshake on, so change it on both sides within three minutes"
        );
        lines.add(Kind::Changes, text);
    }
    match (old.endpoint_pinned, *endpoint_pinned) {
        (false, true) => lines.add(
            Kind::Changes,
            format!("{subject}: is spoken to at its endpoint only"),
        ),
        (true, false) => lines.add(
            Kind::Changes,
            format!("{subject}: is followed to where its records come from"),
        ),
        (false, false) | (true, true) => {}
    }
    let modes = |modes: &[Protection]| {
        let words: Vec<_> = modes.iter().map(ToString::to_string).collect();
        words.join(" or ")
    };
    let (was, is) = (modes(&old.protection), modes(protection));
    lines.becomes(&subject, "protection", was, is);
    let (was, is) = (old.trust.post_quantum(), trust.post_quantum());
    lines.becomes(&subject, "post_quantum", was, is);
    lines.becomes(&subject, "path_mtu", old.path_mtu, path_mtu);
    let overruled = usage.overruled("", name);
    lines.limit(&subject, (&old.limit.whole, &limit.whole), overruled);
}
