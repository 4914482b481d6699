//! A gateway that is stopped for seconds, with a write in its socket, while the same sectors are written by another way.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_common::frame::{MacAddr, SECTOR_LEN};
use aoe_lab::relay::Side;
use aoe_lab::topology::{Attach, PATIENCE, SEGMENT, WorldPlan};
use e2e::stage::{eventually, play};
use e2e::station::{Request, Station, ata};
use e2e::trial::{IMPORT, TARGET, Trial};
use nix::sys::signal::Signal;

const STOPPED: Duration = Duration::from_secs(8);
const REPEATED: Duration = Duration::from_millis(500);

#[test]
fn an_edge_that_was_stopped_sends_no_old_write() {
    play(|stage| old_write(Trial::start(stage, WorldPlan::default(), |_| {})?, Side::A));
}

#[test]
fn an_edge_on_a_tap_device_that_was_stopped_sends_no_old_write() {
    let plan = WorldPlan {
        attach_a: Attach::Tap,
        ..WorldPlan::default()
    };
    play(|stage| old_write(Trial::start(stage, plan, |_| {})?, Side::A));
}

#[test]
fn an_exit_that_was_stopped_sends_no_old_write() {
    play(|stage| old_write(Trial::start(stage, WorldPlan::default(), |_| {})?, Side::B));
}

/// A way to a disk: a host, and the station that it asks.
struct Way {
    host: Station,
    asks: MacAddr,
    address: aoe_common::frame::Address,
}

impl Way {
    fn new(mut host: Station, address: aoe_common::frame::Address) -> Result<Self> {
        let asks = host.ask(&Request::config(address, 0, b""))?.source();
        Ok(Way { host, asks, address })
    }

    fn write(&self, byte: u8) -> Request {
        Request::ata(self.asks, self.address, ata::WRITE_EXT, 5, 1, &[byte; SECTOR_LEN])
    }

    /// One that waited for a stopped gateway is too old as well, so it is repeated, as initiators do.
    fn read(&mut self) -> Result<u8> {
        let request = Request::ata(self.asks, self.address, ata::READ_EXT, 5, 1, &[]);
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let tag = self.host.send(&request)?;
            let again = Instant::now() + REPEATED;
            while Instant::now() < again {
                for answer in self.host.hear(again.saturating_duration_since(Instant::now())) {
                    if answer.is_response() && answer.tag() == tag {
                        ensure!(answer.ata_status() == 0x40, "{answer:?}");
                        return answer.from(36).first().copied().context("no data");
                    }
                }
            }
        }
        anyhow::bail!("no answer to any read within {PATIENCE:?}")
    }
}

fn old_write(mut trial: Trial, side: Side) -> Result<()> {
    let device = trial.world.initiator_device();
    let mut by_gateways = Way::new(Station::open(&trial.world.ground.ini, device)?, IMPORT)?;
    let mut by_switch = Way::new(Station::open(&trial.world.ground.gwb, SEGMENT)?, TARGET)?;
    let answer = by_gateways.host.ask(&by_gateways.write(1))?;
    ensure!(answer.ata_status() == 0x40, "{answer:?}");

    trial.gateway(side).process().signal(Signal::SIGSTOP)?;
    let id = trial.gateway(side).process().id();
    eventually("it has stopped", PATIENCE, || is_stopped(id))?;
    let stopped = Instant::now();
    by_gateways.host.send(&by_gateways.write(2))?;
    let answer = by_switch.host.ask(&by_switch.write(3))?;
    ensure!(answer.ata_status() == 0x40, "{answer:?}");
    thread::sleep(STOPPED.saturating_sub(stopped.elapsed()));
    trial.gateway(side).process().signal(Signal::SIGCONT)?;

    // What comes later is answered, so the old one has been dealt with by then.
    by_gateways.read()?;
    let found = by_switch.read()?;
    ensure!(found == 3, "the newer write was undone: {found}");
    let dropped = [Side::A, Side::B].map(|side| Ok(trial.counted(side)?.of("request_too_old")));
    let dropped = dropped.into_iter().sum::<Result<u64>>()?;
    ensure!(dropped >= 1, "nobody says that it was too old");
    trial.both_run()
}

/// Whether every thread of a process is stopped: the signal is sent to one of them, and it stops the others.
fn is_stopped(process: u32) -> Result<bool> {
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        if !status.contains("\nState:\tT") {
            return Ok(false);
        }
    }
    Ok(true)
}
