//! What is packed for a peer, sealed, and sent again.

use super::Link;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::telemetry::Count;
use crate::trouble::About;
use crate::tunnel::gaps::Pace;
use crate::tunnel::message::{CHUNK_HEAD_LEN, Chunk, Kind, chunks};
use crate::tunnel::pack::{Outlet, Packer};
use crate::tunnel::record::{AUTH_TAG_LEN, HEADER_LEN, MAX_RECORD_LEN};
use crate::tunnel::repair::Probe;
use crate::tunnel::report::Report;
use crate::tunnel::sessions::Slot;

/// What makes a probe as long as it is.
static PADDING: [u8; MAX_RECORD_LEN] = [0; MAX_RECORD_LEN];

impl Link {
    /// Lends the packer what it needs to seal for this peer.
    fn with_outlet(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Packer, &mut Outlet<'_>) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        self.with_outlet_of(self.path.datagram_len(), false, cx, work)
    }

    /// The same for datagrams of another length, or for a probe.
    fn with_outlet_of(
        &mut self,
        datagram_len: usize,
        is_probe: bool,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Packer, &mut Outlet<'_>) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let (Some(path), Some(session)) = (self.path.address, self.sessions.current.as_mut()) else {
            return Err(DropReason::NoSession);
        };
        if !session.is_usable(cx.now) {
            return Err(DropReason::NoSession);
        }
        let mut outlet = Outlet {
            peer: self.identity.id,
            session,
            path,
            datagram_len,
            trains: &mut cx.out.trains,
            now: cx.now,
            is_probe,
            sealed: (0, 0),
        };
        let result = work(&mut self.outbox.packer, &mut outlet);
        let (records, bytes) = outlet.sealed;
        cx.telemetry.add(Count::RecordsSealed, records);
        self.path.counts.sealed(records, bytes);
        result
    }

    /// Whether the keys in use are good enough for this.
    fn check_carried(&self, kind: Kind) -> Result<(), DropReason> {
        match self.carries_storage() || !kind.is_storage() {
            true => Ok(()),
            false => Err(DropReason::NotPostQuantum),
        }
    }

    /// Packs a message.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        head: &[u8],
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), DropReason> {
        self.check_carried(kind)?;
        self.with_outlet(cx, |packer, outlet| packer.push(kind, head, body, outlet))?;
        // A ping is asked about again by itself.
        self.outbox.awaits_news |= kind.wants_news() && kind != Kind::Ping;
        Ok(())
    }

    /// Seals what is packed. Without a session it is lost, and counted.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        if let Err(reason) = self.with_outlet(cx, Packer::flush) {
            if !self.outbox.packer.is_empty() {
                cx.telemetry.drop(reason);
            }
            self.outbox.packer.discard();
        }
        if std::mem::take(&mut self.outbox.awaits_news)
            && let Some(session) = &self.sessions.current
            && let Some(counter) = session.newest_sealed()
        {
            self.repair
                .sent
                .await_news(session.remote_index, counter, cx.now, &mut cx.out.trains);
        }
    }

    /// Packs what the peer should hear of its records, for every session that has news.
    pub(crate) fn report(&mut self, cx: &mut Context<'_>) {
        let pace = Pace::new(self.path.tolerance, self.path.clock.round_trip());
        let mut total = 0;
        for slot in [Slot::Previous, Slot::Current, Slot::Next] {
            let session = self.sessions.get_mut(slot);
            let Some(session) = session.filter(|session| session.gaps.has_news(cx.now)) else {
                continue;
            };
            let report = session.gaps.report(session.local_index, pace, cx.now);
            let given_up = session.gaps.take_given_up();
            cx.telemetry.add(Count::RecordsGivenUp, given_up);
            cx.telemetry.add(Count::RecordsMissed, given_up);
            self.path.counts.gave_up(given_up);
            let Some(report) = report else {
                continue;
            };
            cx.telemetry.count(Count::ReportsSent);
            let mut message = std::mem::take(&mut self.repair.report);
            message.clear();
            report.emit(&mut message);
            total += message.len();
            if let Err(reason) = self.push(Kind::Report, &message, &[], cx) {
                cx.telemetry.drop(reason);
            }
            self.repair.report = message;
        }
        self.repair.news.told(total, cx.now);
    }

    /// Sends again what the peer misses, and says what it will not. What the path does not carry any more is packed
    /// again.
    pub(crate) fn handle_report(&mut self, report: &Report, cx: &mut Context<'_>) {
        let way = self.path.way();
        let resent =
            self.repair
                .sent
                .handle_report(report, &mut self.path.clock, way, cx.now, &mut cx.out.trains);
        cx.telemetry.add(Count::RecordsResent, resent.records);
        cx.telemetry.add(Count::ResendsRefused, resent.refused);
        self.path
            .counts
            .sent_again(resent.repaired, resent.lost, resent.bytes);
        self.path.doubt(resent.longest, cx.now);
        for mut record in resent.too_long {
            self.pack_again(report.session, &mut record, cx);
        }
        if !resent.abandoned.is_empty() {
            let mut message = std::mem::take(&mut self.repair.report);
            message.clear();
            resent.abandoned.emit(&mut message);
            if let Err(reason) = self.push(Kind::Abandon, &message, &[], cx) {
                cx.telemetry.drop(reason);
            }
            self.repair.report = message;
        }
    }

    /// A ping was packed just now. It is whole, so it is in the record that is sealed next.
    pub(crate) fn note_ping(&mut self, ping: u64) {
        if let Some(session) = &self.sessions.current {
            self.path
                .clock
                .asked_in(ping, session.remote_index, session.next_counter());
        }
    }

    /// Packs the messages of a record of ours that cannot be sent again as it is.
    fn pack_again(&mut self, receiver: u32, record: &mut [u8], cx: &mut Context<'_>) {
        let sessions = [self.sessions.current.as_ref(), self.sessions.previous.as_ref()];
        let sealed_by = sessions
            .into_iter()
            .flatten()
            .find(|session| session.remote_index == receiver);
        let Some(payload) = sealed_by.and_then(|session| session.reopen(record)) else {
            return;
        };
        for chunk in chunks(payload).flatten() {
            if !chunk.kind.wants_news() || chunk.kind == Kind::Ping {
                continue;
            }
            match self.push_chunk(chunk, cx) {
                Ok(()) => cx.telemetry.count(Count::MessagesRepacked),
                Err(reason) => cx.telemetry.drop(reason),
            }
        }
    }

    /// Packs a message, or a part of one, as it was packed before.
    pub(crate) fn push_chunk(&mut self, chunk: Chunk<'_>, cx: &mut Context<'_>) -> Result<(), DropReason> {
        let Chunk {
            kind,
            position,
            bytes,
        } = chunk;
        let Some(position) = position else {
            return self.push(kind, bytes, &[], cx);
        };
        self.check_carried(kind)?;
        self.outbox.awaits_news = true;
        self.with_outlet(cx, |packer, outlet| {
            packer.push_part(kind, position, bytes, outlet)
        })
    }

    /// Sends a probe of the path's MTU, if one is due.
    pub(crate) fn probe_path(&mut self, cx: &mut Context<'_>) {
        let before = self.path.mtu.get();
        let probe = self.path.mtu.probe(self.path.clock.round_trip(), cx.now);
        if self.path.mtu.get() < before {
            cx.telemetry.count(Count::PathMtuLowered);
        }
        if let Some(mtu) = probe {
            let len = usize::from(mtu).saturating_sub(self.path.overhead());
            let head = HEADER_LEN + CHUNK_HEAD_LEN + size_of::<u64>() + AUTH_TAG_LEN;
            let padding = PADDING.get(..len.saturating_sub(head)).unwrap_or_default();
            // Alone: what is packed must not be lost with it.
            self.flush(cx);
            let ping = self.path.clock.ask(cx.now);
            self.path.mtu.probed(ping);
            let sent = self.with_outlet_of(len, true, cx, |packer, outlet| {
                packer.push(Kind::Ping, &ping.to_be_bytes(), padding, outlet)?;
                packer.flush(outlet)
            });
            match sent {
                Ok(()) => cx.telemetry.count(Count::PathProbes),
                Err(reason) => cx.telemetry.drop(reason),
            }
        }
        if let Some(least) = self.path.mtu.too_small() {
            let peer = self.name();
            cx.telemetry.raise(
                cx.now,
                About::Path(self.identity.id),
                Event::PathTooSmall { peer, least },
            );
        }
        if let Some((mtu, why)) = self.path.mtu.news(cx.now) {
            let peer = self.name();
            cx.telemetry.over(cx.now, About::Path(self.identity.id));
            cx.telemetry.event(Event::PathMtu { peer, mtu, why });
        }
    }

    /// Sends a last record again of which nothing was heard; true if that takes a ping.
    pub(crate) fn probe(&mut self, cx: &mut Context<'_>) -> bool {
        let mut pings = false;
        while let Some(probe) = self.repair.sent.probe(self.path.clock.round_trip(), cx.now) {
            cx.telemetry.count(Count::TailProbes);
            match (probe, self.path.way()) {
                (Probe::Ping, _) => pings = true,
                (Probe::Record { receiver, counter }, Some(way)) => {
                    self.path.clock.resent(receiver, counter);
                    let sent =
                        self.repair
                            .sent
                            .send_again(receiver, counter, way, cx.now, &mut cx.out.trains);
                    match sent {
                        Ok(len) => {
                            self.path.counts.sent_again(0, 0, len as u64);
                            self.path.doubt(len, cx.now);
                        }
                        Err(mut record) => self.pack_again(receiver, &mut record, cx),
                    }
                }
                (Probe::Record { .. }, None) => {}
            }
        }
        pings
    }
}
