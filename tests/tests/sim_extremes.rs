//! A peer that is who it says sends the greatest and the smallest number in every field of every message. Sums saturate or
//! are refused, work is bounded, and its honest traffic goes on.

use std::time::Duration;

use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{AoeCommand, MacAddr};
use aoe_common::time::Instant;
use e2e::sim::craft;
use e2e::sim::plan::SEEN;
use e2e::sim::puppet::Puppets;

const KINDS: std::ops::RangeInclusive<u8> = 1..=13;
const REPORT: u8 = 8;
const ABANDON: u8 = 9;
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 9, 9]);

/// What stands in a field of so many bytes.
fn extremes(width: usize) -> Vec<Vec<u8>> {
    let bits = width as u32 * 8;
    let most = u64::MAX >> (64 - bits);
    let numbers = [
        0,
        1,
        most / 2,
        most / 2 + 1,
        most - 1,
        most,
        1 << 33,
        (1 << 32) - 1,
    ];
    let fits = numbers.into_iter().filter(|number| *number <= most);
    fits.map(|number| number.to_be_bytes()[8 - width..].to_vec())
        .collect()
}

/// A report or abandonment of these numbers.
fn report(session: u32, next: u64, floor: u64, ranges: &[(u32, u32)]) -> Vec<u8> {
    let mut message = session.to_be_bytes().to_vec();
    message.extend_from_slice(&next.to_be_bytes());
    message.extend_from_slice(&floor.to_be_bytes());
    for (first, count) in ranges {
        message.extend_from_slice(&first.to_be_bytes());
        message.extend_from_slice(&count.to_be_bytes());
    }
    message
}

/// The index that records to the one and the other carry.
fn sessions(puppets: &mut Puppets) -> [u32; 2] {
    puppets.world.start_recording();
    puppets.read(1, 1);
    let seen = puppets.at_target();
    let answer = puppets.answer_to(&seen[0], 1);
    puppets.respond(puppets.right, &answer);
    assert_eq!(puppets.at_initiator().len(), 1);
    let recorded = puppets.world.recorded();
    [puppets.edge, puppets.exit].map(|site| {
        let to = puppets.world.socket(site);
        let record = recorded.iter().find(|one| one.to == to && one.bytes[0] == 4);
        u32::from_be_bytes(*record.unwrap().bytes[4..].first_chunk().unwrap())
    })
}

/// Something of each kind that would be believed, so that a wrong field is read after right ones.
fn plausible(kind: u8, session: u32, now: Instant) -> Vec<u8> {
    let read = craft::pdu(SEEN, AoeCommand::Ata, 77, &craft::ata(0x24, 1, 5, &[]));
    match kind {
        1 => craft::request_chunk(0, 0, MAC, (1, now), &read)[4..].to_vec(),
        2 => craft::reply_chunk(0, MAC, 1, &read)[4..].to_vec(),
        3 | 11 | 12 => vec![0; 8],
        4 => vec![0; 16],
        5 => [&[0, 0, 0, 9][..], &[0; 24], &[1, b'x', 0, 0, 0]].concat(),
        6 => vec![0; 4],
        REPORT | ABANDON => report(session, 4, 1, &[(0, 1), (2, 1)]),
        _ => Vec::new(),
    }
}

fn reads_go_on(puppets: &mut Puppets, tag: u32) {
    // What a lying edge asked for is answered first, and a target that was silent says that it is there.
    for _ in 0..50 {
        for seen in puppets.at_target() {
            let answer = puppets.answer_to(&seen, 3);
            puppets.respond(puppets.right, &answer);
        }
        puppets.announce(puppets.right, 16, 2);
    }
    puppets.at_initiator();
    puppets.read(tag, 40);
    let seen = puppets.at_target();
    let asked = seen
        .iter()
        .find(|one| one.ata().lba() == 40)
        .expect("the read reaches the target");
    let answer = puppets.answer_to(asked, 4);
    puppets.respond(puppets.right, &answer);
    assert_eq!(puppets.at_initiator().len(), 1, "{}", puppets.world.story());
}

#[test]
fn extreme_numbers_in_every_field_of_every_message_harm_nothing() {
    let mut puppets = Puppets::new(3, 16, 2);
    let sessions = sessions(&mut puppets);
    let sites = [puppets.edge, puppets.exit];
    for (at, site) in sites.into_iter().enumerate() {
        let other = sites[1 - at];
        for kind in KINDS.filter(|kind| *kind != 7) {
            // What it tells of is what the receiver sent: the index is that of the other side.
            let of = if kind == REPORT {
                sessions[1 - at]
            } else {
                sessions[at]
            };
            let message = plausible(kind, of, puppets.world.clock(other));
            for width in [1, 2, 4, 8] {
                for offset in 0..(message.len() + 1).saturating_sub(width).min(64) {
                    for extreme in extremes(width) {
                        let mut changed = message.clone();
                        changed[offset..offset + width].copy_from_slice(&extreme);
                        puppets.world.lie(site, other, &craft::chunk(kind, &changed));
                        puppets.world.lie(
                            site,
                            other,
                            &craft::fragment(kind, 9, 0, changed.len() as u16, &changed),
                        );
                    }
                }
            }
            for fill in [0, 0x7f, 0x80, 0xff] {
                for len in 0..300 {
                    puppets
                        .world
                        .lie(site, other, &craft::chunk(kind, &vec![fill; len]));
                }
            }
            let position = |offset, total| craft::fragment(kind, u32::MAX, offset, total, &[1; 9]);
            for (offset, total) in [
                (0, 0),
                (u16::MAX, u16::MAX),
                (u16::MAX - 4, 3),
                (0, u16::MAX),
                (16_400, 16_406),
            ] {
                puppets.world.lie(site, other, &position(offset, total));
            }
        }
        let most = u64::MAX;
        let sizes = [
            (0, u32::MAX),
            (u32::MAX, u32::MAX),
            (u32::MAX - 1, 1),
            (5, u32::MAX - 5),
        ];
        for kind in [REPORT, ABANDON] {
            for session in sessions {
                for (next, floor) in [
                    (most, 0),
                    (most, most),
                    (most, most - 4),
                    (1 << 33, 0),
                    (most, 1 << 33),
                ] {
                    let reported = report(session, next, floor, &sizes[..1]);
                    puppets.world.lie(site, other, &craft::chunk(kind, &reported));
                    for size in sizes {
                        let reported = report(session, next, floor, &[size]);
                        puppets.world.lie(site, other, &craft::chunk(kind, &reported));
                    }
                }
            }
        }
    }
    // What it said of its own requests counts against them, until it is another process.
    let (edge, is_up) = (puppets.edge, |event: &Event| {
        matches!(event, Event::ImportUp { .. })
    });
    let before = puppets.world.events_like(edge, is_up);
    puppets.world.restart(edge);
    puppets
        .world
        .run_until("the import is back", Duration::from_secs(5), |world| {
            world.events_like(edge, is_up) > before
        });
    reads_go_on(&mut puppets, 2);
}

#[test]
fn no_more_reports_are_read_than_a_link_can_make() {
    let mut puppets = Puppets::new(4, 16, 2);
    let sessions = sessions(&mut puppets);
    let (edge, exit) = (puppets.edge, puppets.exit);
    let one = craft::chunk(REPORT, &report(sessions[0], 1 << 32, 0, &[(0, u32::MAX)]));
    let record = one.repeat(250);
    for _ in 0..400 {
        puppets.world.lie(exit, edge, &record);
    }
    let refused = puppets.world.dropped(exit, DropReason::ReportTooSoon);
    assert!(refused >= 50_000, "{refused} of 100,000 reports were refused");
    puppets.world.run_for(Duration::from_secs(2));
    reads_go_on(&mut puppets, 2);
}
