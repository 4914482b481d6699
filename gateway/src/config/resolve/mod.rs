//! Compares everything with everything and, if nothing is wrong, makes the checked configuration.
//!
//! Each step reports all it finds and gives `None` for what cannot be made; the next step goes on with what
//! there is. A `None` at the end always comes with a fault.

mod certificate;
mod exports;
mod grants;
mod idle;
mod imports;
mod local;
mod names;
mod peers;
mod unused;

use aoe_common::config::{Cipher, GatewayConfig, OwnKeys, SegmentConfig, TunnelConfig};
use aoe_keys::Psk;

use self::names::Names;
use super::audit::AuditEntry;
use super::export_file::ExportFile;
use super::fault::{Faults, Kind};
use super::gateway_file::{GatewayFile, PeerEntry};
use super::revoked_file::RevokedFile;
use super::source::Place;
use super::tls::TlsFiles;
use super::{Loaded, Settings};
use crate::clock::unix_time;

/// The contents of the files of secrets; absent where there is none or it was reported.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) own: Option<OwnKeys>,
    /// One per peer, in their order.
    pub(super) psks: Vec<Option<Psk>>,
    /// Certificates and what belongs to them.
    pub(super) tls: Option<TlsFiles>,
}

/// Checks the files against each other. `gateway` is `None` if `gateway.toml` is not TOML.
pub(super) fn resolve(
    gateway: Option<&GatewayFile>,
    export_files: &[ExportFile],
    secrets: Secrets,
    revoked: RevokedFile,
    faults: &mut Faults,
) -> Option<Loaded> {
    let segment_names = Names::declare(
        "segment",
        gateway.map(|file| file.segments.iter().map(|segment| &segment.name)),
        faults,
    );
    let peer_names = Names::declare(
        "peer",
        gateway.map(|file| file.peers.iter().map(|peer| &peer.name)),
        faults,
    );

    let exports = exports::resolve(export_files, &segment_names, &peer_names, faults);
    let file = gateway?;
    let imports = imports::resolve(
        &file.imports,
        &segment_names,
        &peer_names,
        &exports.targets,
        faults,
    );
    let devices = local::devices(file, faults);
    let listen = local::listen(file, faults);
    let own = secrets.own.as_ref().map(OwnKeys::public).unwrap_or_default();
    let known = peers::Known {
        own: &own,
        revoked: &revoked.revoked,
        own_names: secrets.tls.as_ref().map_or(&[], |tls| &tls.names),
    };
    let (peers, endpoints) = peers::resolve(file, &known, secrets.psks, faults);
    let keys = match secrets.own {
        Some(keys) => Some(keys),
        None if own_key_is_needed(file, faults) => None,
        None => Some(OwnKeys::default()),
    };

    // Where something is broken, something else only seems to be unused.
    if !faults.is_fatal() {
        unused::warn(file, export_files, faults);
        let list = exports.list.as_deref().unwrap_or_default();
        idle::warn(export_files, list, unix_time().as_secs(), faults);
    }
    let entry = file.gateway.as_ref()?;
    let segment_config = |name: &Option<_>| {
        name.as_ref()
            .map(|name: &super::source::Located<String>| SegmentConfig {
                name: name.value.clone(),
            })
    };
    Some(Loaded {
        core: GatewayConfig {
            name: entry.name.as_ref()?.value.clone(),
            keys: keys?,
            revoked: revoked.revoked,
            tls: secrets.tls.map(|tls| tls.config),
            segments: file
                .segments
                .iter()
                .map(|segment| segment_config(&segment.name))
                .collect::<Option<_>>()?,
            peers: peers?.into(),
            exports: exports.list?.into(),
            imports: imports?.into(),
            tunnel: TunnelConfig {
                ciphers: ciphers(),
                ..entry.tunnel.clone()
            },
        },
        listen,
        endpoints,
        devices: devices?,
        metrics: file.metrics.clone(),
        settings: Settings {
            audit: file.audit.as_ref().and_then(AuditEntry::to),
            ..entry.settings.clone()
        },
        revocations: revoked.entries,
        // Who reads the files knows.
        origin: Default::default(),
    })
}

/// Whether somebody is to know us by our static key, or one was written that cannot be read; reports that it is missing.
fn own_key_is_needed(file: &GatewayFile, faults: &mut Faults) -> bool {
    let Some(gateway) = &file.gateway else {
        return true;
    };
    let only_tls = !file.peers.is_empty() && file.peers.iter().all(PeerEntry::is_by_tls);
    if only_tls && !gateway.has_key {
        return false;
    }
    if !gateway.has_key {
        faults.fault(
            Kind::MissingKey,
            &Place {
                field: format!("{}.key", gateway.place.field),
                ..gateway.place.clone()
            },
            "[gateway] has no `key`",
            "add key = \"site-a.key\"",
        );
    }
    true
}

/// Both ciphers, the one this CPU is faster at first.
fn ciphers() -> Vec<Cipher> {
    if has_aes() {
        vec![Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305]
    } else {
        vec![Cipher::ChaCha20Poly1305, Cipher::Aes256Gcm]
    }
}

/// Instructions for AES and for the multiplication GCM needs.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    let has =
        std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}
