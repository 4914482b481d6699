//! The other gateways.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aoe_common::config::{
    CertificateName, Endpoint, KeyTrust, PathMtu, PeerConfig, PeerLimit, Protection, Revoked, Trust,
};
use aoe_keys::{Psk, PublicKey};

use super::certificate;
use super::names::Once;
use crate::config::fault::{Faults, Kind};
use crate::config::gateway_file::{GatewayFile, PeerEntry};
use crate::config::limit;
use crate::config::scoped;
use crate::config::source::Located;
use crate::config::value::quote;

/// Keys that say something about those of peers.
pub(super) struct Known<'a> {
    /// Our own public keys, as far as they could be read.
    pub(super) own: &'a [PublicKey],
    /// What is not trusted any more.
    pub(super) revoked: &'a Revoked,
    /// The names in our own certificate.
    pub(super) own_names: &'a [CertificateName],
}

/// All peers, and the endpoints that were written, by the peer's name.
pub(super) fn resolve(
    file: &GatewayFile,
    known: &Known<'_>,
    psks: Vec<Option<Psk>>,
    faults: &mut Faults,
) -> (Option<Vec<PeerConfig>>, BTreeMap<String, String>) {
    if file.peers.is_empty() {
        faults.warn(
            &file.place,
            "there is no peer yet, so there is nobody to carry frames to or from",
            "pair it: `aoe-keys invite` where the disk is, `aoe-keys accept` at the other site; or add [[peer]] by hand",
        );
    }
    let (mut keys, mut names) = (Once::default(), Once::default());
    let mut peers = Vec::new();
    let mut psks = psks.into_iter();
    for peer in &file.peers {
        check_key(peer, known, &mut keys, faults);
        let certificate = certificate::name(file, peer, (known.own_names, &mut names), faults);
        check_name(file, peer, faults);
        check_endpoint(file, peer, faults);
        check_pinned(peer, faults);
        let protection = protection(peer, faults);
        peers.push(build(peer, certificate, protection, psks.next().flatten()));
    }
    let written = |text: &Option<Located<String>>| text.as_ref().map(|text| text.value.clone());
    let endpoints = file.peers.iter();
    let endpoints = endpoints.filter_map(|peer| written(&peer.name).zip(written(&peer.endpoint)));
    (peers.into_iter().collect(), endpoints.collect())
}

fn build(
    peer: &PeerEntry,
    certificate: Option<CertificateName>,
    protection: Vec<Protection>,
    psk: Option<Psk>,
) -> Option<PeerConfig> {
    let trust = match certificate {
        Some(name) => Trust::of_certificate(name),
        None if peer.is_by_tls() => return None,
        None => Trust::Key(KeyTrust {
            psk,
            post_quantum: peer.post_quantum.unwrap_or_default(),
            ..KeyTrust::of(peer.key.as_ref()?.value)
        }),
    };
    Some(PeerConfig {
        name: peer.name.as_ref()?.value.clone(),
        trust,
        endpoint: if peer.endpoint.is_some() {
            Endpoint::Known
        } else {
            Endpoint::Unknown
        },
        endpoint_pinned: peer.endpoint_pinned.as_ref().is_some_and(|flag| flag.value),
        protection,
        path_mtu: peer.path_mtu.as_ref().map_or(PathMtu::Auto, |mtu| mtu.value),
        limit: PeerLimit {
            whole: limit::value(&peer.limit),
            ..PeerLimit::default()
        },
    })
}

fn check_key(peer: &PeerEntry, known: &Known<'_>, keys: &mut Once<PublicKey>, faults: &mut Faults) {
    let Some(key) = &peer.key else { return };
    if known.revoked.has_key(&key.value) {
        faults.warn(
            &key.place,
            "this key is revoked, so the peer can do nothing here unless it has told us another one",
            "write its new key, or remove the peer; `aoe-keys revoke --list` says what is revoked",
        );
    }
    if known.own.contains(&key.value) {
        faults.fault(
            Kind::Conflict,
            &key.place,
            "this is the public key of this very gateway",
            "write the key of the peer: what `aoe-keys public FILE` prints there",
        );
    }
    keys.claim(key.value, &key.place, faults, |_| {
        (
            String::from("another peer has the same key, so the two could not be told apart"),
            String::from("write each peer once, with its own key"),
        )
    });
}

fn check_name(file: &GatewayFile, peer: &PeerEntry, faults: &mut Faults) {
    let own = file.gateway.as_ref().and_then(|gateway| gateway.name.as_ref());
    if let (Some(own), Some(name)) = (own, &peer.name)
        && own.value == name.value
    {
        let found = format!("this peer and this gateway are both called {}", quote(&own.value));
        faults.warn(
            &name.place,
            found,
            "give them two names, or logs will confuse them",
        );
    }
}

/// A literal address of a family no socket of ours has cannot be called.
fn check_endpoint(file: &GatewayFile, peer: &PeerEntry, faults: &mut Faults) {
    let (Some(endpoint), Some(gateway)) = (&peer.endpoint, &file.gateway) else {
        return;
    };
    let workers = u16::from(file.workers());
    let port = endpoint
        .value
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_some_and(|port| port.checked_add(workers - 1).is_none()) {
        let found = format!("{workers} workers call that many ports of the peer, from this one upwards");
        let instead = format!("use a port of at most {} there", u16::MAX - (workers - 1));
        faults.fault(Kind::BadValue, &endpoint.place, found, instead);
    }
    let is_ipv4 = match endpoint.value.parse::<SocketAddr>() {
        Ok(address) => address.is_ipv4(),
        Err(_) if scoped(&endpoint.value).is_some() => false,
        Err(_) => return,
    };
    if !gateway.listen.is_empty() && !gateway.listen.iter().any(|l| l.value.is_ipv4() == is_ipv4) {
        let (family, any) = if is_ipv4 {
            ("IPv4", "0.0.0.0")
        } else {
            ("IPv6", "[::]")
        };
        faults.warn(
            &endpoint.place,
            format!("the endpoint is an {family} address, and `listen` has none"),
            format!("add one to `listen`, such as \"{any}:34978\""),
        );
    }
}

/// Without an endpoint there is nothing to pin the peer to.
fn check_pinned(peer: &PeerEntry, faults: &mut Faults) {
    if let Some(pinned) = peer.endpoint_pinned.as_ref().filter(|flag| flag.value)
        && !peer.has_endpoint
    {
        faults.fault(
            Kind::Conflict,
            &pinned.place,
            "the peer has no endpoint that it could be pinned to",
            "add endpoint = \"host:port\", or remove `endpoint_pinned`",
        );
    }
}

fn protection(peer: &PeerEntry, faults: &mut Faults) -> Vec<Protection> {
    let Some(modes) = &peer.protection else {
        return vec![Protection::Encrypt];
    };
    let mut once = Once::default();
    for mode in modes {
        once.claim(mode.value, &mode.place, faults, |mode| {
            (
                format!("\"{mode}\" is listed twice"),
                String::from("list each mode once, the preferred one first"),
            )
        });
    }
    modes.iter().map(|mode| mode.value).collect()
}
