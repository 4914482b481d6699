use std::collections::BTreeSet;

use super::super::flow::{FlowKey, Flows};
use super::super::ids::{FlowId, TargetId};
use super::super::pending::Origin;
use super::super::span::{Span, Touch};
use super::*;
use crate::config::{ExportId, ImportId};
use crate::frame::{HEADER_LEN, MacAddr, Tag};
use crate::request::Asked;
use crate::time::Instant;

const YOUNG: Duration = Duration::from_secs(1);

fn flow() -> FlowId {
    let key = FlowKey {
        peer: PeerId(0),
        import: ImportId(0),
        export: ExportId(0),
        initiator: MacAddr([2; 6]),
    };
    Flows::default().enter(key, false, Instant::default()).unwrap()
}

fn arrival(number: u64, span: Span, pdu: &[u8]) -> Arrival<'_> {
    Arrival {
        export: ExportId(0),
        target: TargetId(0),
        lane: TargetId(0),
        origin: Origin {
            flow: flow(),
            peer: PeerId(0),
            import: ImportId(0),
            initiator: MacAddr([2; 6]),
            number,
            tag: Tag(7),
        },
        asked: Asked::Query,
        sync: false,
        span,
        captured: Instant::default(),
        arrived: Instant::default(),
        pdu,
    }
}

fn read(start: u64) -> Span {
    Span::new(start, 2, Touch::Reads)
}

fn write(start: u64) -> Span {
    Span::new(start, 2, Touch::Writes)
}

fn empty() -> PendingTable {
    PendingTable::new(0x1234_5678_9abc_def1, &[PeerId(0)])
}

fn accept(table: &mut PendingTable, arrival: &Arrival<'_>) -> Option<SlotId> {
    let meeting = table.meet(arrival, YOUNG);
    table.insert(arrival, &meeting)
}

fn release(table: &mut PendingTable, slot: SlotId) -> Vec<SlotId> {
    let mut freed = Vec::new();
    table.release(slot, &mut freed);
    freed
}

/// Sends one copy; its generation.
fn send(table: &mut PendingTable, slot: SlotId) -> Generation {
    let generation = table.next_generation(slot).unwrap();
    table.get_mut(slot).unwrap().copies.sent(Instant::default());
    generation
}

fn sent(table: &mut PendingTable, number: u64) -> Option<SlotId> {
    let slot = accept(table, &arrival(number, read(number), &[]))?;
    send(table, slot);
    Some(slot)
}

#[test]
fn each_copy_is_found_while_its_request_is_there() {
    let mut table = empty();
    let waits = accept(&mut table, &arrival(1, read(1), &[])).unwrap();
    let next = table.next_generation(waits).unwrap();
    assert_eq!(table.find(waits, next), None, "it was never sent");
    let slot = accept(&mut table, &arrival(2, read(2), &[])).unwrap();
    let (one, two) = (send(&mut table, slot), send(&mut table, slot));
    let found = |table: &PendingTable, generation| table.find(slot, generation);
    let copies = table.get(slot).unwrap().copies;
    assert_eq!(found(&table, one), Some((slot, copies.get(0).unwrap())));
    assert_eq!(found(&table, two), Some((slot, copies.get(1).unwrap())));
    assert_eq!(found(&table, table.next_generation(slot).unwrap()), None);
    release(&mut table, slot);
    assert_eq!((found(&table, one), found(&table, two)), (None, None));
}

#[test]
fn a_generation_is_not_used_again_soon_and_memory_is_bounded() {
    let mut table = empty();
    let mut seen = BTreeSet::new();
    for number in 0..200_000 {
        let slot = accept(&mut table, &arrival(number, read(number), &[])).unwrap();
        for _ in 0..number % 3 {
            assert!(seen.insert((slot, send(&mut table, slot))), "given twice");
        }
        release(&mut table, slot);
    }
    assert!(table.spare.len() <= SPARE_BUFFERS && table.is_empty());
    let held = (0..).map_while(|number| sent(&mut table, number)).count();
    assert_eq!(held, MAX_SLOTS);
    assert_eq!(table.iter().count(), MAX_SLOTS);
    let mut table = empty();
    let big = vec![0; 1 << 20];
    let held = (0..)
        .map_while(|n| accept(&mut table, &arrival(n, read(n), &big)))
        .count();
    assert_eq!(held, MAX_BYTES >> 20);
}

#[test]
fn an_arrival_meets_its_own_copy_and_the_writes_it_has_to_wait_for() {
    let mut table = empty();
    let data = |byte| [&[0; HEADER_LEN][..], &[byte]].concat();
    let (one, two) = (data(1), data(2));
    let meet = |table: &PendingTable, arrival: Arrival<'_>| {
        let meeting = table.meet(&arrival, YOUNG);
        (meeting.same, meeting.is_held())
    };
    assert_eq!(meet(&table, arrival(1, write(8), &one)), (None, false));
    let first = accept(&mut table, &arrival(1, write(8), &one)).unwrap();
    assert_eq!(meet(&table, arrival(2, write(8), &one)).0, Some(first));
    assert_eq!(
        meet(&table, arrival(2, write(8), &two)),
        (None, true),
        "other data"
    );
    assert_eq!(meet(&table, arrival(2, read(9), &one)), (None, true));
    assert_eq!(meet(&table, arrival(2, read(10), &one)), (None, false));
    let second = accept(&mut table, &arrival(2, write(8), &two)).unwrap();
    assert_eq!(
        meet(&table, arrival(3, write(8), &one)).0,
        Some(first),
        "a write is not overtaken"
    );
    let third = accept(&mut table, &arrival(3, read(8), &two)).unwrap();
    assert_eq!(
        release(&mut table, first),
        [second],
        "the third still waits for the second"
    );
    assert_eq!(release(&mut table, second), [third]);
    assert_eq!(meet(&table, arrival(4, read(8), &two)).0, Some(third));
    let fourth = accept(&mut table, &arrival(4, write(9), &one)).unwrap();
    assert_eq!(
        meet(&table, arrival(5, read(8), &two)),
        (None, true),
        "it was overtaken"
    );
    release(&mut table, fourth);
    assert_eq!(
        meet(&table, arrival(5, read(8), &two)),
        (None, false),
        "it still is"
    );
}
