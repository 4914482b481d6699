//! How a running gateway becomes what another configuration says: first everything that can fail, then everything that
//! cannot. So it is done whole or not at all.
//!
//! 1. New sockets are bound, that of `[metrics]` too, and the notes on disks of new exports are read.
//! 2. Ports capture what belongs to a worker before or after: nothing that stays is missed.
//! 3. Resolvers learn of the peers, so that what engines ask for is found.
//! 4. Every worker takes away what disappears; then each changes the rest. So an address or a target that goes from one
//!    worker to another never has two.
//! 5. Resolvers learn of sockets; the log, the files of disks and the HTTP listener follow.
//! 6. A minute later ports capture what belongs to a worker now: until then targets may still answer requests of exports
//!    that are gone, and their worker has to know.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{Change, GatewayConfig, SegmentId, Step, diff};
use aoe_common::disk::Disk;
use aoe_common::worker::Worker;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};

use super::captures::Captures;
use super::compare::Obstacle;
use crate::config::Loaded;
use crate::disks::{Disks, Note, NoteError};
use crate::driver::{Command, CommandSender, Renewal};
use crate::http::{self, Front};
use crate::key_memory::Memory;
use crate::listening;
use crate::logging::Filter;
use crate::logging::id;
use crate::resolver::{self, Known, Sockets};
use crate::segment::Sharing;
use crate::sys::packet::Addresses;
use crate::wire::UdpWire;
use crate::workers;

/// How long a worker may take to say whether its port captures something else.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long targets may take to answer requests of exports that are gone: longer than anything is waited for there.
const LINGER: Duration = Duration::from_secs(60);

/// Who has to follow when the configuration changes.
#[derive(Debug)]
pub(crate) struct Followers {
    /// The data planes.
    pub(crate) workers: Vec<CommandSender>,
    /// One resolver for each of them.
    pub(crate) resolvers: Vec<UnboundedSender<resolver::Ask>>,
    /// Who opens ports.
    pub(crate) sharing: UnboundedSender<Sharing>,
    /// Who keeps the files of disks: the names of all exports.
    pub(crate) keeper: UnboundedSender<Vec<String>>,
    /// The files of disks, if there are any.
    pub(crate) disks: Option<Disks>,
    /// Where others look over HTTP.
    pub(crate) front: Front,
    /// What is logged.
    pub(crate) log: Filter,
    /// Who captures.
    pub(crate) captures: Captures,
}

/// The configuration that the gateway runs with, and what belongs to it.
#[derive(Debug)]
pub(super) struct Running {
    loaded: Loaded,
    followers: Followers,
    /// What is remembered of keys.
    pub(super) memory: Memory,
    sockets: Sockets,
    /// The number of the next socket. None is used twice.
    next: usize,
    /// What ports capture.
    shares: Shares,
    /// When they need not capture more than what belongs to their worker.
    narrow: Option<Instant>,
}

/// What each worker captures of each segment.
type Shares = BTreeMap<SegmentId, Vec<Addresses>>;

/// What was made beforehand.
struct Prepared {
    /// The configurations of the workers, before and after.
    parts: Vec<(GatewayConfig, GatewayConfig)>,
    /// New sockets by their numbers: the address as configured, and one for each worker.
    open: BTreeMap<u8, (SocketAddr, Vec<UdpWire>)>,
    /// Numbers of sockets that go.
    close: Vec<u8>,
    disks: Vec<(String, Disk)>,
    front: http::Prepared,
}

impl Running {
    /// The workers listen at the addresses of the configuration, by their order.
    pub(super) fn new(loaded: Loaded, followers: Followers, memory: Memory) -> Self {
        let sockets = workers::sockets(&loaded.listen);
        let parts = loaded.core.for_workers(loaded.settings.workers);
        Running {
            shares: shares(parts.iter()),
            narrow: None,
            next: sockets.len(),
            sockets,
            loaded,
            followers,
            memory,
        }
    }

    /// The configuration.
    pub(super) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// What is remembered of keys counts: the data planes know it too.
    pub(super) fn know(&mut self) {
        self.memory.apply(&mut self.loaded.core);
    }

    /// Who has to follow.
    pub(super) fn followers(&self) -> &Followers {
        &self.followers
    }

    /// What is logged.
    pub(super) fn log(&self) -> &Filter {
        &self.followers.log
    }

    /// Becomes as another configuration says, which has taken its ids from this one.
    ///
    /// # Errors
    /// What stands in the way; then nothing was changed.
    pub(super) async fn become_as(&mut self, new: Loaded) -> Result<(), Obstacle> {
        if self.followers.workers.iter().any(CommandSender::is_ending) {
            return Err(Obstacle::Ending);
        }
        let prepared = self.prepare(&new).await?;
        let wanted = shares(prepared.parts.iter().map(|(_, after)| after));
        self.widen(&wanted).await?;
        self.change(prepared, new).await;
        self.narrow = (self.shares != wanted).then(|| Instant::now() + LINGER);
        Ok(())
    }

    /// Waits until [`narrow`](Self::narrow) is due.
    pub(super) async fn drained(&self) {
        match self.narrow {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Ports capture what belongs to their worker and no more.
    pub(super) async fn narrow(&mut self) {
        self.narrow = None;
        let parts = self.loaded.core.for_workers(self.loaded.settings.workers);
        let wanted = shares(parts.iter());
        match self.share(wanted.clone()).await {
            Ok(()) => self.shares = wanted,
            // They see more than is theirs, which costs a little and does no harm: it is counted.
            Err(error) => tracing::debug!(
                id = id::CAPTURE_WIDE,
                "workers capture more than they need: {error}"
            ),
        }
    }

    async fn prepare(&self, new: &Loaded) -> Result<Prepared, Obstacle> {
        let count = self.loaded.settings.workers;
        let parts = self.loaded.core.for_workers(count);
        let parts: Vec<_> = parts.into_iter().zip(new.core.for_workers(count)).collect();
        let mut open = BTreeMap::new();
        let unknown = |address: &&SocketAddr| !self.sockets.values().any(|known| known == *address);
        for (number, address) in (self.next..).zip(new.listen.iter().filter(unknown)) {
            let number = u8::try_from(number).map_err(|_| Obstacle::System {
                reason: format!(
                    "cannot listen on {address}: {number} sockets were opened since the start; restart the gateway"
                ),
            })?;
            let mut wires = Vec::new();
            for (part, _) in &parts {
                let bound = workers::listen_address(*address, part.tunnel.worker.number);
                let wire = UdpWire::bind(bound, self.loaded.settings.buffers()).map_err(|cause| {
                    Obstacle::System {
                        reason: format!(
                            "cannot listen on {bound}: {cause}{}",
                            self.listen_advice(bound, &cause)
                        ),
                    }
                })?;
                wires.push(wire);
            }
            open.insert(number, (*address, wires));
        }
        let close = self
            .sockets
            .iter()
            .filter(|(_, address)| !new.listen.contains(address));
        Ok(Prepared {
            parts,
            open,
            close: close.map(|(number, _)| *number).collect(),
            disks: self.read_notes(new).await?,
            front: self.prepare_front(new)?,
        })
    }

    fn prepare_front(&self, new: &Loaded) -> Result<http::Prepared, Obstacle> {
        let (before, wanted) = (self.loaded.metrics.as_ref(), new.metrics.as_ref());
        let prepared = self.followers.front.prepare(before, wanted);
        prepared.map_err(|reason| Obstacle::System { reason })
    }

    fn listen_advice(&self, address: SocketAddr, cause: &io::Error) -> String {
        let workers = self.loaded.settings.workers;
        let overlaps = |ours: &&SocketAddr| {
            let wild = ours.ip().is_unspecified() || address.ip().is_unspecified();
            let ports = ours.port()..=ours.port().saturating_add(u16::from(workers) - 1);
            ours.is_ipv4() == address.is_ipv4()
                && (wild || ours.ip() == address.ip())
                && ports.contains(&address.port())
        };
        match self.sockets.values().find(overlaps) {
            Some(ours) if cause.kind() == io::ErrorKind::AddrInUse => format!(
                " (this gateway has {ours}, and both cannot be open at once: use another port, or restart the gateway)"
            ),
            _ => listening::advice(cause).to_owned(),
        }
    }

    /// Which disks exports had that appear now.
    async fn read_notes(&self, new: &Loaded) -> Result<Vec<(String, Disk)>, Obstacle> {
        let Some(disks) = self.followers.disks.clone() else {
            return Ok(Vec::new());
        };
        let known = &self.loaded.core.exports;
        let new = new.core.exports.iter().filter(|(id, _)| known.get(*id).is_none());
        let new: Vec<_> = new.map(|(_, export)| export.name.clone()).collect();
        let read = move || {
            let mut remembered = Vec::new();
            for export in new {
                if let Some(Note::Disk(disk)) = disks.read(&export)? {
                    remembered.push((export, disk));
                }
            }
            Ok(remembered)
        };
        let outcome = spawn_blocking(read).await;
        let reason = match outcome {
            Ok(Ok(remembered)) => return Ok(remembered),
            Ok(Err(error)) => NoteError::to_string(&error),
            Err(error) => error.to_string(),
        };
        Err(Obstacle::System { reason })
    }

    /// Ports capture what belongs to their worker before or after. If one cannot, all capture what they did.
    async fn widen(&mut self, after: &Shares) -> Result<(), Obstacle> {
        let both = self.shares.iter().map(|(segment, shares)| {
            let wanted = after.get(segment).map_or([].as_slice(), Vec::as_slice);
            let wide = shares.iter().zip(wanted);
            (
                *segment,
                wide.map(|(old, new)| workers::either(old, new)).collect(),
            )
        });
        let both: Shares = both.collect();
        let Err(cause) = self.share(both.clone()).await else {
            self.shares = both;
            return Ok(());
        };
        // They could before.
        let _ = self.share(self.shares.clone()).await;
        Err(Obstacle::System {
            reason: format!(
                "cannot set which frames workers capture: {cause}; with so many exports and imports a larger \
                 net.core.optmem_max, or fewer workers, may help"
            ),
        })
    }

    async fn share(&self, shares: Shares) -> io::Result<()> {
        let (asked, answers) = oneshot::channel();
        let sharing = Sharing { shares, asked };
        // The process ends if nobody is there.
        if self.followers.sharing.send(sharing).is_err() {
            return Ok(());
        }
        let mut outcome = Ok(());
        for answer in answers.await.unwrap_or_default() {
            let answer = match timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Ok(()),
                Err(_) => Err(io::Error::other("a worker does not answer")),
            };
            outcome = outcome.and(answer);
        }
        outcome
    }

    /// From here on nothing fails.
    async fn change(&mut self, prepared: Prepared, new: Loaded) {
        let Prepared {
            parts,
            mut open,
            close,
            disks,
            front,
        } = prepared;
        self.sockets.retain(|number, _| !close.contains(number));
        self.tell_resolvers(&new);
        let busy_poll =
            (self.loaded.settings.busy_poll != new.settings.busy_poll).then_some(new.settings.busy_poll);
        let mut renewals = Vec::new();
        let mut removals = Vec::new();
        for (before, after) in &parts {
            let Worker { number, of } = after.tunnel.worker;
            // It was compared as a whole before, and can be done.
            let changes = diff(before, after).unwrap_or_default();
            let (first, then) = match of {
                1 => (Vec::new(), changes),
                _ => changes.into_iter().partition(is_removal),
            };
            let wires = open
                .iter_mut()
                .map(|(socket, (_, wires))| (*socket, wires.remove(0)));
            removals.push(Renewal {
                changes: first,
                ..Renewal::default()
            });
            let ours = |(export, _): &&(String, Disk)| Worker { number, of }.serves(export);
            renewals.push(Renewal {
                busy_poll,
                open: wires.collect(),
                changes: then,
                disks: disks.iter().filter(ours).cloned().collect(),
                close: close.clone(),
            });
        }
        if removals.iter().any(|removal| !removal.changes.is_empty()) {
            self.renew(removals).await;
        }
        let reports: Vec<_> = renewals
            .iter()
            .flat_map(|renewal| &renewal.open)
            .map(|(_, wire)| listening::Report::of(wire))
            .collect();
        self.renew(renewals).await;
        for report in reports {
            report.log();
        }
        for (number, (address, _)) in open {
            self.next = self.next.max(usize::from(number) + 1);
            self.sockets.insert(number, address);
        }
        self.tell_resolvers(&new);
        let exports = new.core.exports.values().map(|export| export.name.clone());
        // Without a state directory nobody keeps files.
        let _ = self.followers.keeper.send(exports.collect());
        self.followers.front.follow(new.metrics.as_ref(), front).await;
        if self.loaded.settings.log != new.settings.log {
            self.followers.log.follow(new.settings.log.as_deref());
        }
        self.followers.captures.follow(&new.core);
        self.loaded = new;
    }

    fn tell_resolvers(&self, new: &Loaded) {
        let known = Known {
            peers: workers::endpoints(new),
            sockets: self.sockets.clone(),
        };
        for resolver in &self.followers.resolvers {
            // It is there for as long as we are.
            let _ = resolver.send(resolver::Ask::Know(known.clone()));
        }
    }

    /// Waits until every worker has done it. One that hangs is ended by the watchdog, and we with it.
    async fn renew(&self, renewals: Vec<Renewal>) {
        let ask = |(worker, renewal): (&CommandSender, Renewal)| {
            let (done, answer) = oneshot::channel();
            worker.send(Command::Renew {
                renewal: Box::new(renewal),
                done,
            });
            answer
        };
        let answers: Vec<_> = self.followers.workers.iter().zip(renewals).map(ask).collect();
        for answer in answers {
            // A worker that has ended needs nothing.
            let _ = answer.await;
        }
    }
}

/// What each worker captures of each segment, given the configurations of all.
fn shares<'a>(parts: impl Iterator<Item = &'a GatewayConfig>) -> Shares {
    let parts: Vec<_> = parts.collect();
    let segments = parts.first().into_iter().flat_map(|part| part.segments.ids());
    segments.map(|id| (id, workers::shares(&parts, id))).collect()
}

fn is_removal(change: &Change) -> bool {
    matches!(
        change,
        Change::Peer(_, Step::Remove) | Change::Export(_, Step::Remove) | Change::Import(_, Step::Remove)
    )
}
