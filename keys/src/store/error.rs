//! What can be wrong with a key file, said so that the reader knows what to do next.

use std::io;
use std::path::{Path, PathBuf};

use super::{MAX_FILE_LEN, Visibility, shell};
use crate::KeyTextError;
use crate::x509::X509Fault;

/// Why a key file was not read or written. Messages name the file, what was found and what to do, and never
/// show any part of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is a file, and it was not to be replaced.
    #[error("{} exists already and was left as it is; choose another name, or --force to replace it", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to somebody else, who could read or change it at will.
    #[error(
        "{} belongs to user {owner}, and must belong to root or to user {us}, who runs this; run `{}`",
        .path.display(), mend(self)
    )]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// The user it belongs to.
        owner: u32,
        /// The user we run as.
        us: u32,
    },
    /// The line that should hold the key holds something else.
    #[error("{}, line {line}: {source}", .path.display())]
    KeyText {
        /// The file.
        path: PathBuf,
        /// Which line, the first being 1.
        line: usize,
        /// What is wrong with it.
        source: KeyTextError,
    },
    /// Nothing but comments and blank lines.
    #[error("{} holds no key; make one with `aoe-keys generate` or `aoe-keys psk`", .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A directory, a FIFO or the like.
    #[error("{} is {found}, and a key is kept in a regular file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// Bytes that are no text.
    #[error("{} is not a text file; a key file is a few lines of text", .path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("cannot open {}: {source}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It can be opened but not read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More than one key: which of them is meant, nobody could tell.
    #[error("{} holds a second key on line {line}; keep one key in each file", .path.display())]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// The line of the second key.
        line: usize,
    },
    /// The name to be written to is a symbolic link, which an atomic replacement would turn into a file.
    #[error("{} is a symbolic link to {}; name that file itself", .path.display(), .leads_to.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        leads_to: PathBuf,
    },
    /// Far longer than any file of its kind.
    #[error("{} is longer than {longest} bytes, so it is {}", .path.display(), no_such_file(.longest))]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How long it may be, in bytes.
        longest: usize,
    },
    /// Others may write to the directory, and so put their own file in the place of the key.
    #[error(
        "{} lies in {}, where others may write (mode {mode:04o}) and so swap it; run `{}`",
        .path.display(), .directory.display(), mend(self)
    )]
    WideDirectory {
        /// The file.
        path: PathBuf,
        /// Its directory.
        directory: PathBuf,
        /// The permission bits of the directory.
        mode: u32,
    },
    /// Others may read a secret, or change a public key.
    #[error("{} has mode {mode:04o}, so {} it; run `{}`", .path.display(), others_can(.visibility), mend(self))]
    WideMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What the key in it asks for.
        visibility: Visibility,
    },
    /// A file of certificates, of revocation lists or of the key of a certificate, with something else in it.
    #[error("{}: {source}", .path.display())]
    X509 {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: X509Fault,
    },
    /// Writing failed; whatever was there before is still there.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// The file or the path it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Exists { path }
            | Self::ForeignOwner { path, .. }
            | Self::KeyText { path, .. }
            | Self::NoKey { path }
            | Self::NotAFile { path, .. }
            | Self::NotText { path }
            | Self::Open { path, .. }
            | Self::Read { path, .. }
            | Self::SeveralKeys { path, .. }
            | Self::SymbolicLink { path, .. }
            | Self::TooLong { path, .. }
            | Self::WideDirectory { path, .. }
            | Self::WideMode { path, .. }
            | Self::X509 { path, .. }
            | Self::Write { path, .. } => path,
        }
    }

    /// The shell command that mends it, if one does.
    pub fn mending_command(&self) -> Option<String> {
        match self {
            Self::ForeignOwner { path, us, .. } => Some(format!("chown {us} {}", shell::quoted(path))),
            Self::WideDirectory { directory, .. } => Some(format!("chmod go-w {}", shell::quoted(directory))),
            Self::WideMode { path, visibility, .. } => {
                Some(format!("chmod {:o} {}", visibility.mode(), shell::quoted(path)))
            }
            _ => None,
        }
    }

    pub(super) fn open(path: &Path, source: io::Error) -> Self {
        Self::Open {
            path: path.to_owned(),
            source,
        }
    }
}

fn mend(error: &StoreError) -> String {
    error.mending_command().unwrap_or_default()
}

fn no_such_file(longest: &usize) -> &'static str {
    if *longest == MAX_FILE_LEN {
        "no key file"
    } else {
        "not read"
    }
}

fn others_can(visibility: &Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "others can change",
        Visibility::Secret => "others can get at",
    }
}
