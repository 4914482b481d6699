//! Updates about exports, and their acknowledgements.

use super::{Change, Links};
use crate::config::PeerId;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::time::Instant;
use crate::timers::Timer;
use crate::tunnel::link::Applies;
use crate::tunnel::message::Kind;
use crate::tunnel::update::emit_ack;

impl Links {
    /// Whether an update can be sent: one at a time is under way.
    pub(crate) fn takes_update(&self, peer: PeerId, now: Instant) -> bool {
        self.links.get(peer).is_some_and(|link| {
            link.updates.are_told() && link.is_up(now) && link.path.mtu.is_proven() && link.carries_storage()
        })
    }

    /// Sends an update (`entries`: what follows the serial) until it is acknowledged.
    pub(crate) fn send_update(&mut self, peer: PeerId, entries: &[u8], cx: &mut Context<'_>) {
        if let Some(link) = self.links.get_mut(peer) {
            let message = link.updates.begin(entries, cx.now);
            cx.timers.lower(Timer::Peers, link.updates.deadline());
            self.send_or_count(peer, Kind::Update, &message, cx);
        }
    }

    /// Whether an update is to be applied, or only acknowledged.
    ///
    /// # Errors
    /// It comes too soon, which is not acknowledged.
    pub(crate) fn judge_update(
        &mut self,
        peer: PeerId,
        serial: u32,
        now: Instant,
    ) -> Result<Applies, DropReason> {
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        link.updates.judge(serial, now)
    }

    /// The number of the newest update of this process of the peer; 0: there was none.
    pub(crate) fn newest_update(&self, peer: PeerId) -> u32 {
        self.links.get(peer).map_or(0, |link| link.updates.newest())
    }

    /// Takes an inquiry.
    ///
    /// # Errors
    /// It comes too soon.
    pub(crate) fn judge_inquiry(&mut self, peer: PeerId, now: Instant) -> Result<(), DropReason> {
        let link = self.links.get_mut(peer).ok_or(DropReason::NoSession)?;
        link.updates.judge_inquiry(now)
    }

    /// Acknowledges an update; `missed` are the imports that no update named.
    pub(crate) fn ack_update<'a>(
        &mut self,
        peer: PeerId,
        serial: u32,
        missed: impl Iterator<Item = &'a str>,
        cx: &mut Context<'_>,
    ) {
        let mut ack = Vec::new();
        emit_ack(serial, missed, &mut ack);
        self.send_or_count(peer, Kind::UpdateAck, &ack, cx);
    }

    /// Takes an acknowledgement; whether it is that of the update under way.
    pub(crate) fn handle_ack(&mut self, peer: PeerId, serial: u32) -> bool {
        let link = self.links.get_mut(peer);
        let is_told = link.is_some_and(|link| link.updates.acked(serial));
        if is_told {
            self.changes.push_back((peer, Change::UpdateAcked));
        }
        is_told
    }
}
