//! Order, copies and turns at the exit: the test itself is initiator and target, and the peer where that must lie.

use std::time::Duration;

use aoe_common::config::{OnTargetTimeout, SegmentId, TargetOrder};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{AoeCommand, MacAddr};
use aoe_common::telemetry::Count;
use aoe_lab::target::Answering;
use e2e::sim::craft::{self, Seen};
use e2e::sim::plan::{REAL, SEEN, gateway_mac};
use e2e::sim::puppet::Puppets;
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Load, Plan};

const READ_EXT: u8 = 0x24;
const WRITE_EXT: u8 = 0x34;
const SOMEBODY: MacAddr = MacAddr([2, 5, 5, 5, 5, 5]);

fn write(lba: u64, byte: u8) -> Vec<u8> {
    craft::ata(WRITE_EXT, 1, lba, &[byte; 512])
}

fn read(lba: u64) -> Vec<u8> {
    craft::ata(READ_EXT, 1, lba, &[])
}

/// Hands the exit a request as if it had come by the tunnel, with this number, captured just now.
fn arrives(puppets: &mut Puppets, number: u64, argument: &[u8]) {
    arrives_as(puppets, (number, 1), argument);
}

/// The same with a tag.
fn arrives_as(puppets: &mut Puppets, (number, tag): (u64, u32), argument: &[u8]) {
    let captured = puppets.world.clock(puppets.edge);
    let pdu = craft::pdu(SEEN, AoeCommand::Ata, tag, argument);
    let chunk = craft::request_chunk(0, 0, SOMEBODY, (number, captured), &pdu);
    puppets.world.lie(puppets.exit, puppets.edge, &chunk);
}

/// The puppet target answers, as vblade does.
fn answer(puppets: &mut Puppets, request: &Seen) {
    let mut pdu = puppets.answer_to(request, 9);
    if request.ata().command().is_write() {
        pdu.truncate(22);
    }
    puppets.respond(puppets.right, &pdu);
}

/// Whether it is a write, the sector, and the first byte of what is written.
type Asked = (bool, u64, Option<u8>);

/// What the puppet target has been asked.
fn asked(puppets: &mut Puppets) -> (Vec<Seen>, Vec<Asked>) {
    let seen = puppets.at_target();
    let what = seen.iter().map(|seen| {
        let ata = seen.ata();
        let writes = ata.command().is_write();
        (writes, ata.lba(), ata.data().first().copied().filter(|_| writes))
    });
    let what = what.collect();
    (seen, what)
}

fn dropped(puppets: &Puppets, reason: DropReason) -> u64 {
    puppets.world.dropped(puppets.exit, reason)
}

fn counted(puppets: &Puppets, count: Count) -> u64 {
    puppets.world.count(puppets.exit, count)
}

/// The course of a stale write, step by step: the first copy is delayed, the second is answered, a newer write is
/// answered, the first copy arrives.
#[test]
fn a_late_copy_of_a_write_never_reaches_the_target() {
    for late in [
        Duration::ZERO,
        Duration::from_millis(700),
        Duration::from_secs(30),
    ] {
        let mut puppets = Puppets::new(1, 16, 2);
        arrives(&mut puppets, 2, &write(5, 0xd1));
        let (seen, what) = asked(&mut puppets);
        assert_eq!(what, [(true, 5, Some(0xd1))]);
        answer(&mut puppets, &seen[0]);
        arrives(&mut puppets, 3, &write(5, 0xd2));
        let (seen, what) = asked(&mut puppets);
        assert_eq!(what, [(true, 5, Some(0xd2))]);
        answer(&mut puppets, &seen[0]);
        puppets.world.run_for(late);
        puppets.announce(puppets.right, 16, 2);
        arrives(&mut puppets, 1, &write(5, 0xd1));
        assert!(asked(&mut puppets).1.is_empty());
        assert_eq!(dropped(&puppets, DropReason::WriteStale), 1);
        // The same number once more is no newer.
        arrives(&mut puppets, 3, &write(5, 0xd2));
        assert!(asked(&mut puppets).1.is_empty());
        // Reads are not writes, and elsewhere on the disk nothing was forgotten.
        arrives(&mut puppets, 1, &read(5));
        arrives(&mut puppets, 1, &write(1 << 20, 0xd3));
        assert_eq!(asked(&mut puppets).1.len(), 2, "{late:?}");
    }
}

#[test]
fn a_request_older_than_max_age_is_not_sent() {
    let mut puppets = Puppets::new(1, 16, 2);
    let captured = puppets.world.clock(puppets.edge);
    let pdu = craft::pdu(SEEN, AoeCommand::Ata, 1, &write(5, 1));
    let chunk = craft::request_chunk(0, 0, SOMEBODY, (1, captured), &pdu);
    // Long enough for the clocks to be compared by a ping.
    puppets.world.run_for(Duration::from_secs(8));
    puppets.announce(puppets.right, 16, 2);
    puppets.world.lie(puppets.exit, puppets.edge, &chunk);
    assert!(asked(&mut puppets).1.is_empty());
    assert_eq!(dropped(&puppets, DropReason::RequestTooOld), 1);
    arrives(&mut puppets, 2, &write(5, 1));
    assert_eq!(asked(&mut puppets).1.len(), 1);
}

#[test]
fn what_overlaps_an_unanswered_write_waits_for_it_and_nothing_else_does() {
    let mut puppets = Puppets::new(1, 16, 2);
    arrives(&mut puppets, 1, &write(5, 1));
    arrives(&mut puppets, 2, &write(5, 2));
    arrives(&mut puppets, 3, &read(5));
    arrives(&mut puppets, 4, &read(6));
    arrives(&mut puppets, 5, &write(7, 5));
    let (seen, what) = asked(&mut puppets);
    assert_eq!(what, [(true, 5, Some(1)), (false, 6, None), (true, 7, Some(5))]);
    answer(&mut puppets, &seen[0]);
    let (seen, what) = asked(&mut puppets);
    assert_eq!(what.first(), Some(&(true, 5, Some(2))));
    answer(&mut puppets, &seen[0]);
    assert_eq!(asked(&mut puppets).1.first(), Some(&(false, 5, None)));
    assert_eq!(counted(&puppets, Count::RequestsHeld), 2);
}

#[test]
fn a_copy_takes_the_place_of_what_is_there_and_both_are_answered_while_they_are_young() {
    for (pause, expected) in [(100, vec![7, 8]), (1500, vec![8])] {
        let mut puppets = Puppets::new(1, 16, 2);
        let ask = |puppets: &mut Puppets, tag, argument: &[u8]| {
            puppets.request(puppets.left, SEEN, AoeCommand::Ata, tag, argument);
        };
        ask(&mut puppets, 7, &write(5, 1));
        let (first, _) = asked(&mut puppets);
        puppets.world.run_for(Duration::from_millis(pause));
        ask(&mut puppets, 8, &write(5, 1));
        let (again, _) = asked(&mut puppets);
        assert!(again.iter().all(|seen| seen.ata().lba() == first[0].ata().lba()));
        assert_eq!(counted(&puppets, Count::RequestsCollapsed), 1);
        answer(&mut puppets, &first[0]);
        let mut tags: Vec<u32> = puppets.at_initiator().iter().map(Puppets::tag).collect();
        tags.sort_unstable();
        assert_eq!(tags, expected);
    }
}

#[test]
fn another_write_of_the_same_sectors_is_no_copy_and_both_are_answered() {
    let mut puppets = Puppets::new(1, 16, 2);
    for (tag, byte) in [(7, 1), (8, 2)] {
        puppets.request(puppets.left, SEEN, AoeCommand::Ata, tag, &write(5, byte));
    }
    for byte in [1, 2] {
        let (seen, what) = asked(&mut puppets);
        assert_eq!(what, [(true, 5, Some(byte))]);
        answer(&mut puppets, &seen[0]);
    }
    let tags: Vec<u32> = puppets.at_initiator().iter().map(Puppets::tag).collect();
    assert_eq!(tags, [7, 8]);
}

/// A read that a write has overtaken at the target must not answer somebody who asks after that write.
#[test]
fn a_read_is_not_the_answer_to_one_that_follows_a_write() {
    let mut puppets = Puppets::new(1, 16, 2);
    arrives(&mut puppets, 1, &read(5));
    arrives(&mut puppets, 2, &write(5, 1));
    let (seen, what) = asked(&mut puppets);
    assert_eq!(what, [(false, 5, None), (true, 5, Some(1))]);
    answer(&mut puppets, &seen[1]);
    arrives(&mut puppets, 3, &read(5));
    assert!(
        asked(&mut puppets).1.contains(&(false, 5, None)),
        "it is asked again"
    );
    assert_eq!(counted(&puppets, Count::RequestsCollapsed), 0);
}

#[test]
fn a_lost_frame_at_the_target_is_sent_again_and_holds_until_each_copy_is_answered() {
    let mut puppets = Puppets::new(1, 16, 2);
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, 7, &write(5, 1));
    puppets.world.run_for(Duration::from_millis(400));
    let (seen, _) = asked(&mut puppets);
    assert_eq!(seen.len(), 2, "once, and once again");
    assert_ne!(seen[0].header.tag, seen[1].header.tag);
    assert_eq!(counted(&puppets, Count::RequestsRepeated), 1);
    answer(&mut puppets, &seen[0]);
    assert_eq!(puppets.at_initiator().len(), 1);
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, 8, &write(5, 2));
    // A frame that the segment duplicates is one answer.
    answer(&mut puppets, &seen[0]);
    assert!(asked(&mut puppets).1.is_empty(), "the copy may still be applied");
    assert_eq!(dropped(&puppets, DropReason::ResponseRepeated), 1);
    answer(&mut puppets, &seen[1]);
    assert_eq!(asked(&mut puppets).1, [(true, 5, Some(2))]);
    assert_eq!(counted(&puppets, Count::AnswersAbsorbed), 1);
    assert!(puppets.at_initiator().is_empty(), "one answer is enough");
}

/// A write of which one copy was answered and the other never is, and then another one of the same sector, which its
/// initiator repeats: after how many seconds that is sent.
fn held_for(order: TargetOrder) -> Option<u64> {
    let mut puppets = Puppets::changed(1, |export| export.safety.order = order);
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, 7, &write(5, 1));
    puppets.world.run_for(Duration::from_millis(400));
    let (seen, _) = asked(&mut puppets);
    assert_eq!(seen.len(), 2, "once, and once again");
    answer(&mut puppets, &seen[0]);
    puppets.world.run_for(Duration::from_millis(15));
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, 9, &read(5));
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, 8, &write(5, 2));
    let mut what = asked(&mut puppets).1;
    let reads = what.contains(&(false, 5, None));
    assert!(reads, "the copy would write what is there already");
    for second in 0..60 {
        if what.contains(&(true, 5, Some(2))) {
            return Some(second);
        }
        puppets.world.run_for(Duration::from_millis(980));
        puppets.announce(puppets.right, 16, 2);
        puppets.request(puppets.left, SEEN, AoeCommand::Ata, 8, &write(5, 2));
        what = asked(&mut puppets).1;
    }
    None
}

#[test]
fn a_copy_that_is_never_answered_holds_other_writes_as_long_as_the_target_may_have_it() {
    assert_eq!(held_for(TargetOrder::Fifo), Some(0));
    assert_eq!(held_for(TargetOrder::Any), Some(30));
}

/// Nobody waits for its answer, and all the same it may be applied.
#[test]
fn a_write_that_was_given_up_holds_other_writes_too() {
    for (order, expected) in [(TargetOrder::Fifo, 1), (TargetOrder::Any, 0)] {
        let mut puppets = Puppets::changed(1, |export| export.safety.order = order);
        arrives(&mut puppets, 1, &write(5, 1));
        for _ in 0..12 {
            puppets.world.run_for(Duration::from_secs(1));
            puppets.announce(puppets.right, 16, 2);
        }
        assert_eq!(dropped(&puppets, DropReason::PendingExpired), 1);
        asked(&mut puppets);
        arrives(&mut puppets, 2, &write(5, 2));
        let sent = asked(&mut puppets).1.len();
        assert_eq!(sent, expected, "{order}");
    }
}

/// However many ask the same at once, each is answered: reads by few requests at the target, writes too.
#[test]
fn whatever_is_asked_often_at_once_is_answered_as_often() {
    for (argument, most) in [(read(5), 4), (write(5, 1), 4)] {
        for count in [4, 16, 50] {
            let mut puppets = Puppets::new(1, 16, 2);
            for tag in 0..count {
                puppets.request(puppets.left, SEEN, AoeCommand::Ata, tag, &argument);
            }
            let mut sent = 0;
            loop {
                let (seen, _) = asked(&mut puppets);
                if seen.is_empty() {
                    break;
                }
                sent += seen.len();
                seen.iter().for_each(|request| answer(&mut puppets, request));
            }
            let mut tags: Vec<u32> = puppets.at_initiator().iter().map(Puppets::tag).collect();
            tags.sort_unstable();
            assert_eq!(tags, (0..count).collect::<Vec<_>>());
            assert!(sent <= most, "{sent} for {count}");
        }
    }
}

/// Two reads of one block that change places on the path.
#[test]
fn one_that_another_overtook_on_its_way_is_answered_too() {
    let mut puppets = Puppets::new(1, 16, 2);
    arrives_as(&mut puppets, (2, 2), &read(5));
    arrives_as(&mut puppets, (1, 1), &read(5));
    arrives_as(&mut puppets, (1, 1), &read(5));
    let (seen, _) = asked(&mut puppets);
    answer(&mut puppets, &seen[0]);
    puppets.world.run_for(Duration::from_millis(1));
    assert_eq!(counted(&puppets, Count::RepliesToWire), 2);
    assert_eq!(dropped(&puppets, DropReason::RequestRepeated), 1);
}

/// A greedy initiator with 60 requests outstanding, of which the target takes two at a time: another one's request
/// waits for one of them, not for all.
#[test]
fn initiators_have_their_turns() {
    let mut puppets = Puppets::new(1, 2, 2);
    let edge = gateway_mac(puppets.edge, SegmentId(0));
    let ask = |puppets: &mut Puppets, source: MacAddr, lba: u64| {
        let pdu = craft::pdu(SEEN, AoeCommand::Ata, lba as u32, &read(lba));
        puppets
            .world
            .send_frame(puppets.left, &craft::frame(edge, source, &pdu));
    };
    let (greedy, modest) = (SOMEBODY, MacAddr([2, 6, 6, 6, 6, 6]));
    for lba in 0..60 {
        ask(&mut puppets, greedy, lba);
    }
    let mut there = puppets.at_target();
    assert_eq!(there.len(), 2);
    for lba in [1000, 1001, 1002] {
        ask(&mut puppets, modest, lba);
        puppets.world.run_for(Duration::from_millis(5));
        let mut between = 0;
        loop {
            let request = there.remove(0);
            answer(&mut puppets, &request);
            puppets.world.run_for(Duration::from_micros(200));
            let next: Vec<Seen> = puppets
                .world
                .take_heard(puppets.right)
                .into_iter()
                .filter(|seen| seen.header.command == AoeCommand::Ata)
                .collect();
            assert_eq!(next.len(), 1);
            there.extend(next);
            if there[1].ata().lba() == lba {
                break;
            }
            between += 1;
        }
        assert!(between <= 1, "{between} of the other's came first");
    }
}

/// Two exports of one target have one target's buffers between them.
#[test]
fn exports_of_one_target_share_its_buffers() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let access = aoe_common::config::Access::ReadWrite;
        plan.export(pair.exit, "again", pair.right, REAL, pair.edge, access);
        let second = aoe_common::frame::Address { shelf: 108, slot: 3 };
        plan.import(pair.edge, pair.exit, "again", pair.left, second);
        let other = plan.initiator(pair.left);
        let mut world = plan.build();
        // The world fails when the target has more requests than buffers.
        for (host, address) in [(pair.initiator, SEEN), (other, second)] {
            world.open(host, address);
            let load = Load::new(host, address, (pair.target, REAL));
            world.start_load(load.operations(200).depth(32));
        }
        world.finish_loads(Duration::from_secs(600));
    });
}

#[test]
fn a_target_that_is_away_for_twenty_seconds_costs_no_error() {
    for_each_seed(5, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(300).depth(16));
        world.run_for(Duration::from_millis(15));
        world.set_answering(pair.target, Answering::Never);
        world.run_for(Duration::from_secs(20));
        let down = |event: &Event| matches!(event, Event::TargetDown { .. });
        assert_eq!(world.events_like(pair.exit, down), 1, "{}", world.story());
        world.set_answering(pair.target, Answering::Normally);
        world.announce(pair.target);
        world.finish_loads(Duration::from_secs(300));
    });
}

#[test]
fn a_target_that_stays_away_is_answered_for_only_where_configured() {
    for on_target_timeout in [OnTargetTimeout::Silent, OnTargetTimeout::Error] {
        let mut puppets = Puppets::changed(1, |export| {
            export.safety.target_timeout = Duration::from_secs(30);
            export.safety.on_target_timeout = on_target_timeout;
        });
        puppets.world.run_for(Duration::from_secs(12));
        let heard = |puppets: &mut Puppets| {
            let heard = puppets.at_initiator();
            heard.iter().map(Seen::ata_outcome).collect::<Vec<_>>()
        };
        puppets.request(puppets.left, SEEN, AoeCommand::Ata, 7, &write(5, 1));
        puppets.world.run_for(Duration::from_secs(10));
        assert!(heard(&mut puppets).is_empty(), "it is kept");
        puppets.world.run_for(Duration::from_secs(12));
        puppets.request(puppets.left, SEEN, AoeCommand::Ata, 8, &write(5, 1));
        let refused = Some((0x41, 0x04));
        let expected = match on_target_timeout {
            OnTargetTimeout::Silent => vec![],
            OnTargetTimeout::Error => vec![refused, refused],
        };
        assert_eq!(heard(&mut puppets), expected);
        assert_eq!(dropped(&puppets, DropReason::TargetTimeout), 2);
        // It comes back, and takes requests.
        puppets.announce(puppets.right, 16, 2);
        puppets.request(puppets.left, SEEN, AoeCommand::Ata, 9, &write(5, 1));
        assert_eq!(asked(&mut puppets).1, [(true, 5, Some(1))]);
    }
}
