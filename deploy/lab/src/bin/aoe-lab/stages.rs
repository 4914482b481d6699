//! The parts of the demonstration, in one world.

mod path;
mod secrecy;
mod stranger;
mod table;
mod targets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aoe_common::frame::{Address, MacAddr, SECTOR_LEN};
use aoe_lab::frames::sectors_per_frame;
use aoe_lab::gateway::{Access, Binaries};
use aoe_lab::initiator::{DiskError, Found, Initiator};
use aoe_lab::topology::{Gateways, World, WorldPlan};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Mix, Order, Workload};

use crate::cli::{Options, TargetKind};
use crate::report::Report;
use crate::show::Show;

use stranger::Stranger;
use targets::RunningTarget;

/// The export for reading and writing: its target, and the address site A sees.
pub(crate) const WRITABLE: (Address, Address) =
    (Address { shelf: 7, slot: 3 }, Address { shelf: 107, slot: 3 });
/// The export for reading only.
pub(crate) const READ_ONLY: (Address, Address) =
    (Address { shelf: 7, slot: 4 }, Address { shelf: 107, slot: 4 });

/// Sectors of each disk: 32 MiB.
const SECTORS: usize = 64 * 1024;
/// How long a refusal may take to count as "at once".
const AT_ONCE: Duration = Duration::from_millis(250);

/// How long anything may take on a good path.
const PATIENCE: Duration = aoe_lab::topology::PATIENCE;
/// How long it may on a bad one: until the timers of a new device have come down, a lost frame costs an initiator 16
/// seconds, if nobody else brings it again.
const MUCH_PATIENCE: Duration = Duration::from_secs(150);

/// How much of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thoroughness {
    /// All of it.
    Everything,
    /// Discovery and the workloads.
    Runs,
}

/// A world with its parts.
pub(crate) struct Scene {
    world: World,
    kind: TargetKind,
    patience: Duration,
    dir: PathBuf,
    /// Ends the gateways before the targets.
    gateways: Option<Gateways>,
    targets: Vec<RunningTarget>,
}

impl Scene {
    /// Builds everything that does not run yet.
    pub(crate) fn build(binaries: &Binaries, dir: &Path, plan: WorldPlan, options: &Options) -> Result<Self> {
        let mut world = World::build(dir, binaries, plan)?;
        if let (Some(relay), Some(impairment)) = (&world.ground.relay, options.impair) {
            relay.impair(impairment);
        }
        world.share("backup", WRITABLE.0, Access::ReadWrite, WRITABLE.1);
        world.share("archive", READ_ONLY.0, Access::ReadOnly, READ_ONLY.1);
        for site in [&world.site_a, &world.site_b] {
            site.write()?;
            let checked = site.check()?;
            let said = String::from_utf8_lossy(&checked.stderr);
            ensure!(
                checked.status.success(),
                "aoe-gateway check of {}:\n{said}",
                site.name()
            );
        }
        Ok(Scene {
            world,
            kind: options.target,
            patience: if options.impair.is_some() {
                MUCH_PATIENCE
            } else {
                PATIENCE
            },
            dir: dir.to_owned(),
            gateways: None,
            targets: Vec::new(),
        })
    }

    /// Starts target and gateways and waits until the imports can be used.
    pub(crate) fn start(mut self, report: &mut Report) -> Option<Self> {
        report.check(
            "target",
            || {
                self.targets = RunningTarget::start(&self.world, self.kind, &self.dir)?;
                Ok(())
            },
            |()| match self.kind {
                TargetKind::Embedded => "two disks of 32 MiB in memory".to_owned(),
                TargetKind::Vblade => "two vblades with files of 32 MiB".to_owned(),
            },
        )?;
        let started = Instant::now();
        self.gateways = Some(report.check(
            "gateways",
            || {
                let mut gateways = self.world.start()?;
                gateways.wait_for_import_within(WRITABLE.1, self.patience)?;
                gateways.wait_for_import_within(READ_ONLY.1, self.patience)?;
                Ok(gateways)
            },
            |_| {
                format!(
                    "a session, and both imports up, {} ms after their start",
                    started.elapsed().as_millis()
                )
            },
        )?);
        Some(self)
    }

    /// The world.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Shows what there is to see, and ends the world.
    pub(crate) fn play(mut self, report: &mut Report, show: &Show, thoroughness: Thoroughness) {
        let Some(mut initiator) = self.discover(report) else {
            return;
        };
        let stranger = match thoroughness {
            Thoroughness::Everything => Stranger::let_in(&self.world, report),
            Thoroughness::Runs => None,
        };
        if thoroughness == Thoroughness::Everything {
            secrecy::listen_in(&self.world, report, &mut initiator, self.patience);
        }
        self.measure(report, show, &mut initiator);
        if thoroughness == Thoroughness::Everything {
            refuse_write(report, &mut initiator, self.patience);
        }
        if let Some(stranger) = stranger {
            stranger.judge(report);
        }
        if let (Some(relay), Some(gateways)) = (&self.world.ground.relay, &mut self.gateways) {
            path::tell(relay, gateways, report);
        }
        let gateways = self.gateways.as_mut();
        report.check(
            "end",
            || gateways.map_or(Ok(()), Gateways::stop),
            |()| "both gateways ended clean on SIGTERM".to_owned(),
        );
    }

    fn discover(&self, report: &mut Report) -> Option<Initiator> {
        let plan = self.world.ground.plan;
        let expected_sectors = sectors_per_frame(plan.segment_mtu);
        let found = report.check(
            "discovery",
            || {
                let mut initiator = self.world.initiator()?;
                let gateway = self.world.ground.gwa.facts(aoe_lab::topology::SEGMENT)?.mac;
                let found = find_both(&mut initiator, gateway, self.patience)?;
                ensure!(
                    found.sectors == expected_sectors,
                    "{} sectors a frame instead of {expected_sectors}",
                    found.sectors
                );
                let facts = initiator.disk(WRITABLE.1, self.patience)?.facts();
                ensure!(
                    facts.sectors == SECTORS as u64,
                    "IDENTIFY says {} sectors",
                    facts.sectors
                );
                Ok((initiator, found))
            },
            |(_, found)| {
                format!(
                    "{} and {} at {}, the gateway's address; {} buffers, {} sectors a frame",
                    WRITABLE.1, READ_ONLY.1, found.mac, found.buffer_count, found.sectors
                )
            },
        );
        found.map(|(initiator, _)| initiator)
    }

    /// Writes, reads everything back, and reads at random.
    fn measure(&self, report: &mut Report, show: &Show, initiator: &mut Initiator) {
        let plan = self.world.ground.plan;
        let mtus = (plan.segment_mtu, plan.underlay_mtu);
        // The first sectors hold the marker. On a bad path nobody wants to wait for all others.
        let all = if self.world.ground.relay.is_some() {
            SECTORS / 16
        } else {
            SECTORS
        };
        let mut ledger = Ledger::new(secrecy::MARKED as u64, all - secrecy::MARKED, 0x5eed, Fresh::Zero);
        let blocks = Workload {
            block_sectors: 128,
            depth: 4,
            patience: self.patience,
            ..Workload::default()
        };
        let random = Workload {
            order: Order::Random,
            block_sectors: 8,
            ..blocks.clone()
        };
        let runs = [
            (
                "sequential write, 4 x 64 KiB",
                Workload {
                    mix: Mix::Write,
                    ..blocks.clone()
                },
            ),
            (
                "read back, all verified",
                Workload {
                    patience: self.patience,
                    ..Workload::read_back(&ledger, 128, 4)
                },
            ),
            (
                "random 4 KiB reads, 32 at a time",
                Workload {
                    depth: 32,
                    ..random.clone()
                },
            ),
            (
                "random 4 KiB reads, 1 at a time",
                Workload {
                    depth: 1,
                    limit: Limit::Time(AT_ONCE * 2),
                    ..random
                },
            ),
        ];
        let mut table = table::Table::new(show);
        for (name, workload) in runs {
            table.begin(name);
            match workload
                .run(initiator, WRITABLE.1, &mut ledger)
                .and_then(demand_clean)
            {
                Ok(figures) => {
                    table.row(name, &figures);
                    report.add_run(mtus, name, &figures);
                }
                Err(error) => table.fail(report, name, error),
            }
        }
        table.end(report);
    }
}

/// Broadcasts until both imports have answered and nobody else; returns what the first said.
fn find_both(initiator: &mut Initiator, gateway: MacAddr, patience: Duration) -> Result<Found> {
    let until = Instant::now() + patience;
    loop {
        let found = initiator.discover(Duration::from_millis(200));
        for other in &found {
            ensure!(
                [WRITABLE.1, READ_ONLY.1].contains(&other.address),
                "{} answers too, and nobody imported it",
                other.address
            );
            ensure!(
                other.mac == gateway,
                "{} is answered by {}, not by the gateway",
                other.address,
                other.mac
            );
        }
        let of = |address| found.iter().find(|found| found.address == address);
        match (of(WRITABLE.1), of(READ_ONLY.1)) {
            (Some(found), Some(_)) => return Ok(found.clone()),
            (one, other) if Instant::now() >= until => {
                let missing = if one.is_none() { WRITABLE.1 } else { READ_ONLY.1 };
                bail!(
                    "{missing} does not answer (and {} others do)",
                    one.iter().chain(&other).count()
                );
            }
            _ => {}
        }
    }
}

fn refuse_write(report: &mut Report, initiator: &mut Initiator, patience: Duration) {
    report.check(
        "read-only export",
        || {
            let mut disk = initiator.disk(READ_ONLY.1, patience)?;
            disk.read(0, 8).context("reading")?;
            let asked = Instant::now();
            let outcome = disk.write(0, &[0xbd; SECTOR_LEN]);
            let took = asked.elapsed();
            let refused = DiskError::Status {
                status: 0x41,
                error: 0x04,
            };
            ensure!(
                outcome == Err(refused),
                "a write was not refused as it should be: {outcome:?}"
            );
            ensure!(took < AT_ONCE, "the refusal took {took:?}");
            ensure!(disk.read(0, 1)? == [0; SECTOR_LEN], "the refused write arrived");
            Ok(took)
        },
        |took| {
            format!(
                "{} is read; a write is refused after {:.2} ms (status 0x41, command aborted)",
                READ_ONLY.1,
                took.as_secs_f64() * 1e3
            )
        },
    );
}

fn demand_clean(figures: Figures) -> Result<Figures> {
    if figures.is_clean() {
        return Ok(figures);
    }
    let mut faults: Vec<String> = figures
        .errors
        .iter()
        .map(|(error, count)| format!("{count} requests: {error}"))
        .collect();
    if figures.unanswered > 0 {
        faults.push(format!("{} requests unanswered", figures.unanswered));
    }
    if figures.bad_sectors > 0 {
        faults.push(format!("{} wrong sectors", figures.bad_sectors));
        faults.extend(figures.complaints.iter().map(ToString::to_string));
    }
    bail!("{}", faults.join("\n"))
}
