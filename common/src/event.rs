//! What an operator should read in the log.

use std::fmt;

use crate::config::{Cipher, OnConflict, PeerId, Protection};
use crate::disk::Disk;
use crate::frame::{Address, MacAddr};

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
/// DEBUG by the edges.
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
    /// A handshake failed although its sender knows our public key.
    HandshakeRefused {
        /// The peer, where it is known.
        peer: Option<String>,
        /// What to look at.
        why: &'static str,
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
    },
    /// An import cannot be used any more.
    ImportDown {
        /// The peer.
        peer: String,
        /// The export's name there.
        export: String,
        /// The address here.
        address: Address,
    },
    /// A station on our segment answers for an address that we present.
    ForeignResponder {
        /// The address.
        address: Address,
        /// The station.
        mac: MacAddr,
        /// What happens to writes.
        on_conflict: OnConflict,
    },
    /// Nobody else answers any more for an address that we present.
    ForeignGone {
        /// The address.
        address: Address,
    },
}

impl Event {
    /// How loud this is.
    pub fn level(&self) -> Level {
        match self {
            Event::NoAgreement { .. }
            | Event::HandshakeRefused { .. }
            | Event::SecondResponder { .. }
            | Event::ForeignResponder { .. }
            | Event::TargetChanged { .. }
            | Event::ImportChanged { .. }
            | Event::SessionLost { .. }
            | Event::PeerSilent { .. }
            | Event::TargetDown { .. } => Level::Warn,
            Event::SessionUp { .. }
            | Event::PeerMoved { .. }
            | Event::PathMtu { .. }
            | Event::TargetUp { .. }
            | Event::DiskGrown { .. }
            | Event::ConflictOver { .. }
            | Event::ForeignGone { .. }
            | Event::ImportUp { .. }
            | Event::ImportDown { .. } => Level::Info,
            Event::EndpointNeeded(_) | Event::SessionRekeyed { .. } | Event::DiskKnown { .. } => Level::Debug,
        }
    }
}

/// The end of the line that tells of a conflict.
fn consequence(on_conflict: OnConflict) -> &'static str {
    match on_conflict {
        OnConflict::Alarm => "",
        OnConflict::Stop => "; writes are refused",
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
            Event::PathMtu { peer, mtu, why } => write!(f, "path MTU to {peer} is {mtu}: {why}"),
            Event::NoAgreement { peer, what } => write!(f, "no session with {peer}: {what}"),
            Event::HandshakeRefused {
                peer: Some(peer),
                why,
            } => {
                write!(f, "handshake with {peer} refused: {why}")
            }
            Event::HandshakeRefused { peer: None, why } => write!(f, "handshake refused: {why}"),
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
            } => {
                write!(f, "import {address} is up ({export} of {peer})")
            }
            Event::ImportDown {
                peer,
                export,
                address,
            } => {
                write!(f, "import {address} is down ({export} of {peer})")
            }
            Event::ForeignResponder {
                address,
                mac,
                on_conflict,
            } => {
                write!(
                    f,
                    "{mac} on our segment answers for {address}, which is an import of ours: two disks may mix{}",
                    consequence(*on_conflict)
                )
            }
            Event::ForeignGone { address } => {
                write!(f, "nobody else on our segment answers for {address} any more")
            }
        }
    }
}
