//! The sections of a PEM file (RFC 7468): which, and on which lines. Decoding them is the library's work.

use rustls_pki_types::pem::{PemObject, SectionKind};
use zeroize::Zeroize;

use super::{MOST_SECTIONS, X509Fault};

/// What a section says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Label {
    /// `CERTIFICATE`.
    Certificate,
    /// `X509 CRL`.
    Crl,
    /// `CERTIFICATE REQUEST`.
    Request,
    /// `PRIVATE KEY`: PKCS#8.
    PrivateKey,
    /// `EC PRIVATE KEY`: SEC1.
    EcPrivateKey,
    /// `RSA PRIVATE KEY`: PKCS#1.
    RsaPrivateKey,
    /// `ENCRYPTED PRIVATE KEY`: PKCS#8 with a passphrase.
    EncryptedPrivateKey,
    /// `PUBLIC KEY`.
    PublicKey,
    /// `AGE ENCRYPTED FILE`: what `age` seals, such as an invitation.
    AgeFile,
    /// `OPENSSH PRIVATE KEY`.
    SshKey,
    /// Anything else, such as `EC PARAMETERS`.
    Other,
}

/// One section of a PEM file.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// What it says it is.
    pub label: Label,
    /// The line that begins it, the first of the file being 1.
    pub line: usize,
    /// From the first byte of the line that begins it to the last of the one that ends it.
    text: &'a [u8],
}

impl Label {
    fn of(word: &[u8]) -> Self {
        match word {
            b"CERTIFICATE" => Self::Certificate,
            b"X509 CRL" => Self::Crl,
            b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST" => Self::Request,
            b"PRIVATE KEY" => Self::PrivateKey,
            b"EC PRIVATE KEY" => Self::EcPrivateKey,
            b"RSA PRIVATE KEY" => Self::RsaPrivateKey,
            b"ENCRYPTED PRIVATE KEY" => Self::EncryptedPrivateKey,
            b"PUBLIC KEY" => Self::PublicKey,
            b"AGE ENCRYPTED FILE" => Self::AgeFile,
            b"OPENSSH PRIVATE KEY" => Self::SshKey,
            _ => Self::Other,
        }
    }

    /// Whether it holds a private key of a certificate, encrypted or not.
    pub const fn is_private_key(self) -> bool {
        matches!(
            self,
            Self::PrivateKey | Self::EcPrivateKey | Self::RsaPrivateKey | Self::EncryptedPrivateKey
        )
    }

    /// What it is in a sentence.
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate",
            Self::Crl => "a revocation list",
            Self::Request => "a certificate request",
            Self::PrivateKey | Self::EcPrivateKey | Self::RsaPrivateKey => "a private key",
            Self::EncryptedPrivateKey => "an encrypted private key",
            Self::PublicKey => "a public key in PEM",
            Self::AgeFile => "a file sealed by age",
            Self::SshKey => "a key of SSH",
            Self::Other => "something else",
        }
    }
}

impl Section<'_> {
    /// What it holds, decoded. A secret is the caller's to erase.
    ///
    /// # Errors
    /// [`X509Fault::NotBase64`].
    pub fn der(&self) -> Result<Vec<u8>, X509Fault> {
        match <(SectionKind, Vec<u8>)>::from_pem_slice(self.text) {
            Ok((_, der)) => Ok(der),
            Err(error) => Err(X509Fault::NotBase64 {
                line: self.line,
                why: super::name::printable(&error.to_string()),
            }),
        }
    }

    /// Whether it has the header by which old tools mark a section that needs a passphrase (RFC 1421).
    pub(super) fn is_encrypted(&self) -> bool {
        self.label == Label::EncryptedPrivateKey
            || lines(self.text).any(|(_, line)| line.starts_with(b"Proc-Type:"))
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// Whether a file has a line that begins a section.
pub fn looks_like_pem(bytes: &[u8]) -> bool {
    lines(bytes).any(|(_, line)| line.starts_with(BEGIN))
}

/// All sections of a file. What stands between them, such as what `openssl x509 -text` prints, is passed over.
///
/// # Errors
/// [`X509Fault`]: there is none, one has no end, or there are more than [`MOST_SECTIONS`].
pub fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, X509Fault> {
    let mut found: Vec<Section<'_>> = Vec::new();
    let mut open: Option<(usize, usize, &[u8])> = None;
    for (number, (offset, line)) in (1..).zip(lines(bytes)) {
        match open {
            None => {
                let word = line
                    .strip_prefix(BEGIN)
                    .and_then(|rest| rest.strip_suffix(DASHES));
                open = word.map(|word| (number, offset, word));
            }
            Some((begun, from, word)) => {
                if line.starts_with(BEGIN) {
                    return Err(X509Fault::Unfinished { line: begun });
                }
                let ends = line.strip_prefix(END).and_then(|rest| rest.strip_suffix(DASHES)) == Some(word);
                if !ends {
                    continue;
                }
                if found.len() == MOST_SECTIONS {
                    return Err(X509Fault::TooManySections { line: begun });
                }
                found.push(Section {
                    label: Label::of(word),
                    line: begun,
                    text: bytes.get(from..offset + line.len()).unwrap_or_default(),
                });
                open = None;
            }
        }
    }
    match open {
        Some((line, ..)) => Err(X509Fault::Unfinished { line }),
        None if found.is_empty() => Err(X509Fault::NotPem {
            looks_like_der: bytes.starts_with(&[0x30]),
        }),
        None => Ok(found),
    }
}

/// The lines of a file with where each begins, without white space at their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes.split(|byte| *byte == b'\n').scan(0, |offset, line| {
        let from = *offset;
        *offset += line.len() + 1;
        Some((from, line.trim_ascii_end()))
    })
}

/// Erases a secret when the parser that took it is done with it.
pub(super) struct Erased(pub(super) Vec<u8>);

impl Drop for Erased {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
