//! Several cards, several edges: whatever way a late copy takes, it undoes nothing, and every copy is answered where it
//! came from.

use std::time::Duration;

use aoe_common::config::SegmentId;
use aoe_common::drop_reason::DropReason;
use aoe_common::frame::{AoeCommand, MacAddr};
use aoe_common::telemetry::Count;
use aoe_common::time::Instant;
use e2e::sim::craft::{self, Seen};
use e2e::sim::plan::{SEEN, gateway_mac};
use e2e::sim::puppet::Puppets;

const CARDS: [MacAddr; 2] = [MacAddr([2, 5, 5, 5, 5, 5]), MacAddr([2, 6, 6, 6, 6, 6])];

fn write(lba: u64, byte: u8) -> Vec<u8> {
    craft::ata(0x34, 1, lba, &[byte; 512])
}

fn read(lba: u64) -> Vec<u8> {
    craft::ata(0x24, 1, lba, &[])
}

/// One copy of a request, as an edge carries it.
#[derive(Clone, Copy)]
struct Copy {
    import: u16,
    card: MacAddr,
    number: u64,
    captured: Instant,
}

/// Hands the exit a request as if it had come by the tunnel.
fn arrives(puppets: &mut Puppets, copy: Copy, argument: &[u8]) {
    // Its tag is its number.
    let pdu = craft::pdu(SEEN, AoeCommand::Ata, copy.number as u32, argument);
    let numbered = (copy.number, copy.captured);
    let chunk = craft::request_chunk(0, copy.import, copy.card, numbered, &pdu);
    puppets.world.lie(puppets.exit, puppets.edge, &chunk);
}

/// A copy that was captured just now by the edge's only import.
fn fresh(puppets: &Puppets, card: MacAddr, number: u64) -> Copy {
    Copy {
        import: 0,
        card,
        number,
        captured: puppets.world.clock(puppets.edge),
    }
}

/// Answers what the puppet target has been asked; the bytes that were written, or `None` for a read.
fn answered(puppets: &mut Puppets) -> Vec<Option<u8>> {
    let seen = puppets.at_target();
    let mut what = Vec::new();
    for request in &seen {
        let mut pdu = puppets.answer_to(request, 9);
        let ata = request.ata();
        if ata.command().is_write() {
            pdu.truncate(22);
        }
        what.push(ata.data().first().copied().filter(|_| ata.command().is_write()));
        puppets.respond(puppets.right, &pdu);
    }
    puppets.world.run_for(Duration::from_millis(1));
    what
}

fn dropped(puppets: &Puppets, reason: DropReason) -> u64 {
    puppets.world.dropped(puppets.exit, reason)
}

/// Linux sends each frame by the next of its cards: the copy that is late has another source than what it would undo.
#[test]
fn a_late_copy_from_another_card_never_reaches_the_target() {
    let mut puppets = Puppets::new(1, 16, 2);
    let late = fresh(&puppets, CARDS[0], 1);
    for (number, byte) in [(2, 0xd1), (3, 0xd2)] {
        let copy = fresh(&puppets, CARDS[1], number);
        arrives(&mut puppets, copy, &write(5, byte));
        assert_eq!(answered(&mut puppets), [Some(byte)]);
    }
    arrives(&mut puppets, late, &write(5, 0xd1));
    assert!(answered(&mut puppets).is_empty());
    assert_eq!(dropped(&puppets, DropReason::WriteStale), 1);
}

#[test]
fn copies_from_several_cards_are_one_request_and_each_is_answered_where_it_came_from() {
    for argument in [write(5, 1), read(5)] {
        let mut puppets = Puppets::new(1, 16, 2);
        let edge = gateway_mac(puppets.edge, SegmentId(0));
        for (tag, card) in [(7, CARDS[0]), (8, CARDS[1]), (9, CARDS[0])] {
            let pdu = craft::pdu(SEEN, AoeCommand::Ata, tag, &argument);
            puppets
                .world
                .send_frame(puppets.left, &craft::frame(edge, card, &pdu));
            puppets.world.run_for(Duration::from_millis(3));
        }
        assert_eq!(answered(&mut puppets).len(), 1);
        assert!(answered(&mut puppets).is_empty());
        let heard = puppets.at_initiator();
        let mut heard: Vec<(u32, MacAddr)> = heard
            .iter()
            .map(|seen| (Puppets::tag(seen), seen.destination))
            .collect();
        heard.sort_unstable();
        assert_eq!(heard, [(7, CARDS[0]), (8, CARDS[1]), (9, CARDS[0])]);
        assert_eq!(puppets.world.count(puppets.exit, Count::RequestsCollapsed), 2);
    }
}

/// Two initiators ask for the same, and the tunnel turns their requests round.
#[test]
fn a_copy_that_arrives_after_a_newer_one_is_answered_too() {
    let mut puppets = Puppets::new(1, 16, 2);
    for (number, card) in [(2, CARDS[1]), (1, CARDS[0])] {
        let copy = fresh(&puppets, card, number);
        arrives(&mut puppets, copy, &read(5));
        // The same copy once more is none.
        arrives(&mut puppets, copy, &read(5));
    }
    assert_eq!(answered(&mut puppets), [None]);
    assert_eq!(puppets.world.count(puppets.exit, Count::RepliesToWire), 2);
    assert_eq!(dropped(&puppets, DropReason::RequestRepeated), 2);
}

/// Two imports number for themselves: what came by the other one is late if it was captured before the arrival of what
/// it would undo.
#[test]
fn a_late_copy_by_another_import_never_reaches_the_target() {
    let mut puppets = Puppets::new(1, 16, 2);
    // Long enough for the clocks to be compared by a ping.
    puppets.world.run_for(Duration::from_secs(8));
    puppets.announce(puppets.right, 16, 2);
    let by_other = |puppets: &Puppets, number| Copy {
        import: 1,
        ..fresh(puppets, CARDS[1], number)
    };
    let late = by_other(&puppets, 1000);
    puppets.world.run_for(Duration::from_millis(50));
    let copy = fresh(&puppets, CARDS[0], 1);
    arrives(&mut puppets, copy, &write(5, 0xd2));
    assert_eq!(answered(&mut puppets), [Some(0xd2)]);
    arrives(&mut puppets, late, &write(5, 0xd1));
    assert!(answered(&mut puppets).is_empty());
    assert_eq!(dropped(&puppets, DropReason::WriteStale), 1);
    // Elsewhere on the disk it is not late, and what is captured now is not at all.
    arrives(&mut puppets, late, &write(6, 0xd3));
    assert_eq!(answered(&mut puppets), [Some(0xd3)]);
    let newer = by_other(&puppets, 1001);
    arrives(&mut puppets, newer, &write(5, 0xd4));
    assert_eq!(answered(&mut puppets), [Some(0xd4)]);
}

/// The newest number of a collapsed request is what older copies of it are measured by.
#[test]
fn a_copy_older_than_a_collapsed_one_never_reaches_the_target() {
    let mut puppets = Puppets::new(1, 16, 2);
    for number in [1, 3] {
        let copy = fresh(&puppets, CARDS[0], number);
        arrives(&mut puppets, copy, &write(5, 0xd1));
    }
    assert_eq!(answered(&mut puppets), [Some(0xd1)]);
    let between = fresh(&puppets, CARDS[0], 2);
    arrives(&mut puppets, between, &write(5, 0xd1));
    assert!(answered(&mut puppets).is_empty());
    assert_eq!(dropped(&puppets, DropReason::WriteStale), 1);
}

/// The exit answers earlier copies of a collapsed request while they are young; the edge is another matter.
#[test]
fn the_exit_does_not_answer_copies_that_have_become_old() {
    for (pause, replies) in [(100, 2), (1500, 1)] {
        let mut puppets = Puppets::new(1, 16, 2);
        let copy = fresh(&puppets, CARDS[0], 1);
        arrives(&mut puppets, copy, &write(5, 1));
        puppets.world.run_for(Duration::from_millis(pause));
        let copy = fresh(&puppets, CARDS[0], 2);
        arrives(&mut puppets, copy, &write(5, 1));
        answered(&mut puppets);
        let sent = puppets.world.count(puppets.exit, Count::RepliesToWire);
        assert_eq!(sent, replies, "after {pause} ms");
    }
}

/// And whatever an exit answers, the edge passes on no old answer to a request that was sent again.
#[test]
fn the_edge_keeps_an_old_answer_to_a_superseded_copy_back() {
    let mut puppets = Puppets::new(1, 16, 2);
    let before = puppets.world.count(puppets.edge, Count::RequestsToWire);
    for tag in [7, 8] {
        puppets.request(puppets.left, SEEN, AoeCommand::Ata, tag, &write(5, 1));
        puppets.world.run_for(Duration::from_millis(1500));
    }
    let own = puppets.world.mac(puppets.left);
    let says = |puppets: &mut Puppets, copy: u32| -> Vec<u32> {
        let mut pdu = craft::pdu(SEEN, AoeCommand::Ata, 6 + copy, &craft::ata(0x40, 0, 0, &[]));
        pdu[0] = 0x18;
        let chunk = craft::reply_chunk(0, own, before + u64::from(copy), &pdu);
        puppets.world.lie(puppets.edge, puppets.exit, &chunk);
        let heard: Vec<Seen> = puppets.at_initiator();
        heard.iter().map(Puppets::tag).collect()
    };
    assert!(says(&mut puppets, 1).is_empty());
    assert_eq!(puppets.world.dropped(puppets.edge, DropReason::ReplyLate), 1);
    assert_eq!(says(&mut puppets, 2), [8], "the newest is owed one");
}
