//! What can be wrong with a PEM file and what is in it.

/// Why a PEM file gives no certificate, list or key. Messages show no part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum X509Fault {
    /// No line that begins a section.
    #[error("there is no PEM text in it: a line such as `-----BEGIN CERTIFICATE-----`{}", der_hint(.looks_like_der))]
    NotPem {
        /// Whether it begins as DER does.
        looks_like_der: bool,
    },
    /// A section without its end.
    #[error("line {line}: the section that begins here has no end")]
    Unfinished {
        /// Which line, the first being 1.
        line: usize,
    },
    /// A section with something other than base64 in it.
    #[error("line {line}: what follows is not base64 ({why})")]
    NotBase64 {
        /// The line that begins the section.
        line: usize,
        /// What the decoder found.
        why: String,
    },
    /// More sections than anybody needs.
    #[error("line {line}: this is the {}th section; at most {} are read", MOST + 1, MOST)]
    TooManySections {
        /// The line of the first section too many.
        line: usize,
    },
    /// The section is not what it says it is.
    #[error("line {line}: not {what}: {why}")]
    Malformed {
        /// The line that begins the section.
        line: usize,
        /// What it should be, with its article.
        what: &'static str,
        /// What the parser found.
        why: String,
    },
    /// Nothing of the kind that is looked for.
    #[error("there is not {expected} in it{}", instead(.found))]
    Missing {
        /// What was looked for, with its article.
        expected: &'static str,
        /// What the first section is, with its article.
        found: Option<&'static str>,
    },
    /// Two private keys: nobody could tell which is meant.
    #[error("line {line}: a second private key; keep one key in each file")]
    SeveralKeys {
        /// The line that begins the second.
        line: usize,
    },
    /// The key needs a passphrase, and nobody types one when a gateway starts.
    #[error(
        "line {line}: the key is encrypted with a passphrase, which nobody types when a gateway starts; decrypt it: \
         `(umask 077; openssl pkey -in FILE -out NEW-FILE)`"
    )]
    Encrypted {
        /// The line that begins the section.
        line: usize,
    },
    /// A key that cannot sign for TLS.
    #[error(
        "line {line}: not a key that can be used: {why}; use Ed25519, ECDSA on P-256, P-384 or P-521, or RSA of 2048 to \
         8192 bits"
    )]
    UnusableKey {
        /// The line that begins the section.
        line: usize,
        /// What the crypto library says.
        why: String,
    },
}

const MOST: usize = super::MOST_SECTIONS;

fn der_hint(looks_like_der: &bool) -> &'static str {
    if *looks_like_der {
        "; it looks like DER: `openssl x509 -inform DER` (or `openssl crl -inform DER`, `openssl pkey -inform DER`) \
         makes PEM of it"
    } else {
        ""
    }
}

fn instead(found: &Option<&'static str>) -> String {
    found.map(|found| format!(", but {found}")).unwrap_or_default()
}
