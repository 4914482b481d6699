//! An initiator for one's own attempts.

use std::time::Duration;

use anyhow::Result;
use aoe_common::frame::Address;
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::workload::{Fresh, Ledger, Limit, Order, Workload};

use crate::show::print;

/// Looks for targets on a device of this network namespace; reads from one if asked to. Writes nothing.
pub(crate) fn run(device: &str, address: Option<Address>) -> Result<()> {
    let mut initiator = Initiator::open(&Namespace::current()?, device, Duration::ZERO)?;
    let Some(address) = address else {
        let mut found = initiator.discover(Duration::from_millis(500));
        found.sort_by_key(|found| found.address);
        for found in &found {
            print(&format!(
                "{:<10} at {}  {} buffers, {} sectors a frame, config string {:?}",
                found.address.to_string(),
                found.mac,
                found.buffer_count,
                found.sectors,
                String::from_utf8_lossy(&found.string)
            ));
        }
        print(&format!("{} answers to a broadcast on {device}", found.len()));
        return Ok(());
    };
    let facts = initiator.disk(address, Duration::from_secs(5))?.facts();
    print(&format!(
        "{address}: {} sectors ({} MB), model {:?}, serial {:?}",
        facts.sectors,
        facts.sectors * 512 / 1_000_000,
        facts.model,
        facts.serial
    ));
    let sectors = usize::try_from(facts.sectors.min(1 << 20))?;
    let mut ledger = Ledger::new(0, sectors, 0, Fresh::Unknown);
    let limit = Limit::Time(Duration::from_secs(1));
    for (name, workload) in [
        (
            "sequential reads of 64 KiB, 4 at a time",
            Workload {
                block_sectors: 128,
                limit,
                ..Workload::default()
            },
        ),
        (
            "random reads of 4 KiB, 1 at a time",
            Workload {
                order: Order::Random,
                block_sectors: 8,
                depth: 1,
                ..Workload::default()
            },
        ),
    ] {
        let figures = workload.run(&mut initiator, address, &mut ledger)?;
        print(&format!(
            "{name}: {:.1} MB/s, {:.0} IOPS, p50 {} us, p99 {} us, {} failed, {} frames sent again",
            figures.megabytes_per_second(),
            figures.iops(),
            figures.latency(50.0).as_micros(),
            figures.latency(99.0).as_micros(),
            figures.failed() + figures.unanswered,
            figures.retransmits
        ));
    }
    Ok(())
}
