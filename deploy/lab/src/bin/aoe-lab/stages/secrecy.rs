//! What somebody between the sites sees.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::SECTOR_LEN;
use aoe_lab::initiator::Initiator;
use aoe_lab::sniffer::{Seen, Sniffer};
use aoe_lab::topology::{SEGMENT, World};

use crate::report::Report;

use super::WRITABLE;

/// What the sniffer looks for.
const MARKER: &[u8] = b"KNOWN-PLAINTEXT-OF-THE-LAB";
/// Sectors written with the marker, the first of the disk.
pub(super) const MARKED: usize = 512;

/// Writes and reads a known text and looks for it between the sites.
pub(super) fn listen_in(world: &World, report: &mut Report, initiator: &mut Initiator, patience: Duration) {
    let seen = report.check(
        "sniffer",
        || {
            let underlay = Sniffer::start(&world.ground.wan, "a", MARKER)?;
            // A marker found nowhere proves nothing, so the same search runs where it has to be found.
            let segment = Sniffer::start(&world.ground.gwb, SEGMENT, MARKER)?;
            exchange_marker(initiator, patience)?;
            let (seen, control) = (underlay.seen(), segment.seen());
            judge_sniffers(&seen, &control)?;
            Ok((seen, control))
        },
        |(seen, control)| {
            format!(
                "between the sites {} packets ({} kB), none with the known text, none AoE; on site B's own segment the \
                 text was in {} of {}",
                seen.packets,
                seen.bytes / 1000,
                control.with_marker,
                control.packets
            )
        },
    );
    if let Some((seen, _)) = seen {
        report.add_sniffer(&seen);
    }
}

fn exchange_marker(initiator: &mut Initiator, patience: Duration) -> Result<()> {
    let data: Vec<u8> = MARKER.iter().copied().cycle().take(MARKED * SECTOR_LEN).collect();
    let mut disk = initiator.disk(WRITABLE.1, patience)?;
    disk.write(0, &data).context("writing the known text")?;
    let sectors = u32::try_from(MARKED)?;
    ensure!(
        disk.read(0, sectors).context("reading it back")? == data,
        "other bytes came back than were written"
    );
    Ok(())
}

fn judge_sniffers(seen: &Seen, control: &Seen) -> Result<()> {
    ensure!(seen.packets > 0, "the sniffer saw no packet at all");
    ensure!(
        seen.with_marker == 0,
        "PLAINTEXT: {} of {} packets held the known text",
        seen.with_marker,
        seen.packets
    );
    ensure!(
        seen.aoe_frames == 0,
        "{} AoE frames were on the way between the sites",
        seen.aoe_frames
    );
    ensure!(
        seen.missed == 0,
        "{} packets passed without being looked at",
        seen.missed
    );
    ensure!(
        control.with_marker > 0,
        "the search is broken: not even the target's segment showed the known text"
    );
    Ok(())
}
