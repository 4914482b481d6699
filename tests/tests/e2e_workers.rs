//! Several workers in each gateway: every export has one of its own at both ends, and all work at the same time.

#![forbid(unsafe_code)]

use anyhow::{Result, ensure};
use aoe_common::frame::Address;
use aoe_common::worker::Worker;
use aoe_lab::gateway::Access;
use aoe_lab::initiator::Initiator;
use aoe_lab::topology::{PATIENCE, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger, Limit, Mix, Order, Workload};
use e2e::stage::{Counted, eventually, play};

const SECTORS: usize = 2048;
const WORKERS: u8 = 2;
/// Exports of different workers: name, target, import.
const DISKS: [(&str, Address, Address); 2] = [
    (
        "backup",
        Address { shelf: 7, slot: 3 },
        Address { shelf: 107, slot: 3 },
    ),
    (
        "archive",
        Address { shelf: 7, slot: 4 },
        Address { shelf: 107, slot: 4 },
    ),
];

#[test]
fn two_exports_are_carried_by_two_workers_at_the_same_time() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        for (number, (name, target, import)) in (0..).zip(DISKS) {
            ensure!(
                Worker::of_export(name, WORKERS) == number,
                "{name} is of another worker"
            );
            world.share(name, target, Access::ReadWrite, import);
        }
        for site in [&mut world.site_a, &mut world.site_b] {
            site.config.workers = Some(WORKERS);
        }
        let mut gateways = world.start()?;
        let mut vblades = Vec::new();
        for (_, target, import) in DISKS {
            vblades.push(stage.serve(&world, target, SECTORS as u64, &[])?);
            gateways.wait_for_import(import)?;
        }

        // A broadcast reaches every worker, and each answers for its own, once.
        let mut found: Vec<_> = world
            .initiator()?
            .discover(std::time::Duration::from_millis(300))
            .iter()
            .map(|found| found.address)
            .collect();
        found.sort_unstable();
        ensure!(found == DISKS.map(|(.., import)| import), "discovered {found:?}");

        // One initiator host for each disk, both at work at once.
        let busy = DISKS.map(|(_, _, import)| {
            let (host, device) = (world.ground.ini.clone(), world.initiator_device());
            std::thread::spawn(move || -> Result<()> {
                let mut initiator = Initiator::open(&host, device, PATIENCE)?;
                initiator.disk(import, PATIENCE)?;
                let mut ledger = Ledger::new(0, SECTORS, import.slot.into(), Fresh::Zero);
                let load = Workload {
                    order: Order::Random,
                    mix: Mix::ReadPercent(50),
                    block_sectors: 8,
                    depth: 16,
                    limit: Limit::Bytes(4 << 20),
                    patience: PATIENCE,
                    ..Workload::default()
                };
                for load in [load, Workload::read_back(&ledger, 16, 8)] {
                    let figures = load.run(&mut initiator, import, &mut ledger)?;
                    ensure!(figures.is_clean(), "{import}: {figures:#?}");
                }
                Ok(())
            })
        });
        for disk in busy {
            disk.join().expect("a load does not panic")?;
        }

        for gateway in [&mut gateways.a, &mut gateways.b] {
            for worker in 0..WORKERS {
                let counted = Counted::ask_worker(gateway, worker)?;
                println!("worker {worker}: {counted:?}");
                let carried = counted.of("requests_to_wire") + counted.of("requests_to_target");
                ensure!(carried > 1000, "worker {worker} carried {carried} requests");
                // Nobody got what is another's.
                ensure!(
                    counted.of("request_unknown_address") + counted.of("response_unmatched") == 0,
                    "{:?}",
                    counted.drops()
                );
            }
        }
        gateways.stop()
    });
}

#[test]
fn different_numbers_of_workers_are_told_of_on_both_sides() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        for (name, target, import) in DISKS {
            world.share(name, target, Access::ReadWrite, import);
        }
        world.site_a.config.workers = Some(WORKERS);
        let mut gateways = world.start()?;
        for gateway in [&mut gateways.a, &mut gateways.b] {
            eventually("the log names `workers`", PATIENCE, || {
                Ok(gateway.process().transcript().contains("compare `workers`"))
            })?;
            ensure!(
                !gateway.process().transcript().contains("is up"),
                "there is a session"
            );
        }
        gateways.stop()
    });
}
