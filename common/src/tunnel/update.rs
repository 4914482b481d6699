//! What an exit tells an edge about the exports it may use.
//!
//! ```text
//!  update    serial u32, then entries, each:
//!            export u16 | flags u8 | firmware u16 | buffer count u16 | sectors u8 | size u64 | digest 8
//!            | name length u8, name | string length u16, string | initiators u8, 6 bytes each
//!  flags     1 live   16 away   2 read-write   4 config string may be set   8 only the listed initiators
//!  ack       serial u32
//! ```

use super::message::take;
use crate::config::{Access, Allow, ConfigString, ExportId};
use crate::frame::MacAddr;
use crate::frame::query::MAX_STRING_LEN;

/// One export, as one peer may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportState {
    /// The exit's number for it.
    pub(crate) export: ExportId,
    /// Its name, at most 255 bytes.
    pub(crate) name: String,
    /// Whether the target answers.
    pub(crate) state: TargetState,
    /// What the peer may do; its number of initiators is at most 255.
    pub(crate) rights: Rights,
    /// Which disk it is; zeros if it is not known.
    pub(crate) identity: Identity,
    /// The target's own Config answer, sectors already limited to what the exit's segment carries.
    pub(crate) target: TargetInfo,
}

/// Which disk a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Sectors of 512 bytes.
    pub(crate) size: u64,
    /// The beginning of the SHA-256 of serial number and model.
    pub(crate) digest: [u8; 8],
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetState {
    /// It has not been heard since the exit started.
    Unknown,
    /// It answers.
    Live,
    /// It did and does not: the exit keeps requests for it.
    Away,
}

/// A peer's rights on an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) access: Access,
    pub(crate) config_string: ConfigString,
    /// `None`: any initiator behind the peer.
    pub(crate) initiators: Option<Vec<MacAddr>>,
}

impl Rights {
    /// Whether this initiator may use the export at all.
    pub(crate) fn covers(&self, initiator: MacAddr) -> bool {
        self.initiators
            .as_ref()
            .is_none_or(|listed| listed.contains(&initiator))
    }
}

impl From<&Allow> for Rights {
    fn from(allow: &Allow) -> Self {
        Rights {
            access: allow.access,
            config_string: allow.config_string,
            initiators: allow.initiators.clone(),
        }
    }
}

/// What a target says about itself in a Config response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TargetInfo {
    pub(crate) buffer_count: u16,
    pub(crate) firmware: u16,
    pub(crate) sectors: u8,
    /// The config string, at most 1024 bytes.
    pub(crate) string: Vec<u8>,
}

impl TargetInfo {
    /// Sectors that it takes at a time; 0 means 2 (`aoecmd_cfg_rsp` of the Linux driver).
    pub(crate) fn max_sectors(&self) -> u8 {
        match self.sectors {
            0 => 2,
            told => told,
        }
    }
}

const LIVE: u8 = 1;
const READ_WRITE: u8 = 2;
const MAY_SET: u8 = 4;
const LISTED_ONLY: u8 = 8;
const AWAY: u8 = 16;

impl ExportState {
    /// Appends the entry.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let flag = |condition, flag| if condition { flag } else { 0 };
        let flags = flag(self.state == TargetState::Live, LIVE)
            | flag(self.state == TargetState::Away, AWAY)
            | flag(self.rights.access == Access::ReadWrite, READ_WRITE)
            | flag(self.rights.config_string == ConfigString::Set, MAY_SET)
            | flag(self.rights.initiators.is_some(), LISTED_ONLY);
        out.extend_from_slice(&self.export.0.to_be_bytes());
        out.push(flags);
        out.extend_from_slice(&self.target.firmware.to_be_bytes());
        out.extend_from_slice(&self.target.buffer_count.to_be_bytes());
        out.push(self.target.sectors);
        out.extend_from_slice(&self.identity.size.to_be_bytes());
        out.extend_from_slice(&self.identity.digest);
        let name_len = u8::try_from(self.name.len()).unwrap_or(u8::MAX);
        out.push(name_len);
        out.extend(self.name.bytes().take(name_len.into()));
        let string_len = u16::try_from(self.target.string.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&string_len.to_be_bytes());
        out.extend(self.target.string.iter().take(string_len.into()));
        let initiators = self.rights.initiators.as_deref().unwrap_or_default();
        let count = u8::try_from(initiators.len()).unwrap_or(u8::MAX);
        out.push(count);
        out.extend(initiators.iter().take(count.into()).flat_map(|mac| mac.0));
    }

    fn parse(rest: &mut &[u8]) -> Option<ExportState> {
        let export = ExportId(u16::from_be_bytes(take(rest)?));
        let [flags] = take(rest)?;
        let firmware = u16::from_be_bytes(take(rest)?);
        let buffer_count = u16::from_be_bytes(take(rest)?);
        let [sectors] = take(rest)?;
        let identity = Identity {
            size: u64::from_be_bytes(take(rest)?),
            digest: take(rest)?,
        };
        let [name_len] = take(rest)?;
        let name = String::from_utf8(take_slice(rest, name_len.into())?.to_vec()).ok()?;
        let string_len = usize::from(u16::from_be_bytes(take(rest)?));
        if string_len > MAX_STRING_LEN {
            return None;
        }
        let string = take_slice(rest, string_len)?.to_vec();
        let [count] = take(rest)?;
        let listed = (0..count)
            .map(|_| take(rest).map(MacAddr))
            .collect::<Option<Vec<_>>>()?;
        let set = |flag| flags & flag != 0;
        Some(ExportState {
            export,
            name,
            state: match (set(LIVE), set(AWAY)) {
                (true, _) => TargetState::Live,
                (false, true) => TargetState::Away,
                (false, false) => TargetState::Unknown,
            },
            rights: Rights {
                access: if set(READ_WRITE) {
                    Access::ReadWrite
                } else {
                    Access::ReadOnly
                },
                config_string: if set(MAY_SET) {
                    ConfigString::Set
                } else {
                    ConfigString::Read
                },
                initiators: set(LISTED_ONLY).then_some(listed),
            },
            identity,
            target: TargetInfo {
                buffer_count,
                firmware,
                sectors,
                string,
            },
        })
    }
}

/// Serial and entries of an update; `None` if it is damaged anywhere.
pub(crate) fn parse(message: &[u8]) -> Option<(u32, Vec<ExportState>)> {
    let mut rest = message;
    let serial = u32::from_be_bytes(take(&mut rest)?);
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(ExportState::parse(&mut rest)?);
    }
    Some((serial, entries))
}

fn take_slice<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state() -> impl Strategy<Value = ExportState> {
        let rights = (
            any::<bool>(),
            any::<bool>(),
            prop::option::of(prop::collection::vec(any::<[u8; 6]>(), 0..9)),
        );
        let target = (
            any::<u16>(),
            any::<u16>(),
            any::<u8>(),
            prop::collection::vec(any::<u8>(), 0..1024),
        );
        let identity = any::<(u64, [u8; 8])>().prop_map(|(size, digest)| Identity { size, digest });
        let state = prop::sample::select(vec![TargetState::Unknown, TargetState::Live, TargetState::Away]);
        (any::<u16>(), "[a-z]{1,64}", (state, identity), rights, target).prop_map(
            |(export, name, (state, identity), rights, target)| ExportState {
                export: ExportId(export),
                name,
                state,
                rights: Rights {
                    access: if rights.0 {
                        Access::ReadWrite
                    } else {
                        Access::ReadOnly
                    },
                    config_string: if rights.1 {
                        ConfigString::Set
                    } else {
                        ConfigString::Read
                    },
                    initiators: rights.2.map(|macs| macs.into_iter().map(MacAddr).collect()),
                },
                identity,
                target: TargetInfo {
                    buffer_count: target.0,
                    firmware: target.1,
                    sectors: target.2,
                    string: target.3,
                },
            },
        )
    }

    proptest! {
        #[test]
        fn updates_survive_a_round_trip(states in prop::collection::vec(state(), 0..5), serial: u32) {
            let mut message = serial.to_be_bytes().to_vec();
            states.iter().for_each(|state| state.emit(&mut message));
            prop_assert_eq!(parse(&message), Some((serial, states)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse(&bytes);
        }
    }
}
