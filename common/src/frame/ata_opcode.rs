//! The ATA commands we know by name.

use std::fmt;

/// An ATA command code.
///
/// Named are the commands that initiators need for a disk; all others, harmless or not, are
/// [`Other`](Self::Other).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AtaOpcode {
    /// 0x20: READ SECTOR(S), 28-bit address.
    Read,
    /// 0x24: READ SECTOR(S) EXT, 48-bit address.
    ReadExt,
    /// 0x30: WRITE SECTOR(S), 28-bit address.
    Write,
    /// 0x34: WRITE SECTOR(S) EXT, 48-bit address.
    WriteExt,
    /// 0xE5: CHECK POWER MODE.
    CheckPower,
    /// 0xE7: FLUSH CACHE.
    Flush,
    /// 0xEA: FLUSH CACHE EXT.
    FlushExt,
    /// 0xEC: IDENTIFY DEVICE.
    Identify,
    /// Any other code.
    Other(u8),
}

impl AtaOpcode {
    /// The stable name in logs and policy: lower case, words joined by hyphens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadExt => "read-ext",
            Self::Write => "write",
            Self::WriteExt => "write-ext",
            Self::CheckPower => "check-power",
            Self::Flush => "flush",
            Self::FlushExt => "flush-ext",
            Self::Identify => "identify",
            Self::Other(_) => "other",
        }
    }

    /// Does it bring sectors from the device?
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadExt)
    }

    /// Does it store sectors on the device?
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Write | Self::WriteExt)
    }

    /// Does it belong to the 48-bit feature set?
    #[must_use]
    pub const fn is_extended(self) -> bool {
        matches!(self, Self::ReadExt | Self::WriteExt | Self::FlushExt)
    }
}

impl From<u8> for AtaOpcode {
    fn from(code: u8) -> Self {
        match code {
            0x20 => Self::Read,
            0x24 => Self::ReadExt,
            0x30 => Self::Write,
            0x34 => Self::WriteExt,
            0xe5 => Self::CheckPower,
            0xe7 => Self::Flush,
            0xea => Self::FlushExt,
            0xec => Self::Identify,
            _ => Self::Other(code),
        }
    }
}

impl From<AtaOpcode> for u8 {
    fn from(opcode: AtaOpcode) -> Self {
        match opcode {
            AtaOpcode::Read => 0x20,
            AtaOpcode::ReadExt => 0x24,
            AtaOpcode::Write => 0x30,
            AtaOpcode::WriteExt => 0x34,
            AtaOpcode::CheckPower => 0xe5,
            AtaOpcode::Flush => 0xe7,
            AtaOpcode::FlushExt => 0xea,
            AtaOpcode::Identify => 0xec,
            AtaOpcode::Other(code) => code,
        }
    }
}

/// The name, or the code of a command that has none.
impl fmt::Display for AtaOpcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(code) => write!(f, "{code:#04x}"),
            named => f.write_str(named.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AtaOpcode;

    #[test]
    fn every_code_survives() {
        for code in 0..=u8::MAX {
            assert_eq!(u8::from(AtaOpcode::from(code)), code);
        }
    }

    #[test]
    fn names_and_kinds() {
        for (code, text, reads, writes, extended) in [
            (0x20, "read", true, false, false),
            (0x24, "read-ext", true, false, true),
            (0x30, "write", false, true, false),
            (0x34, "write-ext", false, true, true),
            (0xe5, "check-power", false, false, false),
            (0xe7, "flush", false, false, false),
            (0xea, "flush-ext", false, false, true),
            (0xec, "identify", false, false, false),
            (0x06, "0x06", false, false, false),
        ] {
            let opcode = AtaOpcode::from(code);
            assert_eq!(opcode.to_string(), text);
            assert_eq!(
                (opcode.is_read(), opcode.is_write(), opcode.is_extended()),
                (reads, writes, extended),
                "{text}"
            );
        }
        assert_eq!(AtaOpcode::Other(6).name(), "other");
    }
}
