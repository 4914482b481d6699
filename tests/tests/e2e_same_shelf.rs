//! Two sites may both have e7.3: a third uses both, each under an address of its own. And two sites use one disk.

#![forbid(unsafe_code)]

use std::fs;

use anyhow::{Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::gateway::Access;
use aoe_lab::topology::{PATIENCE, WorldPlan, export_file, import_section, introduce};
use aoe_lab::workload::{Figures, Fresh, Ledger, Limit, Mix, Order, Workload};
use e2e::stage::{Counted, Vblade, play};

const SECTORS: usize = 2048;
const SAME: Address = Address { shelf: 7, slot: 3 };

#[test]
fn two_targets_with_the_same_address_are_two_disks_at_a_third_site() {
    play(|stage| {
        let (from_b, from_c) = (Address { shelf: 107, slot: 3 }, Address { shelf: 207, slot: 3 });
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", SAME, Access::ReadWrite, from_b);
        // Site C comes with the same segment, the same shelf.slot and even the same name of the export.
        let (host_c, behind_c, mut site_c) = world.stranger("site-c")?;
        site_c.config.peers.clear();
        introduce(&mut site_c, &world.site_a, None);
        introduce(&mut world.site_a, &site_c, Some("198.51.100.66".parse()?));
        site_c
            .exports
            .push(export_file("disk", SAME, "site-a", Access::ReadWrite));
        world
            .site_a
            .config
            .imports
            .push(import_section("site-c", "disk", from_c));

        let mut gateways = world.start()?;
        let mut gateway_c = site_c.start(&host_c)?;
        let at_b = stage.serve(&world, SAME, SECTORS as u64, &[])?;
        let image_c = stage.image("site-c.img", SECTORS as u64)?;
        let at_c = Vblade::start(&behind_c, "eth0", SAME, &image_c, &[])?;
        gateways.wait_for_import(from_b)?;
        gateways.wait_for_import(from_c)?;

        let mut initiator = world.initiator()?;
        let mut disks = [(from_b, &at_b, 0xb), (from_c, &at_c, 0xc)]
            .map(|(import, vblade, seed)| (import, vblade, Ledger::new(0, SECTORS, seed, Fresh::Zero)));
        // In turns, so that every block of one is written right after the same block of the other.
        for round in 0..4 {
            for (import, _, ledger) in &mut disks {
                initiator.disk(*import, PATIENCE)?;
                clean(&mixed(round).run(&mut initiator, *import, ledger)?)?;
            }
        }
        for (import, vblade, ledger) in &mut disks {
            clean(&Workload::read_back(ledger, 16, 8).run(&mut initiator, *import, ledger)?)?;
            demand_file(ledger, vblade)?;
            println!("{import} is {} on its own", vblade.image().display());
        }
        gateway_c.stop()?;
        gateways.stop()
    });
}

#[test]
fn two_sites_use_one_export_at_the_same_time() {
    play(|stage| {
        let (at_a, at_c) = (Address { shelf: 107, slot: 3 }, Address { shelf: 3, slot: 0 });
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", SAME, Access::ReadWrite, at_a);
        let (host_c, behind_c, mut site_c) = world.stranger("site-c")?;
        introduce(&mut world.site_b, &site_c, None);
        let allow = export_file("disk", SAME, "site-c", Access::ReadWrite)
            .allow
            .remove(0);
        world.site_b.exports[0].allow.push(allow);
        site_c.config.imports.push(import_section("site-b", "disk", at_c));

        let mut gateways = world.start()?;
        let mut gateway_c = site_c.start(&host_c)?;
        let vblade = stage.serve(&world, SAME, SECTORS as u64, &[])?;
        gateways.wait_for_import(at_a)?;
        gateway_c.wait_for_import(at_c, PATIENCE)?;

        // Each has a half of the disk, as two hosts would with a partition each, and works at full depth meanwhile.
        let half = SECTORS / 2;
        let workers = [(&world.ground.ini, at_a, 0, 0xa), (&behind_c, at_c, half, 0xc)].map(
            |(host, import, first, seed)| {
                let host = host.clone();
                std::thread::spawn(move || -> Result<Ledger> {
                    let mut initiator = aoe_lab::initiator::Initiator::open(&host, "eth0", PATIENCE)?;
                    initiator.disk(import, PATIENCE)?;
                    let mut ledger = Ledger::new(first as u64, half, seed, Fresh::Zero);
                    clean(&mixed(seed).run(&mut initiator, import, &mut ledger)?)?;
                    Ok(ledger)
                })
            },
        );
        let mut ledgers = Vec::new();
        for worker in workers {
            ledgers.push(worker.join().expect("a worker does not panic")?);
        }
        // What one has written, the other reads; and it is in the file.
        let [by_a, by_c] = ledgers.try_into().expect("two workers");
        let mut by_c = by_c;
        let mut initiator = world.initiator()?;
        initiator.disk(at_a, PATIENCE)?;
        clean(&Workload::read_back(&by_c, 16, 8).run(&mut initiator, at_a, &mut by_c)?)?;
        let bytes = fs::read(vblade.image())?;
        for mut ledger in [by_a, by_c] {
            let first = usize::try_from(ledger.first())? * 512;
            let mut wrong = Vec::new();
            ledger.check(ledger.first(), &bytes[first..first + half * 512], |complaint| {
                wrong.push(complaint.to_string());
            });
            ensure!(wrong.is_empty(), "in vblade's file: {wrong:#?}");
        }
        let counted = Counted::ask(&mut gateways.b)?;
        println!("site B: {counted:?}");
        ensure!(
            counted.of("response_unmatched") == 0 && counted.of("queue_full") == 0,
            "{counted:?}"
        );
        gateway_c.stop()?;
        gateways.stop()
    });
}

fn mixed(seed: u64) -> Workload {
    Workload {
        order: Order::Random,
        mix: Mix::ReadPercent(30),
        block_sectors: 8,
        depth: 16,
        limit: Limit::Bytes(2 << 20),
        seed,
        patience: PATIENCE,
    }
}

fn clean(figures: &Figures) -> Result<()> {
    ensure!(figures.is_clean() && figures.requests > 0, "{figures:?}");
    Ok(())
}

fn demand_file(ledger: &mut Ledger, vblade: &Vblade) -> Result<()> {
    let mut wrong = Vec::new();
    ledger.check(0, &fs::read(vblade.image())?, |complaint| {
        wrong.push(complaint.to_string())
    });
    ensure!(wrong.is_empty(), "in {}: {wrong:#?}", vblade.image().display());
    Ok(())
}
