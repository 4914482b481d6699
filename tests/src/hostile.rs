//! A peer that lies: it has its keys, its sessions are real, and what it sends in them is whatever does most harm.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as SystemInstant};

use anyhow::{Result, ensure};
use aoe_common::config::{
    Endpoint, GatewayConfig, OwnKeys, PathMtu, PeerConfig, PeerId, Protection, Revoked, Trust, TunnelConfig,
};
use aoe_common::engine::Engine;
use aoe_common::frame::{Address, AoeCommand};
use aoe_common::output::{Output, Path};
use aoe_common::time::Instant;
use aoe_gateway::clock::{Clock, unix_time};
use aoe_keys::{PublicKey, SecretKey};
use aoe_lab::netns::Namespace;

use crate::sim::craft;
use crate::stage::eventually;

/// The hub, which is all it knows.
const HUB: PeerId = PeerId(0);
/// How long it sleeps when there is nothing to do.
const NAP: Duration = Duration::from_micros(500);
/// Messages sent between two looks at its socket.
const AT_ONCE: u64 = 32;

/// What a lying peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Nothing but what keeps its session alive.
    Nothing,
    /// Writes of one sector, other data each, from 200 initiators.
    WritesOfOneSector(Export),
    /// Reads all over a disk, each from the next of 8000 initiators.
    ForgedInitiators(Export),
    /// Reports of what has arrived, ever new, with everything missing.
    Reports,
    /// Messages in parts of one byte, which never become whole, sixty-four parts at once.
    Fragments,
    /// Updates about exports that nobody imports.
    Updates,
}

/// An export of the hub that it may use: its number there, and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export(pub u16, pub Address);

impl Harm {
    /// The chunks of message number `n`, sent now by the sender's clock; `session` is its session with the hub.
    pub fn payload(self, n: u64, session: u32, now: Instant) -> Vec<u8> {
        let request = |Export(export, target): Export, initiator: u64, argument: &[u8]| {
            let [.., a, b, c] = initiator.to_be_bytes();
            let mut message = export.to_be_bytes().to_vec();
            message.extend_from_slice(&[0, 0, 2, 9, 9, a, b, c]);
            message.extend_from_slice(&n.to_be_bytes());
            message.extend_from_slice(&(now.as_micros() as u32).to_be_bytes());
            message.extend_from_slice(&craft::pdu(target, AoeCommand::Ata, n as u32, argument));
            craft::chunk(1, &message)
        };
        match self {
            Harm::Nothing => Vec::new(),
            Harm::WritesOfOneSector(export) => {
                let data = n.to_be_bytes().repeat(64);
                request(export, n % 200, &craft::ata(0x34, 1, 8, &data))
            }
            Harm::ForgedInitiators(export) => {
                request(export, n % 8000, &craft::ata(0x24, 1, n % (1 << 20), &[]))
            }
            Harm::Reports => {
                let mut report = session.to_be_bytes().to_vec();
                report.extend_from_slice(&(1 << 30 | n).to_be_bytes());
                report.extend_from_slice(&[0; 12]);
                report.extend_from_slice(&(1u32 << 29).to_be_bytes());
                craft::chunk(8, &report)
            }
            Harm::Fragments => {
                let part = |at: u64| {
                    let (message, offset) = (n % 64 + at, n / 64 * 2 % 8000);
                    craft::fragment(1, message as u32, offset as u16, 9000, &[1])
                };
                (0..64).flat_map(part).collect()
            }
            Harm::Updates => {
                let mut update = (n as u32).to_be_bytes().to_vec();
                update.extend_from_slice(&n.to_be_bytes().repeat(64));
                craft::chunk(5, &update)
            }
        }
    }
}

/// A running one; dropping it ends it without a word.
#[derive(Debug)]
pub struct HostilePeer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    is_up: AtomicBool,
    sent: AtomicU64,
    /// What to send, and how many a second.
    harm: Mutex<(Harm, u64)>,
}

impl HostilePeer {
    /// Calls the hub from this address of a namespace, and waits until it has a session.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn start(
        host: &Namespace,
        at: SocketAddr,
        secret: SecretKey,
        hub: SocketAddr,
        key: PublicKey,
    ) -> Result<Self> {
        let socket = host.run(move || {
            let socket = UdpSocket::bind(at)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            is_up: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            harm: Mutex::new((Harm::Nothing, 0)),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("hostile".to_owned())
            .spawn(move || Liar::new(socket, secret, hub, key).run(&theirs))?;
        let peer = HostilePeer {
            shared,
            thread: Some(thread),
        };
        eventually("the hub took the call", Duration::from_secs(20), || {
            Ok(peer.shared.is_up.load(Ordering::Relaxed))
        })?;
        Ok(peer)
    }

    /// Goes on to this harm, so often a second.
    pub fn does(&self, harm: Harm, per_second: u64) {
        *self.shared.harm.lock().unwrap_or_else(PoisonError::into_inner) = (harm, per_second);
    }

    /// Messages sent so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Makes sure that it is still at work.
    ///
    /// # Errors
    /// When its thread has ended.
    pub fn lives(&self) -> Result<()> {
        ensure!(
            self.thread.as_ref().is_some_and(|thread| !thread.is_finished()),
            "the hostile peer has ended"
        );
        Ok(())
    }
}

impl Drop for HostilePeer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was printed.
            let _ = thread.join();
        }
    }
}

struct Liar {
    socket: UdpSocket,
    engine: Engine,
    clock: Clock,
    out: Output,
    hub: Path,
    session: Option<u32>,
    /// Messages so far.
    number: u64,
}

impl Liar {
    fn new(socket: UdpSocket, secret: SecretKey, hub: SocketAddr, key: PublicKey) -> Self {
        let clock = Clock::start();
        let config = GatewayConfig {
            name: "liar".to_owned(),
            keys: OwnKeys::of(secret),
            revoked: Revoked::default(),
            tls: None,
            segments: Vec::new().into(),
            peers: vec![PeerConfig {
                name: "hub".to_owned(),
                trust: Trust::of_key(key),
                endpoint: Endpoint::Known,
                endpoint_pinned: false,
                protection: vec![Protection::Encrypt],
                path_mtu: PathMtu::Fixed(1500),
                limit: Default::default(),
            }]
            .into(),
            exports: Vec::new().into(),
            imports: Vec::new().into(),
            tunnel: TunnelConfig::default(),
        };
        Liar {
            socket,
            engine: Engine::new(config, [7; 32], clock.now(), unix_time()),
            clock,
            out: Output::default(),
            hub: Path {
                socket: 0,
                remote: hub,
                local: None,
            },
            session: None,
            number: 0,
        }
    }

    fn run(&mut self, shared: &Shared) {
        let now = self.clock.now();
        self.engine.set_endpoint(HUB, vec![self.hub], now, &mut self.out);
        let mut since = SystemInstant::now();
        let (mut doing, mut done) = (Harm::Nothing, 0);
        let mut datagram = vec![0; 1 << 16];
        while !shared.stop.load(Ordering::Relaxed) {
            let now = self.clock.now();
            while let Ok(len) = self.socket.recv(&mut datagram) {
                self.engine
                    .handle_datagram(self.hub, &mut datagram[..len], now, &mut self.out);
            }
            if self.engine.deadline().at <= now {
                self.engine.handle_timeout(now, &mut self.out);
            }
            while self.engine.poll_event().is_some() {}
            // An empty payload sends nothing, and tells whether there is a session.
            self.session = self.engine.send_authentic_payload(HUB, &[], now, &mut self.out);
            shared.is_up.store(self.session.is_some(), Ordering::Relaxed);
            let (harm, rate) = *shared.harm.lock().unwrap_or_else(PoisonError::into_inner);
            if harm != doing {
                (doing, done, since) = (harm, 0, SystemInstant::now());
            }
            let due = (since.elapsed().as_secs_f64() * rate as f64) as u64;
            let batch = due.saturating_sub(done).min(AT_ONCE);
            for _ in 0..batch {
                self.harm(harm, now);
            }
            done += batch;
            shared.sent.fetch_add(batch, Ordering::Relaxed);
            self.deliver(now);
            if batch == 0 {
                thread::sleep(NAP);
            }
        }
    }

    fn harm(&mut self, harm: Harm, now: Instant) {
        let Some(session) = self.session else { return };
        self.number += 1;
        let payload = harm.payload(self.number, session, now);
        self.engine
            .send_authentic_payload(HUB, &payload, now, &mut self.out);
    }

    fn deliver(&mut self, now: Instant) {
        self.engine.flush(now, &mut self.out);
        for train in self.out.trains.iter() {
            for datagram in train.datagrams() {
                // What the kernel does not take is lost, as on any path.
                let _ = self.socket.send_to(datagram, train.path.remote);
            }
        }
        self.out.clear();
    }
}
