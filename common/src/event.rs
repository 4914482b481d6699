//! What an operator should read in the log.

#[cfg(test)]
mod documented;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use aoe_keys::Fingerprint;

use crate::config::{Cipher, OnConflict, PeerId, Protection};
use crate::disk::Disk;
use crate::frame::{Address, ETHERNET_HEADER_LEN, MacAddr, SECTOR_LEN, ata};
pub use crate::refusal::Refusal;
use crate::trouble::QUIET;

/// Bytes that count against the MTU beside the sectors, as the Linux driver computes it.
const HEADER_LEN_OF_DATA: usize = ETHERNET_HEADER_LEN + ata::PDU_LEN;
/// The MTU that carries one sector.
const LEAST_MTU: usize = HEADER_LEN_OF_DATA + SECTOR_LEN;

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Somebody should look.
    Warn,
    /// A change of state.
    Info,
    /// A reason, for those who ask.
    Debug,
}

/// A change of state, with the names an operator knows. Addresses of peers are not in here: they are logged at
/// DEBUG by the edges. Those of strangers are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The driver should resolve this peer's endpoint (again) and call
    /// [`Engine::set_endpoint`](crate::engine::Engine::set_endpoint).
    EndpointNeeded(PeerId),
    /// A session with a peer that had none.
    SessionUp {
        /// The peer.
        peer: String,
        /// Agreed mode.
        protection: Protection,
        /// Agreed cipher.
        cipher: Cipher,
    },
    /// A session was replaced by a younger one.
    SessionRekeyed {
        /// The peer.
        peer: String,
    },
    /// The peer is gone.
    SessionLost {
        /// The peer.
        peer: String,
        /// Why we think so.
        why: &'static str,
    },
    /// The peer has not answered several calls.
    PeerSilent {
        /// The peer.
        peer: String,
    },
    /// The peer's address changed.
    PeerMoved {
        /// The peer.
        peer: String,
    },
    /// Datagrams of a pinned peer come from another address than its endpoint.
    PeerElsewhere {
        /// The peer.
        peer: String,
    },
    /// A peer calls with an older stamp than before.
    PeerClockBehind {
        /// The peer.
        peer: String,
        /// By how much.
        behind: Duration,
    },
    /// A peer refused our call, for its stamp is older than that of one before.
    OwnClockBehind {
        /// The peer.
        peer: String,
        /// By how much.
        behind: Duration,
    },
    /// The path MTU towards a peer is another one.
    PathMtu {
        /// The peer.
        peer: String,
        /// The longest IP packet sent to it from now on, in bytes.
        mtu: u16,
        /// Why.
        why: &'static str,
    },
    /// Both sides' lists of modes, ciphers or versions have nothing in common.
    NoAgreement {
        /// The peer.
        peer: String,
        /// What does not fit.
        what: &'static str,
    },
    /// No session comes about with a peer that calls or is called.
    HandshakeRefused {
        /// The peer.
        peer: String,
        /// What to look at.
        why: &'static str,
    },
    /// Somebody who is none of our peers calls, and knows our public key.
    Stranger {
        /// Where the call came from.
        from: SocketAddr,
        /// The key of the caller; `None` if the call could not be understood.
        key: Option<Fingerprint>,
    },
    /// We have no endpoint of a peer, and it has not called.
    NobodyCalls {
        /// The peer.
        peer: String,
    },
    /// An export's target answers.
    TargetUp {
        /// The export.
        export: String,
        /// The target's address on its segment.
        target: Address,
        /// The MAC that answered.
        mac: MacAddr,
        /// Frames the target takes at a time.
        buffer_count: u16,
        /// Sectors per frame, as the segment allows.
        sectors: u8,
    },
    /// An export's target does not answer any more.
    TargetDown {
        /// The export.
        export: String,
        /// The target's address on its segment.
        target: Address,
    },
    /// A second station answers for an export's address.
    SecondResponder {
        /// The export.
        export: String,
        /// The station that is not believed.
        mac: MacAddr,
        /// Whether it may be another disk, and what happens to writes then.
        on_conflict: Option<OnConflict>,
    },
    /// Another disk answers for an export's address than at first.
    TargetChanged {
        /// The export.
        export: String,
        /// The target's address on its segment.
        target: Address,
        /// What it has that the one at first had not.
        difference: String,
        /// What happens to writes.
        on_conflict: OnConflict,
    },
    /// The disk behind an export has more sectors than before.
    DiskGrown {
        /// The export.
        export: String,
        /// The target's address on its segment.
        target: Address,
        /// How many it had.
        was: u64,
        /// How many it has.
        is: u64,
    },
    /// To be remembered over a restart: the disk behind an export is this one, and any other is a conflict.
    DiskKnown {
        /// The export.
        export: String,
        /// The disk.
        disk: Disk,
    },
    /// Only one disk answers for an export's address, and it is the right one.
    ConflictOver {
        /// The export.
        export: String,
        /// The target's address on its segment.
        target: Address,
    },
    /// The disk behind an import is not the one that was there at first.
    ImportChanged {
        /// The peer.
        peer: String,
        /// The export's name there.
        export: String,
        /// The address here.
        address: Address,
    },
    /// An import can be used.
    ImportUp {
        /// The peer.
        peer: String,
        /// The export's name there.
        export: String,
        /// The address here.
        address: Address,
        /// Sectors that a frame carries.
        sectors: u8,
    },
    /// An import cannot be used.
    ImportDown {
        /// The peer.
        peer: String,
        /// The export's name there.
        export: String,
        /// The address here.
        address: Address,
        /// Why.
        why: ImportFault,
    },
    /// Frames of an import carry fewer sectors than they could.
    ShortFrames {
        /// The address of the import.
        address: Address,
        /// Sectors that a frame carries.
        sectors: u8,
        /// Sectors that it could carry.
        possible: u8,
        /// Who limits it.
        limit: FrameLimit,
    },
    /// The exit refuses writes to an import, because another disk may answer there.
    WritesRefused {
        /// The peer.
        peer: String,
        /// The export's name there.
        export: String,
        /// The address here.
        address: Address,
    },
    /// Writes to an import are taken again.
    WritesTaken {
        /// The address here.
        address: Address,
    },
    /// A peer imports what it may not use.
    ExportMissed {
        /// The peer.
        peer: String,
        /// What it imports.
        export: String,
        /// Why it does not get it.
        why: Missed,
        /// How many others it imports and does not get.
        others: usize,
    },
    /// A request of an initiator was refused.
    RequestRefused {
        /// Where.
        place: Place,
        /// The export.
        export: String,
        /// The other gateway.
        peer: String,
        /// Who asked.
        initiator: MacAddr,
        /// What for, and why it was refused.
        what: Refusal,
    },
    /// A peer imports nothing any more that it may not use.
    ExportFound {
        /// The peer.
        peer: String,
    },
    /// A station on our segment answers for an address of an import.
    ForeignResponder {
        /// The address.
        address: Address,
        /// The station.
        mac: MacAddr,
        /// What becomes of the import.
        effect: ForeignEffect,
    },
    /// Nobody else answers any more for an address that we present.
    ForeignGone {
        /// The address.
        address: Address,
    },
    /// The kernel did not take a datagram.
    SendFailed {
        /// The peer it was for; `None`: the answer to a call of nobody we know.
        peer: Option<String>,
        /// What the kernel says, and what to do.
        error: String,
    },
    /// The kernel did not hand over a datagram.
    ReceiveFailed {
        /// What the kernel says.
        error: String,
    },
    /// Nothing was done for a while although something was due.
    StoodStill(Duration),
    /// What was logged before is still so, or happened again.
    Still {
        /// What was logged.
        event: Box<Event>,
        /// How often it happened since; zero of what does not happen, but is.
        times: u64,
        /// Time since it began.
        lasted: Duration,
    },
    /// What happened again and again does not any more.
    Over(Box<Event>),
}

/// Why an import cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportFault {
    /// There is no session with the peer, which is logged.
    NoSession,
    /// The peer was restarted, which is logged: it has not told its exports yet.
    PeerRestarted,
    /// Our segment is down, which is logged.
    SegmentDown,
    /// Another station has its address, which is logged.
    Taken,
    /// The peer has not told its exports.
    Untold,
    /// The peer does not offer it.
    NotOffered {
        /// How many others it offers, where that is known.
        others: Option<u16>,
    },
    /// Its target has not answered since the peer's gateway was started.
    TargetNeverHeard,
    /// Its target does not answer any more.
    TargetAway,
    /// Frames on our segment are too short for a sector.
    FramesTooShortHere,
    /// Frames on the peer's segment are too short for a sector.
    FramesTooShortThere,
}

impl ImportFault {
    /// Whether another line says what is wrong.
    pub(crate) fn is_logged_elsewhere(&self) -> bool {
        matches!(
            self,
            ImportFault::NoSession
                | ImportFault::PeerRestarted
                | ImportFault::SegmentDown
                | ImportFault::Taken
        )
    }
}

/// Who limits the sectors of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameLimit {
    /// The MTU of our segment.
    OurSegment,
    /// The MTU of this peer's segment.
    TheirSegment(String),
    /// The target itself.
    Target,
}

/// Where a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the edge, which presents the export here.
    Import(Address),
    /// At the exit, or at an edge that told the exit.
    Exit,
}

/// Why a peer does not get an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// There is no such export.
    Nowhere,
    /// No `[[allow]]` of it is for the peer.
    NotAllowed,
}

/// What becomes of an import for whose address another station answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignEffect {
    /// It is presented, and works.
    None,
    /// It is presented, and writes are refused.
    WritesRefused,
    /// It is not presented.
    NotPresented,
}

impl Event {
    /// How loud this is.
    pub fn level(&self) -> Level {
        match self {
            Event::Still { event, .. } => event.level(),
            Event::ImportDown { why, .. } if why.is_logged_elsewhere() => Level::Info,
            Event::NoAgreement { .. }
            | Event::HandshakeRefused { .. }
            | Event::Stranger { .. }
            | Event::NobodyCalls { .. }
            | Event::SecondResponder { .. }
            | Event::ForeignResponder { .. }
            | Event::TargetChanged { .. }
            | Event::ImportChanged { .. }
            | Event::PeerElsewhere { .. }
            | Event::PeerClockBehind { .. }
            | Event::OwnClockBehind { .. }
            | Event::SessionLost { .. }
            | Event::PeerSilent { .. }
            | Event::ImportDown { .. }
            | Event::ShortFrames { .. }
            | Event::WritesRefused { .. }
            | Event::ExportMissed { .. }
            | Event::RequestRefused { .. }
            | Event::SendFailed { .. }
            | Event::ReceiveFailed { .. }
            | Event::StoodStill(_)
            | Event::TargetDown { .. } => Level::Warn,
            Event::SessionUp { .. }
            | Event::PeerMoved { .. }
            | Event::PathMtu { .. }
            | Event::TargetUp { .. }
            | Event::DiskGrown { .. }
            | Event::ConflictOver { .. }
            | Event::ForeignGone { .. }
            | Event::Over(_)
            | Event::WritesTaken { .. }
            | Event::ExportFound { .. }
            | Event::ImportUp { .. } => Level::Info,
            Event::EndpointNeeded(_) | Event::SessionRekeyed { .. } | Event::DiskKnown { .. } => Level::Debug,
        }
    }

    /// Whether this says why something is so, and `event` does not: it would hide the cause. `stale`: the cause was
    /// not seen lately.
    pub(crate) fn outranks(&self, event: &Event, stale: bool) -> bool {
        let general = matches!(event, Event::PeerSilent { .. } | Event::NobodyCalls { .. });
        general && (!stale || matches!(self, Event::SessionLost { .. }))
    }
}

/// The end of the line that tells of a conflict.
fn consequence(on_conflict: OnConflict) -> &'static str {
    match on_conflict {
        OnConflict::Alarm => "",
        OnConflict::Stop => "; writes are refused",
    }
}

/// What is wrong with an import of `peer`, and what to do.
fn write_import_fault(f: &mut fmt::Formatter<'_>, peer: &str, why: &ImportFault) -> fmt::Result {
    match why {
        ImportFault::NoSession => write!(f, "there is no session with {peer}"),
        ImportFault::PeerRestarted => write!(f, "{peer} was restarted"),
        ImportFault::SegmentDown => f.write_str("our segment is down"),
        ImportFault::Taken => f.write_str("another station on our segment has its address"),
        ImportFault::Untold => write!(f, "{peer} has not told what it offers; see its log"),
        ImportFault::NotOffered { others } => {
            write!(f, "{peer} does not offer it to us")?;
            match others {
                None => Ok(()),
                Some(0) => f.write_str(", nor any other"),
                Some(1) => f.write_str(", but one other"),
                Some(others) => write!(f, ", but {others} others"),
            }?;
            f.write_str(
                "; compare the name, and see whether an [[allow]] of the export there names this gateway",
            )
        }
        ImportFault::TargetNeverHeard => write!(
            f,
            "its target has not answered {peer} since that was started; see there whether the target runs"
        ),
        ImportFault::TargetAway => write!(
            f,
            "its target does not answer {peer}; see there whether the target runs and its segment is up"
        ),
        ImportFault::FramesTooShortHere => write!(
            f,
            "frames on our segment are too short for a sector; set its MTU to {LEAST_MTU} or more"
        ),
        ImportFault::FramesTooShortThere => write!(
            f,
            "frames on the segment of {peer} are too short for a sector; set the MTU there to {LEAST_MTU} or more"
        ),
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::EndpointNeeded(PeerId(peer)) => write!(f, "peer number {peer} needs an address"),
            Event::SessionUp {
                peer,
                protection,
                cipher,
            } => {
                write!(f, "session with {peer} is up ({protection}, {cipher})")
            }
            Event::SessionRekeyed { peer } => write!(f, "session with {peer} has new keys"),
            Event::SessionLost { peer, why } => write!(f, "session with {peer} is lost: {why}"),
            Event::PeerSilent { peer } => write!(
                f,
                "no answer from {peer}: look at its endpoint and port, at firewalls, and whether both sides have each \
                 other's key"
            ),
            Event::PeerMoved { peer } => write!(f, "{peer} moved to another address"),
            Event::PeerElsewhere { peer } => write!(
                f,
                "datagrams of {peer} come from another address than its endpoint and are dropped; if it has moved, \
                 change `endpoint` or remove `endpoint_pinned`"
            ),
            Event::PeerClockBehind { peer, behind } => write!(
                f,
                "{peer} calls with a clock {} s behind its last call and is asked to call again; look at its clock (if \
                 it is right, it was ahead before, or somebody repeats an old call)",
                behind.as_secs()
            ),
            Event::OwnClockBehind { peer, behind } => write!(
                f,
                "we called {peer} with a clock {} s behind our last call, and call again; look at this machine's clock \
                 (if it is right, it was ahead before)",
                behind.as_secs()
            ),
            Event::PathMtu { peer, mtu, why } => write!(f, "path MTU to {peer} is {mtu}: {why}"),
            Event::NoAgreement { peer, what } => write!(f, "no session with {peer}: {what}"),
            Event::HandshakeRefused { peer, why } => write!(f, "no session with {peer}: {why}"),
            Event::Stranger { from, key: Some(key) } => write!(
                f,
                "{from} calls with key {key}, which no [[peer]] has; if it is one of yours, add its public key"
            ),
            Event::Stranger { from, key: None } => write!(
                f,
                "{from} calls, knows our public key, and cannot be understood; it may have another version, or a damaged \
                 call was repeated"
            ),
            Event::NobodyCalls { peer } => write!(
                f,
                "no session with {peer}: it has not called, and no endpoint is configured for it here; one of the two sides \
                 needs the other's `endpoint`"
            ),
            Event::TargetUp {
                export,
                target,
                mac,
                buffer_count,
                sectors,
            } => write!(
                f,
                "export {export}: target {target} is up at {mac} (buffers {buffer_count}, {sectors} sectors a frame)"
            ),
            Event::TargetDown { export, target } => {
                write!(f, "export {export}: target {target} does not answer")
            }
            Event::SecondResponder {
                export,
                mac,
                on_conflict,
            } => {
                write!(
                    f,
                    "export {export}: a second station, {mac}, answers for its target and is not believed"
                )?;
                on_conflict.map_or(Ok(()), |what| {
                    write!(f, "; it may be another disk{}", consequence(what))
                })
            }
            Event::TargetChanged {
                export,
                target,
                difference,
                on_conflict,
            } => write!(
                f,
                "export {export}: another disk answers for {target} than before ({difference}){}; if it is the right \
                 one: aoe-gateway accept-disk --config FILE --export {export}",
                consequence(*on_conflict)
            ),
            Event::DiskGrown {
                export,
                target,
                was,
                is,
            } => write!(
                f,
                "export {export}: the disk at {target} grew from {was} to {is} sectors"
            ),
            Event::DiskKnown { export, disk } => write!(f, "export {export}: its disk is {disk}"),
            Event::ConflictOver { export, target } => {
                write!(
                    f,
                    "export {export}: {target} is the right disk again, and the only one"
                )
            }
            Event::ImportChanged {
                peer,
                export,
                address,
            } => write!(
                f,
                "import {address}: {export} of {peer} is another disk than it was; initiators should look at it again"
            ),
            Event::ImportUp {
                peer,
                export,
                address,
                sectors,
            } => {
                write!(
                    f,
                    "import {address} is up ({export} of {peer}, {sectors} sectors a frame)"
                )
            }
            Event::ImportDown {
                peer,
                export,
                address,
                why,
            } => {
                write!(f, "import {address} is down ({export} of {peer}): ")?;
                write_import_fault(f, peer, why)
            }
            Event::ShortFrames {
                address,
                sectors,
                possible,
                limit,
            } => {
                let mtu = HEADER_LEN_OF_DATA + usize::from(*possible) * SECTOR_LEN;
                write!(
                    f,
                    "import {address}: a frame carries {sectors} sectors and could carry {possible}: "
                )?;
                match limit {
                    FrameLimit::OurSegment => {
                        write!(
                            f,
                            "our segment limits it; set its MTU to {mtu} or more, on every host of it"
                        )
                    }
                    FrameLimit::TheirSegment(peer) => write!(
                        f,
                        "the segment of {peer} limits it; set the MTU there to {mtu} or more, on every host of it"
                    ),
                    FrameLimit::Target => write!(
                        f,
                        "the target limits it; set the MTU of the target's host to {mtu} or more, and restart the target"
                    ),
                }
            }
            Event::WritesRefused {
                peer,
                export,
                address,
            } => write!(
                f,
                "import {address}: {peer} refuses writes to {export}, because another disk or a second station answers \
                 there; its log says which"
            ),
            Event::WritesTaken { address } => write!(f, "import {address}: writes are taken again"),
            Event::ExportMissed {
                peer,
                export,
                why,
                others,
            } => {
                write!(f, "{peer} imports {export}, ")?;
                match why {
                    Missed::Nowhere => write!(
                        f,
                        "and there is no such export here; compare the names on both sides"
                    )?,
                    Missed::NotAllowed => {
                        write!(
                            f,
                            "which no [[allow]] gives it; add one to the export, or remove the import there"
                        )?;
                    }
                }
                match others {
                    0 => Ok(()),
                    others => write!(f, " (and {others} more)"),
                }
            }
            Event::RequestRefused {
                place: Place::Import(address),
                export,
                peer,
                initiator,
                what,
            } => write!(
                f,
                "import {address}: refused to {initiator}: {what}; {peer} decides for its export {export}: {}",
                what.advice()
            ),
            Event::RequestRefused {
                place: Place::Exit,
                export,
                peer,
                initiator,
                what,
            } => write!(
                f,
                "export {export}: refused to {initiator} behind {peer}: {what}; {}",
                what.advice()
            ),
            Event::ExportFound { peer } => write!(f, "{peer} gets all that it imports"),
            Event::ForeignResponder { address, mac, effect } => write!(
                f,
                "{mac} on our segment answers for {address}, which is an import of ours: {}; give one of the two another \
                 address",
                match effect {
                    ForeignEffect::None => "two disks may mix",
                    ForeignEffect::WritesRefused => "two disks may mix, so writes are refused",
                    ForeignEffect::NotPresented => "two disks would mix, so the import is not presented",
                }
            ),
            Event::ForeignGone { address } => {
                write!(f, "nobody else on our segment answers for {address} any more")
            }
            Event::SendFailed { peer, error } => write!(
                f,
                "a datagram to {} was lost: cannot send: {error}",
                peer.as_deref().unwrap_or("a stranger")
            ),
            Event::ReceiveFailed { error } => write!(f, "a datagram was lost: cannot receive: {error}"),
            Event::StoodStill(time) => write!(
                f,
                "this gateway stood still for {:.1} s: it was stopped or suspended, or got no processor; look at the load of \
                 this host",
                time.as_secs_f64()
            ),
            Event::Still { event, times, lasted } => match (times, lasted.as_secs()) {
                (0, seconds) => write!(f, "{event} (for {seconds} s)"),
                (times, 0) => write!(f, "{event} ({times} times)"),
                (times, seconds) => write!(f, "{event} ({times} times in {seconds} s)"),
            },
            Event::Over(event) => write!(f, "over, not seen for {} s: {event}", QUIET.as_secs()),
        }
    }
}
