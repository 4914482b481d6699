//! Limits with real gateways, and vblade: rates as they are measured at the initiator, set and cleared by the command line,
//! and a floor that holds while a neighbour is greedy. With `--nocapture` it prints the figures of docs/limits.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::{Access, AllowSection};
use aoe_lab::initiator::Initiator;
use aoe_lab::relay::Side;
use aoe_lab::target::{Backing, Blade, BladeSettings, Target};
use aoe_lab::topology::{WorldPlan, export_file, import_section, introduce};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Order, Workload};
use e2e::load;
use e2e::stage::play;
use e2e::trial::{IMPORT, PATIENCE, SECTORS, Trial};
use serde_json::Value;

/// A disk that two peers share.
const SHARED: Address = Address { shelf: 7, slot: 4 };
/// Where both present it.
const SHARED_IMPORT: Address = Address { shelf: 107, slot: 4 };
/// The machine has other things to do: one of so many measurements has to be right.
const TRIES: usize = 5;

fn reads(sectors: u32, depth: usize) -> Workload {
    Workload {
        order: Order::Random,
        block_sectors: sectors,
        depth,
        limit: Limit::Time(Duration::from_secs(2)),
        patience: PATIENCE,
        ..Workload::default()
    }
}

/// What one initiator does at an import.
struct Reader {
    initiator: Initiator,
    ledger: Ledger,
    import: Address,
}

impl Reader {
    fn measure(&mut self, sectors: u32, depth: usize) -> Result<Figures> {
        let figures = reads(sectors, depth).run(&mut self.initiator, self.import, &mut self.ledger)?;
        ensure!(figures.is_clean(), "{figures:?}");
        Ok(figures)
    }

    /// One of a few measurements is within 10 % of what is right.
    fn reaches(&mut self, right: f64, measure: impl Fn(&Figures) -> f64) -> Result<Figures> {
        let mut found = Vec::new();
        for _ in 0..TRIES {
            let figures = self.measure(2, 32)?;
            let rate = measure(&figures);
            if (rate - right).abs() <= right / 10.0 {
                return Ok(figures);
            }
            found.push(rate);
        }
        bail!("{found:?} instead of {right}")
    }
}

/// What a verb says to machines.
fn ask(trial: &Trial, verb: &[&str]) -> Result<Value> {
    let said = trial.site(Side::B).ask(&[verb, &["--json"]].concat())?;
    serde_json::from_str(&said).with_context(|| said.clone())
}

#[test]
fn rates_are_those_that_were_set_and_go_back_when_they_are_cleared() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |_| {})?;
        let mut initiator = trial.world.initiator()?;
        let mut ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        load::warm_up(&mut initiator, IMPORT, &mut ledger)?;
        let mut reader = Reader {
            initiator,
            ledger,
            import: IMPORT,
        };
        let free = reader.measure(2, 32)?;
        let line = |what: &str, figures: &Figures| {
            println!(
                "| {what} | {:.0} | {:.2} MB/s | {:.1?} | {:.1?} |",
                figures.iops(),
                figures.megabytes_per_second(),
                figures.latency(50.0),
                figures.latency(99.0)
            );
        };
        println!("| limit | IOPS | bandwidth | p50 | p99 |\n|---|---|---|---|---|");
        line("none", &free);
        ensure!(free.iops() > 500.0, "too slow to limit: {}", free.iops());
        // What the machine can do twice, it can do under a limit.
        for rate in [100, 300, 5000]
            .into_iter()
            .filter(|rate| free.iops() > 2.0 * f64::from(*rate))
        {
            let text = rate.to_string();
            let said = ask(&trial, &["limit", "set", "--export", "disk", "--iops", &text])?;
            ensure!(
                said["outcome"] == "changed" && said["survives_restart"] == false,
                "{said}"
            );
            let figures = reader.reaches(f64::from(rate), Figures::iops)?;
            line(&format!("{rate} IOPS"), &figures);
        }
        ask(
            &trial,
            &[
                "limit",
                "set",
                "--export",
                "disk",
                "--iops",
                "none",
                "--bandwidth",
                "200kB",
            ],
        )?;
        let figures = reader.reaches(0.2, Figures::megabytes_per_second)?;
        line("200 kB/s", &figures);

        let list = ask(&trial, &["limit", "list"])?;
        let row = &list["limits"][0];
        ensure!(
            row["export"] == "disk" && row["bandwidth"] == 200_000 && row["from"] == "live",
            "{list}"
        );
        ensure!(
            row["delayed"].as_u64() > Some(50) && row["wait"]["p50_us"].as_u64() > Some(1000),
            "{list}"
        );
        let status = trial.site(Side::B).status()?;
        let shown = status.exports[0].limit.as_ref().context("it is shown")?;
        ensure!(
            shown.bandwidth == Some(200_000) && shown.iops.is_none(),
            "{shown:?}"
        );
        let text = trial.site(Side::B).ask(&["status"])?;
        ensure!(text.contains("limit: at most 200 kB/s"), "{text}");

        // The files say otherwise from now on, and the operator's word counts until it is cleared.
        trial.world.site_b.exports[0].allow[0].limit = Some("{ iops = 200 }".to_owned());
        trial.world.site_b.exports[0].limit = Some("{ bandwidth = \"50kB\" }".to_owned());
        let said = trial.site(Side::B).reload()?;
        ensure!(
            said.contains("site-a on disk: limit none becomes 200 IOPS"),
            "{said}"
        );
        ensure!(
            said.contains("limit none becomes 50 kB/s (an operator has set another one"),
            "{said}"
        );
        reader.reaches(200.0, Figures::iops)?;
        let said = trial.site(Side::B).ask(&["limit", "clear", "--export", "disk"])?;
        ensure!(said.contains("its limit is 50 kB/s; it was 200 kB/s"), "{said}");
        reader.reaches(0.05, Figures::megabytes_per_second)?;
        trial.world.site_b.exports[0].allow[0].limit = None;
        trial.world.site_b.exports[0].limit = None;
        trial.site(Side::B).reload()?;
        let again = reader.measure(2, 32)?;
        line("none", &again);
        ensure!(again.iops() > 300.0, "it is free again: {}", again.iops());
        let list = ask(&trial, &["limit", "list"])?;
        ensure!(list["said"][0] == "there is none", "{list}");

        for (wrong, part) in [
            (
                ["limit", "set", "--export", "dusk", "--iops", "5"],
                "did you mean disk?",
            ),
            (
                ["limit", "set", "--peer", "site-a", "--bandwidth", "5"],
                "has no unit",
            ),
        ] {
            let refused = trial.site(Side::B).ask(&wrong).unwrap_err().to_string();
            ensure!(refused.contains(part), "{refused}");
        }
        trial.gateways.stop()
    });
}

#[test]
fn a_floor_holds_within_a_tenth_while_a_neighbour_is_greedy() {
    play(|stage| {
        let mut third = None;
        let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
            let (host, behind, mut site) = world.stranger("site-c")?;
            introduce(&mut world.site_b, &site, None);
            let mut export = export_file("shared", SHARED, "site-c", Access::ReadWrite);
            export.allow.push(AllowSection {
                peer: "site-a".to_owned(),
                access: Access::ReadWrite,
                initiators: None,
                config_string: None,
                more: Vec::new(),
                limit: None,
            });
            world.site_b.exports.push(export);
            let import = || import_section("site-b", "shared", SHARED_IMPORT);
            world.site_a.config.imports.push(import());
            site.config.imports.push(import());
            third = Some((host, behind, site));
            Ok(())
        })?;
        let (host, behind, site) = third.context("site C was made")?;
        // A disk of less than 500 requests a second, 16 at a time.
        let mut target = Target::new(MacAddr([0; 6]), 1500);
        let settings = BladeSettings {
            buffer_count: 16,
            ..BladeSettings::default()
        };
        target.add(Blade::new(SHARED, Backing::ram(4096), settings));
        target.set_service_time(Duration::from_millis(2));
        let _target = trial.world.serve(target)?;
        let mut c = site.start(&host)?;
        c.wait_for_import(SHARED_IMPORT, PATIENCE)?;
        trial.gateways.wait_for_import(SHARED_IMPORT)?;
        let opened = |mut initiator: Initiator| -> Result<Reader> {
            initiator.disk(SHARED_IMPORT, PATIENCE)?;
            Ok(Reader {
                initiator,
                ledger: Ledger::new(0, 4096, 7, Fresh::Zero),
                import: SHARED_IMPORT,
            })
        };
        let mut reader = opened(trial.world.initiator()?)?;
        let mut greedy = opened(Initiator::open(&behind, "eth0", PATIENCE)?)?;
        let free = reader.measure(2, 32)?.iops();
        let stop = Arc::new(AtomicBool::new(false));
        let workload = Workload {
            limit: Limit::Stop(Arc::clone(&stop)),
            ..reads(2, 64)
        };
        let neighbour =
            thread::spawn(move || workload.run(&mut greedy.initiator, SHARED_IMPORT, &mut greedy.ledger));
        let result = (|| {
            thread::sleep(Duration::from_millis(500));
            let without = reader.measure(2, 32)?.iops();
            let floor = free * 0.75;
            let text = format!("{floor:.0}");
            let users = ["--export", "shared", "--peer", "site-a", "--floor-iops", &text];
            ask(&trial, &[&["limit", "set"][..], &users[..]].concat())?;
            let mut found = Vec::new();
            for _ in 0..TRIES {
                let with = reader.measure(2, 32)?.iops();
                found.push(with);
                if with >= floor * 0.9 {
                    break;
                }
            }
            let with = found.last().copied().unwrap_or_default();
            println!(
                "alone {free:.0}, beside a greedy one {without:.0}, with a floor of {floor:.0}: {found:.0?}"
            );
            ensure!(with >= floor * 0.9, "{found:?} with a floor of {floor}");
            ensure!(
                without < floor * 0.9,
                "{without} without a floor: the neighbour is not greedy"
            );
            Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        let figures = neighbour
            .join()
            .map_err(|_| anyhow!("the neighbour panicked"))??;
        result?;
        ensure!(
            figures.is_clean() && figures.iops() > 10.0,
            "it still gets something: {figures:?}"
        );
        c.stop()?;
        trial.gateways.stop()
    });
}
