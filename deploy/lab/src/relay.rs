//! A UDP relay between two gateways: a bad path, an attacker, a NAT that changes its mind.
//!
//! Each gateway is told that the relay is its peer. The relay has one socket towards each, so both always see their
//! peer at one address, until [`Relay::roam`] changes it.
//!
//! ```text
//!  gateway A  <---->  [socket towards A | path A to B, path B to A | socket towards B]  <---->  gateway B
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use aoe_gateway::sys::buffers::{self, Buffers};
use aoe_gateway::sys::poll::{Interest, PollSet};

use crate::clock::Clock;
use crate::impairment::{Impairment, Path, PathCounters, Repairs};
use crate::netns::Namespace;

/// The longest datagram UDP carries over IPv4.
pub const LONGEST_DATAGRAM: usize = 65_507;

/// The longest wait before the relay looks whether somebody changed it.
const IDLE: Duration = Duration::from_millis(5);
/// Datagrams taken from one socket before the other has its turn.
const TURN: usize = 64;

/// One of the two gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// Where the relay stands towards one gateway.
#[derive(Clone, Copy, Debug)]
pub struct RelayEnd {
    /// Our address: what that gateway takes for its peer's.
    pub ours: SocketAddr,
    /// That gateway's address; where its datagrams come from later on counts more.
    pub gateway: SocketAddr,
}

/// A running relay; dropping it stops it.
#[derive(Debug)]
pub struct Relay {
    namespace: Namespace,
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    a: End,
    b: End,
}

#[derive(Debug)]
struct End {
    socket: Arc<UdpSocket>,
    gateway: SocketAddr,
    /// Towards this gateway.
    path: Path,
    /// The last datagrams delivered to this gateway.
    recorded: VecDeque<Vec<u8>>,
    record: usize,
}

impl Relay {
    /// Starts a perfect relay in a namespace.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub fn start(namespace: &Namespace, a: RelayEnd, b: RelayEnd, seed: u64) -> Result<Self> {
        let end = |end: RelayEnd, seed| -> Result<End> {
            Ok(End {
                socket: Arc::new(bind(namespace, end.ours)?),
                gateway: end.gateway,
                path: Path::new(Impairment::default(), seed),
                recorded: VecDeque::new(),
                record: 0,
            })
        };
        let shared = Shared {
            a: end(a, seed)?,
            b: end(b, seed.wrapping_add(1))?,
        };
        let shared = Arc::new(Mutex::new(shared));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, until) = (Arc::clone(&shared), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || run(&theirs, &until))?;
        Ok(Relay {
            namespace: namespace.clone(),
            shared,
            stop,
            thread: Some(thread),
        })
    }

    /// Changes the path in both directions.
    pub fn impair(&self, impairment: Impairment) {
        self.impair_towards(Side::A, impairment);
        self.impair_towards(Side::B, impairment);
    }

    /// Changes the path towards one gateway.
    pub fn impair_towards(&self, side: Side, impairment: Impairment) {
        self.lock().end(side).path.set(impairment);
    }

    /// What the path towards one gateway has done.
    pub fn counters(&self, side: Side) -> PathCounters {
        self.lock().end(side).path.counters()
    }

    /// Watches from now on how lost datagrams are repaired, in both directions.
    pub fn watch_repairs(&self) {
        for side in [Side::A, Side::B] {
            self.lock().end(side).path.watch_repairs();
        }
    }

    /// What was seen of it towards one gateway; `None` without [`Relay::watch_repairs`].
    pub fn repairs(&self, side: Side) -> Option<Repairs> {
        self.lock().end(side).path.repairs().cloned()
    }

    /// Keeps copies of the last `count` datagrams delivered to one gateway from now on; 0 keeps none.
    pub fn record(&self, side: Side, count: usize) {
        let mut shared = self.lock();
        let end = shared.end(side);
        end.record = count;
        end.recorded.clear();
    }

    /// The copies kept, oldest first.
    pub fn recorded(&self, side: Side) -> Vec<Vec<u8>> {
        self.lock().end(side).recorded.iter().cloned().collect()
    }

    /// Sends any datagram of 0 to 65507 bytes to one gateway, as if its peer had sent it.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn inject(&self, side: Side, datagram: &[u8]) -> io::Result<()> {
        let mut shared = self.lock();
        let end = shared.end(side);
        end.socket.send_to(datagram, end.gateway).map(drop)
    }

    /// Sends a datagram to one gateway from an address it has never seen: another port of the relay's host.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn inject_from_elsewhere(&self, side: Side, datagram: &[u8]) -> Result<()> {
        let (mut ours, gateway) = self.addresses(side)?;
        ours.set_port(0);
        let socket = bind(&self.namespace, ours)?;
        socket.send_to(datagram, gateway)?;
        Ok(())
    }

    /// Gives the relay another port towards one gateway, which so sees its peer move. Returns the new address; what
    /// that gateway still sends to the old one is lost.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn roam(&self, side: Side) -> Result<SocketAddr> {
        let (mut ours, _) = self.addresses(side)?;
        ours.set_port(0);
        let socket = bind(&self.namespace, ours)?;
        let moved = socket.local_addr()?;
        self.lock().end(side).socket = Arc::new(socket);
        Ok(moved)
    }

    /// Our address towards one gateway, and that gateway's.
    fn addresses(&self, side: Side) -> Result<(SocketAddr, SocketAddr)> {
        let mut shared = self.lock();
        let end = shared.end(side);
        Ok((end.socket.local_addr()?, end.gateway))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }
}

fn bind(namespace: &Namespace, address: SocketAddr) -> Result<UdpSocket> {
    namespace
        .run(move || {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            buffers::raise(
                &socket,
                Buffers {
                    recv: 8 << 20,
                    send: 4 << 20,
                },
            )?;
            Ok(socket)
        })
        .with_context(|| format!("binding the relay to {address}"))
}

fn run(shared: &Mutex<Shared>, stop: &AtomicBool) {
    let clock = Clock::start();
    let mut buffer = vec![0; 1 << 16];
    let mut poll = PollSet::with_slots(2);
    while !stop.load(Ordering::Relaxed) {
        let mut guard = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let is_busy = guard.turn(&clock, &mut buffer);
        let due = guard.a.path.deadline().min(guard.b.path.deadline());
        // Clones, because a socket must live while it is waited for, and may be replaced meanwhile.
        let sockets = [Arc::clone(&guard.a.socket), Arc::clone(&guard.b.socket)];
        drop(guard);
        if is_busy {
            continue;
        }
        for (slot, socket) in sockets.iter().enumerate() {
            poll.watch(slot, &**socket, Interest::Readable);
        }
        // Whatever ends the wait, both sockets are read next.
        let _ = poll.wait(Some(clock.until(due, IDLE)));
    }
}

impl Shared {
    /// Takes in what has come and sends what is due; whether a socket may have more.
    fn turn(&mut self, clock: &Clock, buffer: &mut [u8]) -> bool {
        let mut is_busy = false;
        for side in [Side::A, Side::B] {
            for count in 0..TURN {
                let from = self.end(side);
                // An error here is an ICMP answer to an earlier datagram, or an empty socket.
                let Ok((len, source)) = from.socket.recv_from(buffer) else {
                    break;
                };
                from.gateway = source;
                let datagram = buffer.get(..len).unwrap_or_default();
                self.end(side.other()).path.push(datagram, clock.now());
                is_busy |= count + 1 == TURN;
            }
        }
        for side in [Side::A, Side::B] {
            let end = self.end(side);
            while let Some(datagram) = end.path.pop(clock.now()) {
                // Nobody listening there is what a path does not care about.
                let _ = end.socket.send_to(&datagram, end.gateway);
                if end.record > 0 {
                    if end.recorded.len() == end.record {
                        end.recorded.pop_front();
                    }
                    end.recorded.push_back(datagram);
                }
            }
        }
        is_busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A relay on loopback of a namespace of its own, and the two sockets it stands between.
    fn world() -> (Relay, UdpSocket, UdpSocket) {
        let room = Namespace::new("relay").unwrap();
        let bind = |at: &'static str| room.run(move || Ok(UdpSocket::bind(at)?)).unwrap();
        let (a, b) = (bind("127.0.0.1:1001"), bind("127.0.0.1:1002"));
        for socket in [&a, &b] {
            socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        }
        let end = |ours: &str, gateway: &str| RelayEnd {
            ours: ours.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
        };
        let relay = Relay::start(
            &room,
            end("127.0.0.1:2001", "127.0.0.1:1001"),
            end("127.0.0.1:2002", "127.0.0.1:1002"),
            1,
        )
        .unwrap();
        (relay, a, b)
    }

    fn receive(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; 1 << 16];
        socket
            .recv_from(&mut buffer)
            .ok()
            .map(|(len, from)| (buffer[..len].to_vec(), from))
    }

    #[test]
    fn both_ways_each_side_sees_its_peer_at_the_relays_address() {
        let (relay, a, b) = world();
        let big = vec![7; LONGEST_DATAGRAM];
        a.send_to(&big, "127.0.0.1:2001").unwrap();
        assert_eq!(receive(&b), Some((big, "127.0.0.1:2002".parse().unwrap())));
        b.send_to(b"", "127.0.0.1:2002").unwrap();
        assert_eq!(receive(&a), Some((vec![], "127.0.0.1:2001".parse().unwrap())));
        assert_eq!(relay.counters(Side::A).delivered, 1);
    }

    #[test]
    fn a_recorded_datagram_can_be_sent_again_and_any_other_too() {
        let (relay, a, b) = world();
        relay.record(Side::B, 2);
        for text in ["one", "two", "three"] {
            a.send_to(text.as_bytes(), "127.0.0.1:2001").unwrap();
            receive(&b).unwrap();
        }
        let kept = relay.recorded(Side::B);
        assert_eq!(kept, [b"two".to_vec(), b"three".to_vec()]);
        relay.inject(Side::B, &kept[0]).unwrap();
        assert_eq!(
            receive(&b),
            Some((b"two".to_vec(), "127.0.0.1:2002".parse().unwrap()))
        );
        relay.inject_from_elsewhere(Side::B, b"boo").unwrap();
        let (bytes, from) = receive(&b).unwrap();
        assert_eq!(bytes, b"boo");
        assert_ne!(from.port(), 2002);
    }

    #[test]
    fn after_roaming_one_side_sees_a_new_address_and_answers_reach_the_other() {
        let (relay, a, b) = world();
        let moved = relay.roam(Side::B).unwrap();
        a.send_to(b"hi", "127.0.0.1:2001").unwrap();
        assert_eq!(receive(&b), Some((b"hi".to_vec(), moved)));
        b.send_to(b"ho", moved).unwrap();
        assert_eq!(
            receive(&a),
            Some((b"ho".to_vec(), "127.0.0.1:2001".parse().unwrap()))
        );
    }

    #[test]
    fn an_impairment_works_on_one_direction_only() {
        let (relay, a, b) = world();
        relay.impair_towards(Side::B, "loss=100%".parse().unwrap());
        a.send_to(b"lost", "127.0.0.1:2001").unwrap();
        b.send_to(b"found", "127.0.0.1:2002").unwrap();
        assert_eq!(receive(&a).unwrap().0, b"found");
        assert_eq!(receive(&b), None);
        assert_eq!(relay.counters(Side::B).lost, 1);
        relay.impair("delay=30ms".parse().unwrap());
        let start = std::time::Instant::now();
        a.send_to(b"late", "127.0.0.1:2001").unwrap();
        assert_eq!(receive(&b).unwrap().0, b"late");
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
