//! Every byte through the pair, to a real vblade and back, over NIC and TAP, small and jumbo frames on both ways.
//!
//! What initiators write has to be in vblade's file, and what they read has to be what was written: the ledger keeps
//! count of every version of every sector. On a path that loses nothing, no initiator may have to repeat a frame.

#![forbid(unsafe_code)]

use anyhow::{Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::initiator::Initiator;
use aoe_lab::topology::{Attach, PATIENCE, WorldPlan};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Mix, Order, Workload};
use e2e::stage::{Opened, Stage, play};

const TARGET: Address = Address { shelf: 7, slot: 3 };
const IMPORT: Address = Address { shelf: 107, slot: 3 };
const SECTORS: usize = 4096;

#[test]
fn small_segments_over_a_small_path_by_nic() {
    play(|stage| round_trip(stage, Attach::Nic, 1500, 1500));
}

#[test]
fn small_segments_over_a_small_path_by_tap() {
    play(|stage| round_trip(stage, Attach::Tap, 1500, 1500));
}

#[test]
fn small_segments_over_a_jumbo_path_by_nic() {
    play(|stage| round_trip(stage, Attach::Nic, 1500, 9000));
}

#[test]
fn small_segments_over_a_jumbo_path_by_tap() {
    play(|stage| round_trip(stage, Attach::Tap, 1500, 9000));
}

#[test]
fn jumbo_segments_over_a_small_path_by_nic() {
    play(|stage| round_trip(stage, Attach::Nic, 9000, 1500));
}

#[test]
fn jumbo_segments_over_a_small_path_by_tap() {
    play(|stage| round_trip(stage, Attach::Tap, 9000, 1500));
}

#[test]
fn jumbo_segments_over_a_jumbo_path_by_nic() {
    play(|stage| round_trip(stage, Attach::Nic, 9000, 9000));
}

#[test]
fn jumbo_segments_over_a_jumbo_path_by_tap() {
    play(|stage| round_trip(stage, Attach::Tap, 9000, 9000));
}

fn round_trip(stage: &Stage, attach: Attach, segment_mtu: u32, underlay_mtu: u32) -> Result<()> {
    let mut world = stage.world(WorldPlan {
        segment_mtu,
        underlay_mtu,
        attach_a: attach,
        attach_b: attach,
        ..WorldPlan::default()
    })?;
    world.site_a.peer("site-b")?.path_mtu = Some(underlay_mtu);
    world.site_b.peer("site-a")?.path_mtu = Some(underlay_mtu);
    world.share("disk", TARGET, aoe_lab::gateway::Access::ReadWrite, IMPORT);
    let Opened {
        mut gateways,
        vblade,
        world,
    } = stage.raise(world, TARGET, IMPORT, SECTORS as u64)?;
    let mut initiator = world.initiator()?;
    let facts = initiator.disk(IMPORT, PATIENCE)?.facts();
    println!("{IMPORT}: {facts:?}");
    ensure!(
        facts.sectors == SECTORS as u64,
        "the disk has {} sectors",
        facts.sectors
    );
    let sectors = initiator.driver().sectors_per_frame(IMPORT);
    let expected = aoe_lab::frames::sectors_per_frame(segment_mtu);
    ensure!(
        sectors == Some(expected),
        "{sectors:?} sectors a frame instead of {expected}"
    );

    let mut ledger = Ledger::new(0, SECTORS, u64::from(segment_mtu + underlay_mtu), Fresh::Zero);
    let mut retransmits = 0;
    for (order, mix, block_sectors, depth, bytes) in [
        (Order::Sequential, Mix::Write, 64, 16, SECTORS * 512),
        (Order::Random, Mix::Write, 1, 1, 40 << 9),
        (Order::Sequential, Mix::Read, 8, 1, 200 << 9),
        (Order::Random, Mix::ReadPercent(50), 8, 16, 1 << 20),
        (Order::Random, Mix::ReadPercent(50), 17, 64, 4 << 20),
    ] {
        let workload = Workload {
            order,
            mix,
            block_sectors,
            depth,
            limit: Limit::Bytes(bytes as u64),
            patience: PATIENCE,
            ..Workload::default()
        };
        retransmits += clean(&workload, &mut initiator, &mut ledger)?;
    }
    retransmits += clean(&Workload::read_back(&ledger, 64, 16), &mut initiator, &mut ledger)?;
    println!(
        "copies the initiator sent: {retransmits}, of {:?}",
        initiator.driver().counters()
    );
    ensure!(
        retransmits == 0,
        "the initiator repeated {retransmits} frames on a path that loses nothing"
    );

    in_the_file(&ledger, vblade.image())?;
    gateways.stop()
}

/// Runs a workload; returns how many frames the initiator repeated.
fn clean(workload: &Workload, initiator: &mut Initiator, ledger: &mut Ledger) -> Result<u64> {
    let figures = workload.run(initiator, IMPORT, ledger)?;
    println!(
        "{:?} {:?}, {} sectors, depth {}: {} requests, {:.1} MB/s, p99 {:?}",
        workload.order,
        workload.mix,
        workload.block_sectors,
        workload.depth,
        figures.requests,
        figures.megabytes_per_second(),
        figures.latency(99.0)
    );
    verdict(&figures)?;
    Ok(figures.retransmits)
}

fn verdict(figures: &Figures) -> Result<()> {
    ensure!(figures.is_clean() && figures.requests > 0, "{figures:?}");
    Ok(())
}

/// Compares vblade's own file with what was written, past all gateways.
fn in_the_file(ledger: &Ledger, image: &std::path::Path) -> Result<()> {
    let bytes = std::fs::read(image)?;
    ensure!(
        bytes.len() == SECTORS * 512,
        "the image has {} bytes",
        bytes.len()
    );
    let mut ledger = ledger.clone();
    let mut complaints = Vec::new();
    ledger.check(0, &bytes, |complaint| complaints.push(complaint.to_string()));
    ensure!(complaints.is_empty(), "in vblade's file: {complaints:#?}");
    Ok(())
}
