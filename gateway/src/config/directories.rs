//! The directories of export files and of peer files.

use std::io;
use std::path::{Path, PathBuf};

use super::export_file::{self, ExportFile};
use super::fault::{Faults, Kind};
use super::files::{LARGEST, MOST_FILES, ReadFault};
use super::gateway_file::{self, GatewayFile};
use super::kept::Reader;
use super::peer_file::{self, PeerFile};
use super::source::{Located, Place};

/// What a directory is for.
struct Directory {
    /// The key of `[gateway]` that names it.
    key: &'static str,
    /// What a file in it is called.
    files: &'static str,
}

const EXPORTS: Directory = Directory {
    key: "exports",
    files: "export files",
};

const PEERS: Directory = Directory {
    key: "peers",
    files: "peer files",
};

/// The export files. `gateway` is `None` if the gateway file, which has this text, is not TOML.
pub(super) fn exports(
    gateway: Option<&GatewayFile>,
    text: &str,
    directory: &Path,
    (reader, faults): (&mut Reader<'_>, &mut Faults),
) -> Vec<ExportFile> {
    let written = gateway
        .and_then(|file| file.gateway.as_ref())
        .and_then(|entry| entry.exports.as_ref());
    let files = list(
        EXPORTS,
        written,
        gateway.is_none().then_some(text),
        directory,
        (reader, faults),
    );
    read(&files, reader, faults, export_file::parse)
}

/// The peer files; as [`exports`].
pub(super) fn peers(
    gateway: Option<&GatewayFile>,
    text: &str,
    directory: &Path,
    (reader, faults): (&mut Reader<'_>, &mut Faults),
) -> Vec<PeerFile> {
    let written = gateway
        .and_then(|file| file.gateway.as_ref())
        .and_then(|entry| entry.peers.as_ref());
    let files = list(
        PEERS,
        written,
        gateway.is_none().then_some(text),
        directory,
        (reader, faults),
    );
    read(&files, reader, faults, peer_file::parse)
}

/// The files of a directory. `broken` is the text of a gateway file that is not TOML: what it says of the directory may be
/// readable all the same.
fn list(
    which: Directory,
    written: Option<&Located<String>>,
    broken: Option<&str>,
    base: &Path,
    (reader, faults): (&mut Reader<'_>, &mut Faults),
) -> Vec<PathBuf> {
    let named = match (written, broken) {
        (Some(path), _) => Some(path.value.clone()),
        (None, Some(text)) => gateway_file::directory_of_broken(text, which.key),
        (None, None) => None,
    };
    let Some(named) = named else {
        return Vec::new();
    };
    let path = base.join(named);
    let mut paths = match reader.directory(&path) {
        Ok(paths) => paths,
        Err(error) => {
            if let Some(written) = written {
                let found = format!("the directory {} cannot be read: {error}", path.display());
                let instead = match error.kind() {
                    io::ErrorKind::NotFound => format!("make it: mkdir {}", path.display()),
                    _ => format!(
                        "name a directory of {}, or leave `{}` out",
                        which.files, which.key
                    ),
                };
                faults.fault(Kind::Unreadable, &written.place, found, instead);
            }
            return Vec::new();
        }
    };
    if paths.len() > MOST_FILES {
        let found = format!("{} {}", paths.len(), which.files);
        faults.file_fault(Kind::BadValue, &path, found, format!("keep at most {MOST_FILES}"));
        paths.truncate(MOST_FILES);
    }
    paths
}

/// Reads files; those that cannot be read are reported.
fn read<F>(
    paths: &[PathBuf],
    reader: &mut Reader<'_>,
    faults: &mut Faults,
    parse: fn(&Path, &str, &mut Faults) -> Option<F>,
) -> Vec<F> {
    let mut all = Vec::new();
    for path in paths {
        match reader.text(path) {
            Ok(text) => all.extend(parse(path, &text, faults)),
            Err(fault) => report_unreadable(path, fault, WhichFile::Other, faults),
        }
    }
    all
}

/// Which file cannot be read.
#[derive(Clone, Copy)]
pub(super) enum WhichFile {
    Gateway,
    /// One of a directory.
    Other,
}

/// Reports a file that could not be read.
pub(super) fn report_unreadable(path: &Path, fault: ReadFault, which: WhichFile, faults: &mut Faults) {
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
