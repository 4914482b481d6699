//! One peer, or a host on its segment, does its worst; another peer reads another disk at no less than half of its
//! rate, and control stays alive.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_keys::SecretKey;
use aoe_lab::gateway::{Access, Site};
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::relay::Side;
use aoe_lab::target::{Answering, Backing, Blade, BladeSettings, Target};
use aoe_lab::topology::{World, WorldPlan, export_file, import_section, introduce};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Order, Workload};
use e2e::hostile::{Export, Harm, HostilePeer};
use e2e::load;
use e2e::stage::{Stage, play};
use e2e::station::{Request, Station, ata};
use e2e::trial::{IMPORT, PATIENCE, SECTORS, Trial};
use nix::sys::signal::Signal;

/// The disk of site C, where it does what it likes.
const OTHER: Address = Address { shelf: 7, slot: 4 };
/// One of site C that answers no read.
const SILENT: Address = Address { shelf: 7, slot: 5 };
/// Where site C presents its disk.
const IMPORT_C: Address = Address { shelf: 107, slot: 4 };
/// Messages a second.
const FLOOD: u64 = 15_000;
/// How long one measurement is.
const WINDOW: Duration = Duration::from_millis(700);
/// Measurements before a bad one counts: the machine has other things to do.
const TRIES: usize = 4;

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
    calm: Figures,
}

impl Reader {
    fn new(trial: &Trial) -> Result<Self> {
        let mut initiator = trial.world.initiator()?;
        let mut ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        load::warm_up(&mut initiator, IMPORT, &mut ledger)?;
        let calm = reads().run(&mut initiator, IMPORT, &mut ledger)?;
        trial.say(format_args!(
            "calm: {} a second, p99 {:?}",
            calm.iops() as u64,
            calm.latency(99.0)
        ));
        ensure!(calm.is_clean(), "{calm:?}");
        Ok(Reader {
            initiator,
            ledger,
            calm,
        })
    }

    /// At least one of a few windows is half as good as a calm one.
    fn bears(&mut self, trial: &Trial, what: &str) -> Result<()> {
        let mut seen = Vec::new();
        for _ in 0..TRIES {
            let figures = reads().run(&mut self.initiator, IMPORT, &mut self.ledger)?;
            trial.say(format_args!(
                "{what}: {} a second, p99 {:?}",
                figures.iops() as u64,
                figures.latency(99.0)
            ));
            ensure!(figures.is_clean(), "{what}: {figures:?}");
            let calm = &self.calm;
            if figures.iops() >= calm.iops() / 2.0 && figures.latency(99.0) <= calm.latency(99.0) * 10 {
                return Ok(());
            }
            seen.push(figures);
        }
        anyhow::bail!("{what}: {seen:#?}\ncalm: {:?}", self.calm)
    }
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
    play(|stage| {
        let secret = SecretKey::generate()?;
        let public = secret.public();
        let (mut trial, host, _behind, site) = hub(stage, |world, _| {
            world.site_b.peer("site-c")?.key = public.to_string();
            Ok(())
        })?;
        let _other = stage.serve(&trial.world, OTHER, 1 << 20, &[])?;
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
            hostile.does(harm, FLOOD);
            reader.bears(&trial, &format!("{harm:?}"))?;
            hostile.lives()?;
            ensure!(hostile.sent() > before + 1000, "it did no harm");
        }
        // What it asked was heard, and much of it refused.
        let counted = trial.counted(Side::B)?;
        for name in ["overlap_full", "queue_full", "reassembly_full"] {
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
        let _other = stage.serve(&trial.world, OTHER, 1 << 20, &[])?;
        let mut c = site.start(&host)?;
        c.wait_for_import(IMPORT_C, PATIENCE)?;
        let mut reader = Reader::new(&trial)?;
        let stop = Arc::new(AtomicBool::new(false));
        let flooding = flood(Station::open(&behind, "eth0")?, Arc::clone(&stop))?;
        let result = reader
            .bears(&trial, "writes of one sector by a host")
            .and_then(|()| {
                // In the middle of it.
                let hub = trial.gateway(Side::B).process();
                let told = Instant::now();
                hub.signal(Signal::SIGTERM)?;
                let status = hub.wait(PATIENCE)?;
                let took = told.elapsed();
                trial.say(format_args!("SIGTERM: {took:?}"));
                ensure!(
                    status.success() && took < Duration::from_secs(2),
                    "{status} after {took:?}"
                );
                Ok(())
            });
        stop.store(true, Ordering::Relaxed);
        let sent = flooding.join().unwrap_or(0);
        result?;
        ensure!(sent > 5000, "{sent} frames were no flood");
        c.stop()
    });
}

/// Writes one sector over and over, other data each, from 200 forged addresses.
fn flood(mut station: Station, stop: Arc<AtomicBool>) -> Result<thread::JoinHandle<u64>> {
    let work = move || {
        let (began, mut sent) = (Instant::now(), 0u64);
        while !stop.load(Ordering::Relaxed) {
            let due = (began.elapsed().as_secs_f64() * FLOOD as f64) as u64;
            if sent >= due {
                thread::sleep(Duration::from_micros(500));
                continue;
            }
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
    };
    Ok(thread::Builder::new().name("flood".to_owned()).spawn(work)?)
}
