use super::*;

const DISK: ExportId = ExportId(0);
const OTHER: ExportId = ExportId(1);

#[test]
fn peers_take_turns_and_so_do_the_initiators_of_each() {
    let mut turns = Turns::default();
    for n in 0..8000 {
        turns.push(PeerId(1), DISK, FlowId(n));
    }
    for n in 8000..8002 {
        turns.push(PeerId(0), DISK, FlowId(n));
    }
    let mut of_the_small_one = Vec::new();
    for _ in 0..10 {
        let (peer, flow) = turns.pop().unwrap();
        if peer == PeerId(0) {
            of_the_small_one.push(flow);
        }
        turns.push(peer, DISK, flow);
    }
    let expected: Vec<_> = [8000, 8001, 8000, 8001, 8000].map(FlowId).into();
    assert_eq!(of_the_small_one, expected);
    turns.leave(|flow| flow < FlowId(8000));
    assert_eq!(turns.pop().map(|(peer, _)| peer), Some(PeerId(0)));
    turns.leave(|_| true);
    assert!(turns.are_over() && turns.pop().is_none());
    turns.push(PeerId(1), DISK, FlowId(1));
    assert_eq!(turns.pop(), Some((PeerId(1), FlowId(1))));
}

#[test]
fn a_peer_with_two_exports_of_one_target_has_no_more_turns_than_one_with_one() {
    let mut turns = Turns::default();
    for (peer, export, flow) in [(0, DISK, 0), (0, OTHER, 1), (1, DISK, 2)] {
        turns.push(PeerId(peer), export, FlowId(flow));
    }
    let export = |flow| if flow == FlowId(1) { OTHER } else { DISK };
    let served: Vec<u32> = (0..8)
        .map(|_| {
            let (peer, flow) = turns.pop().unwrap();
            turns.push(peer, export(flow), flow);
            flow.0
        })
        .collect();
    assert_eq!(served, [0, 2, 1, 2, 0, 2, 1, 2]);
}

#[test]
fn who_is_passed_over_keeps_its_turn_and_who_leaves_is_not_asked_again() {
    let mut turns = Turns::default();
    for n in 0..4 {
        turns.push(PeerId(0), DISK, FlowId(n));
        turns.push(PeerId(1), DISK, FlowId(10 + n));
    }
    let taken = turns.choose(|peer, _, _| match peer {
        PeerId(0) => Choice::Skip,
        _ => Choice::Take,
    });
    assert_eq!(taken, Some((PeerId(1), FlowId(10))));
    let taken = turns.choose(|_, _, flow| match flow {
        FlowId(0) => Choice::Pass,
        FlowId(1) => Choice::Leave,
        _ => Choice::Take,
    });
    assert_eq!(taken, Some((PeerId(0), FlowId(2))), "its turn was not lost");
    let mut asked = Vec::new();
    let nobody = turns.choose(|_, _, flow| {
        asked.push(flow.0);
        Choice::Pass
    });
    assert_eq!((nobody, asked), (None, vec![11, 12, 13, 0, 3]));
    assert_eq!(turns.choose(|_, _, _| Choice::Leave), None);
    assert!(turns.are_over());
    turns.push(PeerId(0), DISK, FlowId(1));
    turns.push(PeerId(0), DISK, FlowId(2));
    assert_eq!(
        turns.pop(),
        Some((PeerId(0), FlowId(1))),
        "a peer is in the round once"
    );
    assert_eq!(turns.pop(), Some((PeerId(0), FlowId(2))));
    assert_eq!(turns.pop(), None);
}

#[test]
fn the_search_for_one_that_goes_first_is_bounded() {
    let mut turns = Turns::default();
    for n in 0..8000 {
        turns.push(PeerId(0), DISK, FlowId(n));
    }
    let mut asked = 0;
    let nobody = turns.choose(|_, _, _| {
        asked += 1;
        Choice::Pass
    });
    assert_eq!((nobody, asked), (None, LOOK));
}
