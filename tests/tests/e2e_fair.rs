//! One peer, or a host on its segment, does its worst; another peer reads another disk at no less than half of its
//! rate, and control stays alive.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_keys::SecretKey;
use aoe_lab::gateway::{Access, Site};
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::relay::Side;
use aoe_lab::target::server::TargetServer;
use aoe_lab::target::{Answering, Backing, Blade, BladeSettings, Target};
use aoe_lab::topology::{World, WorldPlan, export_file, import_section, introduce};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Order, Workload};
use e2e::hostile::{Export, Harm, HostilePeer};
use e2e::load;
use e2e::stage::{Stage, play, play_by_noise};
use e2e::station::{Request, Station, ata};
use e2e::trial::{IMPORT, PATIENCE, SECTORS, Trial};
use nix::sys::signal::Signal;

/// The disk of site C, where it does what it likes.
const OTHER: Address = Address { shelf: 7, slot: 4 };
/// One of site C that answers no read.
const SILENT: Address = Address { shelf: 7, slot: 5 };
/// Where site C presents its disk.
const IMPORT_C: Address = Address { shelf: 107, slot: 4 };
/// Messages a second. What they cost by themselves must be little, for the processor is not divided among peers; work that
/// grows with what is kept is too much at this rate as well.
const FLOOD: u64 = 5_000;
/// How long one measurement is.
const WINDOW: Duration = Duration::from_millis(500);
/// Pairs of measurements, with harm and without: the machine has other things to do.
const TRIES: usize = 8;

/// Sites A and B as in every trial, B with a disk and a silent target for site C as well.
fn hub(
    stage: &Stage,
    edit: impl FnOnce(&mut World, &mut Site) -> Result<()>,
) -> Result<(Trial, Namespace, Namespace, Site)> {
    let mut hosts = None;
    let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
        let (host, behind, mut site) = world.stranger("site-c")?;
        introduce(&mut world.site_b, &site, None);
        for (name, target) in [("other", OTHER), ("silent", SILENT)] {
            let export = export_file(name, target, "site-c", Access::ReadWrite);
            world.site_b.exports.push(export);
        }
        edit(world, &mut site)?;
        hosts = Some((host, behind, site));
        Ok(())
    })?;
    let (host, behind, site) = hosts.context("site C was made")?;
    trial.gateways.wait_for_import(IMPORT)?;
    Ok((trial, host, behind, site))
}

/// Reads of site A, 16 at a time.
struct Reader {
    initiator: Initiator,
    ledger: Ledger,
    /// The most a second without harm.
    best: f64,
}

impl Reader {
    fn new(trial: &Trial) -> Result<Self> {
        let mut initiator = trial.world.initiator()?;
        let mut ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        load::warm_up(&mut initiator, IMPORT, &mut ledger)?;
        Ok(Reader {
            initiator,
            ledger,
            best: 0.0,
        })
    }

    fn measure(&mut self, trial: &Trial, what: &str) -> Result<Figures> {
        let figures = reads().run(&mut self.initiator, IMPORT, &mut self.ledger)?;
        let (iops, p99) = (figures.iops() as u64, figures.latency(99.0));
        trial.say(format_args!("{what}: {iops} a second, p99 {p99:?}"));
        ensure!(figures.is_clean(), "{what}: {figures:?}");
        Ok(figures)
    }

    /// One of a few measurements with harm is half as good as the one without just before, which is as good as they are
    /// when nothing is wrong.
    fn bears(&mut self, trial: &Trial, what: &str, mut harm: impl FnMut(bool)) -> Result<()> {
        for _ in 0..TRIES {
            let calm = self.measure(trial, "calm")?;
            self.best = self.best.max(calm.iops());
            harm(true);
            let harmed = self.measure(trial, what);
            harm(false);
            let harmed = harmed?;
            if calm.iops() >= self.best / 4.0
                && harmed.iops() >= calm.iops() / 2.0
                && harmed.latency(99.0) <= calm.latency(99.0) * 10
            {
                return Ok(());
            }
        }
        bail!("{what}: the other peer did not keep half of its rate")
    }
}

/// Site C's disk: it makes a thousand requests a second, so what a flood leaves at the hub grows.
fn slow(world: &World) -> Result<TargetServer> {
    let mut target = Target::new(MacAddr([0; 6]), 1500);
    target.add(Blade::new(OTHER, Backing::ram(1024), BladeSettings::default()));
    target.set_service_time(Duration::from_millis(1));
    world.serve(target)
}

fn reads() -> Workload {
    Workload {
        order: Order::Random,
        block_sectors: 2,
        depth: 16,
        limit: Limit::Time(WINDOW),
        patience: PATIENCE,
        ..Workload::default()
    }
}

#[test]
fn a_hostile_peer_leaves_another_half_of_its_rate() {
    let why = "the patched gateway speaks Noise";
    play_by_noise(why, |stage| {
        let secret = SecretKey::generate()?;
        let public = secret.public();
        let (mut trial, host, _behind, site) = hub(stage, |world, _| {
            world.site_b.peer("site-c")?.key = public.to_string();
            Ok(())
        })?;
        let _other = slow(&trial.world)?;
        let mut silent = Target::new(MacAddr([0; 6]), 1500);
        silent.add(Blade::new(SILENT, Backing::ram(1024), BladeSettings::default()));
        let silent = trial.world.serve(silent)?;
        let at = *site.config.listen.first().context("site C listens")?;
        let hub = *trial
            .world
            .site_b
            .config
            .listen
            .first()
            .context("site B listens")?;
        let key = trial.world.site_b.public_key().parse()?;
        let mut reader = Reader::new(&trial)?;
        let hostile = HostilePeer::start(&host, at, secret, hub, key)?;
        // Exports are numbered by name: disk, other, silent.
        let (other, silent_one) = (Export(1, OTHER), Export(2, SILENT));
        for harm in [
            Harm::WritesOfOneSector(other),
            Harm::ForgedInitiators(other),
            Harm::Reports,
            Harm::Fragments,
            Harm::Updates,
            Harm::ForgedInitiators(silent_one),
        ] {
            if harm == Harm::ForgedInitiators(silent_one) {
                silent.lock().set_answering(Answering::Never);
            }
            let before = hostile.sent();
            reader.bears(&trial, &format!("{harm:?}"), |on| {
                hostile.does(if on { harm } else { Harm::Nothing }, FLOOD);
            })?;
            hostile.lives()?;
            ensure!(hostile.sent() > before + 500, "it did no harm");
        }
        // What it asked was heard, and much of it refused.
        let counted = trial.counted(Side::B)?;
        for name in ["overlap_full", "reassembly_full"] {
            ensure!(counted.of(name) > 0, "{name}: {counted:?}");
        }
        trial.both_run()?;
        trial.gateways.stop()
    });
}

#[test]
fn a_host_that_floods_through_its_gateway_harms_nobody_else_and_sigterm_ends_the_hub() {
    play(|stage| {
        let (mut trial, host, behind, site) = hub(stage, |_, site| {
            site.config
                .imports
                .push(import_section("site-b", "other", IMPORT_C));
            Ok(())
        })?;
        let _other = slow(&trial.world)?;
        let mut c = site.start(&host)?;
        c.wait_for_import(IMPORT_C, PATIENCE)?;
        let mut reader = Reader::new(&trial)?;
        let flood = Arc::new(Flood::default());
        let flooding = flood.start(Station::open(&behind, "eth0")?)?;
        let on = |on| flood.on.store(on, Ordering::Relaxed);
        let result = reader
            .bears(&trial, "writes of one sector by a host", on)
            .and_then(|()| {
                // In the middle of it.
                on(true);
                thread::sleep(WINDOW);
                let hub = trial.gateway(Side::B).process();
                let told = Instant::now();
                hub.signal(Signal::SIGTERM)?;
                let status = hub.wait(PATIENCE)?;
                let took = told.elapsed();
                trial.say(format_args!("SIGTERM: {took:?}"));
                let in_time = took < Duration::from_secs(2);
                ensure!(status.success() && in_time, "{status} after {took:?}");
                Ok(())
            });
        flood.stop.store(true, Ordering::Relaxed);
        let sent = flooding.join().unwrap_or(0);
        result?;
        ensure!(sent > 1000, "{sent} frames were no flood");
        c.stop()
    });
}

/// Writes one sector over and over, other data each, from 200 forged addresses.
#[derive(Debug, Default)]
struct Flood {
    on: AtomicBool,
    stop: AtomicBool,
}

impl Flood {
    fn start(self: &Arc<Self>, station: Station) -> Result<thread::JoinHandle<u64>> {
        let flood = Arc::clone(self);
        let thread = thread::Builder::new().name("flood".to_owned());
        Ok(thread.spawn(move || flood.run(station))?)
    }

    /// Until it is stopped; how many frames it sent.
    fn run(&self, mut station: Station) -> u64 {
        let (mut since, mut sent) = (Instant::now(), 0u64);
        while !self.stop.load(Ordering::Relaxed) {
            // 32 at a time, as often as makes the rate.
            if !self.on.load(Ordering::Relaxed) || since.elapsed().as_secs_f64() < 32.0 / FLOOD as f64 {
                thread::sleep(Duration::from_micros(500));
                continue;
            }
            since = Instant::now();
            for _ in 0..32 {
                sent += 1;
                let [.., low] = (sent / 1900 % 200).to_be_bytes();
                let data = sent.to_be_bytes().repeat(64);
                let write = Request::ata(MacAddr::BROADCAST, IMPORT_C, ata::WRITE_EXT, 8, 1, &data)
                    .from(MacAddr([2, 7, 7, 7, 0, low]));
                // A full queue is the flood's own affair.
                let _ = station.send(&write);
            }
        }
        sent
    }
}
