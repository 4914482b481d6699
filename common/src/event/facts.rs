//! What machines look for in a line of the log: a stable id, and who and what it is about.

use super::{Event, FrameLimit, Missed, Place};
use crate::frame::{Address, MacAddr};

/// An event without its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Its name, which stays the same whatever becomes of the words. `docs/log.md` lists all.
    pub id: &'static str,
    /// What it says of something that was logged before.
    pub mark: Option<Mark>,
    /// The other gateway.
    pub peer: Option<&'a str>,
    /// The export, by the name its own gateway gives it.
    pub export: Option<&'a str>,
    /// The address of the import here.
    pub import: Option<Address>,
    /// Who asked.
    pub initiator: Option<MacAddr>,
    /// Who answers where it should not.
    pub station: Option<MacAddr>,
    /// Why.
    pub reason: Option<String>,
}

/// What an event says of one that was logged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is still so, or happened again.
    Still,
    /// It is not so any more.
    Over,
}

impl Mark {
    /// `still` or `over`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mark::Still => "still",
            Mark::Over => "over",
        }
    }
}

impl Event {
    /// Its stable name. An event about another one has the name of that.
    pub fn id(&self) -> &'static str {
        self.facts().id
    }

    /// What it is about.
    pub fn facts(&self) -> Facts<'_> {
        match self {
            Event::EndpointNeeded(_) => Facts::new("endpoint-needed"),
            Event::SessionUp { peer, .. } => Facts::new("session-up").peer(peer),
            Event::SessionRekeyed { peer } => Facts::new("session-rekeyed").peer(peer),
            Event::PostQuantumKeys { peer } => Facts::new("post-quantum-keys").peer(peer),
            Event::NotPostQuantum { peer } => Facts::new("not-post-quantum").peer(peer),
            Event::SessionLost { peer, why } => Facts::new("session-lost").peer(peer).reason(*why),
            Event::PeerSilent { peer } => Facts::new("peer-silent").peer(peer),
            Event::PeerMoved { peer } => Facts::new("peer-moved").peer(peer),
            Event::PeerElsewhere { peer } => Facts::new("peer-elsewhere").peer(peer),
            Event::PeerClockBehind { peer, .. } => Facts::new("peer-clock-behind").peer(peer),
            Event::OwnClockBehind { peer, .. } => Facts::new("own-clock-behind").peer(peer),
            Event::PskChanged { peer, .. } => Facts::new("psk-changed").peer(peer),
            Event::Keys(event) => event.facts(),
            Event::ExportPaused { export, .. } => Facts::new("export-paused").export(export),
            Event::ExportResumed { export, .. } => Facts::new("export-resumed").export(export),
            Event::ImportPaused {
                address,
                peer,
                export,
                ..
            } => Facts::new("import-paused")
                .peer(peer)
                .export(export)
                .import(*address),
            Event::ImportResumed { address, .. } => Facts::new("import-resumed").import(*address),
            Event::PeerTakenDown { peer, .. } => Facts::new("peer-taken-down").peer(peer),
            Event::PeerTakenUp { peer, .. } => Facts::new("peer-taken-up").peer(peer),
            Event::PeerRemoved { peer } => Facts::new("peer-removed").peer(peer),
            Event::PathMtu { peer, why, .. } => Facts::new("path-mtu").peer(peer).reason(*why),
            Event::PathTooSmall { peer, .. } => Facts::new("path-too-small").peer(peer),
            Event::NoAgreement { peer, what } => Facts::new("no-agreement").peer(peer).reason(*what),
            Event::HandshakeRefused { peer, why } => Facts::new("handshake-refused").peer(peer).reason(*why),
            Event::Stranger { .. } => Facts::new("stranger"),
            Event::CertificateRefused { peer, why } => Facts::new("certificate-refused")
                .peer(peer)
                .reason(why.to_string()),
            Event::StrangerCertificate { why, .. } => {
                let facts = Facts::new("stranger-certificate");
                match why {
                    Some(why) => facts.reason(why.to_string()),
                    None => facts,
                }
            }
            Event::NobodyCalls { peer } => Facts::new("nobody-calls").peer(peer),
            Event::TargetUp { export, .. } => Facts::new("target-up").export(export),
            Event::TargetDown { export, .. } => Facts::new("target-down").export(export),
            Event::SecondResponder { export, mac, .. } => {
                Facts::new("second-responder").export(export).station(*mac)
            }
            Event::TargetChanged {
                export, difference, ..
            } => Facts::new("target-changed")
                .export(export)
                .reason(difference.as_str()),
            Event::DiskGrown { export, .. } => Facts::new("disk-grown").export(export),
            Event::DiskKnown { export, .. } => Facts::new("disk-known").export(export),
            Event::ConflictOver { export, .. } => Facts::new("conflict-over").export(export),
            Event::ImportChanged {
                peer,
                export,
                address,
            } => Facts::new("import-changed")
                .peer(peer)
                .export(export)
                .import(*address),
            Event::ImportUp {
                peer,
                export,
                address,
                ..
            } => Facts::new("import-up").peer(peer).export(export).import(*address),
            Event::ImportDown {
                peer,
                export,
                address,
                why,
            } => Facts::new("import-down")
                .peer(peer)
                .export(export)
                .import(*address)
                .reason(why.words(peer)),
            Event::ShortFrames { address, limit, .. } => {
                let facts = Facts::new("short-frames").import(*address);
                match limit {
                    FrameLimit::TheirSegment(peer) => facts.peer(peer).reason("their segment"),
                    FrameLimit::OurSegment => facts.reason("our segment"),
                    FrameLimit::Target => facts.reason("the target"),
                }
            }
            Event::WritesRefused {
                peer,
                export,
                address,
            } => Facts::new("writes-refused")
                .peer(peer)
                .export(export)
                .import(*address),
            Event::WritesTaken { address } => Facts::new("writes-taken").import(*address),
            Event::ExportMissed {
                peer, export, why, ..
            } => Facts::new("export-missed")
                .peer(peer)
                .export(export)
                .reason(match why {
                    Missed::Nowhere => "no such export",
                    Missed::NotAllowed => "not allowed",
                }),
            Event::RequestRefused {
                place,
                export,
                peer,
                initiator,
                what,
            } => {
                let facts = Facts::new("request-refused").peer(peer).export(export);
                let facts = facts.initiator(*initiator).reason(what.to_string());
                match place {
                    Place::Import(address) => facts.import(*address),
                    Place::Exit => facts,
                }
            }
            Event::GrantEnds { export, peer, .. } => Facts::new("grant-ends").peer(peer).export(export),
            Event::GrantEnded { export, peer, .. } => Facts::new("grant-ended").peer(peer).export(export),
            Event::GrantBack { export, peer, .. } => Facts::new("grant-back").peer(peer).export(export),
            Event::ExportFound { peer } => Facts::new("export-found").peer(peer),
            Event::ForeignResponder { address, mac, .. } => {
                Facts::new("foreign-responder").import(*address).station(*mac)
            }
            Event::ForeignGone { address } => Facts::new("foreign-gone").import(*address),
            Event::SendFailed { peer, error } => Facts {
                peer: peer.as_deref(),
                ..Facts::new("send-failed").reason(error.as_str())
            },
            Event::ReceiveFailed { error } => Facts::new("receive-failed").reason(error.as_str()),
            Event::StoodStill(_) => Facts::new("stood-still"),
            Event::Still { event, .. } => Facts {
                mark: Some(Mark::Still),
                ..event.facts()
            },
            Event::Over(event) => Facts {
                mark: Some(Mark::Over),
                ..event.facts()
            },
        }
    }
}

impl<'a> Facts<'a> {
    pub(super) fn new(id: &'static str) -> Facts<'a> {
        Facts {
            id,
            mark: None,
            peer: None,
            export: None,
            import: None,
            initiator: None,
            station: None,
            reason: None,
        }
    }

    pub(super) fn peer(self, peer: &'a str) -> Facts<'a> {
        Facts {
            peer: Some(peer),
            ..self
        }
    }

    fn export(self, export: &'a str) -> Facts<'a> {
        Facts {
            export: Some(export),
            ..self
        }
    }

    fn import(self, address: Address) -> Facts<'a> {
        Facts {
            import: Some(address),
            ..self
        }
    }

    fn initiator(self, mac: MacAddr) -> Facts<'a> {
        Facts {
            initiator: Some(mac),
            ..self
        }
    }

    fn station(self, mac: MacAddr) -> Facts<'a> {
        Facts {
            station: Some(mac),
            ..self
        }
    }

    pub(super) fn reason(self, reason: impl Into<String>) -> Facts<'a> {
        Facts {
            reason: Some(reason.into()),
            ..self
        }
    }
}
