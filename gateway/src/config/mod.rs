//! The configuration: `gateway.toml`, the peer files, export files and key files it leads to.
//!
//! Every fault of all files is found in one go. The way of a value: `files` reads bounded text, `section`
//! takes each key out of a table by its `shape` and a parser of `value`, `net` or `grants`, `gateway_file`, `peer_file` and
//! `export_file` hold what was written with the place where it was written, `secrets` reads the keys, and `resolve`
//! compares everything with everything and makes the checked configuration the engine takes.
//!
//! Paths in a file are relative to that file.

mod audit;
mod directories;
mod export_file;
mod fault;
mod files;
mod gateway_file;
pub(crate) mod grants;
mod kept;
mod learnt;
mod limit;
mod metrics;
mod net;
mod own_keys;
mod peer_file;
mod places;
mod redact;
mod resolve;
mod revoked_file;
mod secrets;
mod section;
mod settings;
mod shape;
mod source;
mod suggest;
mod tls;
mod value;
mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aoe_common::config::{GatewayConfig, Revoked};
use aoe_common::snapshot::Revocation;
use aoe_keys::store::Purpose;

use self::directories::WhichFile;
pub use self::fault::{Fault, Faults, Kind, Severity};
use self::gateway_file::GatewayFile;
use self::kept::{Origin, Reader};
pub(crate) use self::kept::{Texts, Version, Watched, version};
pub(crate) use self::limit::{MOST_BANDWIDTH, MOST_IOPS, bandwidth};
pub use self::metrics::Metrics;
pub(crate) use self::net::scoped;
pub(crate) use self::places::RulePlaces;
use self::resolve::Secrets;
use self::revoked_file::RevokedFile;
pub use self::settings::{Group, Settings};
pub use self::source::Excerpt;
pub(crate) use self::suggest::nearest;
pub(crate) use self::value::duration_text;
pub(crate) use self::written::{WhatFile, Written, files_of, written};

/// A configuration with which a gateway can run.
#[derive(Debug)]
pub struct Loaded {
    /// What the engine takes.
    pub core: GatewayConfig,
    /// Where datagrams are received, in the order of the file; never empty.
    pub listen: Vec<SocketAddr>,
    /// `host:port` of each peer that has one, by the peer's name. The host may be a name, or an address with an interface.
    pub endpoints: BTreeMap<String, String>,
    /// What each segment attaches to, by the segment's name.
    pub devices: BTreeMap<String, Device>,
    /// Where programs and people look over HTTP, if anywhere.
    pub metrics: Option<Metrics>,
    /// What the core needs not know.
    pub settings: Settings,
    /// What is written of keys that are not trusted any more.
    pub revocations: Vec<Revocation>,
    /// What it was read from.
    pub(crate) origin: Origin,
}

impl Loaded {
    /// The same once more, but this is not trusted any more.
    pub(crate) fn with_revoked(&self, revoked: Revoked, revocations: Vec<Revocation>) -> Loaded {
        Loaded {
            core: GatewayConfig {
                revoked,
                ..self.core.copy()
            },
            listen: self.listen.clone(),
            endpoints: self.endpoints.clone(),
            devices: self.devices.clone(),
            metrics: self.metrics.clone(),
            settings: self.settings.clone(),
            revocations,
            origin: self.origin.clone(),
        }
    }
}

/// What a segment attaches to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// An existing interface, by its name or an alternative name of it.
    Nic(String),
    /// A TAP device, made at the start and removed at the end.
    Tap {
        /// Its name, at most 15 bytes.
        name: String,
        /// Its MTU in bytes, without the Ethernet header: 576 to 9216.
        mtu: u16,
    },
}

/// What a look at a configuration gives.
#[derive(Debug)]
pub struct Examined {
    /// The configuration, if it can be used.
    pub loaded: Option<Loaded>,
    /// What is wrong with it; warnings only, if it can be used.
    pub faults: Faults,
}

/// Loads the configuration a gateway is to run with. Warnings are left to [`examine`].
///
/// # Errors
/// All [`Faults`] of all files at once.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    let Examined { loaded, faults } = examine_to_run(path);
    loaded.ok_or(faults)
}

/// Reads a configuration and everything it leads to, and finds all that is wrong with it.
///
/// Only to look: what it gives may be of a service with another user, and may have something else in place of credentials
/// that only the service has.
pub fn examine(path: &Path) -> Examined {
    examine_with_places(path).0
}

/// The same for a gateway that is going to run with it in this process.
pub(crate) fn examine_to_run(path: &Path) -> Examined {
    examine_by(Reader::default(), path).0
}

/// [`examine`], and where the rules of exports are written.
pub(crate) fn examine_with_places(path: &Path) -> (Examined, RulePlaces) {
    examine_by(Reader::look(), path)
}

/// Reads secrets and the like again, with the texts as they were then, whatever is in their files now.
pub(crate) fn examine_again(path: &Path, texts: &Texts) -> Examined {
    examine_by(Reader::again(texts), path).0
}

/// What is revoked now, by the file that these texts name; `None` if that cannot be used. Whatever else cannot be used.
pub(crate) fn revoked_now(path: &Path, texts: &Texts) -> Option<(Revoked, Vec<Revocation>)> {
    let mut faults = Faults::default();
    let mut reader = Reader::again(texts);
    let text = reader.text(path).ok()?;
    let gateway = gateway_file::parse(path, &text, &mut faults)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let file = read_revoked(&gateway, directory, &mut reader, &mut faults);
    (!faults.is_fatal()).then_some((file.revoked, file.entries))
}

fn examine_by(reader: Reader<'_>, path: &Path) -> (Examined, RulePlaces) {
    let mut faults = Faults::default();
    let (loaded, places) = read(path, reader, &mut faults);
    faults.sort();
    let examined = Examined {
        loaded: loaded.filter(|_| !faults.is_fatal()),
        faults,
    };
    (examined, places)
}

/// Where the sockets of a gateway are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets {
    /// Where programs that only look connect.
    pub observe: PathBuf,
    /// Where programs that change things connect.
    pub control: PathBuf,
}

/// Where the sockets of the gateway are that runs with this file. What else the file says may be wrong.
///
/// # Errors
/// All [`Faults`], if the file cannot be read or does not say it.
pub fn sockets(path: &Path) -> Result<Sockets, Faults> {
    if let Ok(text) = files::read_text(path)
        && let (Some(observe), Some(control)) = settings::sockets(&text, &settings::directory(path))
    {
        return Ok(Sockets { observe, control });
    }
    Err(examine(path).faults)
}

/// Looks at a text as a gateway file, as a peer file and as an export file, without reading any other file. Never panics,
/// whatever the text: this is the body of a fuzz target.
pub fn check_text(text: &str) -> Faults {
    let mut faults = Faults::default();
    let mut gateway = gateway_file::parse(Path::new("gateway.toml"), text, &mut faults);
    gateway_file::directory_of_broken(text, "exports");
    let peer = peer_file::parse(Path::new("peers.d/peer.toml"), text, &mut faults);
    if let Some(gateway) = &mut gateway {
        gateway.take_in(peer, &mut faults);
    }
    settings::sockets(text, Path::new(""));
    let export = export_file::parse(Path::new("exports.d/export.toml"), text, &mut faults);
    resolve::resolve(
        gateway.as_ref(),
        export.as_slice(),
        Secrets::default(),
        revoked_file::parse(Path::new("revoked.toml"), text, &mut faults),
        &mut faults,
    );
    faults.sort();
    faults
}

fn read(path: &Path, mut reader: Reader<'_>, faults: &mut Faults) -> (Option<Loaded>, RulePlaces) {
    let text = match reader.text(path) {
        Ok(text) => text,
        Err(fault) => {
            directories::report_unreadable(path, fault, WhichFile::Gateway, faults);
            return (None, RulePlaces::default());
        }
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut gateway = gateway_file::parse(path, &text, faults);
    let exports = directories::exports(gateway.as_ref(), &text, directory, (&mut reader, faults));
    let peers = directories::peers(gateway.as_ref(), &text, directory, (&mut reader, faults));
    if let Some(gateway) = &mut gateway {
        gateway.take_in(peers, faults);
    }
    let secrets = gateway
        .as_ref()
        .map(|gateway| secrets::read(gateway, directory, &mut reader, faults))
        .unwrap_or_default();
    if let Some(gateway) = gateway.as_ref().filter(|_| reader.purpose() == Purpose::Look) {
        learnt::warn(gateway, faults);
    }
    let revoked = gateway
        .as_ref()
        .map(|gateway| read_revoked(gateway, directory, &mut reader, faults))
        .unwrap_or_default();
    if let Some(audit) = gateway.as_ref().and_then(|file| file.audit.as_ref()) {
        audit::look(audit, faults);
    }
    let places = RulePlaces::of(&exports, faults);
    let loaded = resolve::resolve(gateway.as_ref(), &exports, secrets, revoked, faults);
    let origin = reader.into_origin();
    (loaded.map(|loaded| Loaded { origin, ..loaded }), places)
}

fn read_revoked(
    gateway: &GatewayFile,
    directory: &Path,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> RevokedFile {
    let Some(entry) = &gateway.gateway else {
        return RevokedFile::default();
    };
    let named = entry.revoked.as_ref();
    let path = named.map_or(revoked_file::DEFAULT, |named| named.value.as_str());
    revoked_file::read(&directory.join(path), named, reader, faults)
}
