//! Why a verb ended without doing its work, and the exit code for it.

use std::io::{self, ErrorKind};

use aoe_keys::pairing::{Kind, Refusal};
use aoe_keys::store::StoreError;
use aoe_keys::{GenerateError, KeyTextError};

use crate::authority::CaError;

/// Exit codes, by the meaning `sysexits.h` gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All is well.
    Good = 0,
    /// The arguments make no sense (`EX_USAGE`).
    Usage = 64,
    /// What was read is not the key it should be (`EX_DATAERR`).
    Data = 65,
    /// There is nothing to read, or it cannot be read (`EX_NOINPUT`).
    NoInput = 66,
    /// A gateway that runs did not do what was asked (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// The system gave no randomness (`EX_OSERR`).
    System = 71,
    /// The output file cannot be made (`EX_CANTCREAT`).
    CannotCreate = 73,
    /// Reading or writing broke off (`EX_IOERR`).
    Io = 74,
    /// Another one is at work, or it is too early: try later (`EX_TEMPFAIL`).
    Busy = 75,
    /// Others could get at a secret (`EX_NOPERM`).
    Permission = 77,
    /// The configuration of the gateway does not allow it (`EX_CONFIG`).
    Config = 78,
}

/// Everything that ends a verb early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Argument(#[from] KeyTextError),
    #[error(transparent)]
    Authority(#[from] CaError),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error("{}{}", .0, hint(.0))]
    Input(StoreError),
    #[error("{0}")]
    Output(StoreError),
    #[error(transparent)]
    Pairing(#[from] Refusal),
    #[error("{message}")]
    Refused { exit: Exit, message: String },
    #[error(
        "a secret was given on the command line, where every user of this machine can see it and the shell's \
         history keeps it; hold it for lost and make a new one (files and `-` are the ways to pass secrets)"
    )]
    SecretArgument,
    #[error("cannot open standard input: {0}")]
    StandardInput(io::Error),
    #[error("cannot write to standard output: {0}")]
    StandardOutput(io::Error),
}

impl Failure {
    /// A verb that does not do what was asked, and says why.
    pub(crate) fn refused(exit: Exit, message: String) -> Self {
        Self::Refused { exit, message }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Argument(_) => Exit::Data,
            Self::Authority(error) => error.exit(),
            Self::Generate(_) => Exit::System,
            Self::Input(error) => Exit::of_reading(error),
            Self::Output(error) => Exit::of_writing(error),
            Self::Pairing(refusal) => Exit::of_pairing(refusal.kind),
            Self::Refused { exit, .. } => *exit,
            Self::SecretArgument => Exit::Usage,
            Self::StandardInput(_) | Self::StandardOutput(_) => Exit::Io,
        }
    }
}

impl Exit {
    /// The code for a key file that was not read.
    pub(crate) fn of_reading(error: &StoreError) -> Self {
        match error {
            StoreError::ForeignOwner { .. }
            | StoreError::WideDirectory { .. }
            | StoreError::WideMode { .. } => Self::Permission,
            StoreError::NotAFile { .. } | StoreError::Open { .. } => Self::NoInput,
            StoreError::Read { .. } => Self::Io,
            _ => Self::Data,
        }
    }

    /// The code for a step of pairing that was not taken.
    fn of_pairing(kind: Kind) -> Self {
        match kind {
            Kind::Usage => Self::Usage,
            Kind::Letter => Self::Data,
            Kind::NoInput => Self::NoInput,
            Kind::Exists => Self::CannotCreate,
            Kind::Io => Self::Io,
            Kind::Permission => Self::Permission,
            Kind::System => Self::System,
            Kind::Busy => Self::Busy,
            Kind::Config => Self::Config,
        }
    }

    /// The code for a key file that was not written.
    pub(crate) fn of_writing(error: &StoreError) -> Self {
        match error {
            StoreError::WideDirectory { .. } => Self::Permission,
            StoreError::Write { source, .. } if !is_about_the_name(source) => Self::Io,
            _ => Self::CannotCreate,
        }
    }
}

/// Whether the place to write to was wrong, and not the writing.
fn is_about_the_name(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidFilename
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
    )
}

fn hint(error: &StoreError) -> &'static str {
    match error {
        StoreError::NotAFile { .. } => "; to read from a pipe, give `-` and connect standard input",
        _ => "",
    }
}
