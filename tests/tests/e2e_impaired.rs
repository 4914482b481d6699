//! Bad paths between the gateways, as bad as they come: what initiators wrote is there and what they read is right,
//! no request fails, and the gateways mend what the path loses before an initiator has to.
//!
//! The relay draws from a seed of its own which datagrams fare badly.

#![forbid(unsafe_code)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_lab::initiator::Initiator;
use aoe_lab::relay::Side;
use aoe_lab::topology::{Between, WorldPlan};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Workload};
use e2e::load;
use e2e::stage::{Stage, play};
use e2e::trial::{IMPORT, PATIENCE, Trial};

/// Sectors used: 512 KiB, so that everything is written more than once.
const SECTORS: usize = 1024;
/// Bytes moved on every path.
const BYTES: u64 = 1 << 20;
/// Round trips that the initiator has made before, so that it repeats frames as a device in use does.
const SETTLED: u32 = 3000;

/// What is done to the datagrams of both directions, besides their delay.
const PATHS: [&str; 9] = [
    "",
    "loss=0.1%",
    "loss=1%",
    "loss=5%",
    "burst=0.3%,burst-len=6",
    "reorder=2%,reorder-by=3ms",
    "duplicate=5%",
    "jitter=4ms",
    "loss=1%,burst=0.1%,reorder=1%,reorder-by=2ms,duplicate=1%,jitter=2ms",
];

#[test]
fn ten_milliseconds_of_round_trip() {
    play(|stage| bad_paths(stage, Duration::from_millis(10), 1500));
}

#[test]
fn fifty_milliseconds_of_round_trip() {
    play(|stage| bad_paths(stage, Duration::from_millis(50), 1500));
}

#[test]
fn jumbo_frames_in_many_pieces() {
    play(|stage| bad_paths(stage, Duration::from_millis(10), 9000));
}

fn bad_paths(stage: &Stage, round_trip: Duration, segment_mtu: u32) -> Result<()> {
    let plan = WorldPlan {
        between: Between::Relay,
        segment_mtu,
        ..WorldPlan::default()
    };
    let mut trial = Trial::start(stage, plan, |_| {})?;
    let delay = format!("delay={}us", round_trip.as_micros() / 2);
    trial.relay()?.impair(delay.parse()?);
    let mut initiator = trial.world.initiator()?;
    initiator.disk(IMPORT, PATIENCE)?;
    initiator.settle(IMPORT, round_trip, SETTLED);
    let mut ledger = Ledger::new(0, SECTORS, 3, Fresh::Zero);
    let mut resent = 0;
    for (number, path) in (0..).zip(PATHS) {
        trial.relay()?.impair(format!("{delay},{path}").parse()?);
        let lost_before = lost(&trial)?;
        let figures = work(&mut initiator, &mut ledger, number)?;
        resent += figures.retransmits;
        trial.say(format_args!(
            "{path:?}: {} datagrams lost; {} of {} frames sent again, {:.2} MB/s, p99 {:?}",
            lost(&trial)? - lost_before,
            figures.retransmits,
            figures.frames,
            figures.megabytes_per_second(),
            figures.latency(99.0),
        ));
    }
    trial.relay()?.impair(delay.parse()?);
    mended(&mut trial, resent)?;
    trial.verify(&mut initiator, &mut ledger)?;
    trial.both_run()?;
    trial.gateways.stop()
}

/// Demands that the gateways have mended most of what was lost, so that the initiator had to send little again. (Some of
/// what is lost nobody needs: reports, probes, copies. And a copy of a slow request on a busy machine is no loss.)
fn mended(trial: &mut Trial, resent: u64) -> Result<()> {
    let lost = lost(trial)?;
    let mended = trial.counted(Side::A)?.of("records_resent") + trial.counted(Side::B)?.of("records_resent");
    trial.say(format_args!(
        "{lost} datagrams lost in all, {mended} records sent again by gateways, {resent} frames by the initiator"
    ));
    ensure!(lost > 20, "the path lost only {lost} datagrams");
    ensure!(mended * 2 > lost, "{mended} of {lost} mended");
    ensure!(
        resent * 3 < lost,
        "the initiator sent {resent} frames again, for {lost} lost"
    );
    Ok(())
}

/// Reads and writes at random; every request has to end well.
fn work(initiator: &mut Initiator, ledger: &mut Ledger, seed: u64) -> Result<Figures> {
    let workload = Workload {
        depth: 8,
        limit: Limit::Bytes(BYTES),
        seed,
        ..load::mixed()
    };
    let figures = workload.run(initiator, IMPORT, ledger)?;
    ensure!(figures.is_clean() && figures.requests > 0, "{figures:?}");
    Ok(figures)
}

/// Datagrams that the path has swallowed so far, both ways.
fn lost(trial: &Trial) -> Result<u64> {
    let relay = trial.world.ground.relay.as_ref().context("there is a relay")?;
    Ok(relay.counters(Side::A).lost + relay.counters(Side::B).lost)
}
