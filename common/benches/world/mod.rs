//! Two gateways and the targets behind one of them in memory, without sockets or a clock.

use std::collections::VecDeque;
use std::time::Duration;

use aoe_common::config::PeerId;
use aoe_common::engine::Engine;
use aoe_common::frame::{AtaOpcode, MacAddr};
use aoe_common::output::{Output, Path};
use aoe_common::segment::SegmentState;
use aoe_common::snapshot::Snapshot;
use aoe_common::telemetry::Count;
use aoe_common::time::Instant;

use crate::frames::{self, Asking, INITIATOR};
use sites::{EDGE, EXIT, SAN};

mod sites;

/// Frames in a round: as many as come in one batch under load.
pub(crate) const BATCH: u32 = 32;
/// Between two rounds: 64 000 requests a second.
const ROUND: Duration = Duration::from_micros(500);
/// Initiators that wait ask again this often; what is not asked again for five seconds is let go.
const AGAIN: Duration = Duration::from_secs(4);
/// Those who wait read from here on, each sectors far from all others.
const FAR: u64 = 1 << 24;
/// The largest window that an import can have: so many requests each of those initiators waits for.
const WINDOW: u16 = 1024;

/// A part of what two gateways do for requests and their replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    EdgeRequest,
    ExitRequest,
    ExitReply,
    EdgeReply,
    /// What the edge's deadline asks for.
    EdgeDue,
    /// What the exit's does.
    ExitDue,
}

/// Sees every step: does it, once.
pub(crate) type Watcher<'a> = dyn FnMut(Step, &mut dyn FnMut()) + 'a;

/// How many there are of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Edges with a session with the exit. All may use all exports; the last one does.
    pub(crate) peers: u16,
    /// Targets, each an export.
    pub(crate) exports: u16,
    /// Requests of other initiators, to the first target, that it does not answer.
    pub(crate) waiting: u32,
    /// Of the path between edges and exit.
    pub(crate) path_mtu: u16,
}

/// Everything but sockets and a clock.
pub(crate) struct World {
    plan: Plan,
    edges: Vec<Station>,
    exit: Station,
    now: Instant,
    number: u32,
    asked_again: Instant,
    /// Frames and datagrams under way outside of a round.
    mail: VecDeque<Mail>,
}

/// One gateway.
struct Station {
    engine: Engine,
    out: Output,
}

/// Bytes on their way to somebody.
enum Mail {
    Edge(usize, Vec<u8>),
    Exit(usize, Vec<u8>),
    Target(Vec<u8>),
}

impl World {
    /// How the exit is.
    pub(crate) fn look(&self) -> Snapshot {
        self.exit
            .engine
            .snapshot(self.now, Duration::from_secs(1_790_000_000))
    }

    /// All sessions are there, all targets known, and everybody who waits waits.
    pub(crate) fn new(plan: Plan) -> World {
        let now = Instant::from_micros(1_000_000);
        let station = |config, seed| Station {
            engine: Engine::new(config, [seed; 32], now, Duration::from_secs(1_790_000_000)),
            out: Output::default(),
        };
        let mut world = World {
            plan,
            edges: (0..plan.peers)
                .map(|number| station(sites::edge(number, plan), number as u8 + 1))
                .collect(),
            exit: station(sites::exit(plan), 0xee),
            now,
            number: 0,
            asked_again: now,
            mail: VecDeque::new(),
        };
        let up = |mac| SegmentState::Up { mac, mtu: 9000 };
        world.at_exit(|engine, now, out| engine.handle_segment(SAN, up(EXIT), now, out));
        for number in 0..world.edges.len() {
            world.at_edge(number, |engine, now, out| {
                engine.handle_segment(SAN, up(EDGE), now, out);
                engine.set_endpoint(PeerId(0), vec![sites::path_to_exit()], now, out);
            });
        }
        // Handshakes, discovery of every target, updates: a few seconds of them.
        for _ in 0..400 {
            world.pass(Duration::from_millis(10), &mut |_, act| act());
        }
        world.others_ask();
        assert_eq!(
            world.exit.engine.counters().count(Count::RequestsToTarget),
            u64::from(plan.waiting)
        );
        world
    }

    /// Sends a batch of requests the whole way, and their answers back, and does what is due.
    pub(crate) fn round(&mut self, opcode: AtaOpcode, sectors: u8, watch: &mut Watcher<'_>) {
        self.pass(ROUND, watch);
        if self.now.saturating_since(self.asked_again) >= AGAIN {
            self.others_ask();
        }
        let requests: Vec<Vec<u8>> = (0..BATCH)
            .map(|_| {
                self.number += 1;
                self.asking(INITIATOR, self.number, opcode, sectors).frame()
            })
            .collect();
        let now = self.now;
        let from_edge = sites::path_to_edge(self.edges.len() - 1);
        let (edge, exit) = (self.edges.last_mut().unwrap(), &mut self.exit);
        watch(Step::EdgeRequest, &mut || edge.frames(&requests, now));
        let mut datagrams = edge.take_datagrams();
        watch(Step::ExitRequest, &mut || {
            exit.datagrams(from_edge, &mut datagrams, now);
        });
        let asked = exit.out.frames.iter();
        let answers: Vec<Vec<u8>> = asked.map(|(_, frame)| frames::answer(frame)).collect();
        assert_eq!(answers.len(), BATCH as usize, "every request reaches the target");
        exit.out.clear();
        watch(Step::ExitReply, &mut || exit.frames(&answers, now));
        let mut datagrams = exit.take_datagrams();
        watch(Step::EdgeReply, &mut || {
            edge.datagrams(sites::path_to_exit(), &mut datagrams, now);
        });
        assert_eq!(edge.out.frames.len(), BATCH as usize, "every reply comes back");
        edge.out.clear();
    }

    /// The initiators that wait ask, or ask again, and get no answer.
    fn others_ask(&mut self) {
        self.asked_again = self.now;
        let (now, from_edge) = (self.now, sites::path_to_edge(self.edges.len() - 1));
        let all: Vec<u32> = (0..self.plan.waiting).collect();
        for some in all.chunks(BATCH as usize) {
            let requests: Vec<Vec<u8>> = some.iter().map(|which| self.others_asking(*which)).collect();
            let edge = self.edges.last_mut().unwrap();
            edge.frames(&requests, now);
            self.exit.datagrams(from_edge, &mut edge.take_datagrams(), now);
            self.exit.out.clear();
        }
    }

    fn others_asking(&mut self, which: u32) -> Vec<u8> {
        self.number += 1;
        let window = u32::from(WINDOW);
        let asking = Asking {
            initiator: MacAddr([2, 0, 0, 0, 4, (which / window) as u8]),
            address: sites::import(0),
            // Each in a block of its own.
            lba: FAR + u64::from(which) * 64,
            ..self.asking(INITIATOR, self.number, AtaOpcode::ReadExt, 2)
        };
        asking.frame()
    }

    fn asking(&self, initiator: MacAddr, number: u32, opcode: AtaOpcode, sectors: u8) -> Asking {
        Asking {
            initiator,
            to: EDGE,
            address: sites::import(u16::try_from(number % u32::from(self.plan.exports)).unwrap()),
            opcode,
            lba: u64::from(number % 65_536) * u64::from(sectors),
            sectors,
            tag: number,
        }
    }

    /// Lets time pass, does what is due, and delivers all mail.
    fn pass(&mut self, time: Duration, watch: &mut Watcher<'_>) {
        self.now = self.now + time;
        if self.exit.engine.deadline().at <= self.now {
            self.at_exit(|engine, now, out| {
                watch(Step::ExitDue, &mut || {
                    engine.handle_timeout(now, out);
                    engine.flush(now, out);
                });
            });
        }
        for number in 0..self.edges.len() {
            let is_used = number + 1 == self.edges.len();
            if self.edges[number].engine.deadline().at <= self.now {
                self.at_edge(number, |engine, now, out| {
                    let mut act = || {
                        engine.handle_timeout(now, out);
                        engine.flush(now, out);
                    };
                    if is_used {
                        watch(Step::EdgeDue, &mut act);
                    } else {
                        act();
                    }
                });
            }
        }
        while let Some(mail) = self.mail.pop_front() {
            match mail {
                Mail::Edge(number, mut datagram) => self.at_edge(number, |engine, now, out| {
                    engine.handle_datagram(sites::path_to_exit(), &mut datagram, now, out);
                }),
                Mail::Exit(number, mut datagram) => self.at_exit(|engine, now, out| {
                    engine.handle_datagram(sites::path_to_edge(number), &mut datagram, now, out);
                }),
                Mail::Target(frame) if frames::lba(&frame).is_some_and(|lba| lba >= FAR) => {}
                Mail::Target(frame) => {
                    let answer = frames::answer(&frame);
                    self.at_exit(|engine, now, out| engine.handle_frame(SAN, &answer, now, now, out));
                }
            }
        }
        let edges = self.edges.iter_mut();
        for station in edges.chain([&mut self.exit]) {
            while station.engine.poll_event().is_some() {}
        }
    }

    fn at_edge(&mut self, number: usize, act: impl FnOnce(&mut Engine, Instant, &mut Output)) {
        let Station { engine, out } = &mut self.edges[number];
        act(engine, self.now, out);
        engine.flush(self.now, out);
        // Frames of an edge go to its initiators, who know all they need.
        let mail = self.edges[number].take_datagrams().into_iter();
        self.mail
            .extend(mail.map(|datagram| Mail::Exit(number, datagram)));
    }

    fn at_exit(&mut self, act: impl FnOnce(&mut Engine, Instant, &mut Output)) {
        let Station { engine, out } = &mut self.exit;
        act(engine, self.now, out);
        engine.flush(self.now, out);
        let frames = out.frames.iter();
        self.mail
            .extend(frames.map(|(_, frame)| Mail::Target(frame.to_vec())));
        for train in out.trains.iter() {
            let number = sites::number(train.path.remote);
            let mail = train.datagrams();
            self.mail
                .extend(mail.map(|datagram| Mail::Edge(number, datagram.to_vec())));
        }
        out.clear();
    }
}

impl Station {
    /// Takes a batch of frames.
    fn frames(&mut self, frames: &[Vec<u8>], now: Instant) {
        let Station { engine, out } = self;
        frames
            .iter()
            .for_each(|frame| engine.handle_frame(SAN, frame, now, now, out));
        engine.flush(now, out);
    }

    /// Takes a batch of datagrams from one peer.
    fn datagrams(&mut self, from: Path, datagrams: &mut [Vec<u8>], now: Instant) {
        let Station { engine, out } = self;
        datagrams
            .iter_mut()
            .for_each(|datagram| engine.handle_datagram(from, datagram, now, out));
        engine.flush(now, out);
    }

    /// The datagrams of one batch; its frames are forgotten.
    fn take_datagrams(&mut self) -> Vec<Vec<u8>> {
        let trains = self.out.trains.iter();
        let datagrams = trains
            .flat_map(|train| train.datagrams().map(<[u8]>::to_vec))
            .collect();
        self.out.clear();
        datagrams
    }
}
