//! One peer: its address, its sessions, its timers, and what is being packed for it.

use std::time::Duration;

use aoe_keys::{Psk, PublicKey};

use super::admission::Stamp;
use super::gaps::patience;
use super::handshake::Dial;
use super::links::Io;
use super::message::{CHUNK_HEAD_LEN, Chunk, Kind, chunks};
use super::pack::{Outlet, Packer};
use super::path_mtu::{self, PathMtu, Refused, Verdict};
use super::peer_clock::PeerClock;
use super::reassembly::Reassembly;
use super::record::{AUTH_TAG_LEN, HEADER_LEN, MAX_RECORD_LEN};
use super::repair::{Probe, Repair};
use super::report::Report;
use super::sessions::{CONFIRM_WITHIN, Precedence, Sessions, Slot};
use crate::config::{Endpoint, PeerConfig, PeerId, Protection};
use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::output::Path;
use crate::seldom::Seldom;
use crate::telemetry::Count;
use crate::time::Instant;

/// A peer that owes us an answer this long is asked by a ping.
pub(crate) const ASK_AFTER: Duration = Duration::from_secs(1);
/// A peer that owes us an answer this long is called anew: perhaps it was restarted. No peer with a session is
/// called earlier, but to change its keys.
pub(crate) const REDIAL_AFTER: Duration = Duration::from_secs(3);
/// A peer that owes us an answer this long is gone.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(10);
/// First wait between two calls; doubles up to [`DIAL_LONGEST`].
const DIAL_FIRST: Duration = Duration::from_secs(1);
const DIAL_LONGEST: Duration = Duration::from_secs(5);
/// How often a peer whose clock we do not know yet is asked.
const FIRST_READING_EVERY: Duration = Duration::from_millis(250);
/// How often a peer that requests or replies go to is asked for its clock.
const READING_EVERY: Duration = Duration::from_secs(1);
/// How long an update waits for its ack before it is sent again.
pub(crate) const UPDATE_RETRY: Duration = Duration::from_millis(250);
/// Updates of one peer applied in a second: each may make us announce something to many initiators. An honest peer
/// sends one per round trip at most, and sends again what is not acknowledged.
const UPDATES_PER_SECOND: u32 = 64;
/// IPv4 (20) or IPv6 (40) and UDP (8) headers.
const UDP4_OVERHEAD: usize = 28;
const UDP6_OVERHEAD: usize = 48;

/// What makes a probe as long as it is.
static PADDING: [u8; MAX_RECORD_LEN] = [0; MAX_RECORD_LEN];

/// One peer.
pub(crate) struct Link {
    id: PeerId,
    pub(crate) name: String,
    pub(crate) key: PublicKey,
    pub(crate) precedence: Precedence,
    pub(crate) psk: Option<Psk>,
    pub(crate) protection: Vec<Protection>,
    pub(crate) endpoint: Endpoint,
    pub(crate) path_mtu: PathMtu,
    /// Where it lives, if we know.
    pub(crate) path: Option<Path>,
    pub(crate) stamp: Stamp,
    pub(crate) sessions: Sessions,
    pub(crate) dialing: Option<Dialing>,
    /// The newest first message it ever sent.
    pub(crate) newest_call: u64,
    /// Calls in a row that we answered and it did not confirm.
    pub(crate) unconfirmed: u32,
    /// When a refused handshake of it was last told of.
    pub(crate) last_refusal: Seldom,
    pub(crate) packer: Packer,
    /// Whether it is on the list of those to flush.
    pub(crate) is_packed: bool,
    /// Whether something is packed of which the peer is to tell that it arrived.
    awaits_news: bool,
    pub(crate) repair: Repair,
    /// A report on its way into the packer.
    report: Vec<u8>,
    pub(crate) reassembly: Reassembly,
    pub(crate) last_received: Instant,
    pub(crate) last_ping: Instant,
    pub(crate) clock: PeerClock,
    /// Whether requests or replies went to it since the last ping.
    pub(crate) busy: bool,
    /// Since when it owes us an answer.
    pub(crate) owes_since: Option<Instant>,
    pub(crate) outgoing: Option<OutgoingUpdate>,
    pub(crate) next_serial: u32,
    pub(crate) seen_serial: u32,
    /// When a change of address was last told of.
    pub(crate) move_told: Seldom,
    /// Updates applied in the second that began then.
    updates: (Instant, u32),
}

/// A call under way.
pub(crate) struct Dialing {
    /// `None` after an answer without agreement, or too many that do not decrypt: nothing more is expected for this
    /// call.
    pub(crate) dial: Option<Dial>,
    pub(crate) attempt: u32,
    pub(crate) again_at: Instant,
}

/// An update sent and not acknowledged.
pub(crate) struct OutgoingUpdate {
    pub(crate) message: Vec<u8>,
    pub(crate) serial: u32,
    pub(crate) again_at: Instant,
}

impl Link {
    pub(crate) fn new(id: PeerId, config: PeerConfig, our_key: PublicKey, now: Instant) -> Option<Link> {
        let precedence = if our_key.as_bytes() < config.key.as_bytes() {
            Precedence::Ours
        } else {
            Precedence::Theirs
        };
        Some(Link {
            id,
            stamp: Stamp::new(config.key)?,
            precedence,
            name: config.name,
            key: config.key,
            psk: config.psk,
            protection: config.protection,
            endpoint: config.endpoint,
            path_mtu: PathMtu::new(config.path_mtu, now),
            path: None,
            sessions: Sessions::default(),
            dialing: None,
            newest_call: 0,
            unconfirmed: 0,
            last_refusal: Seldom::default(),
            packer: Packer::default(),
            is_packed: false,
            awaits_news: false,
            repair: Repair::new(now),
            report: Vec::new(),
            reassembly: Reassembly::default(),
            last_received: now,
            last_ping: now,
            clock: PeerClock::default(),
            busy: false,
            owes_since: None,
            outgoing: None,
            next_serial: 1,
            seen_serial: 0,
            move_told: Seldom::default(),
            updates: (now, 0),
        })
    }

    /// Whether one more update of the peer is applied now.
    pub(crate) fn applies_update(&mut self, now: Instant) -> bool {
        let (since, applied) = &mut self.updates;
        if now.saturating_since(*since) >= Duration::from_secs(1) {
            (*since, *applied) = (now, 0);
        }
        let applies = *applied < UPDATES_PER_SECOND;
        *applied += u32::from(applies);
        applies
    }

    /// Whether a session of ours with this peer, or one to be, has this index.
    pub(crate) fn uses(&mut self, index: u32) -> bool {
        let dial = self.dialing.as_ref().and_then(|dialing| dialing.dial.as_ref());
        dial.is_some_and(|dial| dial.local_index == index) || self.sessions.find(index).is_some()
    }

    /// Longest datagram towards the peer.
    pub(crate) fn datagram_len(&self) -> usize {
        usize::from(self.path_mtu.get()).saturating_sub(self.overhead())
    }

    /// Bytes of IP and UDP headers in front of a datagram.
    fn overhead(&self) -> usize {
        match self.path {
            Some(path) if path.remote.is_ipv6() => UDP6_OVERHEAD,
            _ => UDP4_OVERHEAD,
        }
    }

    /// Whether records can be sealed.
    pub(crate) fn is_up(&self, now: Instant) -> bool {
        self.path.is_some()
            && self
                .sessions
                .current
                .as_ref()
                .is_some_and(|session| session.is_usable(now))
    }

    /// Whether a call should be started now.
    pub(crate) fn wants_dial(&self, now: Instant) -> bool {
        if self.path.is_none() || self.dialing.is_some() {
            return false;
        }
        match &self.sessions.current {
            None => self.endpoint == Endpoint::Known,
            Some(session) => {
                now >= session.rekey_at()
                    || session.is_worn()
                    || self
                        .owes_since
                        .is_some_and(|since| now.saturating_since(since) >= REDIAL_AFTER)
            }
        }
    }

    /// When there is something to report, or to ask about.
    pub(crate) fn repair_at(&self) -> Instant {
        self.repair
            .report_at(self.ask_at())
            .min(self.repair.probe_at(self.clock.round_trip()))
    }

    /// When the path's MTU is probed.
    pub(crate) fn probe_path_at(&self) -> Instant {
        match self.probes_path() {
            true => self.path_mtu.deadline(),
            false => Instant::NEVER,
        }
    }

    /// When the next ping is due.
    pub(crate) fn ping_at(&self, keepalive: Duration) -> Instant {
        let mut at = self.last_received.max(self.last_ping) + keepalive;
        if let Some(since) = self.owes_since {
            at = at.min(since.max(self.last_ping) + ASK_AFTER);
        }
        if self.clock.round_trip().is_none() {
            at = at.min(self.last_ping + FIRST_READING_EVERY);
        } else if self.busy {
            at = at.min(self.last_ping + READING_EVERY);
        }
        at
    }

    /// How long to wait for the answer to call number `attempt`.
    pub(crate) fn dial_wait(attempt: u32) -> Duration {
        (DIAL_FIRST * 2u32.saturating_pow(attempt.min(4))).min(DIAL_LONGEST)
    }

    /// Lends the packer what it needs to seal for this peer.
    pub(crate) fn with_outlet(
        &mut self,
        io: &mut Io<'_>,
        work: impl FnOnce(&mut Packer, &mut Outlet<'_>) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        self.with_outlet_of(self.datagram_len(), io, work)
    }

    /// The same for datagrams of another length.
    fn with_outlet_of(
        &mut self,
        datagram_len: usize,
        io: &mut Io<'_>,
        work: impl FnOnce(&mut Packer, &mut Outlet<'_>) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let (Some(path), Some(session)) = (self.path, self.sessions.current.as_mut()) else {
            return Err(DropReason::NoSession);
        };
        if !session.is_usable(io.now) {
            return Err(DropReason::NoSession);
        }
        let mut outlet = Outlet {
            peer: self.id,
            session,
            path,
            datagram_len,
            trains: &mut io.out.trains,
            sealed: 0,
        };
        let result = work(&mut self.packer, &mut outlet);
        io.telemetry.add(Count::RecordsSealed, outlet.sealed);
        result
    }

    /// Packs a message.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        head: &[u8],
        body: &[u8],
        io: &mut Io<'_>,
    ) -> Result<(), DropReason> {
        self.with_outlet(io, |packer, outlet| packer.push(kind, head, body, outlet))?;
        // A ping is asked about again by itself.
        self.awaits_news |= kind.wants_news() && kind != Kind::Ping;
        Ok(())
    }

    /// Seals what is packed. Without a session it is lost, and counted.
    pub(crate) fn flush(&mut self, io: &mut Io<'_>) {
        if let Err(reason) = self.with_outlet(io, Packer::flush) {
            if !self.packer.is_empty() {
                io.telemetry.drop(reason);
            }
            self.packer.discard();
        }
        if std::mem::take(&mut self.awaits_news)
            && let Some(session) = &self.sessions.current
            && let Some(counter) = session.newest_sealed()
        {
            self.repair
                .await_news(session.remote_index, counter, io.now, &mut io.out.trains);
        }
    }

    /// Packs what the peer should hear of its records, for every session that there is something to tell of.
    pub(crate) fn report(&mut self, io: &mut Io<'_>) {
        let patience = patience(self.clock.round_trip());
        let mut total = 0;
        for slot in [Slot::Previous, Slot::Current, Slot::Next] {
            let Some(session) = self.sessions.get_mut(slot) else {
                continue;
            };
            let gaps = &mut session.gaps;
            io.telemetry.add(Count::RecordsGivenUp, gaps.expire(io.now));
            if !gaps.has_news() && gaps.deadline() > io.now {
                continue;
            }
            let (report, missed) = gaps.report(session.local_index, patience, io.now);
            io.telemetry.add(Count::RecordsMissed, missed);
            io.telemetry.count(Count::ReportsSent);
            let mut message = std::mem::take(&mut self.report);
            message.clear();
            report.emit(&mut message);
            total += message.len();
            if let Err(reason) = self.push(Kind::Report, &message, &[], io) {
                io.telemetry.drop(reason);
            }
            self.report = message;
        }
        self.repair.reported(total, io.now);
    }

    /// When there is a missing record to ask for.
    pub(crate) fn ask_at(&self) -> Instant {
        let next = self.sessions.next.as_ref().map(|(session, _)| session);
        [
            self.sessions.current.as_ref(),
            self.sessions.previous.as_ref(),
            next,
        ]
        .into_iter()
        .flatten()
        .map(|session| session.gaps.deadline())
        .min()
        .unwrap_or(Instant::NEVER)
    }

    /// Sends again what the peer misses, and says what it will not. What the path does not carry any more is packed
    /// anew.
    pub(crate) fn handle_report(&mut self, report: &Report, io: &mut Io<'_>) {
        let way = self.path.map(|path| (path, self.datagram_len()));
        let resent =
            self.repair
                .handle_report(report, self.clock.round_trip(), way, io.now, &mut io.out.trains);
        io.telemetry.add(Count::RecordsResent, resent.records);
        io.telemetry.add(Count::ResendsRefused, resent.refused);
        if resent.longest + self.overhead() > usize::from(path_mtu::BASE) {
            self.path_mtu.doubt(io.now);
        }
        for mut record in resent.too_long {
            self.pack_anew(report.session, &mut record, io);
        }
        if !resent.abandoned.is_empty() {
            let mut message = std::mem::take(&mut self.report);
            message.clear();
            resent.abandoned.emit(&mut message);
            if let Err(reason) = self.push(Kind::Abandon, &message, &[], io) {
                io.telemetry.drop(reason);
            }
            self.report = message;
        }
    }

    /// Packs the messages of a record of ours that cannot be sent again as it is.
    fn pack_anew(&mut self, receiver: u32, record: &mut [u8], io: &mut Io<'_>) {
        let sessions = [self.sessions.current.as_mut(), self.sessions.previous.as_mut()];
        let sealed_by = sessions
            .into_iter()
            .flatten()
            .find(|session| session.remote_index == receiver);
        let Some(payload) = sealed_by.and_then(|session| session.reopen(record)) else {
            return;
        };
        for chunk in chunks(payload).flatten() {
            let Chunk {
                kind,
                position,
                bytes,
            } = chunk;
            if !kind.wants_news() || kind == Kind::Ping {
                continue;
            }
            let packed = match position {
                None => self.push(kind, bytes, &[], io),
                Some(position) => {
                    self.awaits_news = true;
                    self.with_outlet(io, |packer, outlet| {
                        packer.push_part(kind, position, bytes, outlet)
                    })
                }
            };
            match packed {
                Ok(()) => io.telemetry.count(Count::MessagesRepacked),
                Err(reason) => io.telemetry.drop(reason),
            }
        }
    }

    /// Sends a probe of the path's MTU, if one is due.
    pub(crate) fn probe_path(&mut self, io: &mut Io<'_>) {
        if !self.probes_path() {
            return;
        }
        let before = self.path_mtu.get();
        let probe = self.path_mtu.probe(self.clock.round_trip(), io.now);
        if self.path_mtu.get() < before {
            io.telemetry.count(Count::PathMtuLowered);
        }
        if let Some(mtu) = probe {
            let len = usize::from(mtu).saturating_sub(self.overhead());
            let head = HEADER_LEN + CHUNK_HEAD_LEN + size_of::<u64>() + AUTH_TAG_LEN;
            let padding = PADDING.get(..len.saturating_sub(head)).unwrap_or_default();
            // Alone: what is packed must not be lost with it.
            self.flush(io);
            let ping = self.clock.ask(io.now);
            self.path_mtu.probed(ping);
            let sent = self.with_outlet_of(len, io, |packer, outlet| {
                packer.push(Kind::Ping, &ping.to_be_bytes(), padding, outlet)?;
                packer.flush(outlet)
            });
            match sent {
                Ok(()) => io.telemetry.count(Count::PathProbes),
                Err(reason) => io.telemetry.drop(reason),
            }
        }
        if let Some((mtu, why)) = self.path_mtu.news(io.now) {
            let peer = self.name.clone();
            io.telemetry.event(Event::PathMtu { peer, mtu, why });
        }
    }

    /// Takes a pong.
    pub(crate) fn answered(&mut self, ping: u64, clock: u64, io: &mut Io<'_>) {
        if self.clock.answered(ping, clock, io.now) && self.path_mtu.answered(ping, io.now) == Verdict::Raised
        {
            io.telemetry.count(Count::PathMtuRaised);
        }
    }

    /// The kernel does not take datagrams of this length for the peer's path.
    pub(crate) fn refused(&mut self, datagram_len: usize, now: Instant) -> Refused {
        let mtu = u16::try_from(datagram_len + self.overhead()).unwrap_or(u16::MAX);
        self.path_mtu.refused(mtu, now)
    }

    /// Whether the path is known well enough to probe it.
    fn probes_path(&self) -> bool {
        self.path.is_some() && self.clock.round_trip().is_some()
    }

    /// Asks about a last record of which nothing was heard; true if that takes a ping.
    pub(crate) fn probe(&mut self, io: &mut Io<'_>) -> bool {
        while let Some(probe) = self.repair.probe(self.clock.round_trip(), io.now) {
            io.telemetry.count(Count::TailProbes);
            match (probe, self.path) {
                (Probe::Ping, _) => return true,
                (Probe::Record { receiver, counter }, Some(path)) => {
                    let way = (path, self.datagram_len());
                    self.repair
                        .send_again(receiver, counter, way, io.now, &mut io.out.trains);
                }
                (Probe::Record { .. }, None) => {}
            }
        }
        false
    }

    /// The next moment at which something is due.
    pub(crate) fn deadline(&self, keepalive: Duration) -> Instant {
        let mut at = self.reassembly.deadline();
        if let Some(dialing) = &self.dialing {
            at = at.min(dialing.again_at);
        }
        if let Some((_, since)) = &self.sessions.next {
            at = at.min(*since + CONFIRM_WITHIN);
        }
        if let Some(previous) = &self.sessions.previous {
            at = at.min(previous.ends_at());
        }
        let Some(current) = &self.sessions.current else {
            return at;
        };
        at = at.min(current.ends_at()).min(self.ping_at(keepalive));
        // What cannot be sealed any more is not waited for.
        if self.path.is_some() && current.is_usable(current.since()) {
            at = at.min(self.repair_at()).min(self.probe_path_at());
        }
        if self.dialing.is_none() {
            at = at.min(current.rekey_at());
        }
        if let Some(since) = self.owes_since {
            at = at.min(since + LOST_AFTER);
            if self.dialing.is_none() {
                at = at.min(since + REDIAL_AFTER);
            }
        }
        if let Some(update) = &self.outgoing {
            at = at.min(update.again_at);
        }
        at
    }
}
