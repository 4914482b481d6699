//! One way from an initiator to a target, up and waiting for its turn.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::{Address, MacAddr, SECTOR_LEN};
use aoe_lab::impairment::Impairment;
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::relay::Relay;
use aoe_lab::target::server::TargetServer;
use aoe_lab::target::{Backing, Blade, BladeSettings, Target};
use aoe_lab::topology::{Between, Ground, PATIENCE, WorldPlan};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Workload};

use crate::cpu::Meter;
use crate::peers::{Peer, Running, TARGET};
use crate::plan::{Load, SECTORS, Setting};
use crate::results::Sample;

/// Sectors composed at a time when the disk is filled.
const CHUNK: u32 = 128;

/// A peer with its own namespaces, initiator and target. Fields end in this order.
pub(crate) struct Lane {
    pub(crate) peer: Peer,
    address: Address,
    segment_mtu: u32,
    initiator: Initiator,
    ledger: Ledger,
    meter: Meter,
    _running: Running,
    relay: Option<Relay>,
    _server: TargetServer,
    _hosts: [Namespace; 2],
}

impl Lane {
    /// Opens a way and the disk behind it; the disk is full of known data.
    ///
    /// # Errors
    /// When a step fails, or the disk is not to be seen through it after 20 s.
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
        let hosts = [ground.gwa.clone(), ground.gwb.clone()];
        let mut ledger = Ledger::new(0, SECTORS, 0xbe7c, Fresh::Zero);
        let target = full_target(setting.buffer_count, &mut ledger)?;
        let server = TargetServer::start(&ground.tgt, "eth0", target)?;
        let running = peer.start(ground, dir)?;
        let address = running.address;
        let mut initiator = Initiator::open(&ini, "eth0", Duration::ZERO)?;
        let sectors = initiator.disk(address, PATIENCE)?.facts().sectors;
        let meter = Meter::new(&hosts[0], &hosts[1])?;
        ensure!(sectors == SECTORS as u64, "{address} has {sectors} sectors");
        Ok(Lane {
            peer,
            address,
            segment_mtu: setting.segment_mtu,
            initiator,
            ledger,
            meter,
            _running: running,
            relay,
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
        let timeout = self.initiator.driver().retransmit_timeout(self.address);
        timeout.is_some_and(|timeout| timeout < round_trip * 4 + Duration::from_millis(100))
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
        let mut before = self.meter.read();
        let begin = || before = self.meter.read();
        let outcome = workload.run_after(ramp, begin, &mut self.initiator, self.address, &mut self.ledger);
        let used = self.meter.read().since(&before);
        let figures = self.clean(outcome)?;
        Ok(Sample::new(&figures, &used, self.initiator.kernel_drops()))
    }

    /// Reads the whole disk and checks every sector. Returns how many it read.
    ///
    /// # Errors
    /// As [`Lane::measure`].
    pub(crate) fn read_back(&mut self) -> Result<u64> {
        let frame = Load::SeqRead16.workload(self.segment_mtu).block_sectors;
        let workload = Workload::read_back(&self.ledger, frame, 16);
        let outcome = workload.run(&mut self.initiator, self.address, &mut self.ledger);
        Ok(self.clean(outcome)?.bytes / SECTOR_LEN as u64)
    }

    /// Figures without a fault, or what was wrong.
    fn clean(&self, outcome: Result<Figures>) -> Result<Figures> {
        let figures = outcome.with_context(|| self.peer.name())?;
        let complaint = figures.complaints.first().map(ToString::to_string);
        ensure!(
            figures.is_clean(),
            "{}: {} requests failed ({:?}), {} unanswered, {} wrong sectors ({})",
            self.peer.name(),
            figures.failed(),
            figures.errors,
            figures.unanswered,
            figures.bad_sectors,
            complaint.unwrap_or_default()
        );
        Ok(figures)
    }
}

/// A target with a disk in memory that holds what the ledger says.
pub(crate) fn full_target(buffer_count: u16, ledger: &mut Ledger) -> Result<Target> {
    let mut backing = Backing::ram(SECTORS);
    let mut data = Vec::new();
    for lba in (0..ledger.sectors()).step_by(CHUNK as usize) {
        ledger.compose(lba, CHUNK, &mut data);
        backing.write(lba, &data)?;
        ledger.written(lba, CHUNK);
    }
    let settings = BladeSettings {
        buffer_count,
        serial: "AOE-BENCH".to_owned(),
        ..BladeSettings::default()
    };
    let mut target = Target::new(MacAddr::ZERO, 0);
    target.add(Blade::new(TARGET, backing, settings));
    Ok(target)
}
