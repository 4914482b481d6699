//! The lines of the log, in words. `docs/log.md` explains those at WARN.

use std::fmt;

use super::{Event, ForeignEffect, FrameLimit, ImportFault, Missed, Place, Withdrawn};
use crate::config::{OnConflict, PeerId, certificate_names};
use crate::frame::{ETHERNET_HEADER_LEN, SECTOR_LEN, ata};
use crate::trouble::QUIET;

/// Bytes that count against the MTU beside the sectors, as the Linux driver computes it.
const HEADER_LEN_OF_DATA: usize = ETHERNET_HEADER_LEN + ata::PDU_LEN;
/// The MTU that carries one sector.
const LEAST_MTU: usize = HEADER_LEN_OF_DATA + SECTOR_LEN;

/// The end of the line that tells of a conflict.
fn consequence(on_conflict: OnConflict) -> &'static str {
    match on_conflict {
        OnConflict::Alarm => "",
        OnConflict::Stop => "; writes are refused",
    }
}

impl ImportFault {
    /// What is wrong with an import of `peer`, and what to do.
    pub(crate) fn words(&self, peer: &str) -> String {
        struct Words<'a>(&'a ImportFault, &'a str);

        impl fmt::Display for Words<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_import_fault(f, self.1, self.0)
            }
        }

        Words(self, peer).to_string()
    }
}

/// What is wrong with an import of `peer`, and what to do.
fn write_import_fault(f: &mut fmt::Formatter<'_>, peer: &str, why: &ImportFault) -> fmt::Result {
    match why {
        ImportFault::NoSession => write!(f, "there is no session with {peer}"),
        ImportFault::NotPostQuantum => write!(f, "the keys with {peer} are not post-quantum yet"),
        ImportFault::PathUnproven => write!(f, "the path to {peer} does not carry what is needed"),
        ImportFault::PeerRestarted => write!(f, "{peer} was restarted"),
        ImportFault::PeerEnding => write!(f, "{peer} is shutting down"),
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
        ImportFault::Withdrawn(Withdrawn::NotExported) => write!(
            f,
            "{peer} does not export it any more; remove the import, or see why it was removed there"
        ),
        ImportFault::Withdrawn(Withdrawn::NotAllowed) => write!(
            f,
            "{peer} does not allow it to us any more; remove the import, or see why no [[allow]] of the export there names \
             this gateway"
        ),
        ImportFault::Withdrawn(Withdrawn::Ended) => write!(
            f,
            "what {peer} allowed us has come to its end; ask there for a later `until` in the [[allow]] of the export, or \
             remove the import"
        ),
        ImportFault::Removed => f.write_str("it was removed from the configuration"),
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
            Event::PostQuantumKeys { peer } => {
                write!(
                    f,
                    "session with {peer} has post-quantum keys from now on (ml-kem-768)"
                )
            }
            Event::NotPostQuantum { peer } => write!(
                f,
                "no frame passes to or from {peer}: the session's keys are not post-quantum, which `post_quantum = \"require\"` \
                 here or there asks for, and the exchange of a secret does not succeed; see the log of the peer, and whether \
                 the path to it works"
            ),
            Event::ExportPaused { export, by, lasts } => write!(
                f,
                "export {export}: paused by {by} for {} s: what is asked of it waits; it goes on by itself then, and at \
                 once with: aoe-gateway resume --config FILE {export}",
                lasts.as_secs()
            ),
            Event::ExportResumed { export, by, lasted } => {
                write!(
                    f,
                    "export {export}: goes on after a pause of {} s",
                    lasted.as_secs()
                )?;
                match by {
                    Some(by) => write!(f, ", which {by} ended"),
                    None => f.write_str(", whose time is over"),
                }
            }
            Event::ImportPaused {
                address,
                by: Some(by),
                lasts,
                ..
            } => write!(
                f,
                "import {address}: paused by {by} for {} s: what initiators ask of it waits; it goes on by itself then, \
                 and at once with: aoe-gateway resume --config FILE {address}",
                lasts.as_secs()
            ),
            Event::ImportPaused {
                address,
                peer,
                export,
                by: None,
                ..
            } => write!(
                f,
                "import {address}: the operator of {peer} has paused its export {export}: what initiators ask of it \
                 waits there; it goes on by itself in time, and at once with, on {peer}: aoe-gateway resume --config FILE \
                 {export}"
            ),
            Event::ImportResumed { address, by } => {
                write!(f, "import {address}: goes on after a pause")?;
                match by {
                    Some(by) => write!(f, ", which {by} ended"),
                    None => Ok(()),
                }
            }
            Event::PeerTakenDown { peer, by } => write!(
                f,
                "{peer} was taken down by {by}: it is neither called nor answered; a restart ends that, and: aoe-gateway \
                 peer up --config FILE {peer}"
            ),
            Event::PeerTakenUp { peer, by } => write!(f, "{peer} is taken up again by {by}"),
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
            Event::Keys(event) => event.fmt(f),
            Event::PskChanged { peer, ends_in: None } => {
                write!(f, "{peer} has another psk from its next handshake on")
            }
            Event::PskChanged {
                peer,
                ends_in: Some(time),
            } => write!(
                f,
                "{peer} has another psk from its next handshake on; the session in use keeps its keys until then, for {} s \
                 at most",
                time.as_secs()
            ),
            Event::PeerRemoved { peer } => write!(f, "{peer} is no peer any more: its session is closed"),
            Event::PathMtu { peer, mtu, why } => write!(f, "path MTU to {peer} is {mtu}: {why}"),
            Event::PathTooSmall { peer, least } => write!(
                f,
                "the path to {peer} does not carry IP packets of {least} bytes, which `path_mtu` needs, and shorter ones \
                 arrive: nothing is imported or exported over it; look at the MTU of links and tunnels on the way, and at \
                 firewalls that drop long packets or fragments"
            ),
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
            Event::CertificateRefused { peer, why } => {
                write!(f, "no session with {peer}: its certificate {why}")
            }
            Event::StrangerCertificate { from, names, why } => {
                write!(f, "{from} calls with a certificate for ")?;
                certificate_names(names, f)?;
                match why {
                    Some(why) => write!(f, ", which {why}"),
                    None => f.write_str(
                        ", and not exactly one [[peer]] with transport = \"tls\" has one of these names; if it is one of yours, \
                         see its `certificate_name`",
                    ),
                }
            }
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
                write!(
                    f,
                    "export {export}: target {target} does not answer; see whether it runs, with this address and on this \
                     segment"
                )
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
                if let Some(what) = on_conflict {
                    write!(f, "; it may be another disk{}", consequence(*what))?;
                }
                f.write_str("; switch one of the two off, or give it another address")
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
            Event::GrantEnds {
                export,
                peer,
                until,
                left,
            } => write!(
                f,
                "export {export}: what {peer} may do until {until} ends in {}; write a later `until` in that [[allow]] and \
                 reload, if it should go on",
                in_words(*left)
            ),
            Event::GrantEnded {
                export,
                peer,
                until,
                others,
            } => {
                write!(
                    f,
                    "export {export}: what {peer} was allowed until {until} has ended; "
                )?;
                f.write_str(match others {
                    true => "its other permissions hold",
                    false => "it may not use the export any more",
                })?;
                f.write_str("; write a later `until` in that [[allow]] and reload if it should, or remove it")
            }
            Event::GrantBack { export, peer, until } => write!(
                f,
                "export {export}: what {peer} may do until {until} holds again: the clock of this machine was set back; see \
                 whether it is right"
            ),
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

/// So much time, as people say it.
fn in_words(time: std::time::Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    match minutes {
        0..120 => format!("{minutes} min"),
        _ => format!("{} h", minutes.div_ceil(60)),
    }
}
