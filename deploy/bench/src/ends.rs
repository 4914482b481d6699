//! Only one end, for two real hosts with whatever between them.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use aoe_common::frame::{Address, MacAddr, SECTOR_LEN};
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::target::server::TargetServer;
use aoe_lab::target::{Backing, Blade, BladeSettings, Target};
use aoe_lab::terminal::print;
use aoe_lab::topology::PATIENCE;
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Mix, Workload};
use clap::Args;
use nix::sys::signal::{SigSet, Signal};

use crate::plan::{Load, SPEED};

/// Serial number of the disks of [`target`]: nobody keeps anything there.
const SCRATCH_SERIAL: &str = "AOE-BENCH";
/// Bytes of a disk that are used at most.
const USED: u64 = 256 << 20;

/// What the target is to be.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetOptions {
    /// The network device
    #[arg(long, value_name = "NAME")]
    device: String,
    /// Its address
    #[arg(long, value_name = "eS.L")]
    address: Address,
    /// Size of the disk, in memory, with K, M or G
    #[arg(long, default_value = "64M", value_parser = size)]
    size: u64,
    /// Frames it says it can queue
    #[arg(long, default_value_t = 128, value_name = "N")]
    buffers: u16,
}

/// What the initiator is to do.
#[derive(Args, Clone, Debug)]
pub(crate) struct InitiatorOptions {
    /// The network device
    #[arg(long, value_name = "NAME")]
    device: String,
    /// The target
    #[arg(long, value_name = "eS.L")]
    target: Address,
    /// Only these workloads
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,..")]
    workload: Vec<Load>,
    /// Seconds each takes
    #[arg(long, default_value_t = 2.0)]
    time: f64,
    /// Overwrite the first 256 MiB of a disk that is none of `aoe-bench target`. ALL DATA THERE IS LOST
    #[arg(long)]
    overwrite: bool,
}

/// Serves a disk in memory until a signal ends it.
///
/// # Errors
/// When the device cannot be opened.
pub(crate) fn target(options: &TargetOptions) -> Result<()> {
    let mut target = Target::new(MacAddr::ZERO, 0);
    let settings = BladeSettings {
        buffer_count: options.buffers,
        serial: SCRATCH_SERIAL.to_owned(),
        ..BladeSettings::default()
    };
    let sectors = usize::try_from(options.size / SECTOR_LEN as u64)?;
    target.add(Blade::new(options.address, Backing::ram(sectors), settings));
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect();
    signals.thread_block()?;
    let server = TargetServer::start(&Namespace::current()?, &options.device, target)?;
    print(&format!(
        "{} on {}: {} sectors in memory; Ctrl-C ends it\n",
        options.address, options.device, sectors
    ));
    signals.wait()?;
    let seen = server.lock().counters();
    print(&format!(
        "{} requests, {} sectors read, {} written, {} beyond the buffers\n",
        seen.requests, seen.sectors_read, seen.sectors_written, seen.overflows
    ));
    Ok(())
}

/// Runs workloads against a target.
///
/// # Errors
/// When it does not answer, a request fails, or a sector is wrong.
pub(crate) fn initiator(options: &InitiatorOptions) -> Result<()> {
    let here = Namespace::current()?;
    let mtu = here.facts(&options.device)?.mtu;
    let mut initiator = Initiator::open(&here, &options.device, Duration::ZERO)?;
    let facts = initiator.disk(options.target, PATIENCE)?.facts();
    let may_write = options.overwrite || facts.serial == SCRATCH_SERIAL;
    let sectors = usize::try_from(facts.sectors.min(USED / SECTOR_LEN as u64))?;
    print(&format!(
        "{}: {} sectors, model {:?}, serial {:?}\n",
        options.target, facts.sectors, facts.model, facts.serial
    ));
    let mut ledger = Ledger::new(0, sectors, u64::from(std::process::id()), Fresh::Unknown);
    let mut run = |name: &str, workload: Workload| -> Result<()> {
        let figures = workload.run(&mut initiator, options.target, &mut ledger)?;
        report(name, &figures)
    };
    if may_write {
        let fill = Workload {
            mix: Mix::Write,
            depth: 16,
            block_sectors: Load::SeqWrite16.workload(mtu).block_sectors,
            limit: Limit::Bytes((sectors * SECTOR_LEN) as u64),
            ..Workload::default()
        };
        run("fill", fill)?;
    } else {
        print("  reads only, and of unknown data, so NOT VERIFIED: --overwrite would write to the disk\n");
    }
    let wanted = |load: &Load| match options.workload.is_empty() {
        true => SPEED.contains(load),
        false => options.workload.contains(load),
    };
    for load in <Load as clap::ValueEnum>::value_variants()
        .iter()
        .filter(|load| wanted(load))
    {
        let workload = Workload {
            limit: Limit::Time(Duration::try_from_secs_f64(options.time)?),
            ..load.workload(mtu)
        };
        if workload.mix == Mix::Read || may_write {
            run(&load.name(), workload)?;
        }
    }
    Ok(())
}

fn report(name: &str, figures: &Figures) -> Result<()> {
    print(&format!(
        "  {name:<14} {:>8.1} MB/s {:>9.0} IOPS   p50 {:>7} us   p99 {:>7} us   {} frames sent again\n",
        figures.megabytes_per_second(),
        figures.iops(),
        figures.latency(50.0).as_micros(),
        figures.latency(99.0).as_micros(),
        figures.retransmits
    ));
    if let Some(complaint) = figures.complaints.first() {
        bail!("{} wrong sectors; {complaint}", figures.bad_sectors);
    }
    ensure!(
        figures.is_clean(),
        "{} requests failed, {} unanswered",
        figures.failed(),
        figures.unanswered
    );
    Ok(())
}

fn size(text: &str) -> Result<u64, String> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
    let unit = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    let bytes = digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes >= 1 << 20)
        .ok_or("write a size of at least 1M, such as 64M or 1G".to_owned())
}
