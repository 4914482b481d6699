//! A running gateway allocates nothing for a frame.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and knows its numbers"
)]

use aoe_common::frame::AtaOpcode;

use world::{BATCH, Plan, Step, World};

#[path = "../benches/frames/mod.rs"]
mod frames;
#[path = "../benches/world/mod.rs"]
mod world;

/// Until every buffer has the size it needs.
const WARM_UP: u32 = 1000;
/// What is counted, of each kind of request.
const ROUNDS: u32 = 300;

/// Reads and writes that share records, and some that take several each; a path without loss.
#[test]
fn a_frame_costs_no_allocation() {
    let counts = allocation_counter::measure(|| drop(std::hint::black_box(vec![1])));
    assert_eq!(counts.count_total, 1, "the counter counts");

    let mut world = World::new(Plan {
        peers: 2,
        exports: 3,
        waiting: 100,
        path_mtu: 1500,
    });
    let loads = [AtaOpcode::ReadExt, AtaOpcode::WriteExt].map(|opcode| [(opcode, 2), (opcode, 17)]);
    for (opcode, sectors) in loads.concat() {
        for _ in 0..WARM_UP {
            world.round(opcode, sectors, &mut |_, act| act());
        }
        let mut found: Vec<(Step, u64)> = Vec::new();
        for _ in 0..ROUNDS {
            world.round(opcode, sectors, &mut |step, act| {
                let counts = allocation_counter::measure(act);
                if counts.count_total > 0 {
                    found.push((step, counts.count_total));
                }
            });
        }
        let frames = ROUNDS * BATCH;
        assert!(
            found.is_empty(),
            "{frames} of {opcode:?}, {sectors} sectors: {found:?}"
        );
    }
    let carried: u64 = world
        .look()
        .exports
        .iter()
        .map(|export| export.traffic.answered)
        .sum();
    assert!(
        carried > u64::from(ROUNDS * BATCH),
        "all of it was counted: {carried}"
    );
}
