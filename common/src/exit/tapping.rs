//! What those see who capture at an export.

use super::copies::CopyId;
use super::ids::{SlotId, TargetId};
use super::pending::{Address, Pending};
use super::{Exit, Response};
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::frame::{AoeCommand, Ata, MacAddr, Pdu, ata, ethernet};
use crate::tap::{Place, Step, Subject, Verdict};
use crate::tunnel::message::RequestHead;

/// How a request of a peer was judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Judged {
    Admitted,
    /// It ended for this reason.
    Ended(DropReason),
}

impl Exit {
    /// A request of a peer, with what became of it.
    #[cold]
    pub(super) fn show_request(
        &self,
        peer: PeerId,
        head: &RequestHead,
        pdu: &[u8],
        judged: Judged,
        cx: &mut Context<'_>,
    ) {
        let Some(tap) = &mut cx.tap else { return };
        let verdict = match judged {
            Judged::Admitted => Verdict::Admitted,
            Judged::Ended(reason) => tap.verdict(reason),
        };
        let subject = Subject {
            place: Place::Export(head.export),
            peer,
            initiator: Some(head.initiator),
            number: Some(head.number),
        };
        let target = self.exports.get(head.export).map(|export| export.target);
        let header = ethernet::header_bytes(self.mac_of(target), head.initiator);
        tap.copy(cx.now, subject, Step::Request(verdict), [&header, pdu]);
    }

    /// What those are told who wait for a request that failed.
    #[cold]
    pub(super) fn show_failure(
        &self,
        slot: SlotId,
        reason: DropReason,
        askers: &[Address],
        cx: &mut Context<'_>,
    ) {
        let (Some(pending), Some(tap)) = (self.pending.get(slot), &mut cx.tap) else {
            return;
        };
        let parsed = Pdu::parse(&pending.pdu).ok();
        let Some(pdu) = parsed.filter(|pdu| pdu.command() == AoeCommand::Ata) else {
            return;
        };
        let Ok(ata) = Ata::parse(pdu.argument()) else {
            return;
        };
        let mut refusal = Vec::with_capacity(ata::PDU_LEN);
        ata::emit_refusal(&pdu, &ata, &mut refusal);
        for to in askers {
            let subject = Subject {
                place: Place::Export(pending.export),
                peer: to.peer,
                initiator: Some(to.initiator),
                number: Some(to.number),
            };
            let answer = Step::Answer {
                took_us: Some(cx.now.micros_since(pending.arrived)),
                refused: Some(reason),
            };
            let header = ethernet::header_bytes(to.initiator, self.mac_of(Some(pending.target)));
            tap.copy(cx.now, subject, answer, [&header, &refusal]);
        }
    }

    /// The address of a target; zeroes if it was never heard.
    fn mac_of(&self, target: Option<TargetId>) -> MacAddr {
        let target = target.and_then(|id| self.targets.get(id));
        target
            .and_then(|target| target.liveness.mac())
            .unwrap_or_default()
    }
}

/// A request as it was sent to its target last.
#[cold]
pub(super) fn show_sent(pending: &Pending, cx: &mut Context<'_>) {
    let (Some(tap), Some(sent)) = (&mut cx.tap, cx.out.frames.last()) else {
        return;
    };
    let step = Step::ToTarget {
        before: pending.copies.count().into(),
    };
    tap.copy(cx.now, subject(pending), step, [sent, &[]]);
}

/// What a target answered to a copy of a request.
#[cold]
pub(super) fn show_response(pending: &Pending, copy: CopyId, response: Response<'_>, cx: &mut Context<'_>) {
    let own = cx.segment(response.segment).mac().unwrap_or_default();
    let Some(tap) = &mut cx.tap else { return };
    let sent = pending.copies.sent_at(copy);
    let step = Step::FromTarget {
        took_us: sent.map(|sent| cx.now.micros_since(sent)),
    };
    let header = ethernet::header_bytes(own, response.source);
    tap.copy(cx.now, subject(pending), step, [&header, response.pdu.bytes()]);
}

/// Whose a request is.
fn subject(pending: &Pending) -> Subject {
    Subject {
        place: Place::Export(pending.export),
        peer: pending.peer,
        initiator: pending.origin.map(|origin| origin.initiator),
        number: pending.origin.map(|origin| origin.number),
    }
}
