//! Which answer belongs to which request.

use std::time::Duration;

use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{AoeCommand, AoeError, Flags, Tag};
use e2e::sim::craft;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::puppet::Puppets;
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{HostId, Plan};

use aoe_lab::random::Random;

#[test]
fn all_32_bits_come_back_and_the_target_sees_others() {
    let mut puppets = Puppets::new(1, 200, 2);
    let mut random = Random::new(1);
    let bits = (0..32).map(|bit| 1u32 << bit);
    let tags: Vec<u32> = [0, u32::MAX, 0x8000_0000, 0x7fff_ffff]
        .into_iter()
        .chain(bits)
        .chain((0..100).map(|_| random.next_u64() as u32))
        .collect();
    for (lba, tag) in (0..).zip(&tags) {
        puppets.read(*tag, lba);
    }
    let requests = puppets.at_target();
    assert_eq!(requests.len(), tags.len());
    let mut ours: Vec<u32> = requests.iter().map(Puppets::tag).collect();
    // Answered in reverse: order does not matter.
    for request in requests.iter().rev() {
        assert_eq!(request.header.address, REAL);
        let byte = request.ata().lba() as u8;
        let answer = puppets.answer_to(request, byte);
        puppets.respond(puppets.right, &answer);
    }
    ours.sort_unstable();
    ours.dedup();
    assert_eq!(ours.len(), tags.len(), "no tag is used twice at once");
    assert!(
        ours.iter().all(|tag| tag >> 30 == 0b10),
        "no Linux initiator has these"
    );
    let answers = puppets.at_initiator();
    assert_eq!(answers.len(), tags.len());
    for answer in answers {
        let lba = answer.ata().data()[0];
        assert_eq!(answer.header.tag, Tag(tags[usize::from(lba)]));
        assert_eq!(answer.header.address, SEEN);
        assert_eq!(answer.argument.len(), 12 + 512);
    }
}

/// A target that is slow answers the process that asked, and by then that may be another one: an answer that it did not
/// ask for must not pass for one to its own first requests.
#[test]
fn a_restarted_exit_takes_no_answer_that_is_owed_to_the_process_before() {
    for_each_seed(20, |seed| {
        let mut puppets = Puppets::new(seed, 200, 2);
        for tag in 0..100 {
            puppets.read(tag, 1000 + u64::from(tag));
        }
        let before = puppets.at_target();
        assert_eq!(before.len(), 100);
        puppets.world.kill(puppets.exit);
        puppets.world.start(puppets.exit);
        puppets.announce(puppets.right, 200, 2);
        // Until it has found out that the target does not say who it is.
        puppets.world.run_for(Duration::from_secs(5));
        puppets.announce(puppets.right, 200, 2);
        puppets.world.take_heard(puppets.left);
        puppets.world.take_heard(puppets.right);
        for tag in 200..300 {
            puppets.read(tag, 5000 + u64::from(tag));
        }
        let now = puppets.at_target();
        assert_eq!(now.len(), 100);
        for request in &before {
            let answer = puppets.answer_to(request, 1);
            puppets.respond(puppets.right, &answer);
        }
        assert!(puppets.at_initiator().is_empty(), "seed {seed}");
        assert_eq!(
            puppets.world.dropped(puppets.exit, DropReason::ResponseUnmatched),
            100
        );
        for request in &now {
            let answer = puppets.answer_to(request, 2);
            puppets.respond(puppets.right, &answer);
        }
        assert_eq!(puppets.at_initiator().len(), 100);
    });
}

/// A target that repeats what it was asked, as all known ones do, is held to it: an answer about another sector or of the
/// other direction is not the answer, whatever its tag, and the request stays.
#[test]
fn an_answer_about_something_else_is_not_believed_of_a_target_that_repeats_what_it_was_asked() {
    let mut puppets = Puppets::new(1, 16, 2);
    let repeats = |puppets: &mut Puppets, request: &craft::Seen, lba: u8, flags: u8| {
        let mut answer = request.header.response().to_bytes().to_vec();
        answer.extend_from_slice(&[flags, 0, 0, 0x40, lba, 0, 0, 0, 0, 0, 0, 0]);
        if request.ata().command().is_read() {
            answer.extend_from_slice(&[9; 512]);
        }
        puppets.respond(puppets.right, &answer);
        puppets.at_initiator().len()
    };
    for tag in 1..=8 {
        puppets.read(tag, tag.into());
        let request = puppets.at_target().remove(0);
        assert_eq!(repeats(&mut puppets, &request, tag as u8, 0x40), 1);
    }
    let write = craft::ata(0x34, 1, 60, &[1; 512]);
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, 59, &write);
    puppets.read(60, 60);
    let request = puppets.at_target().remove(0);
    assert_eq!(repeats(&mut puppets, &request, 60, 0x40), 0, "that is of a read");
    assert_eq!(repeats(&mut puppets, &request, 5, 0x41), 0, "another sector");
    assert_eq!(repeats(&mut puppets, &request, 60, 0x41), 1);
    let mut requests = puppets.at_target().into_iter();
    let request = requests.find(|seen| seen.ata().command().is_read()).unwrap();
    assert_eq!(repeats(&mut puppets, &request, 50, 0x40), 0);
    assert_eq!(repeats(&mut puppets, &request, 60, 0x40), 1);
    assert_eq!(puppets.world.dropped(puppets.exit, DropReason::ResponseMisfit), 3);
}

/// The same for what the exit itself asks: how the target is, and who.
#[test]
fn a_restarted_exit_takes_no_answer_to_a_question_of_the_process_before() {
    let mut puppets = Puppets::new(1, 16, 2);
    puppets.world.kill(puppets.exit);
    puppets.world.start(puppets.exit);
    puppets.world.run_for(Duration::from_secs(2));
    let asked = puppets.world.take_heard(puppets.right);
    let query = |seen: &&craft::Seen| seen.header.command == AoeCommand::Query;
    let old = asked.iter().find(query).unwrap().header;
    puppets.world.kill(puppets.exit);
    puppets.world.start(puppets.exit);
    puppets.world.run_for(Duration::from_secs(2));
    let new = puppets.world.take_heard(puppets.right);
    let new = new.iter().find(query).unwrap().header;
    for (header, believed) in [(old, false), (new, true)] {
        let mut pdu = header.response().to_bytes().to_vec();
        pdu[2..5].copy_from_slice(&[0, 7, 3]);
        pdu.extend_from_slice(&[0, 16, 0, 1, 2, 0x10, 0, 0]);
        puppets.respond(puppets.right, &pdu);
        puppets.world.run_for(Duration::from_millis(10));
        let up = |event: &Event| matches!(event, Event::TargetUp { .. });
        // One of the first process.
        let expected = 1 + u64::from(believed);
        assert_eq!(
            puppets.world.events_like(puppets.exit, up) as u64,
            expected,
            "{}",
            puppets.world.story()
        );
    }
}

#[test]
fn two_initiators_may_use_one_tag() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        let stations = [plan.station(pair.left), plan.station(pair.left)];
        let world = plan.build();
        let mut world = world;
        world.run_for(Duration::from_secs(2));
        world
            .target_mut(pair.target)
            .blade_mut(REAL)
            .unwrap()
            .backing_mut()
            .write(0, &[1; 512])
            .unwrap();
        world
            .target_mut(pair.target)
            .blade_mut(REAL)
            .unwrap()
            .backing_mut()
            .write(1, &[2; 512])
            .unwrap();
        for station in stations {
            world.take_heard(station);
        }
        for (lba, station) in (0..).zip(stations) {
            let edge = e2e::sim::plan::gateway_mac(pair.edge, aoe_common::config::SegmentId(0));
            let pdu = craft::pdu(SEEN, AoeCommand::Ata, 42, &craft::ata(0x24, 1, lba, &[]));
            let frame = craft::frame(edge, world.mac(station), &pdu);
            world.send_frame(station, &frame);
        }
        world.run_for(Duration::from_millis(20));
        for (byte, station) in (1..).zip(stations) {
            let heard = world.take_heard(station);
            assert_eq!(heard.len(), 1);
            assert_eq!((heard[0].header.tag, heard[0].ata().data()[0]), (Tag(42), byte));
            assert_eq!(heard[0].destination, world.mac(station));
        }
    });
}

/// What a station on the target's LAN may do to the answer of one read; none of it may reach the initiator, and
/// the genuine answer after it must.
fn impostor(spoil: impl Fn(&mut Puppets, HostId, &craft::Seen, Vec<u8>)) -> Puppets {
    let mut puppets = Puppets::new(2, 16, 2);
    puppets.read(7, 3);
    let requests = puppets.at_target();
    assert_eq!(requests.len(), 1);
    let answer = puppets.answer_to(&requests[0], 9);
    let right = puppets.right;
    spoil(&mut puppets, right, &requests[0], answer.clone());
    assert!(puppets.at_initiator().is_empty());
    puppets.respond(right, &answer);
    assert_eq!(
        puppets.at_initiator().len(),
        1,
        "the genuine one is still welcome"
    );
    puppets.respond(right, &answer);
    assert!(puppets.at_initiator().is_empty(), "once");
    puppets
}

#[test]
fn an_answer_from_another_station_is_not_believed() {
    let puppets = impostor(|puppets, _, _, answer| {
        let other = puppets.other;
        puppets.respond(other, &answer);
    });
    assert_eq!(
        puppets
            .world
            .dropped(puppets.exit, DropReason::ResponseWrongSource),
        1
    );
}

#[test]
fn an_answer_for_another_address_is_not_believed() {
    let puppets = impostor(|puppets, right, _, mut answer| {
        for at in [2, 3, 4] {
            answer[at] ^= 1;
            puppets.respond(right, &answer);
            answer[at] ^= 1;
        }
    });
    assert_eq!(
        puppets.world.dropped(puppets.exit, DropReason::ResponseMismatch),
        3
    );
}

#[test]
fn an_answer_with_a_forged_tag_is_not_believed() {
    let puppets = impostor(|puppets, right, _, mut answer| {
        for bit in 0..32 {
            answer[6 + bit / 8] ^= 1 << (bit % 8);
            puppets.respond(right, &answer);
            answer[6 + bit / 8] ^= 1 << (bit % 8);
        }
    });
    assert_eq!(
        puppets.world.dropped(puppets.exit, DropReason::ResponseUnmatched),
        // The genuine one is sent twice.
        32 + 1
    );
}

#[test]
fn an_answer_of_another_command_is_not_believed() {
    impostor(|puppets, right, _, mut answer| {
        for command in 1..=255 {
            answer[5] = command;
            puppets.respond(right, &answer);
        }
    });
}

#[test]
fn an_answer_with_less_data_than_asked_for_is_not_passed_on() {
    impostor(|puppets, right, _, answer| {
        // Up to 60 bytes a frame is padded; a padded one must not pass for a whole one either.
        for len in [0, 10, 21, 22, 46, 100, 400, answer.len() - 1] {
            puppets.respond(right, &answer[..len]);
        }
    });
}

#[test]
fn an_answer_with_more_than_asked_for_is_cut() {
    let mut puppets = Puppets::new(3, 16, 2);
    puppets.read(7, 3);
    let request = puppets.at_target().remove(0);
    let mut answer = puppets.answer_to(&request, 9);
    answer.extend_from_slice(&[0xee; 300]);
    puppets.respond(puppets.right, &answer);
    let heard = puppets.at_initiator();
    assert_eq!((heard.len(), heard[0].argument.len()), (1, 12 + 512));
}

#[test]
fn stale_bytes_behind_a_short_answer_stay_at_the_target() {
    // vblade pads the answer to a write with bytes of an earlier frame.
    let mut puppets = Puppets::new(3, 16, 2);
    let argument = craft::ata(0x34, 1, 0, &[1; 512]);
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, 7, &argument);
    let request = puppets.at_target().remove(0);
    let mut answer = request.header.response().to_bytes().to_vec();
    answer.extend_from_slice(&craft::ata(0x40, 0, 0, &[]));
    answer.extend_from_slice(&[0xdd; 24]);
    puppets.respond(puppets.right, &answer);
    // The world's own inspection refuses anything but zeros behind the 36 bytes.
    let heard = puppets.at_initiator();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].ata().data().iter().all(|byte| *byte == 0));
}

#[test]
fn an_aoe_error_of_the_target_reaches_the_initiator_as_one() {
    let mut puppets = Puppets::new(3, 16, 2);
    puppets.read(0x1234_5678, 3);
    let request = puppets.at_target().remove(0);
    let header = request.header.error_response(AoeError::DeviceUnavailable);
    let mut answer = header.to_bytes().to_vec();
    answer.extend_from_slice(&request.argument[..12]);
    puppets.respond(puppets.right, &answer);
    let heard = puppets.at_initiator();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        (heard[0].header.flags, heard[0].header.error),
        (Flags::ERROR_RESPONSE, 3)
    );
    assert_eq!(
        (heard[0].header.tag, heard[0].header.address),
        (Tag(0x1234_5678), SEEN)
    );
}

#[test]
fn versions_and_reserved_flags_of_others_are_not_passed_on() {
    let mut puppets = Puppets::new(3, 16, 2);
    for first in [0x00u8, 0x01, 0x03, 0x13, 0x20, 0xf0, 0x14] {
        let edge = e2e::sim::plan::gateway_mac(puppets.edge, aoe_common::config::SegmentId(0));
        let mut pdu = craft::pdu(SEEN, AoeCommand::Ata, 7, &craft::ata(0x24, 1, 0, &[]));
        pdu[0] = first;
        let frame = craft::frame(edge, puppets.world.mac(puppets.left), &pdu);
        puppets.world.send_frame(puppets.left, &frame);
        let requests = puppets.at_target();
        assert_eq!(requests.len(), 1, "{first:#x}");
        assert_eq!(
            (requests[0].header.version, requests[0].header.flags),
            (1, Flags::REQUEST)
        );
        let mut answer = puppets.answer_to(&requests[0], 1);
        answer[0] = 0x2b;
        puppets.respond(puppets.right, &answer);
        let heard = puppets.at_initiator();
        assert_eq!(
            (heard[0].header.version, heard[0].header.flags),
            (1, Flags::RESPONSE)
        );
    }
}
