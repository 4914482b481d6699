//! Finds the addresses of peers, on the control thread.

pub mod ask;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use aoe_common::config::PeerId;
use aoe_common::output::Path;
use tokio::net::lookup_host;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::config::scoped;
use crate::driver::{Command, CommandSender};
use crate::logging::id;
use crate::sys::link;
pub use ask::{Ask, Known, Sockets};

/// Resolves endpoints when the data plane asks for them, and when they change.
#[derive(Debug)]
pub struct Resolver {
    peers: BTreeMap<PeerId, Peer>,
    sockets: Sockets,
    /// How far the port that is called lies above the one that is configured: the number of the worker.
    port_offset: u16,
    commands: CommandSender,
    lookups: JoinSet<Found>,
    /// Counts look-ups, to tell an answer to this one from an answer to an earlier one.
    lookup: u64,
}

#[derive(Debug)]
struct Peer {
    name: String,
    /// `host:port`, if the configuration has one.
    endpoint: Option<String>,
    /// The look-up that is under way.
    lookup: Option<(u64, AbortHandle)>,
}

/// What a look-up came to.
#[derive(Debug)]
struct Found {
    peer: PeerId,
    lookup: u64,
    ways: Vec<Path>,
}

/// Waits between failed look-ups.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Resolver {
    /// One that knows this.
    pub fn new(known: Known, port_offset: u16, commands: CommandSender) -> Self {
        let Known { peers, sockets } = known;
        let peer = |(id, (name, endpoint))| {
            let lookup = None;
            (
                id,
                Peer {
                    name,
                    endpoint,
                    lookup,
                },
            )
        };
        Resolver {
            peers: peers.into_iter().map(peer).collect(),
            sockets,
            port_offset,
            commands,
            lookups: JoinSet::new(),
            lookup: 0,
        }
    }

    /// Answers requests forever. Peers are looked up side by side; one that cannot be found is tried again.
    pub async fn run(mut self, mut asks: UnboundedReceiver<Ask>) -> Infallible {
        loop {
            tokio::select! {
                Some(ask) = asks.recv() => match ask {
                    Ask::Needed(peer) => self.look_up(peer),
                    Ask::Know(known) => self.know(known),
                },
                // One that was given up says nothing.
                Some(outcome) = self.lookups.join_next() => if let Ok(found) = outcome {
                    self.on_found(found);
                },
                else => std::future::pending().await,
            }
        }
    }

    /// Looks a peer up, unless that is under way or it has no endpoint.
    fn look_up(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let (None, Some(endpoint)) = (&peer.lookup, &peer.endpoint) else {
            return;
        };
        self.lookup += 1;
        let lookup = self.lookup;
        let (name, endpoint, sockets) = (peer.name.clone(), endpoint.clone(), self.sockets.clone());
        let task = self.lookups.spawn(async move {
            let ways = look_up(name, endpoint, sockets).await;
            Found {
                peer: id,
                lookup,
                ways,
            }
        });
        peer.lookup = Some((lookup, task));
    }

    /// From now on it is so. A peer that has another endpoint is looked up at once, and so is every one if there are other
    /// sockets. One that is new is looked up when it is needed.
    fn know(&mut self, known: Known) {
        let Known { peers, sockets } = known;
        let all = self.sockets != sockets;
        self.sockets = sockets;
        let mut before = std::mem::take(&mut self.peers);
        for (id, (name, endpoint)) in peers {
            let mut peer = Peer {
                name,
                endpoint,
                lookup: None,
            };
            let known = before.remove(&id);
            let is_new = known.is_none();
            let (mut differs, mut lookup) = (all, None);
            if let Some(known) = known {
                differs |= known.endpoint != peer.endpoint;
                lookup = known.lookup;
            }
            if differs {
                give_up(lookup.take());
            }
            peer.lookup = lookup;
            self.peers.insert(id, peer);
            if differs && !is_new {
                self.look_up(id);
            }
        }
        for gone in before.into_values() {
            give_up(gone.lookup);
        }
    }

    fn on_found(&mut self, found: Found) {
        let Found {
            peer: id,
            lookup,
            mut ways,
        } = found;
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.lookup.as_ref().is_none_or(|(awaited, _)| *awaited != lookup) {
            return;
        }
        peer.lookup = None;
        for way in &mut ways {
            // The configuration was refused if that is no port.
            way.remote
                .set_port(way.remote.port().saturating_add(self.port_offset));
        }
        let addresses: Vec<_> = ways.iter().map(|way| way.remote.to_string()).collect();
        tracing::debug!(
            id = id::ENDPOINT_FOUND,
            peer = peer.name,
            "{} can be called at {}",
            peer.name,
            addresses.join(", ")
        );
        self.commands.send(Command::SetEndpoint { peer: id, ways });
    }
}

fn give_up(lookup: Option<(u64, AbortHandle)>) {
    if let Some((_, task)) = lookup {
        task.abort();
    }
}

/// Looks a peer up until at least one of its addresses can be called.
async fn look_up(name: String, endpoint: String, sockets: Sockets) -> Vec<Path> {
    let mut wait = FIRST_WAIT;
    loop {
        let fault = match addresses(&endpoint).await {
            Ok(found) => {
                let ways = ways(found, &sockets);
                if !ways.is_empty() {
                    return ways;
                }
                io::Error::other("it has no address of a family that we listen on")
            }
            Err(error) => error,
        };
        tracing::warn!(
            id = id::ENDPOINT_MISSING,
            peer = name,
            "cannot call {name}: {endpoint}: {fault}; next attempt in {} s",
            wait.as_secs()
        );
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// The addresses of an endpoint as they are now. An interface in it is looked up each time, for it has another index
/// once it was made again.
async fn addresses(endpoint: &str) -> io::Result<Vec<SocketAddr>> {
    let Some((address, interface, port)) = scoped(endpoint) else {
        return Ok(lookup_host(endpoint).await?.collect());
    };
    let link = link::by_name(interface)?
        .ok_or_else(|| io::Error::other(format!("there is no interface {interface}")))?;
    Ok(vec![SocketAddrV6::new(address, port, 0, link.index).into()])
}

/// Every way to call: all addresses from the first socket of their family, then from the next. Families take turns, so
/// that many dead addresses of one do not stand before the other (RFC 8305, section 4).
fn ways(addresses: Vec<SocketAddr>, sockets: &Sockets) -> Vec<Path> {
    let mut ranked = Vec::new();
    let (mut v4, mut v6) = (0..usize::MAX, 0..usize::MAX);
    for remote in addresses {
        let number = if remote.is_ipv4() { v4.next() } else { v6.next() };
        let callers = sockets
            .iter()
            .filter(|(_, local)| local.is_ipv4() == remote.is_ipv4());
        ranked.extend(
            callers
                .enumerate()
                .map(|(rank, (socket, _))| ((rank, number), Path::new(*socket, remote))),
        );
    }
    // Stable: the resolver's first choice stays first.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, way)| way).collect()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;
    use crate::driver::{CommandReceiver, channel};

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn ways(remotes: &[&str], listen: &[&str]) -> Vec<(u8, String)> {
        super::ways(addresses(remotes), &(0..).zip(addresses(listen)).collect())
            .into_iter()
            .map(|way| (way.socket, way.remote.to_string()))
            .collect()
    }

    #[test]
    fn families_take_turns_and_the_first_choice_stays_first() {
        let remotes = ["[::1]:9", "[::2]:9", "[::3]:9", "192.0.2.1:9", "192.0.2.2:9"];
        let found = ways(&remotes, &["0.0.0.0:9", "[::]:9"]);
        let order: Vec<_> = found.iter().map(|(_, remote)| remote.as_str()).collect();
        assert_eq!(
            order,
            ["[::1]:9", "192.0.2.1:9", "[::2]:9", "192.0.2.2:9", "[::3]:9"]
        );
    }

    #[tokio::test]
    async fn an_interface_is_looked_up_by_its_name() {
        let found = super::addresses("[fe80::7%lo]:9").await.unwrap();
        assert_eq!(found, addresses(&["[fe80::7%1]:9"]));
        let missing = super::addresses("[fe80::7%nothere]:9").await.unwrap_err();
        assert_eq!(missing.to_string(), "there is no interface nothere");
    }

    #[test]
    fn only_families_we_listen_on_are_called() {
        let both = ["[2001:db8::1]:9", "192.0.2.1:9"];
        assert_eq!(ways(&both, &["0.0.0.0:9"]), [(0, "192.0.2.1:9".to_owned())]);
        assert_eq!(ways(&both, &["[::]:9"]), [(0, "[2001:db8::1]:9".to_owned())]);
        assert!(ways(&["192.0.2.1:9"], &["[::]:9"]).is_empty());
    }

    /// A resolver that knows this, its commands, and a way to ask it.
    struct Bench {
        commands: CommandReceiver,
        asks: UnboundedSender<Ask>,
        known: Known,
    }

    impl Bench {
        fn start() -> Bench {
            let (sender, commands) = channel().unwrap();
            let (asks, requests) = unbounded_channel();
            let mut known = Known::default();
            known.sockets.insert(0, "127.0.0.1:9".parse().unwrap());
            tokio::spawn(Resolver::new(known.clone(), 1, sender).run(requests));
            Bench {
                commands,
                asks,
                known,
            }
        }

        fn know(&mut self, peers: &[(u16, &str)]) {
            let peer = |(id, endpoint): &(u16, &str)| {
                (PeerId(*id), (format!("peer-{id}"), Some(endpoint.to_string())))
            };
            self.known.peers = peers.iter().map(peer).collect();
            self.asks.send(Ask::Know(self.known.clone())).unwrap();
        }

        /// The next answer: the peer, the socket and the port that is called.
        async fn answer(&mut self) -> (u16, u8, u16) {
            loop {
                if let Some(command) = self.commands.next() {
                    let Command::SetEndpoint { peer, ways } = command else {
                        panic!("{command:?}")
                    };
                    return (peer.0, ways[0].socket, ways[0].remote.port());
                }
                sleep(Duration::from_millis(1)).await;
            }
        }

        async fn is_quiet(&mut self) -> bool {
            sleep(Duration::from_millis(50)).await;
            self.commands.next().is_none()
        }
    }

    #[tokio::test]
    async fn peers_come_move_and_go_and_each_answer_reaches_the_one_that_is_there() {
        let mut bench = Bench::start();
        bench.asks.send(Ask::Needed(PeerId(7))).unwrap();
        assert!(bench.is_quiet().await, "nobody has this number");
        bench.know(&[(7, "127.0.0.1:100")]);
        assert!(bench.is_quiet().await, "it is asked for when it is needed");
        bench.asks.send(Ask::Needed(PeerId(7))).unwrap();
        assert_eq!(bench.answer().await, (7, 0, 101));
        bench.know(&[(7, "127.0.0.1:200"), (8, "127.0.0.1:300")]);
        assert_eq!(bench.answer().await, (7, 0, 201), "it has moved");
        bench.known.sockets = [(3, "127.0.0.2:9".parse().unwrap())].into();
        bench.know(&[(8, "127.0.0.1:300")]);
        assert_eq!(bench.answer().await, (8, 3, 301), "there are other sockets");
        bench.asks.send(Ask::Needed(PeerId(7))).unwrap();
        assert!(bench.is_quiet().await, "it is gone");
    }

    #[tokio::test]
    async fn a_peer_that_cannot_be_found_is_given_up_with_the_peer() {
        let mut bench = Bench::start();
        // There is no socket of its family, so it is tried again and again.
        bench.know(&[(7, "[::1]:100")]);
        bench.asks.send(Ask::Needed(PeerId(7))).unwrap();
        assert!(bench.is_quiet().await);
        bench.know(&[(7, "127.0.0.1:100")]);
        assert_eq!(bench.answer().await, (7, 0, 101));
    }

    #[test]
    fn every_address_comes_before_the_second_socket() {
        let listen = ["192.0.2.1:9", "[::]:9", "192.0.2.2:9"];
        let expected = [
            (0, "198.51.100.1:9"),
            (1, "[2001:db8::1]:9"),
            (0, "198.51.100.2:9"),
        ]
        .into_iter()
        .chain([(2, "198.51.100.1:9"), (2, "198.51.100.2:9")])
        .map(|(socket, remote)| (socket, remote.to_owned()));
        let remotes = ["198.51.100.1:9", "[2001:db8::1]:9", "198.51.100.2:9"];
        assert_eq!(ways(&remotes, &listen), expected.collect::<Vec<_>>());
    }
}
