use proptest::prelude::*;

use super::super::span::Touch;
use super::*;

const TARGET: TargetId = TargetId(0);

fn overlaps(slots: usize) -> Overlaps {
    let mut overlaps = Overlaps::new(0x1234_5678_9abc_def1);
    overlaps.grow(slots);
    overlaps
}

fn arrive(overlaps: &mut Overlaps, slot: u16, peer: u16, span: Span) -> Meeting {
    let meeting = overlaps.meet(PeerId(peer), TARGET, &span);
    if !meeting.full {
        overlaps.insert(SlotId(slot), PeerId(peer), TARGET, span, meeting);
    }
    meeting
}

/// What is here: slot, target, span, in the order of acceptance.
type Model = Vec<(u16, TargetId, Span)>;

fn writes_before(model: &Model, at: usize) -> u32 {
    let (_, target, span) = &model[at];
    let before = &model[..at];
    let hold = |(_, t, s): &&(u16, TargetId, Span)| t == target && s.writes() && s.overlaps(span);
    u32::try_from(before.iter().filter(hold).count()).unwrap()
}

proptest! {
    /// Against a list of everything: a request waits until the overlapping writes before it are gone, and no longer.
    #[test]
    fn requests_wait_for_the_writes_before_them(
        steps in prop::collection::vec((0u16..64, 0u16..2, 0u64..100, 1u8..32, any::<bool>()), 1..200)
    ) {
        let mut overlaps = overlaps(64);
        let mut model = Model::new();
        for (slot, target, start, sectors, writes) in steps {
            let target = TargetId(target);
            if let Some(at) = model.iter().position(|(other, ..)| *other == slot) {
                let waiting = |model: &Model| -> Vec<u16> {
                    (0..model.len()).filter(|at| writes_before(model, *at) > 0).map(|at| model[at].0).collect()
                };
                let before = waiting(&model);
                model.remove(at);
                let after = waiting(&model);
                let expected: Vec<_> =
                    before.into_iter().filter(|other| *other != slot && !after.contains(other)).collect();
                let mut freed = Vec::new();
                overlaps.remove(SlotId(slot), &mut freed);
                // In the order of acceptance, which is the model's.
                prop_assert_eq!(freed.into_iter().map(|slot| slot.0).collect::<Vec<_>>(), expected);
            } else {
                let touch = if writes { Touch::Writes } else { Touch::Reads };
                let span = Span::new(start, sectors, touch);
                let meeting = overlaps.meet(PeerId(0), target, &span);
                model.push((slot, target, span));
                prop_assert_eq!(meeting.waits_for, writes_before(&model, model.len() - 1));
                overlaps.insert(SlotId(slot), PeerId(0), target, span, meeting);
            }
        }
    }
}

#[test]
fn a_read_is_overtaken_by_a_write_near_by_even_when_that_is_gone() {
    let mut overlaps = overlaps(8);
    let read = |start| Span::new(start, 2, Touch::Reads);
    arrive(&mut overlaps, 0, 0, read(8));
    arrive(&mut overlaps, 1, 0, read(80));
    assert!(!overlaps.is_overtaken(SlotId(0)));
    arrive(&mut overlaps, 2, 0, Span::new(9, 1, Touch::Writes));
    overlaps.remove(SlotId(2), &mut Vec::new());
    assert!(overlaps.is_overtaken(SlotId(0)) && !overlaps.is_overtaken(SlotId(1)));
    arrive(&mut overlaps, 3, 0, read(8));
    assert!(!overlaps.is_overtaken(SlotId(3)), "it came after the write");
}

/// One peer writes one sector over and over, from as many initiators as it likes: it is refused more, others are
/// not, and no request costs more than a bounded number of steps.
#[test]
fn a_flood_of_overlapping_requests_is_refused_and_costs_a_bounded_number_of_steps() {
    let mut overlaps = overlaps(MAX_SLOTS);
    let sector = |touch| Span::new(8, 1, touch);
    let (mut accepted, mut most) = (Vec::new(), 0);
    for n in 0..20_000u16 {
        let touch = if n % 2 == 0 { Touch::Writes } else { Touch::Reads };
        let before = overlaps.steps.get();
        if !arrive(&mut overlaps, n, 1, sector(touch)).full {
            accepted.push(n);
        }
        most = most.max(overlaps.steps.get() - before);
    }
    assert_eq!(accepted.len(), MOST_OF_PEER as usize);
    assert!(most <= u64::from(MOST_OF_PEER), "{most} steps");
    let other = arrive(&mut overlaps, 40_000, 2, sector(Touch::Writes));
    assert!(!other.full && other.waits_for == MOST_OF_PEER / 2);
    let elsewhere = arrive(&mut overlaps, 40_001, 1, Span::new(64, 1, Touch::Writes));
    assert!(!elsewhere.full);
    // They go one after another, each freeing the next.
    let before = overlaps.steps.get();
    let mut freed = vec![SlotId(0)];
    for n in accepted {
        assert!(freed.contains(&SlotId(n)), "{n} still waits");
        overlaps.remove(SlotId(n), &mut freed);
    }
    assert_eq!(freed.last(), Some(&SlotId(40_000)));
    let steps = overlaps.steps.get() - before;
    assert!(steps <= u64::from(MOST_OF_PEER * MOST_OF_PEER), "{steps} steps");
}

#[test]
fn blocks_are_forgotten_with_their_last_user() {
    let mut overlaps = overlaps(4096);
    for round in 0..10u64 {
        for slot in 0..4096 {
            arrive(
                &mut overlaps,
                slot,
                0,
                Span::new((round + u64::from(slot)) * 31, 31, Touch::Writes),
            );
        }
        for slot in 0..4096 {
            overlaps.remove(SlotId(slot), &mut Vec::new());
        }
        assert_eq!(overlaps.free.len(), overlaps.blocks.len());
        assert!(overlaps.blocks.len() <= 2 * 4096);
    }
}
