//! Every byte through the pair, to a real vblade and back, over NIC and TAP, small and jumbo frames on both ways.
//!
//! What initiators write has to be in vblade's file, and what they read has to be what was written: the ledger keeps
//! count of every version of every sector. On a path that loses nothing, no gateway may lose a frame, and no initiator
//! have to repeat one.

#![forbid(unsafe_code)]

use anyhow::{Result, bail, ensure};
use aoe_common::frame::Address;
use aoe_lab::initiator::Initiator;
use aoe_lab::topology::{Attach, PATIENCE, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger, Limit, Mix, Order, Workload};
use e2e::stage::{Counted, Opened, Stage, play};

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
        without_copies(&workload, &mut initiator, &mut ledger)?;
    }
    without_copies(&Workload::read_back(&ledger, 64, 16), &mut initiator, &mut ledger)?;
    in_the_file(&ledger, vblade.image())?;

    let (a, b) = (Counted::ask(&mut gateways.a)?, Counted::ask(&mut gateways.b)?);
    println!("site A: {a:?}\nsite B: {b:?}");
    let lost = [unexplained(&a, &b), unexplained(&b, &a)].concat();
    ensure!(lost.is_empty(), "{lost:?}");
    let sent = initiator.driver().counters().frames_sent;
    let counts = [
        a.of("requests_to_wire"),
        b.of("requests_to_target"),
        b.of("replies_to_wire"),
        a.of("replies_to_initiator"),
    ];
    ensure!(
        counts.iter().all(|count| *count == sent),
        "{sent} frames sent, but {counts:?}"
    );
    gateways.stop()
}

/// What a gateway dropped, but for what is nobody's loss: the kernel asks for IPv6 routers on every TAP device, both
/// sides may call each other at once, and on a busy machine an answer may come after its request, or the last record, was
/// sent again.
fn unexplained(own: &Counted, other: &Counted) -> Vec<(&'static str, u64)> {
    let is_harmless = |(reason, count): &(&str, u64)| match *reason {
        "frame_not_aoe" => true,
        "response_unmatched" | "response_repeated" => *count <= own.of("requests_repeated"),
        "record_replayed" => *count <= other.of("tail_probes") + other.of("records_resent"),
        reason => reason.starts_with("handshake_"),
    };
    own.drops()
        .into_iter()
        .filter(|drop| !is_harmless(drop))
        .collect()
}

/// Runs a workload, which has to succeed without the initiator repeating a frame.
///
/// Its timer repeats what takes a little longer than usual, as the Linux driver's does, also when only the machine
/// was busy. So it gets three tries; that nothing at all was lost is in the counters afterwards.
fn without_copies(workload: &Workload, initiator: &mut Initiator, ledger: &mut Ledger) -> Result<()> {
    for _ in 0..3 {
        let figures = workload.run(initiator, IMPORT, ledger)?;
        println!(
            "{:?} {:?}, {} sectors, depth {}: {:.1} MB/s, {figures:?}",
            workload.order,
            workload.mix,
            workload.block_sectors,
            workload.depth,
            figures.megabytes_per_second(),
        );
        ensure!(figures.is_clean() && figures.requests > 0, "{figures:?}");
        if figures.retransmits == 0 {
            return Ok(());
        }
    }
    bail!("the initiator repeats frames on a path that loses nothing");
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
