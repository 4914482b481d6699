//! What fits one frame becomes less while requests are under way: none is refused for its size.

use std::time::Duration;

use aoe_common::config::SegmentId;
use aoe_common::drop_reason::DropReason;
use aoe_common::frame::AoeCommand;
use aoe_common::telemetry::Count;
use e2e::sim::craft::{self, Seen};
use e2e::sim::plan::SEEN;
use e2e::sim::puppet::Puppets;

const READ_EXT: u8 = 0x24;
const WRITE_EXT: u8 = 0x34;

/// Sectors that tell which they are.
fn data(sectors: u8) -> Vec<u8> {
    (0..sectors).flat_map(|sector| [0xa0 + sector; 512]).collect()
}

/// A pair on LANs of 9000, of whose target's LAN is left what carries two sectors.
fn shrunk() -> Puppets {
    let mut puppets = Puppets::on(1, [9000, 9000], 16, 17);
    let exit = puppets.exit;
    puppets.world.set_segment_mtu(exit, SegmentId(0), 1500);
    puppets
}

/// What the puppet target has been asked: sector and count, in the order of arrival.
fn asked(seen: &[Seen]) -> Vec<(u64, u8)> {
    seen.iter()
        .map(|seen| (seen.ata().lba(), seen.ata().sectors()))
        .collect()
}

/// The puppet target answers a part as a target would, `status` first.
fn answer(puppets: &mut Puppets, request: &Seen, status: u8, not_moved: u8) {
    let ata = request.ata();
    let first = 0xa0 + (ata.lba() - 100) as u8;
    let read: Vec<u8> = match ata.command().is_read() && status == 0x40 {
        true => (0..ata.sectors())
            .flat_map(|sector| [first + sector; 512])
            .collect(),
        false => Vec::new(),
    };
    let mut pdu = request.header.response().to_bytes().to_vec();
    pdu.extend_from_slice(&craft::ata(status, not_moved, ata.lba(), &read));
    puppets.respond(puppets.right, &pdu);
}

fn ask(puppets: &mut Puppets, tag: u32, opcode: u8, sectors: u8) {
    let carried = if opcode == WRITE_EXT {
        data(sectors)
    } else {
        Vec::new()
    };
    let argument = craft::ata(opcode, sectors, 100, &carried);
    puppets.request(puppets.left, SEEN, AoeCommand::Ata, tag, &argument);
}

#[test]
fn what_does_not_fit_the_targets_lan_is_done_in_parts_and_answered_as_one() {
    for opcode in [READ_EXT, WRITE_EXT] {
        let mut puppets = shrunk();
        ask(&mut puppets, 7, opcode, 5);
        let mut written = Vec::new();
        for expected in [(100, 2), (102, 2), (104, 1)] {
            assert!(puppets.at_initiator().is_empty());
            let seen = puppets.at_target();
            assert_eq!(asked(&seen), [expected]);
            let len = if opcode == WRITE_EXT {
                usize::from(expected.1) * 512
            } else {
                0
            };
            written.extend_from_slice(&seen[0].ata().data()[..len]);
            answer(&mut puppets, &seen[0], 0x40, 0);
            // The same answer once more is none to the next part.
            answer(&mut puppets, &seen[0], 0x40, 0);
        }
        let heard = puppets.at_initiator();
        assert_eq!(heard.len(), 1);
        assert_eq!(
            (Puppets::tag(&heard[0]), heard[0].ata_outcome()),
            (7, Some((0x40, 0)))
        );
        assert_eq!(heard[0].ata().lba(), 100);
        match opcode {
            READ_EXT => assert!(heard[0].ata().data() == data(5)),
            _ => assert!(written == data(5)),
        }
        assert!(puppets.at_target().is_empty());
    }
}

#[test]
fn a_part_that_fails_fails_the_request_and_says_how_much_is_left() {
    let mut puppets = shrunk();
    ask(&mut puppets, 7, WRITE_EXT, 5);
    let seen = puppets.at_target();
    answer(&mut puppets, &seen[0], 0x40, 0);
    let seen = puppets.at_target();
    answer(&mut puppets, &seen[0], 0x41, 1);
    let heard = puppets.at_initiator();
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].ata().status(), heard[0].ata().sectors()), (0x41, 2));
    assert!(puppets.at_target().is_empty(), "nothing of it is done any more");
}

/// The target says that it takes one sector less than what was asked of it before.
#[test]
fn a_target_that_lowers_what_it_takes_gets_parts() {
    let mut puppets = Puppets::new(1, 16, 2);
    puppets.announce(puppets.right, 16, 1);
    ask(&mut puppets, 7, READ_EXT, 2);
    for expected in [(100, 1), (101, 1)] {
        let seen = puppets.at_target();
        assert_eq!(asked(&seen), [expected]);
        answer(&mut puppets, &seen[0], 0x40, 0);
    }
    assert_eq!(puppets.at_initiator()[0].ata().data(), data(2));
}

/// A frame that was lost on the way is sent again with what fits now.
#[test]
fn a_request_under_way_is_sent_again_in_parts_and_at_full_size_when_that_fits_again() {
    let mut puppets = Puppets::on(1, [9000, 9000], 16, 17);
    let (exit, segment) = (puppets.exit, SegmentId(0));
    ask(&mut puppets, 7, READ_EXT, 5);
    assert_eq!(asked(&puppets.at_target()), [(100, 5)]);
    puppets.world.set_segment_mtu(exit, segment, 1500);
    puppets.world.run_for(Duration::from_millis(400));
    let seen = puppets.at_target();
    assert!(!seen.is_empty() && asked(&seen).iter().all(|part| *part == (100, 2)));
    answer(&mut puppets, &seen[0], 0x40, 0);
    // Sent before anything is known of the change.
    assert_eq!(asked(&puppets.at_target()), [(102, 2)]);
    puppets.world.set_segment_mtu(exit, segment, 9000);
    puppets.world.run_for(Duration::from_millis(1000));
    let seen = puppets.at_target();
    assert!(
        !seen.is_empty() && asked(&seen).iter().all(|part| *part == (102, 3)),
        "{:?}",
        asked(&seen)
    );
    answer(&mut puppets, &seen[0], 0x40, 0);
    let heard = puppets.at_initiator();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].ata().data() == data(5));
}

/// What does not fit the initiator's own LAN cannot be answered. It is not refused either, until it is certain that it
/// never will be.
#[test]
fn a_read_that_does_not_fit_the_initiators_lan_is_refused_only_when_that_lasts() {
    let mut puppets = Puppets::on(1, [9000, 9000], 16, 17);
    let (edge, segment) = (puppets.edge, SegmentId(0));
    let refused = |puppets: &Puppets| {
        puppets
            .world
            .dropped(puppets.edge, DropReason::RefusedTooManySectors)
    };
    puppets.world.run_for(Duration::from_secs(300));
    puppets.announce(puppets.right, 16, 17);
    puppets.world.set_segment_mtu(edge, segment, 1500);
    for _ in 0..11 {
        ask(&mut puppets, 7, READ_EXT, 17);
        puppets.world.run_for(Duration::from_secs(10));
        puppets.announce(puppets.right, 16, 17);
    }
    assert_eq!((puppets.at_initiator().len(), refused(&puppets)), (0, 0));
    // Writes go on, for their answers fit.
    puppets.world.take_heard(puppets.right);
    ask(&mut puppets, 8, WRITE_EXT, 17);
    let seen = puppets.at_target();
    assert_eq!(asked(&seen), [(100, 17)]);
    answer(&mut puppets, &seen[0], 0x40, 0);
    assert_eq!(puppets.at_initiator().len(), 1);
    puppets.world.run_for(Duration::from_secs(10));
    puppets.announce(puppets.right, 16, 17);
    ask(&mut puppets, 9, READ_EXT, 17);
    let heard = puppets.at_initiator();
    assert_eq!(
        heard.iter().map(Seen::ata_outcome).collect::<Vec<_>>(),
        [Some((0x41, 0x04))]
    );
    assert_eq!(puppets.world.count(puppets.edge, Count::Refusals), 1);
    puppets.world.set_segment_mtu(edge, segment, 9000);
    ask(&mut puppets, 10, READ_EXT, 17);
    assert_eq!(asked(&puppets.at_target()), [(100, 17)]);
}
