//! What a whole gateway costs a frame, without sockets. `cargo bench -p aoe-common --features bench --bench engine`.
//!
//! Two engines and a target in memory. Frames come in batches of 32, as they do under load; only the engine under
//! test is timed, with its flush.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench: it reads the clock, knows its numbers, and may fail loudly"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant as SystemInstant};

use aoe_common::config::{
    Access, Allow, ConfigString, Endpoint, ExportConfig, ExportSafety, GatewayConfig, ImportConfig, PathMtu,
    PeerConfig, PeerId, Protection, SegmentConfig, SegmentId, TunnelConfig,
};
use aoe_common::engine::Engine;
use aoe_common::frame::{Address, AtaOpcode, MacAddr};
use aoe_common::output::{Output, Path};
use aoe_common::segment::SegmentState;
use aoe_common::time::Instant;
use aoe_keys::SecretKey;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

mod frames;

const SAN: SegmentId = SegmentId(0);
const BATCH: u32 = 32;
const EDGE: MacAddr = MacAddr([2, 0, 0, 0, 3, 1]);
const EXIT: MacAddr = MacAddr([2, 0, 0, 0, 3, 2]);

/// Which part of a request's way is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    EdgeRequest,
    ExitRequest,
    ExitReply,
    EdgeReply,
}

const STEPS: [(Step, &str); 4] = [
    (Step::EdgeRequest, "edge request"),
    (Step::ExitRequest, "exit request"),
    (Step::ExitReply, "exit reply"),
    (Step::EdgeReply, "edge reply"),
];

/// Everything but sockets and a clock.
struct World {
    /// The hub's own peers; the first one is the edge under test.
    edges: Vec<Engine>,
    exit: Engine,
    now: Instant,
    out: Output,
    number: u32,
    /// Frames and datagrams made while something else is timed, to be delivered.
    mail: VecDeque<Mail>,
}

/// Bytes on their way to somebody.
enum Mail {
    Edge(usize, Vec<u8>),
    Exit(usize, Vec<u8>),
    Target(Vec<u8>),
}

impl World {
    /// An exit with so many exports and so many peers, each with a session; the first peer imports all of them.
    fn new(peers: u16, exports: u16, path_mtu: u16) -> World {
        let now = Instant::from_micros(1_000_000);
        let unix = Duration::from_secs(1_790_000_000);
        let mut world = World {
            edges: (0..peers)
                .map(|number| Engine::new(edge(number, exports, path_mtu), [number as u8 + 1; 32], now, unix))
                .collect(),
            exit: Engine::new(exit(peers, exports, path_mtu), [0xee; 32], now, unix),
            now,
            out: Output::default(),
            number: 0,
            mail: VecDeque::new(),
        };
        let up = |mac| SegmentState::Up { mac, mtu: 9000 };
        world.at_exit(|engine, now, out| engine.handle_segment(SAN, up(EXIT), now, out));
        for number in 0..world.edges.len() {
            world.at_edge(number, |engine, now, out| {
                engine.handle_segment(SAN, up(EDGE), now, out)
            });
            world.at_edge(number, |engine, now, out| {
                engine.set_endpoint(PeerId(0), path(address(EXIT_HOST)), now, out);
            });
        }
        // Handshakes, discovery of every target, updates: a few seconds of them.
        for _ in 0..400 {
            world.pass(Duration::from_millis(10));
        }
        world
    }

    /// Sends a batch of requests the whole way and back; returns how long the engine took for one step of it.
    fn round(&mut self, step: Step, opcode: AtaOpcode, sectors: u8, exports: u16) -> Duration {
        self.pass(Duration::from_micros(500));
        let requests: Vec<Vec<u8>> = (0..BATCH)
            .map(|_| {
                self.number += 1;
                let address = import(u16::try_from(self.number % u32::from(exports)).unwrap());
                frames::request_to(address, EDGE, opcode, sectors, self.number)
            })
            .collect();
        let mut took = Duration::ZERO;
        let mut time = |which: Step, act: &mut dyn FnMut()| {
            let started = SystemInstant::now();
            act();
            if which == step {
                took += started.elapsed();
            }
        };
        let (now, out) = (self.now, &mut self.out);
        let (edge, exit) = (&mut self.edges[0], &mut self.exit);
        time(Step::EdgeRequest, &mut || {
            requests
                .iter()
                .for_each(|frame| edge.handle_frame(SAN, frame, now, out));
            edge.flush(now, out);
        });
        let mut datagrams = datagrams(out);
        time(Step::ExitRequest, &mut || {
            for datagram in &mut datagrams {
                exit.handle_datagram(path(address(0)), datagram, now, out);
            }
            exit.flush(now, out);
        });
        let answers: Vec<Vec<u8>> = out
            .frames
            .iter()
            .map(|(_, frame)| frames::answer(frame))
            .collect();
        assert_eq!(answers.len(), BATCH as usize, "every request reaches the target");
        out.clear();
        time(Step::ExitReply, &mut || {
            answers
                .iter()
                .for_each(|frame| exit.handle_frame(SAN, frame, now, out));
            exit.flush(now, out);
        });
        let mut datagrams = self::datagrams(out);
        time(Step::EdgeReply, &mut || {
            for datagram in &mut datagrams {
                edge.handle_datagram(path(address(EXIT_HOST)), datagram, now, out);
            }
            edge.flush(now, out);
        });
        assert_eq!(out.frames.len(), BATCH as usize, "every reply comes back");
        out.clear();
        took
    }

    /// Lets time pass, does what is due, and delivers all mail.
    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        if self.exit.deadline().at <= self.now {
            self.at_exit(Engine::handle_timeout);
        }
        for number in 0..self.edges.len() {
            if self.edges[number].deadline().at <= self.now {
                self.at_edge(number, Engine::handle_timeout);
            }
        }
        while let Some(mail) = self.mail.pop_front() {
            match mail {
                Mail::Edge(number, mut datagram) => self.at_edge(number, |engine, now, out| {
                    engine.handle_datagram(path(address(EXIT_HOST)), &mut datagram, now, out);
                }),
                Mail::Exit(number, mut datagram) => self.at_exit(|engine, now, out| {
                    engine.handle_datagram(path(address(number)), &mut datagram, now, out);
                }),
                Mail::Target(frame) => {
                    for answer in answers(&frame) {
                        self.at_exit(|engine, now, out| engine.handle_frame(SAN, &answer, now, out));
                    }
                }
            }
        }
        while self.exit.poll_event().is_some() {}
        for edge in &mut self.edges {
            while edge.poll_event().is_some() {}
        }
    }

    fn at_edge(&mut self, number: usize, act: impl FnOnce(&mut Engine, Instant, &mut Output)) {
        let engine = &mut self.edges[number];
        act(engine, self.now, &mut self.out);
        engine.flush(self.now, &mut self.out);
        // Frames of an edge go to its initiators, who know all they need.
        self.out.frames.clear();
        let mail = datagrams(&mut self.out).into_iter();
        self.mail
            .extend(mail.map(|datagram| Mail::Exit(number, datagram)));
    }

    fn at_exit(&mut self, act: impl FnOnce(&mut Engine, Instant, &mut Output)) {
        act(&mut self.exit, self.now, &mut self.out);
        self.exit.flush(self.now, &mut self.out);
        let frames = self.out.frames.iter();
        self.mail
            .extend(frames.map(|(_, frame)| Mail::Target(frame.to_vec())));
        for train in self.out.trains.iter() {
            let number = host(train.path.remote);
            let mail = train
                .datagrams()
                .map(|datagram| Mail::Edge(number, datagram.to_vec()));
            self.mail.extend(mail);
        }
        self.out.clear();
    }
}

/// What the targets answer; a broadcast to all of them does not happen here.
fn answers(frame: &[u8]) -> Vec<Vec<u8>> {
    vec![frames::answer(frame)]
}

fn datagrams(out: &mut Output) -> Vec<Vec<u8>> {
    let trains = out.trains.iter();
    let all = trains.flat_map(|train| train.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>());
    let all = all.collect();
    out.clear();
    all
}

const EXIT_HOST: usize = 250;

fn address(host: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host as u8], 34978))
}

fn host(address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(address) => usize::from(address.ip().octets()[3]),
        SocketAddr::V6(_) => 0,
    }
}

fn path(remote: SocketAddr) -> Path {
    Path { socket: 0, remote }
}

fn secret(host: usize) -> SecretKey {
    SecretKey::from_bytes([host as u8 + 1; 32])
}

fn target(number: u16) -> Address {
    Address {
        shelf: 7 + number / 128,
        slot: (number % 128) as u8,
    }
}

fn import(number: u16) -> Address {
    Address {
        shelf: 107 + number / 128,
        slot: (number % 128) as u8,
    }
}

fn peer(host: usize, endpoint: Endpoint, path_mtu: u16) -> PeerConfig {
    PeerConfig {
        name: format!("site {host}"),
        key: secret(host).public(),
        psk: None,
        endpoint,
        protection: vec![Protection::Encrypt],
        path_mtu: PathMtu::Fixed(path_mtu),
    }
}

fn edge(number: u16, exports: u16, path_mtu: u16) -> GatewayConfig {
    let imports = if number == 0 { exports } else { 0 };
    GatewayConfig {
        name: format!("edge {number}"),
        secret: secret(usize::from(number)),
        segments: vec![SegmentConfig {
            name: "san".to_owned(),
        }],
        peers: vec![peer(EXIT_HOST, Endpoint::Known, path_mtu)],
        exports: Vec::new(),
        imports: (0..imports)
            .map(|number| ImportConfig {
                peer: PeerId(0),
                export: format!("disk{number}"),
                segment: SAN,
                address: import(number),
                window: 64,
                on_conflict: Default::default(),
            })
            .collect(),
        tunnel: TunnelConfig::default(),
    }
}

fn exit(peers: u16, exports: u16, path_mtu: u16) -> GatewayConfig {
    let allow = Allow {
        peer: PeerId(0),
        access: Access::ReadWrite,
        initiators: None,
        config_string: ConfigString::Read,
    };
    GatewayConfig {
        name: "exit".to_owned(),
        secret: secret(EXIT_HOST),
        segments: vec![SegmentConfig {
            name: "san".to_owned(),
        }],
        peers: (0..peers)
            .map(|number| peer(usize::from(number), Endpoint::Unknown, path_mtu))
            .collect(),
        exports: (0..exports)
            .map(|number| ExportConfig {
                name: format!("disk{number}"),
                segment: SAN,
                target: target(number),
                target_mac: None,
                safety: ExportSafety::default(),
                allow: vec![allow.clone()],
            })
            .collect(),
        imports: Vec::new(),
        tunnel: TunnelConfig::default(),
    }
}

/// One step of one kind of request, per frame.
fn measure(
    c: &mut Criterion,
    group: &str,
    id: &str,
    step: Step,
    world: &mut World,
    (opcode, sectors, exports): (AtaOpcode, u8, u16),
) {
    let mut group = c.benchmark_group(group);
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::from_parameter(id), |bench| {
        bench.iter_custom(|iterations| {
            let rounds = iterations.div_ceil(u64::from(BATCH));
            let total: Duration = (0..rounds)
                .map(|_| world.round(step, opcode, sectors, exports))
                .sum();
            total.mul_f64(iterations as f64 / (rounds * u64::from(BATCH)) as f64)
        });
    });
    group.finish();
}

fn per_frame(c: &mut Criterion) {
    for (sectors, size) in [(2, "2 sectors"), (17, "17 sectors")] {
        let mut world = World::new(1, 1, 1500);
        for (opcode, way) in [(AtaOpcode::ReadExt, "read"), (AtaOpcode::WriteExt, "write")] {
            for (step, name) in STEPS {
                measure(
                    c,
                    name,
                    &format!("{way}, {size}"),
                    step,
                    &mut world,
                    (opcode, sectors, 1),
                );
            }
        }
    }
}

/// The curves that have to be flat: the hub with many peers and exports.
fn growth(c: &mut Criterion) {
    for (peers, exports) in [(1, 1), (8, 1), (64, 1), (1, 16), (1, 256)] {
        let mut world = World::new(peers, exports, 1500);
        for (step, name) in STEPS {
            let id = format!("{peers} peers, {exports} exports");
            measure(
                c,
                &format!("growth: {name}"),
                &id,
                step,
                &mut world,
                (AtaOpcode::ReadExt, 2, exports),
            );
        }
    }
}

criterion_group!(benches, per_frame, growth);
criterion_main!(benches);
