//! What an exit tells an edge about the exports it may use, and what the edge misses.
//!
//! ```text
//!  update    serial u32 | more u8 | exports u16, then entries, each:
//!            export u16 | flags u8 | firmware u16 | buffer count u16 | sectors u8 | carried u8 | size u64 | digest 8
//!            | name length u8, name | string length u16, string | initiators u8, 6 bytes each | rules: see `rights`
//!            or, of an export that the edge may not use any more:  export u16 | flags u8, 64 alone | why u8
//!  more      1: another update follows with exports that the edge does not know yet; 2: the exit is about to end; else 0
//!  exports   how many the edge may use
//!  flags     1 live   16 away   2 read-write   4 config string may be set   8 only the listed initiators
//!            32 writes are refused, for another disk may answer   64 paused, beside 1 or 16; alone: withdrawn
//!            128 rules follow (2, 4, 8 are not set)
//!  why       1 not exported any more   2 not allowed to the peer any more   3 what it was allowed has ended
//!  ack       serial u32, then names of exports that the edge imports and does not know, each: length u8, name
//! ```

use super::message::take;
use super::rights;
use crate::config::ExportId;
use crate::export::{ExportState, Identity, TargetInfo, TargetState, Withdrawn, Writes};
use crate::frame::query::MAX_STRING_LEN;

/// Names in one ack.
pub(crate) const MAX_MISSED: usize = 16;
/// Longest name of an export, in bytes.
const MAX_NAME_LEN: usize = 64;

/// An update, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) serial: u32,
    pub(crate) scope: Scope,
    pub(crate) entries: Vec<Entry>,
}

/// What an update says of one export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The edge may use it, and it is so.
    Offered(ExportState),
    /// The edge may not use it any more, and forgets it.
    Withdrawn(ExportId, Withdrawn),
}

/// How much of all there is an update tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) rest: Rest,
    /// Exports that the edge may use.
    pub(crate) exports: u16,
}

/// Whether the edge knows all that it may use, once it has this update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    Follows,
    /// It does, and the exit is about to end: that is why targets are away.
    Ending,
}

const LIVE: u8 = 1;
const AWAY: u8 = 16;
const WRITES_STOPPED: u8 = 32;
const WITHDRAWN: u8 = 64;
/// Beside [`LIVE`] or [`AWAY`].
const PAUSED: u8 = 64;

impl Entry {
    /// Appends the entry.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Entry::Offered(state) => state.emit(out),
            Entry::Withdrawn(export, why) => {
                out.extend_from_slice(&export.0.to_be_bytes());
                out.push(WITHDRAWN);
                out.push(match why {
                    Withdrawn::NotExported => 1,
                    Withdrawn::NotAllowed => 2,
                    Withdrawn::Ended => 3,
                });
            }
        }
    }

    fn parse(rest: &mut &[u8]) -> Option<Entry> {
        let export = ExportId(u16::from_be_bytes(take(rest)?));
        let [flags] = take(rest)?;
        // Every other combination of flags means something.
        if flags & PAUSED == 0 || flags & (LIVE | AWAY) != 0 {
            return ExportState::parse(export, flags, rest).map(Entry::Offered);
        }
        let why = match (flags, take(rest)?) {
            (WITHDRAWN, [1]) => Withdrawn::NotExported,
            (WITHDRAWN, [2]) => Withdrawn::NotAllowed,
            (WITHDRAWN, [3]) => Withdrawn::Ended,
            _ => return None,
        };
        Some(Entry::Withdrawn(export, why))
    }
}

impl ExportState {
    /// Appends the entry.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let flag = |condition, flag| if condition { flag } else { 0 };
        let flags = flag(self.state == TargetState::Live, LIVE)
            | flag(self.state == TargetState::Away, AWAY)
            | flag(self.is_paused && self.state != TargetState::Unknown, PAUSED)
            | flag(self.writes == Writes::Stopped, WRITES_STOPPED)
            | rights::flags(&self.rights);
        out.extend_from_slice(&self.export.0.to_be_bytes());
        out.push(flags);
        out.extend_from_slice(&self.target.firmware.to_be_bytes());
        out.extend_from_slice(&self.target.buffer_count.to_be_bytes());
        out.push(self.target.sectors);
        out.push(self.carried);
        out.extend_from_slice(&self.identity.size.to_be_bytes());
        out.extend_from_slice(&self.identity.digest);
        let name_len = u8::try_from(self.name.len()).unwrap_or(u8::MAX);
        out.push(name_len);
        out.extend(self.name.bytes().take(name_len.into()));
        let string_len = u16::try_from(self.target.string.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&string_len.to_be_bytes());
        out.extend(self.target.string.iter().take(string_len.into()));
        rights::emit(&self.rights, out);
    }

    /// What stands behind the flags.
    fn parse(export: ExportId, flags: u8, rest: &mut &[u8]) -> Option<ExportState> {
        let firmware = u16::from_be_bytes(take(rest)?);
        let buffer_count = u16::from_be_bytes(take(rest)?);
        let [sectors, carried] = take(rest)?;
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
        let rights = rights::parse(flags, rest)?;
        let set = |flag| flags & flag != 0;
        Some(ExportState {
            export,
            name,
            state: match (set(LIVE), set(AWAY)) {
                (true, _) => TargetState::Live,
                (false, true) => TargetState::Away,
                (false, false) => TargetState::Unknown,
            },
            is_paused: set(PAUSED),
            writes: if set(WRITES_STOPPED) {
                Writes::Stopped
            } else {
                Writes::Carried
            },
            rights,
            identity,
            target: TargetInfo {
                buffer_count,
                firmware,
                sectors,
                string,
            },
            carried,
        })
    }
}

impl Scope {
    /// Appends it: what stands between the serial and the entries.
    pub(crate) fn emit(self, out: &mut Vec<u8>) {
        out.push(match self.rest {
            Rest::Nothing => 0,
            Rest::Follows => 1,
            Rest::Ending => 2,
        });
        out.extend_from_slice(&self.exports.to_be_bytes());
    }

    fn parse(rest: &mut &[u8]) -> Option<Scope> {
        let [more] = take(rest)?;
        Some(Scope {
            rest: match more {
                0 => Rest::Nothing,
                1 => Rest::Follows,
                2 => Rest::Ending,
                _ => return None,
            },
            exports: u16::from_be_bytes(take(rest)?),
        })
    }
}

/// An update; `None` if it is damaged anywhere.
pub(crate) fn parse(message: &[u8]) -> Option<Update> {
    let mut rest = message;
    let serial = u32::from_be_bytes(take(&mut rest)?);
    let scope = Scope::parse(&mut rest)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(Entry::parse(&mut rest)?);
    }
    Some(Update {
        serial,
        scope,
        entries,
    })
}

/// Appends an ack: at most [`MAX_MISSED`] names go along.
pub(crate) fn emit_ack<'a>(serial: u32, missed: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    out.extend_from_slice(&serial.to_be_bytes());
    for name in missed.filter(|name| name.len() <= MAX_NAME_LEN).take(MAX_MISSED) {
        out.push(u8::try_from(name.len()).unwrap_or_default());
        out.extend_from_slice(name.as_bytes());
    }
}

/// Serial and names of an ack; `None` if it is damaged, or names what no export can be called.
pub(crate) fn parse_ack(message: &[u8]) -> Option<(u32, Vec<&str>)> {
    let mut rest = message;
    let serial = u32::from_be_bytes(take(&mut rest)?);
    let mut missed = Vec::new();
    while !rest.is_empty() {
        let [len] = take(&mut rest)?;
        let name = str::from_utf8(take_slice(&mut rest, len.into())?).ok()?;
        if missed.len() >= MAX_MISSED || name.len() > MAX_NAME_LEN || name.contains(char::is_control) {
            return None;
        }
        missed.push(name);
    }
    Some((serial, missed))
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
        let rights = crate::policy::model::rights();
        let target = (
            any::<u16>(),
            any::<u16>(),
            any::<u8>(),
            prop::collection::vec(any::<u8>(), 0..1024),
        );
        let identity = any::<(u64, [u8; 8])>().prop_map(|(size, digest)| Identity { size, digest });
        let writes = prop::sample::select(vec![Writes::Carried, Writes::Stopped]);
        let state = prop::sample::select(vec![TargetState::Unknown, TargetState::Live, TargetState::Away]);
        let how = (state, any::<bool>(), writes, identity, any::<u8>());
        (any::<u16>(), "[a-z]{1,64}", how, rights, target).prop_map(
            |(export, name, (state, is_paused, writes, identity, carried), rights, target)| ExportState {
                export: ExportId(export),
                name,
                state,
                // Of a target that was never heard nothing more is told.
                is_paused: is_paused && state != TargetState::Unknown,
                writes,
                carried,
                rights,
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

    fn entry() -> impl Strategy<Value = Entry> {
        let why = prop::sample::select(vec![
            Withdrawn::NotExported,
            Withdrawn::NotAllowed,
            Withdrawn::Ended,
        ]);
        prop_oneof![
            3 => state().prop_map(Entry::Offered),
            1 => (any::<u16>(), why).prop_map(|(export, why)| Entry::Withdrawn(ExportId(export), why)),
        ]
    }

    #[test]
    fn what_no_version_says_is_not_read() {
        let head = [0, 0, 0, 1, 0, 0, 1];
        let update = |more: u8, entry: &[u8]| {
            let mut message = head.to_vec();
            message[4] = more;
            message.extend_from_slice(entry);
            parse(&message)
        };
        let withdrawn = Entry::Withdrawn(ExportId(7), Withdrawn::NotAllowed);
        assert_eq!(update(2, &[0, 7, 64, 2]).unwrap().entries, [withdrawn]);
        assert_eq!(update(3, &[]), None, "more");
        for (entry, what) in [
            (&[0, 7, 64][..], "no reason"),
            (&[0, 7, 64, 0], "reason 0"),
            (&[0, 7, 64, 4], "reason 4"),
            (&[0, 7, 65, 1], "withdrawn, and the target answers"),
            (&[0, 7, 192, 1], "withdrawn, and rules follow"),
        ] {
            assert_eq!(update(0, entry), None, "{what}");
        }
    }

    proptest! {
        #[test]
        fn updates_survive_a_round_trip(
            entries in prop::collection::vec(entry(), 0..5),
            serial: u32,
            exports: u16,
            rest in prop::sample::select(vec![Rest::Nothing, Rest::Follows, Rest::Ending]),
        ) {
            let scope = Scope { rest, exports };
            let mut message = serial.to_be_bytes().to_vec();
            scope.emit(&mut message);
            entries.iter().for_each(|entry| entry.emit(&mut message));
            prop_assert_eq!(parse(&message), Some(Update { serial, scope, entries }));
        }

        #[test]
        fn acks_survive_a_round_trip_up_to_their_bounds(names in prop::collection::vec("[a-z]{1,70}", 0..20), serial: u32) {
            let mut message = Vec::new();
            emit_ack(serial, names.iter().map(String::as_str), &mut message);
            let carried = names.iter().map(String::as_str).filter(|name| name.len() <= 64);
            prop_assert_eq!(parse_ack(&message), Some((serial, carried.take(16).collect())));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = (parse(&bytes), parse_ack(&bytes));
        }
    }
}
