//! One way from initiators to a target, up and waiting for its turn.

use std::path::Path;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use aoe_common::frame::{Address, SECTOR_LEN};
use aoe_lab::impairment::Impairment;
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::relay::{Relay, Side};
use aoe_lab::target::server::TargetServer;
use aoe_lab::topology::{Between, Ground, PATIENCE, WorldPlan};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Workload};

use crate::cpu::Meter;
use crate::disks::full_target;
use crate::peers::{Peer, Running, nth};
use crate::plan::{Load, SECTORS, Setting};
use crate::results::{Repaired, Sample};

/// Enough to take a socket's buffer full of frames.
const CATCH_UP: Duration = Duration::from_millis(20);

/// A peer with its own namespaces, initiators and target. Fields end in this order.
pub(crate) struct Lane {
    pub(crate) peer: Peer,
    segment_mtu: u32,
    /// One for each disk.
    users: Vec<User>,
    meter: Meter,
    _running: Running,
    relay: Option<Relay>,
    ini: Namespace,
    _server: TargetServer,
    _hosts: [Namespace; 2],
}

/// A disk and its initiator.
struct User {
    address: Address,
    initiator: Initiator,
    ledger: Ledger,
}

impl Lane {
    /// Opens a way and the disks behind it; they are full of known data.
    ///
    /// # Errors
    /// When a step fails, or a disk is not to be seen through it after 20 s.
    pub(crate) fn open(peer: Peer, setting: &Setting, dir: &Path) -> Result<Self> {
        let mut ground = Ground::build(WorldPlan {
            segment_mtu: setting.segment_mtu,
            // The ceiling is a bridge that carries every frame of the segment.
            underlay_mtu: match peer {
                Peer::Bridge => setting.underlay_mtu.max(setting.segment_mtu),
                _ => setting.underlay_mtu,
            },
            between: match setting.impairment {
                Some(_) => Between::Relay,
                None => Between::Cable,
            },
            ..WorldPlan::default()
        })?;
        let (ini, relay) = (ground.ini.clone(), ground.relay.take());
        // Others do not repair, and what they send twice is another datagram.
        if let Some(relay) = relay.as_ref().filter(|_| peer.is_ours()) {
            relay.watch_repairs();
        }
        let hosts = [ground.gwa.clone(), ground.gwb.clone()];
        let mut ledgers: Vec<Ledger> = (0..setting.disks)
            .map(|disk| Ledger::new(0, SECTORS, 0xbe7c + u64::from(disk), Fresh::Zero))
            .collect();
        let target = full_target(setting.buffer_count, &mut ledgers)?;
        let server = TargetServer::start(&ground.tgt, "eth0", target)?;
        let running = peer.start(ground, dir, setting.disks)?;
        let users = (0..)
            .zip(ledgers)
            .map(|(disk, ledger)| User::open(&ini, nth(running.address, disk), ledger));
        let users = users.collect::<Result<_>>()?;
        let meter = Meter::new(&hosts[0], &hosts[1])?;
        Ok(Lane {
            peer,
            segment_mtu: setting.segment_mtu,
            users,
            meter,
            _running: running,
            relay,
            ini,
            _server: server,
            _hosts: hosts,
        })
    }

    /// Changes the path between the gateways, if a relay is there.
    pub(crate) fn impair(&self, impairment: Impairment) {
        if let Some(relay) = &self.relay {
            relay.impair(impairment);
        }
    }

    /// How the losses of all runs were repaired, if that can be seen.
    pub(crate) fn repaired(&self) -> Option<Repaired> {
        let relay = self.relay.as_ref()?;
        let (a, b) = (relay.repairs(Side::A)?, relay.repairs(Side::B)?);
        Some(Repaired::new(
            self.peer,
            a.lost + b.lost,
            [a.times, b.times].concat(),
        ))
    }

    /// Replaces the initiators by such as have just found their disks: a timeout of 16.5 s and a small window.
    ///
    /// # Errors
    /// When a disk is not to be seen any more.
    pub(crate) fn cool_down(&mut self) -> Result<()> {
        for user in &mut self.users {
            user.initiator = open(&self.ini, user.address)?;
        }
        Ok(())
    }

    /// Runs a load without looking at it.
    ///
    /// # Errors
    /// As [`Lane::measure`].
    pub(crate) fn warm_up(&mut self, load: Load, time: Duration) -> Result<()> {
        self.measure(load, Duration::ZERO, time, 0).map(drop)
    }

    /// Whether the initiator's retransmission timeout has come down to what this round trip makes of it. It begins at
    /// 16.5 s.
    pub(crate) fn has_settled(&self, round_trip: Duration) -> bool {
        self.users.iter().all(|user| {
            let timeout = user.initiator.driver().retransmit_timeout(user.address);
            timeout.is_some_and(|timeout| timeout < round_trip * 4 + Duration::from_millis(100))
        })
    }

    /// Runs a load and measures it, for a time that begins after a ramp.
    ///
    /// # Errors
    /// When a request failed, was not answered, or a sector was not right.
    pub(crate) fn measure(
        &mut self,
        load: Load,
        ramp: Duration,
        time: Duration,
        seed: u64,
    ) -> Result<Sample> {
        let workload = Workload {
            limit: Limit::Time(time),
            seed,
            ..load.workload(self.segment_mtu)
        };
        let Lane {
            peer, users, meter, ..
        } = self;
        if users.len() > 1 {
            users.iter_mut().for_each(User::catch_up);
        }
        let mut before = meter.read();
        let begin = || before = meter.read();
        let disks = usize::from(load.disks());
        let Some((first, others)) = users.get_mut(..disks).and_then(<[User]>::split_first_mut) else {
            bail!("{} is for {disks} disks, and here are fewer", load.name());
        };
        // The others begin and end at the same times within a request's round trip.
        let (outcome, rest) = std::thread::scope(|scope| {
            let work = |user| scope.spawn(|| User::work(user, &workload, ramp, || {}));
            let others: Vec<_> = others.iter_mut().map(work).collect();
            let outcome = first.work(&workload, ramp, begin);
            let rest: Vec<_> = others.into_iter().map(ScopedJoinHandle::join).collect();
            (outcome, rest)
        });
        let used = meter.read().since(&before);
        let mut figures = clean(*peer, outcome)?;
        for outcome in rest {
            let outcome = outcome.map_err(|_| anyhow!("an initiator panicked"))?;
            figures.join(&clean(*peer, outcome)?);
        }
        let dropped = users.iter_mut().map(|user| user.initiator.kernel_drops()).sum();
        Ok(Sample::new(&figures, &used, dropped))
    }

    /// Reads all of the disks and checks every sector. Returns how many it read.
    ///
    /// # Errors
    /// As [`Lane::measure`].
    pub(crate) fn read_back(&mut self) -> Result<u64> {
        let frame = Load::SeqRead16.workload(self.segment_mtu).block_sectors;
        let mut sectors = 0;
        for user in &mut self.users {
            let workload = Workload::read_back(&user.ledger, frame, 16);
            let figures = clean(self.peer, user.work(&workload, Duration::ZERO, || {}))?;
            sectors += figures.bytes / SECTOR_LEN as u64;
        }
        Ok(sectors)
    }
}

impl User {
    fn open(ini: &Namespace, address: Address, ledger: Ledger) -> Result<Self> {
        Ok(User {
            address,
            initiator: open(ini, address)?,
            ledger,
        })
    }

    /// Takes what came while it did nothing: all initiators have one cable, and each hears the answers to the others.
    fn catch_up(&mut self) {
        self.initiator.listen(CATCH_UP);
        self.initiator.kernel_drops();
    }

    fn work(&mut self, workload: &Workload, ramp: Duration, begin: impl FnOnce()) -> Result<Figures> {
        workload.run_after(ramp, begin, &mut self.initiator, self.address, &mut self.ledger)
    }
}

/// An initiator that has found its disk.
fn open(ini: &Namespace, address: Address) -> Result<Initiator> {
    let mut initiator = Initiator::open(ini, "eth0", Duration::ZERO)?;
    let sectors = initiator.disk(address, PATIENCE)?.facts().sectors;
    ensure!(sectors == SECTORS as u64, "{address} has {sectors} sectors");
    Ok(initiator)
}

/// Figures without a fault, or what was wrong.
fn clean(peer: Peer, outcome: Result<Figures>) -> Result<Figures> {
    let figures = outcome.with_context(|| peer.name())?;
    let complaint = figures.complaints.first().map(ToString::to_string);
    ensure!(
        figures.is_clean(),
        "{}: {} requests failed ({:?}), {} unanswered, {} wrong sectors ({})",
        peer.name(),
        figures.failed(),
        figures.errors,
        figures.unanswered,
        figures.bad_sectors,
        complaint.unwrap_or_default()
    );
    Ok(figures)
}
