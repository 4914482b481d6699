//! The configuration: `gateway.toml`, the export files and the key files it leads to.
//!
//! Every fault of all files is found in one go. The way of a value: `files` reads bounded text, `section`
//! takes each key out of a table by its `shape` and a parser of `value`, `net` or `grants`, `gateway_file` and `export_file`
//! hold what was written with the place where it was written, `secrets` reads the keys, and `resolve`
//! compares everything with everything and makes the checked configuration the engine takes.
//!
//! Paths in a file are relative to that file.

mod audit;
mod export_file;
mod fault;
mod files;
mod gateway_file;
pub(crate) mod grants;
mod limit;
mod metrics;
mod net;
mod places;
mod redact;
mod resolve;
mod secrets;
mod section;
mod settings;
mod shape;
mod source;
mod suggest;
mod value;
mod written;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aoe_common::config::GatewayConfig;

use self::export_file::ExportFile;
pub use self::fault::{Fault, Faults, Kind, Severity};
use self::files::{LARGEST, MOST_EXPORTS, ReadFault};
use self::gateway_file::GatewayFile;
pub(crate) use self::limit::{MOST_BANDWIDTH, MOST_IOPS, bandwidth};
pub use self::metrics::Metrics;
pub(crate) use self::net::scoped;
pub(crate) use self::places::RulePlaces;
use self::resolve::Secrets;
pub use self::settings::{Group, Settings};
pub use self::source::Excerpt;
use self::source::Place;
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
    let Examined { loaded, faults } = examine(path);
    loaded.ok_or(faults)
}

/// Reads a configuration and everything it leads to, and finds all that is wrong with it.
pub fn examine(path: &Path) -> Examined {
    examine_with_places(path).0
}

/// The same, and where the rules of exports are written.
pub(crate) fn examine_with_places(path: &Path) -> (Examined, RulePlaces) {
    let mut faults = Faults::default();
    let (loaded, places) = read(path, &mut faults);
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

/// Looks at a text both as a gateway file and as an export file, without reading any other file. Never panics,
/// whatever the text: this is the body of a fuzz target.
pub fn check_text(text: &str) -> Faults {
    let mut faults = Faults::default();
    let gateway = gateway_file::parse(Path::new("gateway.toml"), text, &mut faults);
    gateway_file::exports_of_broken(text);
    settings::sockets(text, Path::new(""));
    let export = export_file::parse(Path::new("exports.d/export.toml"), text, &mut faults);
    resolve::resolve(
        gateway.as_ref(),
        export.as_slice(),
        Secrets::default(),
        &mut faults,
    );
    faults.sort();
    faults
}

fn read(path: &Path, faults: &mut Faults) -> (Option<Loaded>, RulePlaces) {
    let text = match files::read_text(path) {
        Ok(text) => text,
        Err(fault) => {
            report_unreadable(path, fault, WhichFile::Gateway, faults);
            return (None, RulePlaces::default());
        }
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    let gateway = gateway_file::parse(path, &text, faults);
    let exports = read_exports(gateway.as_ref(), &text, directory, faults);
    let secrets = gateway
        .as_ref()
        .map(|gateway| secrets::read(gateway, directory, faults))
        .unwrap_or_default();
    if let Some(audit) = gateway.as_ref().and_then(|file| file.audit.as_ref()) {
        audit::look(audit, faults);
    }
    let places = RulePlaces::of(&exports, faults);
    (
        resolve::resolve(gateway.as_ref(), &exports, secrets, faults),
        places,
    )
}

fn read_exports(
    gateway: Option<&GatewayFile>,
    text: &str,
    directory: &Path,
    faults: &mut Faults,
) -> Vec<ExportFile> {
    let written = gateway
        .and_then(|file| file.gateway.as_ref())
        .and_then(|entry| entry.exports.as_ref());
    let path = match (written, gateway) {
        (Some(path), _) => path.value.clone(),
        (None, Some(_)) => return Vec::new(),
        // The gateway file is broken; what it says about exports may be readable all the same.
        (None, None) => match gateway_file::exports_of_broken(text) {
            Some(path) => path,
            None => return Vec::new(),
        },
    };
    let path = directory.join(path);
    let mut paths = match files::export_files(&path) {
        Ok(paths) => paths,
        Err(error) => {
            if let Some(written) = written {
                let found = format!("the directory {} cannot be read: {error}", path.display());
                let instead = match error.kind() {
                    io::ErrorKind::NotFound => format!("make it: mkdir {}", path.display()),
                    _ => String::from("name a directory of export files, or leave `exports` out"),
                };
                faults.fault(Kind::Unreadable, &written.place, found, instead);
            }
            return Vec::new();
        }
    };
    if paths.len() > MOST_EXPORTS {
        let found = format!("{} export files", paths.len());
        faults.file_fault(
            Kind::BadValue,
            &path,
            found,
            format!("keep at most {MOST_EXPORTS}"),
        );
        paths.truncate(MOST_EXPORTS);
    }
    paths
        .iter()
        .filter_map(|path| read_export(path, faults))
        .collect()
}

fn read_export(path: &Path, faults: &mut Faults) -> Option<ExportFile> {
    match files::read_text(path) {
        Ok(text) => export_file::parse(path, &text, faults),
        Err(fault) => {
            report_unreadable(path, fault, WhichFile::Export, faults);
            None
        }
    }
}

#[derive(Clone, Copy)]
enum WhichFile {
    Gateway,
    Export,
}

fn report_unreadable(path: &Path, fault: ReadFault, which: WhichFile, faults: &mut Faults) {
    let mut report =
        |kind, found: String, instead: &str| faults.file_fault(kind, path, found, instead.to_owned());
    match (fault, which) {
        (ReadFault::Io(error), WhichFile::Gateway) if error.kind() == io::ErrorKind::NotFound => {
            report(
                Kind::NoConfig,
                String::from("there is no such file"),
                "name the gateway file with --config",
            );
        }
        (ReadFault::Io(error), WhichFile::Gateway) if error.kind() == io::ErrorKind::PermissionDenied => {
            let found = String::from("this user may not read it");
            report(
                Kind::ConfigForbidden,
                found,
                "run as its owner, or give this user read permission",
            );
        }
        (ReadFault::Io(error), _) => {
            report(
                Kind::Unreadable,
                format!("it cannot be read: {error}"),
                "make it readable, or remove it",
            );
        }
        (ReadFault::NotAFile, _) => {
            report(
                Kind::Unreadable,
                String::from("this is no regular file"),
                "name a regular file",
            );
        }
        (ReadFault::TooBig, _) => {
            report(
                Kind::Unreadable,
                format!("it has more than {LARGEST} bytes"),
                "keep it smaller",
            );
        }
        (ReadFault::NotText { text, valid }, _) => {
            let source = faults.add_source(path, &text);
            let place = Place {
                source,
                span: valid..valid + 1,
                field: String::new(),
            };
            faults.fault(
                Kind::Syntax,
                &place,
                "this is not UTF-8 text",
                "save the file as UTF-8",
            );
        }
    }
}
