//! What is logged of what peers, and initiators behind them, do not get.

use super::Exit;
use super::tapping::Judged;
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::{Event, Missed, Place};
use crate::frame::{MacAddr, Pdu};
use crate::notes::What;
use crate::refusal::{self, Refusal, Refused};
use crate::tally::Last;
use crate::trouble::{About, Was};
use crate::tunnel::links::Links;
use crate::tunnel::message::RequestHead;

impl Exit {
    /// What a peer imports and does not know, be it that there is no such export or that it may not use it. What it may
    /// use is told again: perhaps it imports it only since it was told.
    pub(crate) fn note_missed(&mut self, peer: PeerId, missed: &[&str], links: &Links, cx: &mut Context<'_>) {
        let about = About::Missed(peer);
        for export in self.exports.values_mut() {
            if missed.contains(&export.name.as_str()) {
                export.changed_for(peer);
            }
        }
        // What it was told since is not missed any more.
        let allowed = |name: &str| {
            let named = self.exports.values().filter(|export| export.name == name);
            named.map(|export| export.rights(peer).is_some()).next()
        };
        let first = missed.iter().find(|name| allowed(name) != Some(true));
        let Some(export) = first else {
            if cx.telemetry.over(cx.now, about) == Was::Logged {
                cx.telemetry.event(Event::ExportFound {
                    peer: links.name(peer),
                });
            }
            return;
        };
        let missed = Event::ExportMissed {
            peer: links.name(peer),
            export: (*export).to_owned(),
            why: match allowed(export) {
                Some(_) => Missed::NotAllowed,
                None => Missed::Nowhere,
            },
            others: missed.len() - 1,
        };
        cx.telemetry.raise(cx.now, about, missed);
    }

    /// What an edge refused to initiators, by what we told it.
    pub(crate) fn note_refusals(
        &mut self,
        peer: PeerId,
        message: &[u8],
        links: &Links,
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        let refusals = refusal::parse(message).ok_or(DropReason::MessageMalformed)?;
        for refused in refusals.iter().filter(|refused| refused.times > 0) {
            self.note_refused(peer, refused, links, cx);
            let of = (refused.export, refused.what.reason());
            let what = Some(refused.what);
            self.note_refusal(of, refused.times.into(), last(peer, refused.initiator, what, cx));
        }
        Ok(())
    }

    /// A request of a peer ended here for this reason. An honest edge refuses most by itself.
    pub(crate) fn note_refused_request(
        &mut self,
        peer: PeerId,
        message: &[u8],
        reason: DropReason,
        links: &Links,
        cx: &mut Context<'_>,
    ) {
        let Some((head, bytes)) = RequestHead::parse(message) else {
            return;
        };
        if cx.tap.is_some() {
            self.show_request(peer, &head, bytes, Judged::Ended(reason), cx);
        }
        let what = Pdu::parse(bytes).ok().and_then(|pdu| Refusal::of(reason, &pdu));
        self.note_refusal((head.export, reason), 1, last(peer, head.initiator, what, cx));
        let Some(what) = what else { return };
        let refused = Refused {
            export: head.export,
            initiator: head.initiator,
            what,
            times: 1,
        };
        self.note_refused(peer, &refused, links, cx);
    }

    fn note_refused(&self, peer: PeerId, refused: &Refused, links: &Links, cx: &mut Context<'_>) {
        let export = self.exports.get(refused.export);
        let about = About::RefusedThere(peer, refused.what.kind());
        cx.telemetry
            .happened(cx.now, refused.times.into(), about, || Event::RequestRefused {
                place: Place::Exit,
                export: export.map_or_else(|| "?".to_owned(), |export| export.name.clone()),
                peer: links.name(peer),
                initiator: refused.initiator,
                what: refused.what,
            });
        let whose = (Some(peer), refused.export.0, refused.initiator, refused.what);
        let times = refused.times.into();
        cx.telemetry
            .notes
            .refused(cx.now, times, whose, || What::Refused {
                place: Place::Exit,
                export: export.map_or_else(|| "?".to_owned(), |export| export.name.clone()),
                peer: links.name(peer),
                initiator: refused.initiator,
                what: refused.what,
            });
    }
}

fn last(peer: PeerId, initiator: MacAddr, what: Option<Refusal>, cx: &Context<'_>) -> Last {
    Last {
        initiator,
        peer: Some(peer),
        what,
        at: cx.now,
    }
}
