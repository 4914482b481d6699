//! What one `[[allow]]` may grant besides reading and writing: runs of sectors, commands by name, other AoE commands.

use std::fmt;

use jiff::Timestamp;

use super::{Access, Allow, ConfigString, Limit, PeerId};
use crate::frame::{Ata, AtaOpcode};

/// Most `[[allow]]` of one export for one peer.
pub const MOST_RULES: usize = 8;
/// Most initiators that one `[[allow]]` lists.
pub const MOST_INITIATORS: usize = 64;
/// Most initiators that all `[[allow]]` of one export for one peer list together, each counted once.
pub const MOST_INITIATORS_OF_PEER: usize = 128;
/// Most runs of sectors of one `[[allow]]`.
pub const MOST_RANGES: usize = 16;

impl Allow {
    /// What a block grants that says nothing else: the whole disk, to any initiator behind the peer, for good.
    pub fn new(peer: PeerId, access: Access) -> Allow {
        Allow {
            peer,
            access,
            initiators: None,
            config_string: ConfigString::Read,
            lba: None,
            commands: Commands::default(),
            reserve: Permit::Refused,
            mac_mask: Permit::Refused,
            until: None,
            limit: Limit::default(),
            initiator_limit: Limit::default(),
        }
    }

    /// Whether it grants anything at this time, in seconds since 1970.
    pub fn is_in_force(&self, unix_time: u64) -> bool {
        self.until.is_none_or(|until| unix_time < until.0)
    }
}

/// When a permission ends: the first moment at which it is none, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Until(pub u64);

/// `2027-01-31T00:00:00Z`.
impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = i64::try_from(self.0)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        match date {
            Some(date) => date.fmt(f),
            None => write!(f, "{} s after 1970", self.0),
        }
    }
}

/// Whether something that is refused by default passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permit {
    /// It does not.
    #[default]
    Refused,
    /// It does.
    Allowed,
}

impl Permit {
    /// Whether it passes.
    pub fn is_allowed(self) -> bool {
        self == Permit::Allowed
    }
}

/// A run of sectors of a disk, the first and the last included. There are 2^48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LbaRange {
    first: u64,
    last: u64,
}

impl LbaRange {
    /// The last sector that ATA can address.
    pub const LAST: u64 = (1 << 48) - 1;
    /// The whole disk.
    pub const ALL: LbaRange = LbaRange {
        first: 0,
        last: Self::LAST,
    };

    /// From `first` to `last`; `None` if that is nothing, or more than ATA addresses.
    pub fn new(first: u64, last: u64) -> Option<LbaRange> {
        (first <= last && last <= Self::LAST).then_some(LbaRange { first, last })
    }

    /// Its first sector.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Its last sector.
    pub fn last(&self) -> u64 {
        self.last
    }
}

/// `0-1023`, or `4096-` where it goes to the end of every disk.
impl fmt::Display for LbaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Self::LAST => write!(f, "{}-", self.first),
            last => write!(f, "{}-{last}", self.first),
        }
    }
}

/// What the target sends back for a command that is granted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brings {
    /// Registers only.
    Nothing,
    /// One sector of data, whatever the sector count says.
    OneSector,
    /// As many sectors of data as were asked for.
    Sectors,
}

macro_rules! granted {
    ($($(#[$doc:meta])+ $variant:ident = $number:literal: $name:literal, $opcode:literal, $feature:expr, $brings:ident, $changes:literal;)+) => {
        /// An ATA command that passes only where it is granted by its name. None of them reads or writes sectors of the disk.
        ///
        /// The number is that of its bit on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ExtraCommand {
            $($(#[$doc])+ $variant = $number,)+
        }

        impl ExtraCommand {
            /// All of them.
            pub const ALL: &[ExtraCommand] = &[$(ExtraCommand::$variant,)+];

            /// The name in the configuration: with `dangerous:` before it if it changes how the disk is.
            pub const fn name(self) -> &'static str {
                match self { $(ExtraCommand::$variant => $name,)+ }
            }

            /// The command register, and the feature register of a command that has others beside it.
            pub const fn code(self) -> (u8, Option<u8>) {
                match self { $(ExtraCommand::$variant => ($opcode, $feature),)+ }
            }

            /// What a target sends that carries it out.
            pub const fn brings(self) -> Brings {
                match self { $(ExtraCommand::$variant => Brings::$brings,)+ }
            }

            /// Whether it changes how the disk is, or what it does.
            pub const fn changes(self) -> bool {
                match self { $(ExtraCommand::$variant => $changes,)+ }
            }
        }
    };
}

granted! {
    /// SMART READ DATA: the attributes.
    SmartReadData = 0: "smart-read-data", 0xb0, Some(0xd0), OneSector, false;
    /// SMART READ ATTRIBUTE THRESHOLDS.
    SmartReadThresholds = 1: "smart-read-thresholds", 0xb0, Some(0xd1), OneSector, false;
    /// SMART READ LOG.
    SmartReadLog = 2: "smart-read-log", 0xb0, Some(0xd5), Sectors, false;
    /// SMART RETURN STATUS: whether the disk expects to fail.
    SmartReturnStatus = 3: "smart-return-status", 0xb0, Some(0xda), Nothing, false;
    /// READ LOG EXT.
    ReadLogExt = 4: "read-log-ext", 0x2f, None, Sectors, false;
    /// READ NATIVE MAX ADDRESS.
    ReadNativeMax = 5: "read-native-max", 0xf8, None, Nothing, false;
    /// READ NATIVE MAX ADDRESS EXT.
    ReadNativeMaxExt = 6: "read-native-max-ext", 0x27, None, Nothing, false;
    /// SMART ENABLE/DISABLE ATTRIBUTE AUTOSAVE.
    SmartAutosave = 16: "dangerous:smart-autosave", 0xb0, Some(0xd2), Nothing, true;
    /// SMART EXECUTE OFF-LINE IMMEDIATE: self-tests, during which a disk may be slow or not answer.
    SmartOfflineTest = 17: "dangerous:smart-offline-test", 0xb0, Some(0xd4), Nothing, true;
    /// SMART ENABLE OPERATIONS.
    SmartEnable = 18: "dangerous:smart-enable", 0xb0, Some(0xd8), Nothing, true;
    /// SMART DISABLE OPERATIONS.
    SmartDisable = 19: "dangerous:smart-disable", 0xb0, Some(0xd9), Nothing, true;
    /// STANDBY IMMEDIATE: the disk stops, for all who use it.
    StandbyImmediate = 20: "dangerous:standby-immediate", 0xe0, None, Nothing, true;
    /// IDLE IMMEDIATE.
    IdleImmediate = 21: "dangerous:idle-immediate", 0xe1, None, Nothing, true;
}

/// SMART commands carry this in the second and third address byte, or they are none.
const SMART_SIGNATURE: [u8; 2] = [0x4f, 0xc2];
const SMART: u8 = 0xb0;

impl ExtraCommand {
    /// What a request asks for, if it is one of these.
    pub fn of(request: &Ata<'_>) -> Option<ExtraCommand> {
        let AtaOpcode::Other(opcode) = request.command() else {
            return None;
        };
        let [_, mid, high, ..] = request.lba_bytes();
        if opcode == SMART && [mid, high] != SMART_SIGNATURE {
            return None;
        }
        Self::coded(opcode, request.feature())
    }

    /// The one with these registers.
    pub fn coded(opcode: u8, feature: u8) -> Option<ExtraCommand> {
        let fits = |command: &&ExtraCommand| {
            let (its, sub) = command.code();
            its == opcode && sub.is_none_or(|sub| sub == feature)
        };
        Self::ALL.iter().find(fits).copied()
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<ExtraCommand> {
        Self::ALL.iter().find(|command| command.name() == name).copied()
    }

    /// How many sectors of data a target sends that carries out a request for so many.
    pub fn sectors(self, asked: u8) -> u8 {
        match self.brings() {
            Brings::Nothing => 0,
            Brings::OneSector => 1,
            Brings::Sectors => asked,
        }
    }
}

impl fmt::Display for ExtraCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some of the commands that are granted by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Commands(u32);

impl Commands {
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is among them.
    #[inline]
    pub fn contains(self, command: ExtraCommand) -> bool {
        self.0 & (1 << command as u32) != 0
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, command: ExtraCommand) -> Commands {
        Commands(self.0 | 1 << command as u32)
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Commands) -> Commands {
        Commands(self.0 | others.0)
    }

    /// These without those.
    #[must_use]
    pub fn without(self, others: Commands) -> Commands {
        Commands(self.0 & !others.0)
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = ExtraCommand> {
        let all = ExtraCommand::ALL.iter().copied();
        all.filter(move |command| self.contains(*command))
    }

    /// As they travel.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// From the wire; `None` if a bit is none of ours.
    pub(crate) fn from_bits(bits: u32) -> Option<Commands> {
        let all: Commands = ExtraCommand::ALL.iter().copied().collect();
        (bits & !all.0 == 0).then_some(Commands(bits))
    }
}

impl FromIterator<ExtraCommand> for Commands {
    fn from_iter<I: IntoIterator<Item = ExtraCommand>>(commands: I) -> Self {
        commands.into_iter().fold(Commands::default(), Commands::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_codes_and_bits_are_distinct() {
        let mut seen = Commands::default();
        for command in ExtraCommand::ALL.iter().copied() {
            assert!(!seen.contains(command), "{command}");
            seen = seen.with(command);
            assert_eq!(ExtraCommand::named(command.name()), Some(command));
            let (opcode, feature) = command.code();
            assert!(
                matches!(AtaOpcode::from(opcode), AtaOpcode::Other(_)),
                "{command}"
            );
            assert_eq!(
                ExtraCommand::coded(opcode, feature.unwrap_or(0x55)),
                Some(command)
            );
            assert_eq!(
                command.changes(),
                command.name().starts_with("dangerous:"),
                "{command}"
            );
        }
        assert_eq!(Commands::from_bits(seen.bits()), Some(seen));
        assert_eq!(Commands::from_bits(1 << 31), None);
        assert_eq!(seen.iter().count(), ExtraCommand::ALL.len());
    }

    #[test]
    fn smart_without_its_signature_is_nothing() {
        let mut argument = [0, 0xd0, 1, 0xb0, 0, 0x4f, 0xc2, 0xa0, 0, 0, 0, 0];
        let of = |argument: &[u8]| ExtraCommand::of(&Ata::parse(argument).unwrap());
        assert_eq!(of(&argument), Some(ExtraCommand::SmartReadData));
        for at in [5, 6] {
            argument[at] ^= 1;
            assert_eq!(of(&argument), None);
            argument[at] ^= 1;
        }
        argument[1] = 0xd6;
        assert_eq!(of(&argument), None, "SMART WRITE LOG");
    }

    #[test]
    fn ranges_are_never_empty() {
        assert_eq!(LbaRange::new(1, 0), None);
        assert_eq!(LbaRange::new(0, 1 << 48), None);
        assert_eq!(LbaRange::new(4096, LbaRange::LAST).unwrap().to_string(), "4096-");
        assert_eq!(LbaRange::new(7, 7).unwrap().to_string(), "7-7");
    }
}
