//! The numbers of the AoE header that stand for words: commands and errors.

use std::fmt;

/// What a frame asks for, or answers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AoeCommand {
    /// 0: an ATA command, see [`ata`](super::ata).
    Ata,
    /// 1: Query Config Information, see [`query`](super::query).
    Query,
    /// 2: MAC Mask List, see [`mac_mask`](super::mac_mask).
    MacMask,
    /// 3: Reserve/Release, see [`reserve`](super::reserve).
    Reserve,
    /// 4: keyed Reserve/Release, known from Coraid's own targets and initiators only.
    KeyedReserve,
    /// 0xF0 to 0xFF: whatever a vendor likes.
    Vendor(u8),
    /// Any other number.
    Unknown(u8),
}

impl From<u8> for AoeCommand {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Ata,
            1 => Self::Query,
            2 => Self::MacMask,
            3 => Self::Reserve,
            4 => Self::KeyedReserve,
            0xf0..=0xff => Self::Vendor(code),
            _ => Self::Unknown(code),
        }
    }
}

impl From<AoeCommand> for u8 {
    fn from(command: AoeCommand) -> Self {
        match command {
            AoeCommand::Ata => 0,
            AoeCommand::Query => 1,
            AoeCommand::MacMask => 2,
            AoeCommand::Reserve => 3,
            AoeCommand::KeyedReserve => 4,
            AoeCommand::Vendor(code) | AoeCommand::Unknown(code) => code,
        }
    }
}

impl fmt::Display for AoeCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ata => f.write_str("ata"),
            Self::Query => f.write_str("query"),
            Self::MacMask => f.write_str("mac-mask"),
            Self::Reserve => f.write_str("reserve"),
            Self::KeyedReserve => f.write_str("keyed-reserve"),
            Self::Vendor(code) => write!(f, "vendor-{code:#04x}"),
            Self::Unknown(code) => write!(f, "unknown-{code:#04x}"),
        }
    }
}

/// What the Error byte of a response with E set says.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AoeError {
    /// 1: the target does not know the command.
    BadCommand,
    /// 2: the target cannot use the argument.
    BadArgument,
    /// 3: the device is not available.
    DeviceUnavailable,
    /// 4: a config string is already set.
    ConfigStringSet,
    /// 5: the target does not speak this version.
    UnsupportedVersion,
    /// 6: the target is reserved by another initiator (since AoEr11).
    TargetReserved,
    /// Any other number, zero included.
    Unknown(u8),
}

impl From<u8> for AoeError {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::BadCommand,
            2 => Self::BadArgument,
            3 => Self::DeviceUnavailable,
            4 => Self::ConfigStringSet,
            5 => Self::UnsupportedVersion,
            6 => Self::TargetReserved,
            _ => Self::Unknown(code),
        }
    }
}

impl From<AoeError> for u8 {
    fn from(error: AoeError) -> Self {
        match error {
            AoeError::BadCommand => 1,
            AoeError::BadArgument => 2,
            AoeError::DeviceUnavailable => 3,
            AoeError::ConfigStringSet => 4,
            AoeError::UnsupportedVersion => 5,
            AoeError::TargetReserved => 6,
            AoeError::Unknown(code) => code,
        }
    }
}

impl fmt::Display for AoeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCommand => f.write_str("bad command"),
            Self::BadArgument => f.write_str("bad argument"),
            Self::DeviceUnavailable => f.write_str("device unavailable"),
            Self::ConfigStringSet => f.write_str("config string already set"),
            Self::UnsupportedVersion => f.write_str("unsupported version"),
            Self::TargetReserved => f.write_str("target reserved"),
            Self::Unknown(code) => write!(f, "unknown error {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AoeCommand, AoeError};

    #[test]
    fn every_command_and_error_code_survives() {
        for code in 0..=u8::MAX {
            assert_eq!(u8::from(AoeCommand::from(code)), code);
            assert_eq!(u8::from(AoeError::from(code)), code);
        }
        assert_eq!(AoeCommand::from(0xef), AoeCommand::Unknown(0xef));
        assert_eq!(AoeCommand::from(0xf0), AoeCommand::Vendor(0xf0));
        assert_eq!(AoeCommand::from(0xff), AoeCommand::Vendor(0xff));
    }
}
