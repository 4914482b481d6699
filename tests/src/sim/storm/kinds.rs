//! The storms that tests run.

use aoe_lab::initiator::driver::Habit::{NewTags, SameTag};

use super::super::plan::Guard;
use super::{Cards, Order, Storm, Trouble};

/// A Linux initiator on a bad path to a target that works in order.
pub const BAD_PATH: Storm = Storm {
    initiators: &[NewTags],
    cards: Cards::One,
    edges: 1,
    target: Order::Kept,
    slow: 0.0,
    troubles: &[Trouble::PathStalls, Trouble::PathDetours],
    operations: 60,
    guard: Guard::On,
};
/// One that keeps its tags, as iPXE, Plan 9 and WinAoE do.
pub const KEPT_TAGS: Storm = Storm {
    initiators: &[SameTag],
    troubles: EVERYTHING,
    ..BAD_PATH
};
/// Several initiators, of which each overwrites what the others wrote.
pub const SEVERAL: Storm = Storm {
    initiators: &[NewTags, NewTags, NewTags],
    troubles: EVERYTHING,
    operations: 30,
    ..BAD_PATH
};
/// A target that has no order of its own, whatever happens.
pub const NO_ORDER: Storm = Storm {
    initiators: &[NewTags, NewTags],
    target: Order::Any,
    troubles: EVERYTHING,
    operations: 40,
    ..BAD_PATH
};
/// Gateways that do not run for a while, or are gone.
pub const GATEWAYS: Storm = Storm {
    troubles: &[
        Trouble::GatewayPauses,
        Trouble::GatewayRestarts,
        Trouble::PathDetours,
    ],
    ..BAD_PATH
};
/// Targets that do not run for a while, or are gone.
pub const TARGETS: Storm = Storm {
    troubles: &[
        Trouble::TargetPauses,
        Trouble::TargetRestarts,
        Trouble::PathDetours,
    ],
    ..BAD_PATH
};

/// All that happened from the start.
pub const EVERYTHING: &[Trouble] = &[
    Trouble::PathStalls,
    Trouble::PathDetours,
    Trouble::GatewayPauses,
    Trouble::GatewayRestarts,
    Trouble::TargetPauses,
    Trouble::TargetRestarts,
];

/// One whose requests leave by two network cards in turn.
pub const TWO_CARDS: Storm = Storm {
    cards: Cards::Two,
    troubles: EVERYTHING,
    ..BAD_PATH
};
/// Several that overwrite what the others wrote, by two gateways.
pub const TWO_EDGES: Storm = Storm {
    initiators: &[NewTags, NewTags, NewTags, NewTags],
    edges: 2,
    troubles: EVERYTHING,
    operations: 30,
    ..BAD_PATH
};
/// Several of both kinds that overwrite what the others wrote.
pub const MIXED_TAGS: Storm = Storm {
    initiators: &[NewTags, SameTag, SameTag],
    troubles: EVERYTHING,
    operations: 30,
    ..BAD_PATH
};
/// A target without order that now and then takes seconds for a request.
pub const SLOW_NO_ORDER: Storm = Storm {
    slow: 0.05,
    ..NO_ORDER
};
/// One that works in order, and now and then takes seconds for a request.
pub const SLOW: Storm = Storm {
    slow: 0.02,
    ..TARGETS
};
/// The exit's process is another one while the disk does nothing.
pub const RESTARTS_IN_STALLS: Storm = Storm {
    slow: 0.02,
    troubles: &[
        Trouble::ExitRestartsInStall,
        Trouble::ExitRestartsInStall,
        Trouble::PathDetours,
    ],
    ..BAD_PATH
};
/// Machines that stand still, their clocks too.
pub const FROZEN: Storm = Storm {
    troubles: &[
        Trouble::GatewayFreezes,
        Trouble::GatewayPauses,
        Trouble::PathDetours,
    ],
    ..BAD_PATH
};
/// Segments that carry less for a while.
pub const SHRINKING: Storm = Storm {
    troubles: &[Trouble::SegmentShrinks, Trouble::PathDetours],
    ..BAD_PATH
};
