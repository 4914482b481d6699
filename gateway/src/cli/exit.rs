//! Exit codes, as in BSD's `sysexits.h`.

use std::io;
use std::process::ExitCode;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// As it should.
    Ok = 0,
    /// It was begun, and what it waits for has not happened in time; or what was looked at is wrong.
    Unfinished = 1,
    /// The command line is wrong.
    Usage = 64,
    /// The configuration file is not there.
    NoInput = 66,
    /// No gateway runs with this configuration.
    Unavailable = 69,
    /// The system refused something.
    OsError = 71,
    /// Only a restart can do it.
    NeedsRestart = 75,
    /// This user may not do that.
    NoPermission = 77,
    /// The configuration or a key is wrong.
    Config = 78,
}

impl Exit {
    /// The code for an error of the system.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NoPermission,
            _ => Self::OsError,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_told_from_other_failures() {
        assert_eq!(
            Exit::of_io(&io::ErrorKind::PermissionDenied.into()),
            Exit::NoPermission
        );
        assert_eq!(Exit::of_io(&io::ErrorKind::AddrInUse.into()), Exit::OsError);
    }
}
