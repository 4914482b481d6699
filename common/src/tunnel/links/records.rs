//! Records that arrive, and what they do to sessions: a new one begins, an old one ends.

use super::{Change, Links, Opened};
use crate::config::{Endpoint, PeerId};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::notes::What;
use crate::output::Path;
use crate::telemetry::Count;
use crate::timers::Timer;
use crate::trouble::About;
use crate::tunnel::gaps::Arrival;
use crate::tunnel::link::Dialing;
use crate::tunnel::peer_clock::Came;
use crate::tunnel::record::{HEADER_LEN, MAX_RECORD_LEN, RecordHeader};
use crate::tunnel::session::Session;
use crate::tunnel::sessions::{Promotion, Slot};

impl Links {
    /// Opens a record.
    pub(super) fn handle_record<'a>(
        &mut self,
        path: Path,
        datagram: &'a mut [u8],
        cx: &mut Context<'_>,
    ) -> Result<Opened<'a>, DropReason> {
        if datagram.len() > MAX_RECORD_LEN {
            return Err(DropReason::DatagramTooLong);
        }
        let head = datagram
            .first_chunk::<HEADER_LEN>()
            .ok_or(DropReason::DatagramTooShort)?;
        let header = RecordHeader::parse(*head).ok_or(DropReason::DatagramUnknownType)?;
        let (peer, link) = self
            .find(header.receiver)
            .ok_or(DropReason::RecordUnknownSession)?;
        let known = link.sessions.find(header.receiver).is_some();
        // Before it is opened: a copy from elsewhere must not use up the record.
        if known && self.is_elsewhere(peer, path, cx) {
            return Err(DropReason::PeerElsewhere);
        }
        let link = self.links.get_mut(peer).ok_or(DropReason::RecordUnknownSession)?;
        let (slot, session) = link
            .sessions
            .find(header.receiver)
            .ok_or(DropReason::RecordUnknownSession)?;
        let round_trip = link.path.clock.round_trip();
        let tolerance = link.path.tolerance.get(round_trip);
        let len = datagram.len();
        let (payload, arrival) = session.open(header, datagram, tolerance, cx.now)?;
        let carries_storage = session.carries_storage;
        cx.telemetry.count(Count::RecordsOpened);
        link.path.counts.opened(len);
        link.path.came = Came::AtOnce;
        match arrival {
            Arrival::InOrder | Arrival::GivenUp => {}
            Arrival::Gap => cx.timers.lower(Timer::Peers, session.gaps.deadline()),
            Arrival::Late(late) => {
                link.path.tolerance.learn(late, round_trip);
                if late.was_asked_for() {
                    link.path.came = Came::Repaired;
                    cx.telemetry.count(Count::RecordsMissed);
                    link.path.counts.came_late();
                } else {
                    link.path.counts.was_overtaken();
                }
                // The sender still keeps it.
                session.gaps.note_news();
                link.repair.news.note(0, cx.now);
            }
        }
        link.repair.news.note_arrival(payload.len());
        link.liveness.heard(cx.now);
        link.path.elsewhere = None;
        if slot == Slot::Next
            && let Some(next) = &link.sessions.next
        {
            link.handshakes.note_confirmed(next.stamp);
        }
        let confirmed = slot == Slot::Next && !link.sessions.keeps_current(link.precedence());
        let confirmed = confirmed.then(|| link.sessions.next.take()).flatten();
        let is_new = confirmed.is_some();
        if let Some(next) = confirmed {
            // A peer that confirms from where it was answered is there.
            if next.path.same_way(path) {
                link.move_to(path, cx);
            } else if link.path.address.is_none() {
                link.move_to(next.path, cx);
            }
            self.promote(peer, next.session, cx);
        }
        let opened = Opened {
            peer,
            session: header.receiver,
            carries_storage,
            payload,
        };
        if let Some(link) = self.links.get_mut(peer)
            && slot != Slot::Previous
            && arrival.is_newest()
            && link.path.address != Some(path)
        {
            if link.path.address.is_some_and(|known| known.same_way(path)) {
                // An address of ours that the kernel chose until now.
                link.go_by(path, cx);
            } else {
                link.path.elsewhere = Some(path);
                self.challenge(peer, path, cx);
            }
        }
        if is_new {
            // Only now is it known where to.
            self.ping(peer, cx);
            self.say_keys(peer, cx);
        }
        Ok(opened)
    }

    /// A session is confirmed: it is the one to seal with from now on.
    pub(super) fn promote(&mut self, peer: PeerId, session: Session, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        link.flush(cx);
        link.path.home = link.path.address.map(|path| path.remote.ip());
        link.handshakes.succeeded(cx.now);
        let (protection, cipher) = (session.protection, session.cipher);
        let (psk, quantum) = (session.has_psk, session.assurance.kind);
        let had_carried = link.carries_storage();
        let before = link
            .sessions
            .current
            .as_ref()
            .map(|session| session.assurance.kind);
        let was_up = link.sessions.current.is_some();
        let promotion = link.sessions.promote(session);
        cx.telemetry.count(Count::Handshakes);
        if promotion != Promotion::Rekeyed {
            link.path.mtu.begin(cx.now);
        }
        match promotion {
            Promotion::Rekeyed => cx.telemetry.event(Event::SessionRekeyed { peer: link.name() }),
            Promotion::Up => self.changes.push_back((peer, Change::Up)),
            Promotion::Restarted => {
                link.chain.forget();
                link.reassembly.clear();
                link.repair.clear(&mut cx.out.trains);
                link.path.clock.forget();
                link.updates.forget();
                link.key_talk.forget();
                if was_up {
                    let why = "the peer was restarted";
                    let lost = Event::SessionLost {
                        peer: link.name(),
                        why,
                    };
                    link.presence.down(&lost, cx.now);
                    let note = What::SessionLost {
                        peer: link.known(),
                        why,
                    };
                    cx.telemetry.notes.session(cx.now, note);
                    cx.telemetry.raise(cx.now, About::Session(peer), lost);
                }
                self.changes.push_back((peer, Change::Restarted));
            }
        }
        if let Some(session) = &link.sessions.current {
            link.chain.left(session);
        }
        link.note_used_secret();
        link.note_quantum(before, cx);
        link.note_path(cx.now);
        cx.telemetry.over(cx.now, About::Session(peer));
        if link.carries_storage() != had_carried {
            self.changes.push_back((peer, Change::Path));
        }
        if promotion != Promotion::Rekeyed {
            cx.telemetry.event(Event::SessionUp {
                peer: link.name(),
                protection,
                cipher,
            });
            let up = What::SessionUp {
                peer: link.known(),
                protection,
                cipher,
                psk,
                post_quantum: quantum.name(),
            };
            cx.telemetry.notes.session(cx.now, up);
        }
        cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
    }

    /// A peer is gone.
    pub(super) fn lose(&mut self, peer: PeerId, why: &'static str, cx: &mut Context<'_>) {
        let Some(link) = self.links.get_mut(peer) else {
            return;
        };
        link.outbox.packer.discard();
        link.repair.clear(&mut cx.out.trains);
        cx.telemetry.over(cx.now, About::Path(peer));
        cx.telemetry.over(cx.now, About::Quantum(peer));
        link.liveness.forgive();
        link.sessions.previous = None;
        if link.sessions.current.take().is_some() {
            let lost = Event::SessionLost {
                peer: link.name(),
                why,
            };
            let note = What::SessionLost {
                peer: link.known(),
                why,
            };
            cx.telemetry.notes.session(cx.now, note);
            link.in_trouble(lost, cx);
            self.changes.push_back((peer, Change::Lost));
        }
        link.note_path(cx.now);
        match link.path.endpoint {
            Endpoint::Known => {
                cx.telemetry.event(Event::EndpointNeeded(peer));
                if link.handshakes.dialing.is_none() {
                    let again_at = cx.now + self.random.jitter(link.dial_wait(0));
                    link.handshakes.dialing = Some(Dialing::new(None, 0, again_at));
                }
            }
            Endpoint::Unknown => {
                link.path.address = None;
                link.handshakes.dialing = None;
            }
        }
        cx.timers.lower(Timer::Peers, link.deadline(self.keepalive));
    }
}
