//! A new CA.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aoe_keys::store::{Existing, Visibility};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SerialNumber, SignatureAlgorithm,
};
use zeroize::Zeroizing;

use super::sign::{moment, serial};
use super::{Authority, BACK, CERTIFICATE, CaError, DAY, ISSUED, Index, KEY, dates, make_directory, write};

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256: every tool, TPM and smart card knows it
    P256,
    /// ECDSA on P-384
    P384,
    /// Ed25519
    Ed25519,
}

impl Algorithm {
    /// A new key pair.
    pub(crate) fn generate(self) -> Result<KeyPair, CaError> {
        let algorithm: &'static SignatureAlgorithm = match self {
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Ed25519 => &rcgen::PKCS_ED25519,
        };
        Ok(KeyPair::generate_for(algorithm)?)
    }
}

/// What a new CA is to be.
#[derive(Debug)]
pub(crate) struct Founding<'a> {
    /// Its name, which its certificate bears.
    pub(crate) name: &'a str,
    pub(crate) days: u32,
    pub(crate) crl_days: u32,
    /// How many CAs may stand below it.
    pub(crate) path_len: u8,
    pub(crate) algorithm: Algorithm,
}

impl Founding<'_> {
    /// Makes it in a directory that is not there yet, or is empty. It appears there whole.
    pub(crate) fn make(&self, dir: &Path) -> Result<Authority, CaError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CaError::Io { path, source }
        };
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(CaError::NotEmpty { dir: dir.to_owned() });
        }
        let scratch = tempfile::Builder::new()
            .prefix(".aoe-keys-ca-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(failed(parent))?;
        self.fill(scratch.path())?;
        fs::rename(scratch.path(), dir).map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                CaError::NotEmpty { dir: dir.to_owned() }
            }
            _ => failed(dir)(source),
        })?;
        // It has moved: there is nothing left to be removed.
        let _ = scratch.keep();
        File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(failed(parent))?;
        Authority::open(dir)
    }

    fn fill(&self, dir: &Path) -> Result<(), CaError> {
        let pair = self.algorithm.generate()?;
        let key = Zeroizing::new(pair.serialize_pem());
        let certificate = self.params(dates::now())?.self_signed(&pair)?;
        write(&dir.join(KEY), &key, Visibility::Secret, Existing::Keep)?;
        write(
            &dir.join(CERTIFICATE),
            &certificate.pem(),
            Visibility::Public,
            Existing::Keep,
        )?;
        make_directory(&dir.join(ISSUED)).map_err(|source| CaError::Io {
            path: dir.join(ISSUED),
            source,
        })?;
        Index::new(self.crl_days).write(dir)?;
        Authority::open(dir)?.write_crl()
    }

    fn params(&self, now: i64) -> Result<CertificateParams, CaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(self.path_len));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(SerialNumber::from_slice(&serial()?));
        params.not_before = moment(now - BACK)?.to_datetime();
        params.not_after = moment(now + i64::from(self.days) * DAY)?.to_datetime();
        Ok(params)
    }
}
