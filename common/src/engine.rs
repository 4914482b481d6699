//! One gateway as a state machine.
//!
//! Inputs are [`handle_frame`](Engine::handle_frame), [`handle_datagram`](Engine::handle_datagram),
//! [`handle_segment`](Engine::handle_segment), [`set_endpoint`](Engine::set_endpoint) and
//! [`handle_timeout`](Engine::handle_timeout); each carries `now` and fills the lent [`Output`]. The law for the
//! caller: feed a batch, [`flush`](Engine::flush), send the output, drain [`poll_event`](Engine::poll_event),
//! clear the output, wait for input or until [`deadline`](Engine::deadline).

mod route;

use std::time::Duration;

use crate::config::{GatewayConfig, PeerId, SegmentId};
use crate::disk::Disk;
use crate::drop_reason::DropReason;
use crate::edge::Edge;
use crate::event::Event;
use crate::exit::{Exit, Hands};
use crate::output::{Output, Path};
use crate::random::{Random, Secrets};
use crate::segment::SegmentState;
use crate::telemetry::{Count, Counters, Telemetry};
use crate::time::Instant;
use crate::trouble::About;
use crate::tunnel::links::{Change, Io, Links, Opened};
pub use crate::tunnel::path_mtu::Refused;
use route::News;

/// An engine that does what is due so much later was not run in between, and its operator should know.
const STANDSTILL: Duration = Duration::from_secs(2);

/// One gateway.
pub struct Engine {
    segments: Vec<SegmentState>,
    links: Links,
    edge: Edge,
    exit: Exit,
    is_ending: bool,
    telemetry: Telemetry,
    /// When it was last called.
    awake: Instant,
}

/// When to come back, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment; [`Instant::NEVER`] if nothing is due.
    pub at: Instant,
    /// What for.
    pub why: &'static str,
}

impl Engine {
    /// A gateway at rest: every segment down, every peer unknown.
    ///
    /// `seed` must come from the operating system's generator (or from a test); `unix_time` is the wall clock at
    /// `now` and is used for nothing but the stamps of handshakes.
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
        let (factor, tags, peers) = (random.u64(), random.bytes(), config.peers.len());
        let (max_age, workers) = (config.tunnel.max_age, config.tunnel.worker.of);
        let links = Links::new(
            config.secret,
            config.peers,
            config.tunnel,
            secrets,
            now,
            unix_time,
        )
        .expect("keys of 32 bytes suit every algorithm in use");
        let mut telemetry = Telemetry::default();
        links.start(now, &mut telemetry);
        Engine {
            segments: vec![SegmentState::Down; config.segments.len()],
            links,
            edge: Edge::new(config.imports, max_age, workers),
            exit: Exit::new(config.exports, max_age, peers, (factor, tags), now),
            is_ending: false,
            telemetry,
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
        let Some(known) = self.segments.get_mut(usize::from(segment.0)) else {
            return;
        };
        *known = state;
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        let hands = &mut hands(&self.segments, &mut self.links, &mut io);
        self.exit.handle_segment(segment, state, hands);
        for peer in self.edge.peers_on(segment) {
            self.edge.present(peer, &self.segments, &self.links, &mut io);
        }
        self.settle(now, out);
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
        self.telemetry.count(Count::FramesReceived);
        if let Err(reason) = self.route_frame(segment, frame, captured, now, out) {
            self.telemetry.drop(reason);
        }
        self.settle(now, out);
    }

    /// One datagram, opened in place.
    pub fn handle_datagram(&mut self, path: Path, datagram: &mut [u8], now: Instant, out: &mut Output) {
        self.wake_up(now);
        self.telemetry.count(Count::DatagramsReceived);
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        match self.links.handle_datagram(path, datagram, &mut io) {
            Ok(Some(Opened {
                peer,
                session,
                payload,
            })) => {
                // A change of session goes first: what follows in this record belongs to the new one.
                self.settle(now, out);
                if self.handle_chunks(peer, payload, now, out) == News::Wanted {
                    self.links.note_news(peer, session, payload.len(), now);
                }
            }
            Ok(None) => {}
            Err(reason) => self.telemetry.drop(reason),
        }
        self.settle(now, out);
    }

    /// The disk behind this export is known from an earlier process. Call it right after [`Engine::new`].
    pub fn remember_disk(&mut self, export: &str, disk: Disk) {
        self.exit.remember_disk(export, disk);
    }

    /// The disk behind this export is the right one although it was another, or the next one that answers will be.
    pub fn accept_disk(&mut self, export: &str, now: Instant, out: &mut Output) {
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        let hands = &mut hands(&self.segments, &mut self.links, &mut io);
        self.exit.accept_disk(export, hands);
        self.settle(now, out);
    }

    /// What the wall clock says now (time since 1970), for the stamps of calls. It may be set at any time: hand it in
    /// before [`handle_timeout`](Self::handle_timeout) and [`set_endpoint`](Self::set_endpoint), which may call.
    pub fn set_wall_clock(&mut self, unix_time: Duration, now: Instant) {
        self.links.set_wall_clock(unix_time, now);
    }

    /// The ways to a peer's endpoint, newly resolved, the best first.
    pub fn set_endpoint(&mut self, peer: PeerId, ways: Vec<Path>, now: Instant, out: &mut Output) {
        self.links.set_endpoint(
            peer,
            ways,
            &mut Io {
                now,
                out,
                telemetry: &mut self.telemetry,
            },
        );
        self.settle(now, out);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Output) {
        self.wake_up(now);
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        self.links.handle_timeout(&mut io);
        self.edge.handle_timeout(&self.segments, &mut self.links, &mut io);
        let hands = &mut hands(&self.segments, &mut self.links, &mut io);
        self.exit.handle_timeout(hands);
        self.settle(now, out);
        self.telemetry.handle_timeout(now);
    }

    /// The kernel did not take a datagram of `len` bytes on this path because it is longer than the device allows
    /// (`EMSGSIZE`): shorter ones follow, if the path's MTU is found by probing. Call it before anything is packed again.
    pub fn handle_refused_datagram(&mut self, path: Path, len: usize, now: Instant) -> Refused {
        self.links.handle_refused(path, len, now, &mut self.telemetry)
    }

    /// The kernel did not take datagrams for this path. `error` is asked for what it says, and what an operator can do.
    pub fn note_send_failed(&mut self, path: Path, now: Instant, error: impl FnOnce() -> String) {
        self.links.note_send_failed(path, now, error, &mut self.telemetry);
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
        self.links.flush(&mut Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        });
    }

    /// Takes no more requests, from segments or peers, and sends none; answers are still passed on. Go on as always until
    /// [`is_drained`](Self::is_drained), but not for long, and then [`shutdown`](Self::shutdown).
    pub fn begin_shutdown(&mut self, now: Instant, out: &mut Output) {
        self.is_ending = true;
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        let hands = &mut hands(&self.segments, &mut self.links, &mut io);
        self.exit.begin_to_end(hands);
    }

    /// Whether no target has a request of ours that it may still answer.
    pub fn is_drained(&self) -> bool {
        self.exit.is_drained()
    }

    /// Tells peers that we go. Send the output, then end.
    pub fn shutdown(&mut self, now: Instant, out: &mut Output) {
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        self.links.close_all(&mut io);
        self.links.flush(&mut io);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Deadline {
        let parts = [
            (self.links.deadline(), "peers"),
            (self.exit.deadline(), "targets"),
            (self.edge.deadline(), "imports"),
            (self.telemetry.deadline(), "log"),
        ];
        let mut first = Deadline {
            at: Instant::NEVER,
            why: "nothing",
        };
        for (at, why) in parts {
            if at < first.at {
                first = Deadline { at, why };
            }
        }
        first
    }

    /// Requests that are older are not carried on.
    pub fn max_age(&self) -> Duration {
        self.edge.max_age()
    }

    /// The oldest event not yet asked for.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.telemetry.poll_event()
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
        self.handle_chunks(peer, payload, now, out);
        self.settle(now, out);
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
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        self.links.send_payload(peer, payload, &mut io)
    }

    /// Lets late copies of writes pass, as a gateway without an order guard would: with this a test shows that it
    /// would notice. Call it right after [`Engine::new`].
    #[cfg(feature = "fuzzing")]
    pub fn disable_order_guard(&mut self) {
        self.exit.disable_order_guard();
    }

    /// How many requests the exit keeps, at its targets and before.
    #[cfg(feature = "fuzzing")]
    pub fn requests_at_exit(&self) -> usize {
        self.exit.requests()
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

    /// Lets a change of one part reach the others.
    fn settle(&mut self, now: Instant, out: &mut Output) {
        let mut io = Io {
            now,
            out,
            telemetry: &mut self.telemetry,
        };
        while let Some((peer, change)) = self.links.poll_change() {
            match change {
                Change::UpdateAcked | Change::Path => self.exit.update_acked(),
                Change::Up => self.exit.inform(peer),
                Change::Restarted => {
                    self.edge.forget(peer);
                    let hands = &mut hands(&self.segments, &mut self.links, &mut io);
                    self.exit.forget(peer, hands);
                    self.exit.inform(peer);
                }
                Change::Lost => {}
            }
            if change != Change::UpdateAcked {
                self.edge.present(peer, &self.segments, &self.links, &mut io);
            }
        }
        let hands = &mut hands(&self.segments, &mut self.links, &mut io);
        self.exit.send_news(hands);
    }
}

fn hands<'a, 'b>(segments: &'a [SegmentState], links: &'a mut Links, io: &'a mut Io<'b>) -> Hands<'a, 'b> {
    Hands { segments, links, io }
}
