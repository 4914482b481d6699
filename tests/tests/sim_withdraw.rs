//! Rights that are taken away while requests are under way: nothing of them reaches a target any more, and both sides say
//! why.

use std::ops::Range;
use std::time::Duration;

use aoe_common::config::Access;
use aoe_common::drop_reason::DropReason;
use aoe_common::event::{Event, ImportFault, Withdrawn};
use aoe_common::frame::{Address, AoeCommand, MacAddr, SECTOR_LEN};
use aoe_common::snapshot::State;
use aoe_lab::initiator::Action;
use aoe_lab::target::BladeSettings;
use e2e::sim::craft;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::puppet::Puppets;
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Load, Plan, World};

const WRITE_EXT: u8 = 0x34;
const REFUSED: Option<(u8, u8)> = Some((0x41, 0x04));
const MILLIS: fn(u64) -> Duration = Duration::from_millis;

fn write(puppets: &mut Puppets, tag: u32, lba: u64) {
    let argument = craft::ata(WRITE_EXT, 1, lba, &[7; 512]);
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, tag, &argument);
}

/// Two writes and a read with a target that takes one at a time: one write is at the target, the others wait.
fn waiting(seed: u64) -> (Puppets, craft::Seen) {
    let mut puppets = Puppets::new(seed, 1, 2);
    write(&mut puppets, 1, 10);
    puppets.world.run_for(MILLIS(5));
    write(&mut puppets, 2, 20);
    puppets.read(3, 30);
    let mut sent = puppets.at_target();
    assert_eq!(sent.len(), 1);
    (puppets, sent.remove(0))
}

#[test]
fn a_removed_export_is_gone_at_once_and_the_edge_says_why() {
    for_each_seed(3, |seed| {
        let (mut puppets, first) = waiting(seed);
        let exit = puppets.exit;
        puppets.world.reload(exit, |plan| plan.exports.clear());
        assert_eq!(puppets.world.dropped(exit, DropReason::ExportWithdrawn), 3);
        let row = puppets.world.snapshot(exit).exports.remove(0);
        assert_eq!(row.standing.state, State::Leaving);
        // The initiator asks again, but for nothing that is there.
        write(&mut puppets, 2, 20);
        puppets.world.run_for(MILLIS(300));
        write(&mut puppets, 4, 20);
        assert!(puppets.at_target().is_empty());
        puppets.world.run_for(Duration::from_secs(3));
        let late = puppets.answer_to(&first, 1);
        puppets.respond(puppets.right, &late);
        assert!(puppets.at_initiator().is_empty(), "nobody waits for it");
        puppets.world.run_for(MILLIS(500));
        assert!(puppets.at_target().is_empty());
        assert!(puppets.world.snapshot(exit).exports.is_empty());
        let gone = ImportFault::Withdrawn(Withdrawn::NotExported);
        let why = |event: &Event| matches!(event, Event::ImportDown { why, .. } if *why == gone);
        assert_eq!(
            puppets.world.events_like(puppets.edge, why),
            1,
            "{}",
            puppets.world.story()
        );
        let refused = |event: &Event| matches!(event, Event::RequestRefused { .. });
        assert_eq!(
            puppets.world.events_like(exit, refused),
            0,
            "what was on the way is no alarm: {}",
            puppets.world.story()
        );
    });
}

#[test]
fn writes_that_wait_fail_at_once_when_the_export_becomes_read_only() {
    for_each_seed(3, |seed| {
        let (mut puppets, first) = waiting(seed);
        let exit = puppets.exit;
        let access = |puppets: &mut Puppets, access| {
            puppets
                .world
                .reload(exit, |plan| plan.exports[0].allow[0].access = access);
        };
        access(&mut puppets, Access::ReadOnly);
        let answers = puppets.at_initiator();
        let told: Vec<_> = answers
            .iter()
            .map(|seen| (Puppets::tag(seen), seen.ata_outcome()))
            .collect();
        assert_eq!(told, [(1, REFUSED), (2, REFUSED)]);
        // Its buffer is free when the write is answered, and the read has its turn.
        let done = puppets.answer_to(&first, 0);
        puppets.respond(puppets.right, &done[..22]);
        let sent = puppets.at_target();
        assert_eq!(sent.iter().map(|seen| seen.ata().lba()).collect::<Vec<_>>(), [30]);
        let answer = puppets.answer_to(&sent[0], 9);
        puppets.respond(puppets.right, &answer);
        assert_eq!(puppets.at_initiator().len(), 1);
        write(&mut puppets, 5, 20);
        assert_eq!(puppets.at_initiator()[0].ata_outcome(), REFUSED);
        access(&mut puppets, Access::ReadWrite);
        puppets.world.run_for(MILLIS(100));
        write(&mut puppets, 6, 20);
        assert_eq!(puppets.at_target().len(), 1);
    });
}

#[test]
fn an_initiator_that_is_not_listed_any_more_gets_nothing_and_one_that_is_goes_on() {
    for_each_seed(3, |seed| {
        let (mut puppets, first) = waiting(seed);
        let (exit, own) = (puppets.exit, puppets.world.mac(puppets.left));
        let list = |puppets: &mut Puppets, macs: Option<Vec<MacAddr>>| {
            puppets
                .world
                .reload(exit, |plan| plan.exports[0].allow[0].initiators = macs);
        };
        list(&mut puppets, Some(vec![own]));
        assert_eq!(puppets.world.dropped(exit, DropReason::ExportWithdrawn), 0);
        list(&mut puppets, Some(vec![MacAddr([2, 9, 9, 9, 9, 9])]));
        assert_eq!(puppets.world.dropped(exit, DropReason::ExportWithdrawn), 3);
        let done = puppets.answer_to(&first, 0);
        puppets.respond(puppets.right, &done[..22]);
        assert!(puppets.at_target().is_empty() && puppets.at_initiator().is_empty());
    });
}

/// Under load, while the path loses frames: no request is lost or wrong, for what the initiator has no answer to it asks
/// again.
#[test]
fn an_export_that_is_removed_and_added_under_load_loses_nothing() {
    for_each_seed(5, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.weather.loss = 0.01;
        // A second export of the same target, which is not touched.
        plan.export(
            pair.exit,
            "beside",
            pair.right,
            REAL,
            pair.edge,
            Access::ReadWrite,
        );
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(400));
        for _ in 0..6 {
            world.run_for(MILLIS(40));
            let mut kept = None;
            world.reload(pair.exit, |plan| kept = Some(plan.exports.remove(0)));
            world.run_for(MILLIS(40));
            world.reload(pair.exit, |plan| plan.exports.insert(0, kept.take().unwrap()));
        }
        world.finish_loads(Duration::from_secs(120));
        world.verify_disks();
        let exports = world.snapshot(pair.exit).exports;
        assert_eq!(exports.len(), 2, "{exports:?}");
        assert!(exports.iter().all(|row| row.standing.state == State::Up));
    });
}

/// Two targets; the initiator writes while its export changes from one to the other. What the one has it keeps, and what
/// is written afterwards is on the other.
#[test]
fn an_export_that_changes_its_target_writes_to_the_new_one_only() {
    const NEW: Address = Address { shelf: 8, slot: 0 };
    for_each_seed(5, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.weather.loss = 0.05;
        plan.blade(pair.target, NEW, BladeSettings::default());
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let write = |world: &mut World, lbas: Range<u64>| {
            world.drive(pair.initiator, |driver, now, out| {
                for lba in lbas.clone() {
                    let data = vec![lba as u8; SECTOR_LEN];
                    driver.submit(SEEN, Action::Write { lba, data }, now, out);
                }
            });
        };
        write(&mut world, 1..60);
        world.run_for(MILLIS(2));
        world.reload(pair.exit, |plan| plan.exports[0].target = NEW);
        write(&mut world, 100..160);
        let done = world.completions(&[pair.initiator], Duration::from_secs(60));
        assert!(done.iter().all(|(_, done)| done.outcome.is_ok()), "{done:?}");
        assert_eq!(done.len(), 119);
        let is_at = |at: Address, lba: u64| {
            let blade = world.target(pair.target).blade(at).expect("a blade");
            let mut bytes = Vec::new();
            let read = blade.backing().read(lba, SECTOR_LEN, &mut bytes);
            read.is_ok() && bytes == vec![lba as u8; SECTOR_LEN]
        };
        for lba in 1..60 {
            assert!(is_at(REAL, lba) || is_at(NEW, lba), "sector {lba} is nowhere");
        }
        for lba in 100..160 {
            assert!(
                !is_at(REAL, lba) && is_at(NEW, lba),
                "sector {lba} is where it was"
            );
        }
        assert_eq!(world.snapshot(pair.exit).exports[0].target, NEW.to_string());
    });
}
