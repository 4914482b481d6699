//! A small private CA in one directory.
//!
//! ```text
//! ca.key      its private key, mode 0600
//! ca.crt      its certificate, for every gateway
//! ca.crl      what it has revoked, for every gateway
//! index.toml  what it has issued
//! issued/     a copy of each certificate, by its serial
//! .lock       held by who writes
//! ```
//! Every file is replaced in one step. What is written first is what must not be missing after a crash: the index knows a
//! certificate before anybody has it, and knows that it is revoked before the list says so.

pub(crate) mod dates;
mod error;
mod index;
mod make;
mod request;
mod sign;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aoe_keys::store::{self, Existing, Visibility};
use aoe_keys::x509::Certificate;
use rcgen::{Issuer, KeyPair};

pub(crate) use self::error::CaError;
pub(crate) use self::index::{Entry, Index, Reason};
pub(crate) use self::make::{Algorithm, Founding};
pub(crate) use self::request::Request;
pub(crate) use self::sign::Order;
use crate::streams;

/// The file of the CA's certificate, in its directory.
pub(crate) const CERTIFICATE: &str = "ca.crt";
/// The file of its revocation list.
pub(crate) const CRL: &str = "ca.crl";
const KEY: &str = "ca.key";
const INDEX: &str = "index.toml";
const ISSUED: &str = "issued";
const LOCK: &str = ".lock";
/// How far everything is dated back, in seconds, for gateways whose clocks are behind.
const BACK: i64 = 3600;
const DAY: i64 = 86_400;

/// A CA that this process may change; no other does while this one lives.
pub(crate) struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) certificate: Certificate,
    pub(crate) index: Index,
    /// The moment that everything is done at, in Unix time, in seconds.
    pub(crate) now: i64,
    /// Locked until it is closed.
    _lock: File,
}

impl Authority {
    /// Opens the CA of a directory, and waits for another process that changes it.
    pub(crate) fn open(dir: &Path) -> Result<Self, CaError> {
        // A directory without an index gets no lock file either.
        Index::read(dir)?;
        let lock = lock(dir)?;
        let index = Index::read(dir)?;
        let certificate = certificate(dir)?;
        let key = store::read_certificate_key(dir.join(KEY))?;
        if key.spki != certificate.spki {
            return Err(CaError::OtherKey { dir: dir.to_owned() });
        }
        let pair = KeyPair::try_from(key.der())?;
        Ok(Authority {
            dir: dir.to_owned(),
            issuer: Issuer::from_ca_cert_der(certificate.der(), pair)?,
            certificate,
            index,
            now: dates::now(),
            _lock: lock,
        })
    }

    fn write_index(&self) -> Result<(), CaError> {
        self.index.write(&self.dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the copy of a certificate is.
    pub(crate) fn copy_of(&self, entry: &Entry) -> PathBuf {
        self.dir
            .join(ISSUED)
            .join(format!("{}.crt", entry.serial.replace(':', "")))
    }
}

/// The certificate of the CA in a directory.
pub(crate) fn certificate(dir: &Path) -> Result<Certificate, CaError> {
    let path = dir.join(CERTIFICATE);
    let first = store::read_certificates(&path)?.into_iter().next();
    first.ok_or(CaError::NoAuthority { dir: dir.to_owned() })
}

fn lock(dir: &Path) -> Result<File, CaError> {
    let path = dir.join(LOCK);
    let failed = |source| CaError::Io {
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(Visibility::Secret.mode())
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            streams::note(format_args!(
                "another aoe-keys works on {}: waiting for it",
                dir.display()
            ));
            file.lock().map_err(failed)?;
        }
        Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    Ok(file)
}

fn write(path: &Path, text: &str, visibility: Visibility, existing: Existing) -> Result<(), CaError> {
    Ok(store::write_text(path, text, visibility, existing)?)
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}
