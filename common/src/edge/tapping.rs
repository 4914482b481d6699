//! What those see who capture at an import.

use super::import::Import;
use super::stats::Done;
use super::{Captured, Edge};
use crate::config::ImportId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::frame::ethernet;
use crate::tap::{Place, Step, Subject, Verdict};
use crate::tunnel::message::ReplyHead;

impl Edge {
    /// A request as it came, with what became of it, and what was said to it at once: a frame behind the first `before` of
    /// the output.
    #[cold]
    pub(super) fn show_request(
        &self,
        id: ImportId,
        captured: Captured<'_>,
        outcome: Result<Option<u64>, DropReason>,
        before: usize,
        cx: &mut Context<'_>,
    ) {
        let (Some(import), Some(tap)) = (self.imports.get(id), &mut cx.tap) else {
            return;
        };
        let told = cx.out.frames.last().filter(|_| cx.out.frames.len() > before);
        let (verdict, refused) = match (outcome, told) {
            (Ok(_), _) => (Verdict::Admitted, None),
            (Err(reason), Some(_)) => (Verdict::Refused(reason), Some(reason)),
            (Err(reason), None) => (Verdict::Ignored(reason), None),
        };
        let subject = Subject {
            place: Place::Import(id),
            peer: import.config.peer,
            initiator: Some(captured.initiator),
            number: outcome.unwrap_or_default(),
        };
        let header = ethernet::header_bytes(captured.destination, captured.initiator);
        let came = [&header[..], captured.pdu.bytes()];
        tap.copy(captured.at, subject, Step::Request(verdict), came);
        if let Some(told) = told {
            let answer = Step::Answer {
                took_us: None,
                refused,
            };
            tap.copy(cx.now, subject, answer, [told, &[]]);
        }
    }
}

/// The answer of an exit, as it was sent last.
#[cold]
pub(super) fn show_answer(import: &Import, head: &ReplyHead, done: &Done, cx: &mut Context<'_>) {
    let (Some(tap), Some(sent)) = (&mut cx.tap, cx.out.frames.last()) else {
        return;
    };
    let subject = Subject {
        place: Place::Import(head.import),
        peer: import.config.peer,
        initiator: Some(head.initiator),
        number: Some(head.number),
    };
    let answer = Step::Answer {
        took_us: Some(done.total_us),
        refused: None,
    };
    tap.copy(cx.now, subject, answer, [sent, &[]]);
}
