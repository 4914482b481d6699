//! Finds the addresses of peers, on the control thread.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use aoe_common::config::PeerId;
use aoe_common::output::Path;
use tokio::net::lookup_host;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::scoped;
use crate::driver::{Command, CommandSender};
use crate::sys::link;

/// Resolves endpoints when the data plane asks for them.
#[derive(Debug)]
pub struct Resolver {
    peers: Vec<Peer>,
    /// Where we listen: a peer can only be called from a socket of its family.
    listen: Vec<SocketAddr>,
    /// How far the port that is called lies above the one that is configured: the number of the worker.
    port_offset: u16,
    commands: CommandSender,
}

#[derive(Debug)]
struct Peer {
    name: String,
    /// `host:port`, if the configuration has one.
    endpoint: Option<String>,
    lookup: Lookup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    Idle,
    Running,
}

/// Waits between failed look-ups.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Resolver {
    /// `peers` are names and endpoints in the order of the configuration.
    pub fn new(
        peers: impl Iterator<Item = (String, Option<String>)>,
        listen: Vec<SocketAddr>,
        port_offset: u16,
        commands: CommandSender,
    ) -> Self {
        let peers = peers
            .map(|(name, endpoint)| Peer {
                name,
                endpoint,
                lookup: Lookup::Idle,
            })
            .collect();
        Resolver {
            peers,
            listen,
            port_offset,
            commands,
        }
    }

    /// Answers requests forever. Peers are looked up side by side; one that cannot be found is tried again.
    pub async fn run(mut self, mut requests: UnboundedReceiver<PeerId>) -> Infallible {
        let mut lookups = JoinSet::new();
        loop {
            tokio::select! {
                Some(peer) = requests.recv() => {
                    if let Some(wanted) = self.peers.get_mut(usize::from(peer.0))
                        && wanted.lookup == Lookup::Idle
                        && let Some(endpoint) = &wanted.endpoint
                    {
                        wanted.lookup = Lookup::Running;
                        lookups.spawn(look_up(peer, wanted.name.clone(), endpoint.clone(), self.listen.clone()));
                    }
                }
                Some(Ok((peer, ways))) = lookups.join_next() => self.on_found(peer, ways),
                else => std::future::pending().await,
            }
        }
    }

    fn on_found(&mut self, peer: PeerId, mut ways: Vec<Path>) {
        let Some(found) = self.peers.get_mut(usize::from(peer.0)) else {
            return;
        };
        found.lookup = Lookup::Idle;
        for way in &mut ways {
            // The configuration was refused if that is no port.
            way.remote
                .set_port(way.remote.port().saturating_add(self.port_offset));
        }
        let addresses: Vec<_> = ways.iter().map(|way| way.remote.to_string()).collect();
        tracing::debug!("{} can be called at {}", found.name, addresses.join(", "));
        self.commands.send(Command::SetEndpoint { peer, ways });
    }
}

/// Looks a peer up until at least one of its addresses can be called.
async fn look_up(
    peer: PeerId,
    name: String,
    endpoint: String,
    listen: Vec<SocketAddr>,
) -> (PeerId, Vec<Path>) {
    let mut wait = FIRST_WAIT;
    loop {
        let fault = match addresses(&endpoint).await {
            Ok(found) => {
                let ways = ways(found, &listen);
                if !ways.is_empty() {
                    return (peer, ways);
                }
                io::Error::other("it has no address of a family that we listen on")
            }
            Err(error) => error,
        };
        tracing::warn!(
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
fn ways(addresses: Vec<SocketAddr>, listen: &[SocketAddr]) -> Vec<Path> {
    let mut ranked = Vec::new();
    let (mut v4, mut v6) = (0..usize::MAX, 0..usize::MAX);
    for remote in addresses {
        let number = if remote.is_ipv4() { v4.next() } else { v6.next() };
        let sockets = (0..=u8::MAX)
            .zip(listen)
            .filter(|(_, local)| local.is_ipv4() == remote.is_ipv4());
        ranked.extend(
            sockets
                .enumerate()
                .map(|(rank, (socket, _))| ((rank, number), Path::new(socket, remote))),
        );
    }
    // Stable: the resolver's first choice stays first.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, way)| way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn ways(remotes: &[&str], listen: &[&str]) -> Vec<(u8, String)> {
        super::ways(addresses(remotes), &addresses(listen))
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
