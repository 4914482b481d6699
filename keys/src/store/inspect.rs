//! Everything there is to say about a file, without changing it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::guard::{self, Purpose};
use super::{MAX_FILE_LEN, StoreError, Visibility, contents, open};
use crate::x509::{self, Certificate, Crl, Label, MAX_CRL_LEN, PrivateKey, X509Fault};
use crate::{AnyKey, KeyKind};

/// What was found in and around a file.
#[derive(Debug)]
pub struct Inspection {
    /// What it holds.
    pub content: Content,
    /// The permission bits of the file, if it could be opened.
    pub mode: Option<u32>,
    /// The user it belongs to, if it could be opened.
    pub owner: Option<u32>,
    /// Everything that is wrong with it. Empty means fit for use, as far as time does not matter.
    pub faults: Vec<StoreError>,
}

/// What a file holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Content {
    /// Nobody can tell.
    Unknown,
    /// A key of ours; what it claims to be, and itself if it is whole.
    Key(Option<KeyKind>, Option<Box<AnyKey>>),
    /// Certificates, and the private key of the first if it stands with them.
    Certificates(Vec<Certificate>, Option<Box<PrivateKey>>),
    /// The private key of a certificate; `None` if it is damaged.
    CertificateKey(Option<Box<PrivateKey>>),
    /// Revocation lists.
    Crls(Vec<Crl>),
    /// A request for a certificate.
    Request,
    /// A file that `age` sealed, such as an invitation.
    Sealed,
    /// A secret key of `age`.
    AgeIdentity,
    /// A public key of `age`.
    AgeRecipient,
    /// The text of `revoked.toml`.
    Revoked(String),
    /// A file of configuration.
    Configuration,
}

impl Content {
    /// What it asks of its file. What cannot be told apart is held to the demands on a secret.
    fn visibility(&self) -> Visibility {
        match self {
            Self::Key(Some(kind), _) => guard::visibility_of(*kind),
            Self::Certificates(_, None)
            | Self::Crls(_)
            | Self::Request
            | Self::Sealed
            | Self::AgeRecipient
            | Self::Revoked(_)
            | Self::Configuration => Visibility::Public,
            Self::Unknown
            | Self::Key(None, _)
            | Self::Certificates(_, Some(_))
            | Self::CertificateKey(_)
            | Self::AgeIdentity => Visibility::Secret,
        }
    }
}

/// Looks at a file and reports all of its faults at once. Never writes.
pub fn inspect(path: impl AsRef<Path>) -> Inspection {
    let path = path.as_ref();
    let (file, found) = match open(path) {
        Ok(opened) => opened,
        Err(fault) => {
            return Inspection {
                content: Content::Unknown,
                mode: None,
                owner: None,
                faults: vec![fault],
            };
        }
    };
    let (content, fault) = read(file, path);
    let mut faults = guard::faults(path, &found, content.visibility(), Purpose::Look);
    faults.extend(fault);
    Inspection {
        content,
        mode: Some(guard::permission_bits(found.mode())),
        owner: Some(found.uid()),
        faults,
    }
}

fn read(file: File, path: &Path) -> (Content, Option<StoreError>) {
    let bytes = match contents::read_up_to(MAX_CRL_LEN, file, path) {
        Ok(bytes) => bytes,
        Err(fault) => return (Content::Unknown, Some(fault)),
    };
    if x509::looks_like_pem(&bytes) {
        return match pem(&bytes) {
            Ok(content) => (content, None),
            Err((content, source)) => (
                content,
                Some(StoreError::X509 {
                    path: path.to_owned(),
                    source,
                }),
            ),
        };
    }
    if bytes.len() > MAX_FILE_LEN {
        let fault = StoreError::TooLong {
            path: path.to_owned(),
            longest: MAX_FILE_LEN,
        };
        return (Content::Unknown, Some(fault));
    }
    match text(&bytes) {
        Some(content) => (content, None),
        None => key(&bytes, path),
    }
}

/// What the sections of a PEM file are; with a fault also what they claim to be.
fn pem(bytes: &[u8]) -> Result<Content, (Content, X509Fault)> {
    let sections = x509::sections(bytes).map_err(|fault| (Content::Unknown, fault))?;
    let has = |label: Label| sections.iter().any(|section| section.label == label);
    let has_key = sections.iter().any(|section| section.label.is_private_key());
    let key = || x509::private_key(bytes).map_err(|fault| (Content::CertificateKey(None), fault));
    if has(Label::Certificate) {
        let key = if has_key { Some(Box::new(key()?)) } else { None };
        let certificates = x509::certificates(bytes);
        let certificates = certificates.map_err(|fault| (Content::Certificates(Vec::new(), None), fault))?;
        Ok(Content::Certificates(certificates, key))
    } else if has_key {
        Ok(Content::CertificateKey(Some(Box::new(key()?))))
    } else if has(Label::Crl) {
        let lists = x509::crls(bytes).map_err(|fault| (Content::Crls(Vec::new()), fault))?;
        Ok(Content::Crls(lists))
    } else if has(Label::AgeFile) {
        Ok(Content::Sealed)
    } else if has(Label::Request) {
        Ok(Content::Request)
    } else {
        let found = sections.first().map(|section| section.label.with_article());
        let expected = "a certificate, a revocation list or a key of one";
        Err((Content::Unknown, X509Fault::Missing { expected, found }))
    }
}

/// What a file of text other than a key of ours is.
fn text(bytes: &[u8]) -> Option<Content> {
    let text = std::str::from_utf8(bytes).ok()?;
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    let is_table = |line: &str| line.starts_with('[') && line.ends_with(']');
    let is_revoked = |line: &str| line == "[[revoked]]";
    if first.starts_with("AGE-SECRET-KEY-") {
        Some(Content::AgeIdentity)
    } else if first.starts_with("age1") {
        Some(Content::AgeRecipient)
    } else if is_revoked(first) || lines.any(is_revoked) {
        Some(Content::Revoked(text.to_owned()))
    } else if is_table(first) {
        Some(Content::Configuration)
    } else {
        None
    }
}

fn key(bytes: &Zeroizing<Vec<u8>>, path: &Path) -> (Content, Option<StoreError>) {
    let (line, text) = match contents::only_key(bytes, path) {
        Ok(found) => found,
        Err(fault) => return (Content::Unknown, Some(fault)),
    };
    let kind = KeyKind::claimed_by(text);
    match text.parse::<AnyKey>() {
        Ok(key) => (Content::Key(kind, Some(Box::new(key))), None),
        Err(source) => {
            let fault = StoreError::KeyText {
                path: path.to_owned(),
                line,
                source,
            };
            (Content::Key(kind, None), Some(fault))
        }
    }
}
