//! What an operator should read in the log.

#[cfg(test)]
mod documented;
mod facts;
mod import_fault;
mod keys;
mod parts;
mod words;

use std::net::SocketAddr;
use std::time::Duration;

use aoe_keys::Fingerprint;

pub use self::facts::{Facts, Mark};
pub use self::import_fault::ImportFault;
pub use self::keys::{KeyEvent, KeysFault};
pub use self::parts::{ForeignEffect, FrameLimit, Missed, Place};
use crate::config::{CertificateFault, CertificateName, Cipher, OnConflict, PeerId, Protection, Until};
use crate::disk::Disk;
pub use crate::export::Withdrawn;
use crate::frame::{Address, MacAddr};
pub use crate::refusal::Refusal;

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
    /// The keys with a peer withstand a quantum computer from now on.
    PostQuantumKeys {
        /// The peer.
        peer: String,
    },
    /// The keys with a peer do not withstand a quantum computer, and no frame passes by such keys.
    NotPostQuantum {
        /// The peer.
        peer: String,
    },
    /// An operator keeps requests from an export.
    ExportPaused {
        /// The export.
        export: String,
        /// Who, in words.
        by: String,
        /// From its beginning to its end, if nobody ends it earlier.
        lasts: Duration,
    },
    /// A pause of an export is over.
    ExportResumed {
        /// The export.
        export: String,
        /// Who ended it; `None`: its time was over.
        by: Option<String>,
        /// How long it was.
        lasted: Duration,
    },
    /// An operator keeps requests from an import here.
    ImportPaused {
        /// The shelf.slot.
        address: Address,
        /// Whose export it is.
        peer: String,
        /// Its name there.
        export: String,
        /// Who, in words; `None`: the operator of the peer, there.
        by: Option<String>,
        /// From its beginning to its end, if nobody ends it earlier; zero: not known.
        lasts: Duration,
    },
    /// A pause of an import is over.
    ImportResumed {
        /// The shelf.slot.
        address: Address,
        /// Who ended it; `None`: its time was over, or it was one of the peer.
        by: Option<String>,
    },
    /// An operator ended the session with a peer, and it is not taken up.
    PeerTakenDown {
        /// The peer.
        peer: String,
        /// Who, in words.
        by: String,
    },
    /// An operator has a peer taken up again.
    PeerTakenUp {
        /// The peer.
        peer: String,
        /// Who, in words.
        by: String,
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
    /// Another psk is configured for a peer.
    PskChanged {
        /// The peer.
        peer: String,
        /// How long the session in use can last; `None`: there is none.
        ends_in: Option<Duration>,
    },
    /// What becomes of keys.
    Keys(KeyEvent),
    /// A peer is none any more.
    PeerRemoved {
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
    /// The path to a peer does not carry packets of the least size, and shorter ones it does.
    PathTooSmall {
        /// The peer.
        peer: String,
        /// That size, in bytes.
        least: u16,
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
    /// The certificate of a peer that calls or is called is not accepted.
    CertificateRefused {
        /// The peer.
        peer: String,
        /// What is wrong with it.
        why: CertificateFault,
    },
    /// Somebody who is none of our peers calls, and has a certificate.
    StrangerCertificate {
        /// Where the call came from.
        from: SocketAddr,
        /// The names in the certificate.
        names: Vec<CertificateName>,
        /// What is wrong with it; `None`: nothing, but no peer has these names, or two have.
        why: Option<CertificateFault>,
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
        /// Sectors per frame, as the target says.
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
    /// What a peer may do ends soon.
    GrantEnds {
        /// The export.
        export: String,
        /// The peer.
        peer: String,
        /// When.
        until: Until,
        /// How long that is from now.
        left: Duration,
    },
    /// What a peer was allowed to do has ended.
    GrantEnded {
        /// The export.
        export: String,
        /// The peer.
        peer: String,
        /// When.
        until: Until,
        /// Whether it may do something else with the export.
        others: bool,
    },
    /// What had ended has not, by a clock that was set back.
    GrantBack {
        /// The export.
        export: String,
        /// The peer.
        peer: String,
        /// When it ends.
        until: Until,
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

impl Event {
    /// How loud this is.
    pub fn level(&self) -> Level {
        match self {
            Event::Still { event, .. } => event.level(),
            Event::Keys(event) => event.level(),
            Event::ImportDown { why, .. } if why.is_logged_elsewhere() => Level::Info,
            Event::NoAgreement { .. }
            | Event::NotPostQuantum { .. }
            | Event::ExportPaused { .. }
            | Event::ImportPaused { .. }
            | Event::PeerTakenDown { .. }
            | Event::PathTooSmall { .. }
            | Event::HandshakeRefused { .. }
            | Event::Stranger { .. }
            | Event::CertificateRefused { .. }
            | Event::StrangerCertificate { .. }
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
            | Event::GrantEnds { .. }
            | Event::GrantEnded { .. }
            | Event::GrantBack { .. }
            | Event::TargetDown { .. } => Level::Warn,
            Event::SessionUp { .. }
            | Event::PostQuantumKeys { .. }
            | Event::ExportResumed { .. }
            | Event::ImportResumed { .. }
            | Event::PeerTakenUp { .. }
            | Event::PeerMoved { .. }
            | Event::PskChanged { .. }
            | Event::PeerRemoved { .. }
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
