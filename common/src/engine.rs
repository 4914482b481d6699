//! One gateway as a state machine.
//!
//! Inputs are [`handle_frame`](Engine::handle_frame), [`handle_datagram`](Engine::handle_datagram),
//! [`handle_segment`](Engine::handle_segment), [`set_endpoint`](Engine::set_endpoint) and
//! [`handle_timeout`](Engine::handle_timeout); each carries `now` and fills the lent [`Output`]. The law for the
//! caller: feed a batch, [`flush`](Engine::flush), send the output, drain [`poll_event`](Engine::poll_event),
//! clear the output, wait for input or until [`deadline`](Engine::deadline).

mod apply;
mod captures;
mod core;
mod look;
mod route;
mod steer;

use std::time::Duration;

use self::core::Core;
use crate::config::{Change, GatewayConfig, PeerId, PeerLimit, SegmentId};
use crate::context::Context;
use crate::disk::Disk;
use crate::drop_reason::DropReason;
use crate::edge::Edge;
use crate::event::Event;
use crate::exit::Exit;
use crate::notes::Notes;
use crate::output::{Output, Path};
use crate::random::{Random, Secrets};
use crate::segment::SegmentState;
use crate::snapshot::State;
use crate::standing::Standing;
use crate::table::Table;
use crate::tap::Tap;
use crate::telemetry::{Count, Counters, Telemetry};
use crate::time::Instant;
pub use crate::timers::Deadline;
use crate::timers::{Timer, Timers};
use crate::trouble::About;
use crate::tunnel::links::Links;
pub use crate::tunnel::path_mtu::Refused;

/// An engine that does what is due so much later was not run in between, and its operator should know.
const STANDSTILL: Duration = Duration::from_secs(2);

/// One gateway.
pub struct Engine {
    core: Core,
    segments: Table<SegmentId, SegmentState>,
    /// How segments are, for people, and what they are called.
    standings: Table<SegmentId, Standing>,
    names: Table<SegmentId, String>,
    /// Which of the gateway's workers it is.
    worker: u8,
    telemetry: Telemetry,
    timers: Timers,
    /// `None`: nobody captures.
    tap: Option<Box<Tap>>,
    /// When it was last called.
    awake: Instant,
}

impl Engine {
    /// A gateway at rest: every segment down, every peer unknown.
    ///
    /// `seed` must come from the operating system's generator (or from a test); `unix_time` is the wall clock at
    /// `now`, for the stamps of handshakes and for permissions that end.
    ///
    /// # Panics
    /// If the cryptographic library refuses its own fixed parameters.
    #[allow(
        clippy::expect_used,
        reason = "fixed key lengths and algorithms; nothing a user can configure"
    )]
    pub fn new(config: GatewayConfig, seed: [u8; 32], now: Instant, unix_time: Duration) -> Engine {
        let mut secrets = Secrets::new(seed);
        let mut random = Random::drawn_from(&mut secrets);
        let (factor, tags) = (random.u64(), random.bytes());
        let peers: Vec<PeerId> = config.peers.ids().collect();
        let limits: Vec<(PeerId, PeerLimit)> =
            config.peers.iter().map(|(id, peer)| (id, peer.limit)).collect();
        let (max_age, worker) = (config.tunnel.max_age, config.tunnel.worker);
        let links = Links::new(
            (config.keys, config.revoked),
            config.peers,
            config.tunnel,
            secrets,
            now,
            unix_time,
        )
        .expect("keys of 32 bytes suit every algorithm in use")
        .with_tls(config.tls);
        let mut telemetry = Telemetry::default();
        links.start(now, &mut telemetry);
        let mut exit = Exit::new(config.exports, max_age, &peers, (factor, tags), (now, unix_time));
        exit.limit_peers(&limits, now);
        Engine {
            segments: config.segments.map(|_, _| SegmentState::Down),
            standings: config.segments.map(|_, _| Standing::new(now)),
            worker: worker.number,
            names: config.segments.map(|_, segment| segment.name.clone()),
            core: Core {
                links,
                edge: Edge::new(config.imports, max_age, worker.of, now),
                exit,
                is_ending: false,
            },
            telemetry,
            timers: Timers::new(now),
            tap: None,
            awake: now,
        }
    }

    /// A segment came, went, or changed.
    pub fn handle_segment(
        &mut self,
        segment: SegmentId,
        state: SegmentState,
        now: Instant,
        out: &mut Output,
    ) {
        let Some(known) = self.segments.get_mut(segment) else {
            return;
        };
        *known = state;
        if let Some(standing) = self.standings.get_mut(segment) {
            let is = match state {
                SegmentState::Down => State::Down,
                SegmentState::Up { .. } => State::Up,
            };
            standing.note(is, "", now);
        }
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.handle_segment(segment, state, cx);
    }

    /// One captured frame, without FCS. `captured` is when it came to this machine, or earlier: what is left of its
    /// age is counted from then. It may have waited until `now`, because the process was stopped or the machine slept.
    pub fn handle_frame(
        &mut self,
        segment: SegmentId,
        frame: &[u8],
        captured: Instant,
        now: Instant,
        out: &mut Output,
    ) {
        self.wake_up(now);
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        cx.telemetry.count(Count::FramesReceived);
        if let Err(reason) = core.route_frame(segment, frame, captured, cx) {
            cx.telemetry.drop(reason);
        }
        core.settle(cx);
    }

    /// One datagram, opened in place.
    pub fn handle_datagram(&mut self, path: Path, datagram: &mut [u8], now: Instant, out: &mut Output) {
        self.wake_up(now);
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        cx.telemetry.count(Count::DatagramsReceived);
        core.handle_datagram(path, datagram, cx);
        core.settle(cx);
    }

    /// Makes the engine as another configuration says. The changes are those of [`diff`](crate::config::diff), in their
    /// order; what they do not name stays as it is, with its sessions, requests and order.
    pub fn apply(&mut self, changes: Vec<Change>, now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        for change in changes {
            core.apply(change, cx);
            core.settle(cx);
        }
    }

    /// The disk behind this export is known from an earlier process. Call it right after [`Engine::new`].
    pub fn remember_disk(&mut self, export: &str, disk: Disk) {
        self.core.exit.remember_disk(export, disk);
    }

    /// The disk behind this export is the right one although it was another, or the next one that answers will be.
    pub fn accept_disk(&mut self, export: &str, now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.exit.accept_disk(export, &mut core.links, cx);
        core.settle(cx);
    }

    /// What a peer said of its keys by [`KeyEvent::Learnt`](crate::event::KeyEvent::Learnt) with this serial is kept: it is
    /// there after a crash or a loss of power. From now on it counts, and the peer hears that it does.
    pub fn keys_kept(&mut self, peer: PeerId, serial: u32, now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.links.keys_kept(peer, serial, cx);
        core.settle(cx);
    }

    /// What the wall clock says now (time since 1970), for the stamps of calls and for permissions that end. It may be set
    /// at any time: hand it in
    /// before [`handle_timeout`](Self::handle_timeout) and [`set_endpoint`](Self::set_endpoint), which may call.
    pub fn set_wall_clock(&mut self, unix_time: Duration, now: Instant) {
        if self.core.links.clock_was_set(unix_time, now) {
            self.timers.lower(Timer::Peers, now);
        }
        let keys_due_at = self.core.links.set_wall_clock(unix_time, now);
        self.timers.set(Timer::Keys, keys_due_at);
        let look_at = self.core.exit.set_wall_clock(unix_time, now);
        self.timers.set(Timer::Grants, look_at);
    }

    /// The ways to a peer's endpoint, newly resolved, the best first.
    pub fn set_endpoint(&mut self, peer: PeerId, ways: Vec<Path>, now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.links.set_endpoint(peer, ways, cx);
        core.settle(cx);
    }

    /// A listen address is none any more: `socket` is its index. Peers that were reached by it are reached by another, if
    /// one of the ways to their endpoint goes by another; else they have to call, or their endpoint is asked for again.
    pub fn forget_socket(&mut self, socket: u8, now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.links.forget_socket(socket, cx);
        core.settle(cx);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Output) {
        self.wake_up(now);
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.links.handle_timeout(cx);
        core.edge.handle_timeout(&mut core.links, cx);
        core.exit.handle_limits(cx);
        core.exit.handle_timeout(&mut core.links, cx);
        cx.telemetry.handle_timeout(now);
        cx.timers.set(Timer::Log, cx.telemetry.deadline());
        core.settle(cx);
    }

    /// The kernel did not take a datagram of `len` bytes on this path because it is longer than the device allows
    /// (`EMSGSIZE`): shorter ones follow, if the path's MTU is found by probing. Call it before anything is packed again.
    pub fn handle_refused_datagram(&mut self, path: Path, len: usize, now: Instant) -> Refused {
        self.core
            .links
            .handle_refused(path, len, now, (&mut self.telemetry, &mut self.timers))
    }

    /// The kernel did not take datagrams for this path. `error` is asked for what it says, and what an operator can do.
    pub fn note_send_failed(&mut self, path: Path, now: Instant, error: impl FnOnce() -> String) {
        self.core
            .links
            .note_send_failed(path, now, error, &mut self.telemetry);
    }

    /// The kernel did not hand over a datagram.
    pub fn note_receive_failed(&mut self, now: Instant, error: impl FnOnce() -> String) {
        self.telemetry
            .happened(now, 1, About::Receiving, || Event::ReceiveFailed {
                error: error(),
            });
    }

    /// Seals what this batch packed. Call once after each batch, before sending.
    pub fn flush(&mut self, now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.links.flush(cx);
    }

    /// Takes no more requests, from segments or peers, and sends none; answers are still passed on. Go on as always until
    /// [`is_drained`](Self::is_drained), but not for long, and then [`shutdown`](Self::shutdown).
    pub fn begin_shutdown(&mut self, now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.is_ending = true;
        core.exit.begin_to_end(&mut core.links, cx);
    }

    /// Whether no target has a request of ours that it may still answer.
    pub fn is_drained(&self) -> bool {
        self.core.exit.is_drained()
    }

    /// Tells peers that we go. Send the output, then end.
    pub fn shutdown(&mut self, now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.links.close_all(cx);
        core.links.flush(cx);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Deadline {
        self.timers.first()
    }

    /// Which of the gateway's workers it is.
    pub fn worker(&self) -> u8 {
        self.worker
    }

    /// Requests that are older are not carried on.
    pub fn max_age(&self) -> Duration {
        self.core.edge.max_age()
    }

    /// The oldest event not yet asked for.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.telemetry.poll_event()
    }

    /// What was noted for the audit log since this was asked last.
    pub fn take_notes(&mut self) -> Notes {
        self.telemetry.take_notes()
    }

    /// The numbers since the start.
    pub fn counters(&self) -> &Counters {
        self.telemetry.counters()
    }

    /// Counts a discard that an edge of the gateway made.
    pub fn count_drop(&mut self, reason: DropReason, n: u64) {
        self.telemetry.drops(reason, n);
    }

    /// The plaintext of a record as if `peer` had sealed it: what an authenticated but broken or lying peer can
    /// do. For fuzzing and for tests of the exit's own judgement.
    #[cfg(feature = "fuzzing")]
    pub fn handle_authentic_payload(&mut self, peer: PeerId, payload: &[u8], now: Instant, out: &mut Output) {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        let session = core.links.session_in_use(peer);
        let carries_storage = core.links.carries_storage(peer);
        core.handle_chunks(peer, (session, carries_storage), payload, cx);
        core.settle(cx);
    }

    /// Packs chunks for `peer` that no gateway would send: what an authenticated but broken or lying peer can. The index by
    /// which this side counts the session, if there is one: reports name it.
    #[cfg(feature = "fuzzing")]
    pub fn send_authentic_payload(
        &mut self,
        peer: PeerId,
        payload: &[u8],
        now: Instant,
        out: &mut Output,
    ) -> Option<u32> {
        let (core, mut cx) = self.split(now, out);
        let cx = &mut cx;
        core.links.send_payload(peer, payload, cx)
    }

    /// Lets late copies of writes pass, as a gateway without an order guard would: with this a test shows that it
    /// would notice. Call it right after [`Engine::new`].
    #[cfg(feature = "fuzzing")]
    pub fn disable_order_guard(&mut self) {
        self.core.exit.disable_order_guard();
    }

    /// Neither says nor hears what static keys are, as versions before did. Call it right after [`Engine::new`].
    #[cfg(feature = "fuzzing")]
    pub fn know_nothing_of_keys(&mut self) {
        self.core.links.know_nothing_of_keys();
    }

    /// How many requests the exit keeps, at its targets and before.
    #[cfg(feature = "fuzzing")]
    pub fn requests_at_exit(&self) -> usize {
        self.core.exit.requests()
    }

    /// Notices a caller that comes much later than it was to.
    fn wake_up(&mut self, now: Instant) {
        if now <= self.awake {
            return;
        }
        let late = now.saturating_since(self.deadline().at.max(self.awake));
        self.awake = now;
        if late >= STANDSTILL {
            self.telemetry
                .happened(now, 1, About::Standstill, || Event::StoodStill(late));
        }
    }

    /// The parts that work, and what they work with.
    fn split<'a>(&'a mut self, now: Instant, out: &'a mut Output) -> (&'a mut Core, Context<'a>) {
        let cx = Context {
            now,
            out,
            telemetry: &mut self.telemetry,
            timers: &mut self.timers,
            segments: &self.segments,
            tap: self.tap.as_deref_mut(),
        };
        (&mut self.core, cx)
    }
}
