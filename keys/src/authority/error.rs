//! Why the CA did not do what was asked.

use std::io;
use std::path::PathBuf;

use aoe_keys::store::StoreError;
use aoe_keys::x509::SanTextError;

use super::dates;
use crate::failure::Exit;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CaError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is there already and is not empty; `ca init` makes a directory of its own", .dir.display())]
    NotEmpty { dir: PathBuf },
    #[error("{} exists already and was left as it is; {instead}", .path.display())]
    Exists { path: PathBuf, instead: &'static str },
    #[error(
        "{} is not the directory of a CA: it has no index.toml; name another with --dir, or make one: `aoe-keys ca init \
         --dir {}`", .dir.display(), .dir.display()
    )]
    NoAuthority { dir: PathBuf },
    #[error("{}: {why}", .path.display())]
    Index { path: PathBuf, why: String },
    #[error("ca.key and ca.crt in {} do not belong together; restore both from one backup", .dir.display())]
    OtherKey { dir: PathBuf },
    #[error("`{text}` is no name for a certificate: {source}")]
    San { text: String, source: SanTextError },
    #[error(
        "`{name}` cannot be used: a short name has 1 to 64 letters, digits, `.`, `-` and `_`, and begins with a letter or \
         a digit"
    )]
    ShortName { name: String },
    #[error(
        "`{name}` is no DNS name, so say what peers know it by: --name dns:b.example or --name uri:spiffe://example/b"
    )]
    NoSan { name: String },
    #[error("{}: {why}", .path.display())]
    Request { path: PathBuf, why: String },
    #[error(
        "no certificate of this CA has the name, the serial or the file `{what}`; `aoe-keys ca list` shows what it has \
         issued"
    )]
    Unknown { what: String },
    #[error(
        "the key of `{name}` was revoked on {}, so it gets no other certificate; make a new key: --new-key or --csr FILE",
        dates::text(*.at)
    )]
    RevokedKey { name: String, at: i64 },
    #[error(
        "there are valid certificates of the name `{name}` already, the last until {}; to replace one: `aoe-keys ca renew \
         {name}`; to issue another all the same: --again", dates::text(*.until)
    )]
    Taken { name: String, until: i64 },
    #[error("the CA itself ended on {}; make a new one with `aoe-keys ca init` and give its certificate to all gateways",
        dates::text(*.at))]
    Over { at: i64 },
    #[error("{days} days are too long: it would end in more than a thousand years")]
    TooLong { days: u32 },
    #[error("cannot make it: {0}")]
    Rcgen(#[from] rcgen::Error),
    #[error("the system gives no randomness: {0}")]
    Random(getrandom::Error),
    #[error("what was made cannot be read back, so nothing was written: {why}")]
    Unreadable { why: String },
}

impl CaError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Store(
                error @ (StoreError::Write { .. }
                | StoreError::Exists { .. }
                | StoreError::SymbolicLink { .. }),
            ) => Exit::of_writing(error),
            Self::Store(error) => Exit::of_reading(error),
            Self::Io { .. } => Exit::Io,
            Self::NotEmpty { .. } | Self::Exists { .. } | Self::Taken { .. } => Exit::CannotCreate,
            Self::NoAuthority { .. } => Exit::NoInput,
            Self::San { .. } | Self::ShortName { .. } | Self::NoSan { .. } | Self::TooLong { .. } => {
                Exit::Usage
            }
            Self::Random(_) => Exit::System,
            Self::Index { .. }
            | Self::OtherKey { .. }
            | Self::Request { .. }
            | Self::Unknown { .. }
            | Self::RevokedKey { .. }
            | Self::Over { .. }
            | Self::Rcgen(_)
            | Self::Unreadable { .. } => Exit::Data,
        }
    }
}
