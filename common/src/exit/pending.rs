//! One request that the exit has accepted and not released.

use std::time::Duration;

use super::copies::Copies;
use super::ids::{FlowId, TargetId};
use super::parts::{Part, Parts};
use super::span::Span;
use super::stages::Stage;
use super::ways::{Numbered, Way};
use crate::config::{ExportId, ImportId, PeerId};
use crate::export::Rights;
use crate::frame::{Ata, HEADER_LEN, MacAddr, Pdu, Tag, ata};
use crate::policy::{Verdict, judge};
use crate::request::{Asked, Request};
use crate::time::Instant;
use crate::tunnel::message::Stay;
/// Most that ask the same and are answered by one answer, besides the newest. The next one is a request of its own.
const MOST_EARLIER: usize = 15;

/// A request.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) export: ExportId,
    pub(crate) target: TargetId,
    /// Whose room it takes, whatever becomes of the answer.
    pub(crate) peer: PeerId,
    /// Whom the answer is for; `None`: the process that asked is no more, or it was answered.
    pub(crate) origin: Option<Origin>,
    /// Who asked the same before the newest. They may be requests of their own, so they are answered as well, unless they
    /// are old.
    pub(crate) earlier: Vec<EarlierCopy>,
    pub(crate) asked: Asked,
    /// Whether it is stored before it is answered, whatever it says itself.
    pub(crate) sync: bool,
    pub(crate) span: Span,
    pub(crate) stage: Stage,
    /// When its newest copy was captured, by our own clock, or not later than it arrived.
    pub(crate) captured: Instant,
    /// When its first copy arrived here.
    pub(crate) since: Instant,
    /// When its newest copy arrived here.
    pub(crate) arrived: Instant,
    /// When the limits that it waited for let it pass; zero if there are none.
    pub(crate) let_go: Instant,
    /// From when an answer is waited for.
    pub(crate) timer: Instant,
    /// What was sent to the target.
    pub(crate) copies: Copies,
    /// How far it is, where it does not fit one frame.
    pub(crate) parts: Parts,
    /// The PDU as it came.
    pub(crate) pdu: Vec<u8>,
}

/// A request that another one has the place of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarlierCopy {
    pub(crate) initiator: MacAddr,
    pub(crate) number: u64,
    pub(crate) tag: Tag,
    pub(crate) captured: Instant,
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// In whose turn it is served: of the first copy's initiator.
    pub(crate) flow: FlowId,
    pub(crate) peer: PeerId,
    pub(crate) import: ImportId,
    pub(crate) initiator: MacAddr,
    /// Of the newest copy.
    pub(crate) number: u64,
    /// The initiator's own tag of the newest copy, all 32 bits.
    pub(crate) tag: Tag,
}

/// Whom a reply is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    pub(super) peer: PeerId,
    pub(super) import: ImportId,
    pub(super) initiator: MacAddr,
    /// Of the request it answers.
    pub(super) number: u64,
    /// The initiator's own.
    pub(super) tag: Tag,
}

impl From<Origin> for Address {
    fn from(origin: Origin) -> Self {
        let Origin {
            peer,
            import,
            initiator,
            number,
            tag,
            ..
        } = origin;
        Address {
            peer,
            import,
            initiator,
            number,
            tag,
        }
    }
}

/// A request to be accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) export: ExportId,
    pub(crate) target: TargetId,
    /// The order that it is put into.
    pub(crate) lane: TargetId,
    pub(crate) origin: Origin,
    pub(crate) asked: Asked,
    /// Whether it is stored before it is answered.
    pub(crate) sync: bool,
    pub(crate) span: Span,
    pub(crate) captured: Instant,
    pub(crate) arrived: Instant,
    pub(crate) pdu: &'a [u8],
}

impl Arrival<'_> {
    /// The write that it is.
    pub(super) fn numbered(&self) -> Numbered {
        Numbered {
            way: Way {
                target: self.lane,
                peer: self.origin.peer,
                export: self.export,
                import: self.origin.import,
            },
            number: self.origin.number,
            span: self.span,
            captured: self.captured,
        }
    }
}

impl Pending {
    /// As it arrives, with its PDU in memory of its own.
    pub(super) fn new(arrival: &Arrival<'_>, pdu: Vec<u8>) -> Pending {
        Pending {
            export: arrival.export,
            target: arrival.target,
            peer: arrival.origin.peer,
            origin: Some(arrival.origin),
            earlier: Vec::new(),
            asked: arrival.asked,
            sync: arrival.sync,
            span: arrival.span,
            stage: Stage::Held,
            captured: arrival.captured,
            since: arrival.arrived,
            arrived: arrival.arrived,
            let_go: Instant::default(),
            timer: arrival.arrived,
            copies: Copies::default(),
            parts: Parts::default(),
            pdu,
        }
    }

    /// One more copy, perhaps from another network card of its initiator or from another initiator: the newest is the
    /// one that is answered in any case. False if this very copy is here already.
    pub(crate) fn renew(&mut self, arrival: &Arrival<'_>, young: Duration) -> bool {
        let Some(origin) = self.origin else { return false };
        let number = arrival.origin.number;
        let mut known = self.earlier.iter().map(|earlier| earlier.number);
        if number == origin.number || known.any(|known| known == number) {
            return false;
        }
        let newer = number > origin.number;
        let (newest, captured, earlier) = if newer {
            (arrival.origin, self.captured, origin)
        } else {
            (origin, arrival.captured, arrival.origin)
        };
        if (newest.initiator, newest.tag) != (earlier.initiator, earlier.tag) {
            self.earlier.retain(|one| one.is_young(arrival.arrived, young));
            self.earlier.push(EarlierCopy {
                initiator: earlier.initiator,
                number: earlier.number,
                tag: earlier.tag,
                captured,
            });
        }
        if newer {
            self.origin = Some(Origin {
                flow: origin.flow,
                ..newest
            });
            self.captured = arrival.captured;
        }
        self.arrived = arrival.arrived;
        true
    }

    /// How long its newest copy has been here: until it, or an earlier one, was sent to the target, and from then on.
    pub(super) fn stay(&self, now: Instant) -> Stay {
        let sent = self.copies.first_sent().unwrap_or(now);
        Stay::new(
            sent.micros_since(self.arrived),
            now.micros_since(sent.max(self.arrived)),
        )
    }

    /// Nobody else but these initiators gets an answer. False if that leaves nobody.
    pub(super) fn answer_only(&mut self, may_have: impl Fn(MacAddr) -> bool) -> bool {
        self.earlier.retain(|one| may_have(one.initiator));
        let Some(origin) = &mut self.origin else {
            return false;
        };
        if may_have(origin.initiator) {
            return true;
        }
        let newest =
            (0..self.earlier.len()).max_by_key(|at| self.earlier.get(*at).map(|earlier| earlier.number));
        let Some(newest) = newest.map(|at| self.earlier.remove(at)) else {
            return false;
        };
        origin.initiator = newest.initiator;
        origin.number = newest.number;
        origin.tag = newest.tag;
        true
    }

    /// Judges it once more, as a request of the newest that asked.
    pub(super) fn judge(&self, rights: &Rights) -> Option<Verdict> {
        let request = Request::parse(Pdu::parse(&self.pdu).ok()?).ok()?;
        Some(judge(rights, self.origin?.initiator, &request))
    }

    /// The PDU that asks for a part of what it asks for; `None` if that is all of it.
    pub(super) fn cut(&self, part: Part) -> Option<Vec<u8>> {
        let pdu = Pdu::parse(&self.pdu).ok()?;
        let ata = Ata::parse(pdu.argument()).ok()?;
        let mut cut = Vec::new();
        let whole = part.sectors == ata.sectors();
        (!whole).then(|| ata::emit_part(&pdu, &ata, part.done, part.sectors, &mut cut))??;
        Some(cut)
    }

    /// Whether the arrival asks the same, and the answer to this request, which may be that to others no older than
    /// `young`, can be that to it as well.
    pub(super) fn is_same(&self, arrival: &Arrival<'_>, young: Duration) -> bool {
        let others = self
            .earlier
            .iter()
            .filter(|earlier| earlier.is_young(arrival.arrived, young));
        self.stage != Stage::Draining
            && others.count() < MOST_EARLIER
            && self.span == arrival.span
            && self.asked == arrival.asked
            && (self.export, self.target) == (arrival.export, arrival.target)
            && self.origin.is_some_and(|origin| {
                (origin.peer, origin.import) == (arrival.origin.peer, arrival.origin.import)
            })
            && self.pdu.get(HEADER_LEN..) == arrival.pdu.get(HEADER_LEN..)
    }
}

impl EarlierCopy {
    /// Whether it is no older than `young`.
    pub(super) fn is_young(&self, now: Instant, young: Duration) -> bool {
        now.saturating_since(self.captured) <= young
    }
}
