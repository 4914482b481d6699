//! Why a step of pairing was not taken.

use crate::GenerateError;
use crate::store::StoreError;

/// What sort of reason it is; the program makes an exit code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The arguments make no sense, or one is missing.
    Usage,
    /// The invitation or the reply is not good: altered, expired, used, for another, or sealed otherwise.
    Letter,
    /// A file or directory that should be read is not there, or cannot be read.
    NoInput,
    /// Something is there already and was left as it is.
    Exists,
    /// Writing broke off.
    Io,
    /// Others could get at a secret, or we may not.
    Permission,
    /// The system gave no randomness.
    System,
    /// Another program works in the directory.
    Busy,
    /// What the configuration says does not allow it.
    Config,
}

/// Why nothing was done, said so that the reader knows what to do next. It shows no secret.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Refusal {
    /// The sort of reason.
    pub kind: Kind,
    /// The reason.
    pub words: String,
}

/// What a step of pairing gives.
pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// A refusal with these words.
    pub fn new(kind: Kind, words: impl Into<String>) -> Self {
        Refusal {
            kind,
            words: words.into(),
        }
    }

    pub(super) fn letter(words: impl Into<String>) -> Self {
        Self::new(Kind::Letter, words)
    }

    pub(super) fn usage(words: impl Into<String>) -> Self {
        Self::new(Kind::Usage, words)
    }

    pub(super) fn config(words: impl Into<String>) -> Self {
        Self::new(Kind::Config, words)
    }

    pub(super) fn exists(words: impl Into<String>) -> Self {
        Self::new(Kind::Exists, words)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::ForeignOwner { .. }
            | StoreError::WideDirectory { .. }
            | StoreError::WideMode { .. } => Kind::Permission,
            StoreError::Exists { .. } | StoreError::SymbolicLink { .. } => Kind::Exists,
            StoreError::NotAFile { .. } | StoreError::Open { .. } => Kind::NoInput,
            StoreError::Read { .. } | StoreError::Write { .. } => Kind::Io,
            _ => Kind::Config,
        };
        Refusal::new(kind, error.to_string())
    }
}

impl From<GenerateError> for Refusal {
    fn from(error: GenerateError) -> Self {
        Refusal::new(Kind::System, error.to_string())
    }
}
