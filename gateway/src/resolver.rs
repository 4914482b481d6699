//! Finds the addresses of peers, on the control thread.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::PeerId;
use aoe_common::output::Path;
use tokio::net::lookup_host;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::driver::{Command, CommandSender};

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
    /// How often it was resolved: each time another of its paths is tried.
    attempt: usize,
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
                attempt: 0,
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

    /// Answers requests for ever. Peers are looked up side by side; one that cannot be found is tried again.
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
                Some(Ok((peer, paths))) = lookups.join_next() => self.on_found(peer, &paths),
                else => std::future::pending().await,
            }
        }
    }

    fn on_found(&mut self, peer: PeerId, paths: &[Path]) {
        let Some(found) = self.peers.get_mut(usize::from(peer.0)) else {
            return;
        };
        found.lookup = Lookup::Idle;
        let attempt = found.attempt;
        found.attempt += 1;
        if let Some(path) = paths.iter().cycle().nth(attempt % paths.len().max(1)) {
            let mut path = *path;
            // The configuration was refused if that is no port.
            path.remote
                .set_port(path.remote.port().saturating_add(self.port_offset));
            tracing::debug!("calling {} at {}", found.name, path.remote);
            self.commands.send(Command::SetEndpoint { peer, path });
        }
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
        let fault = match lookup_host(&endpoint).await {
            Ok(found) => {
                let paths = paths(found, &listen);
                if !paths.is_empty() {
                    return (peer, paths);
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

/// Every way to call: all addresses from the first socket of their family, then from the next.
fn paths(addresses: impl Iterator<Item = SocketAddr>, listen: &[SocketAddr]) -> Vec<Path> {
    let mut ranked = Vec::new();
    for remote in addresses {
        let sockets = (0..=u8::MAX)
            .zip(listen)
            .filter(|(_, local)| local.is_ipv4() == remote.is_ipv4());
        ranked.extend(
            sockets
                .enumerate()
                .map(|(rank, (socket, _))| (rank, Path::new(socket, remote))),
        );
    }
    // Stable: within a rank, the resolver's own order of preference stays.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn ways(remotes: &[&str], listen: &[&str]) -> Vec<(u8, String)> {
        let paths = paths(addresses(remotes).into_iter(), &addresses(listen));
        paths
            .into_iter()
            .map(|path| (path.socket, path.remote.to_string()))
            .collect()
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
