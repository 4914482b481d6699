//! The target's disks: in memory, and full of known data.

use anyhow::Result;
use aoe_common::frame::MacAddr;
use aoe_lab::target::{Backing, Blade, BladeSettings, Target};
use aoe_lab::workload::Ledger;

use crate::peers::{TARGET, nth};
use crate::plan::SECTORS;

/// Sectors composed at a time when the disk is filled.
const CHUNK: u32 = 128;

/// A target with a disk in memory for each ledger, that holds what it says.
pub(crate) fn full_target(buffer_count: u16, ledgers: &mut [Ledger]) -> Result<Target> {
    let mut target = Target::new(MacAddr::ZERO, 0);
    let mut data = Vec::new();
    for (disk, ledger) in (0..).zip(ledgers) {
        let mut backing = Backing::ram(SECTORS);
        for lba in (0..ledger.sectors()).step_by(CHUNK as usize) {
            ledger.compose(lba, CHUNK, &mut data);
            backing.write(lba, &data)?;
            ledger.written(lba, CHUNK);
        }
        let settings = BladeSettings {
            buffer_count,
            serial: format!("AOE-BENCH-{disk}"),
            ..BladeSettings::default()
        };
        target.add(Blade::new(nth(TARGET, disk), backing, settings));
    }
    Ok(target)
}
