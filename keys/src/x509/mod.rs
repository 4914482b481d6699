//! Certificates, their keys and revocation lists: what is in their PEM files, bounded and in plain words.
//!
//! This only reads. Whether a chain leads to a CA, and whether a list is genuine, is decided in the handshake.
//!
//! | room | what lives there |
//! |---|---|
//! | [`Certificate`] | names, validity, key, what it may be used for |
//! | [`Crl`] | whose list, of when, how many it revokes |
//! | [`PrivateKey`] | the key of a certificate, in PKCS#8, SEC1 or PKCS#1 |
//! | [`San`] | a subject alternative name |
//! | [`sections`], [`Section`], [`Label`] | the parts of a PEM file |
//! | [`X509Fault`] | what can be wrong |

mod certificate;
mod crl;
mod fault;
mod name;
mod pem;
mod private_key;

pub use certificate::{Certificate, ExtendedUse};
pub use crl::Crl;
pub use fault::X509Fault;
pub use name::{San, SanTextError};
pub use pem::{Label, Section, looks_like_pem, sections};
pub use private_key::{KeyAlgorithm, PrivateKey};

/// The longest file of certificates that is read, in bytes.
pub const MAX_CERTIFICATES_LEN: usize = 256 * 1024;
/// The longest file of revocation lists that is read, in bytes: room for about a hundred thousand certificates.
pub const MAX_CRL_LEN: usize = 8 * 1024 * 1024;
/// Most sections of a PEM file that are looked at.
pub const MOST_SECTIONS: usize = 64;
/// Most subject alternative names of one certificate that are looked at.
pub const MOST_NAMES: usize = 1000;

/// All certificates of a PEM file, as they stand there. Other sections are passed over.
///
/// # Errors
/// [`X509Fault`], with the line of the section: no PEM, not a certificate where one should be, or none at all.
pub fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, X509Fault> {
    all(pem, Label::Certificate, Certificate::from_der)
}

/// All revocation lists of a PEM file, as they stand there. Other sections are passed over.
///
/// # Errors
/// [`X509Fault`], with the line of the section: no PEM, not a list where one should be, or none at all.
pub fn crls(pem: &[u8]) -> Result<Vec<Crl>, X509Fault> {
    all(pem, Label::Crl, Crl::from_der)
}

/// The only private key of a PEM file. Other sections, such as certificates, are passed over.
///
/// # Errors
/// [`X509Fault`], with the line of the section: no PEM, no key, several, one of a kind that cannot be used, or one that
/// needs a passphrase.
pub fn private_key(pem: &[u8]) -> Result<PrivateKey, X509Fault> {
    let sections = sections(pem)?;
    let mut keys = sections.iter().filter(|section| section.label.is_private_key());
    let Some(key) = keys.next() else {
        return Err(none_of(&sections, "a private key"));
    };
    if let Some(second) = keys.next() {
        return Err(X509Fault::SeveralKeys { line: second.line });
    }
    PrivateKey::from_section(key)
}

fn all<T>(
    pem: &[u8],
    label: Label,
    parse: impl Fn(Vec<u8>) -> Result<T, String>,
) -> Result<Vec<T>, X509Fault> {
    let sections = sections(pem)?;
    let what = label.with_article();
    let found: Vec<T> = sections
        .iter()
        .filter(|section| section.label == label)
        .map(|section| {
            parse(section.der()?).map_err(|why| X509Fault::Malformed {
                line: section.line,
                what,
                why,
            })
        })
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(none_of(&sections, what));
    }
    Ok(found)
}

fn none_of(sections: &[Section<'_>], expected: &'static str) -> X509Fault {
    X509Fault::Missing {
        expected,
        found: sections.first().map(|section| section.label.with_article()),
    }
}

#[cfg(test)]
mod tests;
