//! Peers that are known by certificates.

use aoe_common::config::CertificateName;

use super::names::Once;
use crate::config::fault::{Faults, Kind};
use crate::config::gateway_file::{GatewayFile, PeerEntry};
use crate::config::source::{Located, Place};
use crate::config::tls::certificate_name;
use crate::config::value::quote;

/// The name in the certificate of a peer that is known by one. Keys that belong to the other transport are reported.
pub(super) fn name(
    file: &GatewayFile,
    peer: &PeerEntry,
    (own, names): (&[CertificateName], &mut Once<CertificateName>),
    faults: &mut Faults,
) -> Option<CertificateName> {
    let Some(transport) = peer.transport.as_ref().filter(|_| peer.is_by_tls()) else {
        if let Some(name) = &peer.certificate_name {
            let found = "this peer is known by its key, and no certificate of it is ever seen";
            faults.fault(
                Kind::Conflict,
                &name.place,
                found,
                "add transport = \"tls\", or remove `certificate_name`",
            );
        }
        return None;
    };
    let of_noise = [
        ("key", peer.key.as_ref().map(|key| &key.place)),
        ("psk", peer.psk.as_ref().map(|psk| &psk.place)),
        ("post_quantum", peer.post_quantum.as_ref().map(|_| &peer.place)),
    ];
    for (key, place) in of_noise {
        if let Some(place) = place {
            let found = format!("`{key}` belongs to transport = \"noise\", and this peer has \"tls\"");
            let instead = "remove one of the two: there is no fall-back from one transport to the other";
            faults.fault(Kind::Conflict, place, found, instead);
        }
    }
    if file.tls.is_none() {
        faults.fault(
            Kind::MissingKey,
            &transport.place,
            "this peer is called by TLS, and there is no [tls] with a certificate of ours",
            "add [tls] with `certificate`, `key` and `ca`",
        );
    }
    let (name, place) = wanted(peer, faults)?;
    if own.contains(&name) {
        faults.fault(
            Kind::Conflict,
            place,
            format!(
                "{} is a name in this gateway's own certificate",
                quote(&name.to_string())
            ),
            "write the name in the certificate of the peer, or have our certificate issued without it",
        );
    }
    names.claim(name.clone(), place, faults, |name| {
        (
            format!(
                "another peer has the certificate name {} too, so the two could not be told apart",
                quote(&name.to_string())
            ),
            String::from("write each peer once, with its own name"),
        )
    });
    Some(name)
}

/// The name as written, or the peer's own as a DNS name.
fn wanted<'a>(peer: &'a PeerEntry, faults: &mut Faults) -> Option<(CertificateName, &'a Place)> {
    if let Some(Located { value, place }) = &peer.certificate_name {
        return Some((value.clone(), place));
    }
    let implied = peer.name.as_ref().filter(|_| !peer.has_certificate_name)?;
    match certificate_name(&format!("dns:{}", implied.value)) {
        Ok(name) => Some((name, &implied.place)),
        Err(_) => {
            let found = format!(
                "the name {} is no DNS name, so no certificate has it",
                quote(&implied.value)
            );
            let instead =
                "add certificate_name = \"dns:…\", or a URI, as it stands in the peer's certificate";
            faults.fault(Kind::MissingKey, &implied.place, found, instead);
            None
        }
    }
}
