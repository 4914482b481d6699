//! What one frame costs each gateway when it is saturated: in one direction, without the answers.
//!
//! A saturated gateway always finds its queue full and never waits. That is brought about here: a gateway is stopped
//! (SIGSTOP) while a burst of frames is laid before it, and then works it off, alone:
//!
//! ```text
//!        A and B stopped     A goes on          B goes on            the target goes on
//! burst ───────────────▶ A ─────────────▶ B ───────────────▶ target ─────────────────▶ answers
//!                           sealing side     opening side     held                     not counted
//! ```
//!
//! So A's time is receiving from the segment, sealing and sending, B's is receiving, opening and putting on the segment,
//! each with the kernel's work within its calls, and neither holds anything of the answers. What stopping and going on
//! cost by themselves is measured without a burst and taken off. Between the bursts [`calibration`] measures what the
//! machine takes for AEAD and `sendmmsg`, to which the goals are scaled.

mod burst;
mod calibration;
mod gateway;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_common::frame::{MacAddr, SECTOR_LEN};
use aoe_lab::frames::sectors_per_frame;
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::target::server::TargetServer;
use aoe_lab::topology::{Between, Gateways, Ground, PATIENCE, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger, Workload};

use crate::cpu::Crew;
use crate::disks::full_target;
use crate::peers::{IMPORT, ours};
use crate::plan::{SECTORS, Setting};
use crate::results::FrameCost;

use burst::Writer;
use calibration::Calibration;

/// Frames in a burst: four batches of a gateway, and as many jumbo frames as every buffer on the way has room for.
const BURST: u16 = 256;
/// Bursts at least, however short the time.
const FEWEST: usize = 5;
/// What the target takes and the import offers: more than a burst.
const WINDOW: u16 = 1024;

/// A pair of gateways that are stopped and let go on in turn. Fields end in this order.
pub(crate) struct Bench {
    sectors: u8,
    gateways: Gateways,
    crews: (Crew, Crew),
    writer: Writer,
    ledger: Ledger,
    calibration: Calibration,
    server: TargetServer,
    ini: Namespace,
    _hosts: [Namespace; 2],
}

impl Bench {
    /// Starts gateways that never wait awake, with a disk of known data behind them.
    ///
    /// # Errors
    /// When a step fails, or the disk is not to be seen after 20 s.
    pub(crate) fn open(setting: &Setting, dir: &Path) -> Result<Self> {
        let ground = Ground::build(WorldPlan {
            segment_mtu: setting.segment_mtu,
            underlay_mtu: setting.underlay_mtu,
            between: Between::Cable,
            ..WorldPlan::default()
        })?;
        let (ini, gwa, gwb) = (ground.ini.clone(), ground.gwa.clone(), ground.gwb.clone());
        let sectors = sectors_per_frame(setting.segment_mtu).max(1);
        let mut ledger = Ledger::new(0, SECTORS, 0xf4a3, Fresh::Zero);
        let target = full_target(WINDOW, std::slice::from_mut(&mut ledger))?;
        let server = TargetServer::start(&ground.tgt, "eth0", target)?;
        let gateways = ours::pair(ground, dir, 1, |config| {
            ours::block(config);
            for import in &mut config.imports {
                import.window = Some(WINDOW);
            }
        })?;
        let edge = find_edge(&ini)?;
        let crews = (Crew::of(&gwa)?, Crew::of(&gwb)?);
        ensure!(
            !crews.0.is_empty() && !crews.1.is_empty(),
            "/proc does not show the gateways"
        );
        Ok(Bench {
            sectors,
            gateways,
            crews,
            writer: Writer::open(&ini, edge, sectors)?,
            ledger,
            calibration: Calibration::open(sectors)?,
            server,
            ini,
            _hosts: [gwa, gwb],
        })
    }

    /// Sends bursts for a while.
    ///
    /// # Errors
    /// When a frame gets lost or is not answered well: the rest would be about something else.
    pub(crate) fn measure(&mut self, time: Duration) -> Result<FrameCost> {
        let started = Instant::now();
        let mut bursts = Vec::new();
        while started.elapsed() < time || bursts.len() < FEWEST {
            let (idle_a, idle_b) = self.once(0)?;
            let (full_a, full_b) = self.once(BURST)?;
            let (aead, sendmmsg) = self.calibration.measure()?;
            bursts.push(FrameCost {
                sectors: self.sectors,
                sealing_us: per_frame_us(full_a, idle_a),
                opening_us: per_frame_us(full_b, idle_b),
                aead_ns: aead.as_secs_f64() * 1e9,
                sendmmsg_ns: sendmmsg.as_secs_f64() * 1e9,
            });
        }
        FrameCost::median(&bursts).context("no burst was sent")
    }

    /// One burst through both gateways, one after the other; what each used for it.
    fn once(&mut self, frames: u16) -> Result<(Duration, Duration)> {
        let Gateways { a, b } = &mut self.gateways;
        let (crew_a, crew_b) = &self.crews;
        gateway::stop(a, crew_a)?;
        gateway::stop(b, crew_b)?;
        let burst = self.writer.send(frames, &mut self.ledger);
        let sealing = gateway::work_off(a, crew_a)?;
        // It answers nobody meanwhile.
        let target = self.server.lock();
        let opening = gateway::work_off(b, crew_b)?;
        drop(target);
        self.writer.take_answers(burst, &mut self.ledger)?;
        Ok((sealing, opening))
    }

    /// Reads the whole disk and checks every sector. Returns how many it read.
    ///
    /// # Errors
    /// When a sector is not right, or cannot be read.
    pub(crate) fn read_back(&mut self) -> Result<u64> {
        let mut initiator = Initiator::open(&self.ini, "eth0", Duration::ZERO)?;
        initiator.disk(IMPORT, PATIENCE)?;
        let figures = Workload::read_back(&self.ledger, self.sectors.into(), 16).run(
            &mut initiator,
            IMPORT,
            &mut self.ledger,
        )?;
        ensure!(
            figures.is_clean(),
            "the disk does not hold what was written: {figures:?}"
        );
        Ok(figures.bytes / SECTOR_LEN as u64)
    }
}

impl Drop for Bench {
    /// What is stopped does not end when it is asked to.
    fn drop(&mut self) {
        gateway::release(&mut self.gateways.a);
        gateway::release(&mut self.gateways.b);
    }
}

/// What a burst took beyond what stopping and going on do, in microseconds for each of its frames.
fn per_frame_us(full: Duration, idle: Duration) -> f64 {
    full.saturating_sub(idle).as_secs_f64() * 1e6 / f64::from(BURST)
}

/// Where the import is, once it is.
fn find_edge(ini: &Namespace) -> Result<MacAddr> {
    let mut initiator = Initiator::open(ini, "eth0", Duration::ZERO)?;
    let found = initiator.find(IMPORT, PATIENCE);
    let edge = found.with_context(|| format!("nobody answers for {IMPORT}"))?.mac;
    initiator.disk(IMPORT, PATIENCE)?;
    Ok(edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frames_share_of_a_burst_does_not_hold_what_going_on_takes() {
        let burst = Duration::from_micros(1000 + 50);
        assert_eq!(per_frame_us(burst, Duration::from_micros(50)), 1000.0 / 256.0);
        assert_eq!(
            per_frame_us(Duration::ZERO, burst),
            0.0,
            "less than nothing is noise"
        );
    }
}
