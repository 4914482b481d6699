//! What a whole gateway costs a frame, without sockets. `cargo bench -p aoe-common --features bench --bench engine`.
//!
//! Two engines and a target in memory. Frames come in batches of 32, as they do under load; only the engine under
//! test is timed, with its flush.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench: it reads the clock, knows its numbers, and may fail loudly"
)]

use std::time::{Duration, Instant};

use aoe_common::frame::AtaOpcode;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

use world::{BATCH, Plan, Step, World};

mod frames;
mod world;

/// What happens to a frame.
const STEPS: [(Step, &str); 4] = [
    (Step::EdgeRequest, "edge request"),
    (Step::ExitRequest, "exit request"),
    (Step::ExitReply, "exit reply"),
    (Step::EdgeReply, "edge reply"),
];

/// What is not done for a frame, but because time passes.
const TIMERS: [(Step, &str); 2] = [(Step::EdgeDue, "edge timers"), (Step::ExitDue, "exit timers")];

/// One peer, one export, and nobody waits.
const ALONE: Plan = Plan {
    peers: 1,
    exports: 1,
    waiting: 0,
    path_mtu: 1500,
};

/// One step of one kind of request, per frame.
fn measure(
    c: &mut Criterion,
    (group, id): (&str, &str),
    world: &mut World,
    step: Step,
    (opcode, sectors): (AtaOpcode, u8),
) {
    let mut group = c.benchmark_group(group);
    group.throughput(Throughput::Elements(1));
    // Of the step alone: the whole round takes several times as long.
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(500));
    group.bench_function(BenchmarkId::from_parameter(id), |bench| {
        bench.iter_custom(|iterations| {
            let rounds = iterations.div_ceil(u64::from(BATCH));
            let took = time(world, step, (opcode, sectors), rounds);
            took.mul_f64(iterations as f64 / (rounds * u64::from(BATCH)) as f64)
        });
    });
    group.finish();
}

/// What timers cost in a tenth of a second, in which 6400 requests are answered: all of them go off in that time.
fn measure_timers(c: &mut Criterion, (group, id): (&str, &str), world: &mut World, step: Step) {
    let mut group = c.benchmark_group(group);
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(10));
    group.bench_function(BenchmarkId::from_parameter(id), |bench| {
        bench.iter_custom(|iterations| time(world, step, (AtaOpcode::ReadExt, 2), iterations * 200));
    });
    group.finish();
}

/// How long one step took in so many rounds.
fn time(world: &mut World, step: Step, (opcode, sectors): (AtaOpcode, u8), rounds: u64) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..rounds {
        world.round(opcode, sectors, &mut |which, act| {
            let started = Instant::now();
            act();
            if which == step {
                took += started.elapsed();
            }
        });
    }
    took
}

fn per_frame(c: &mut Criterion) {
    for (sectors, size) in [(2, "2 sectors"), (17, "17 sectors")] {
        let mut world = World::new(ALONE);
        for (opcode, way) in [(AtaOpcode::ReadExt, "read"), (AtaOpcode::WriteExt, "write")] {
            for (step, name) in STEPS {
                let id = format!("{way}, {size}");
                measure(c, (name, &id), &mut world, step, (opcode, sectors));
            }
        }
    }
}

/// The curves that have to be flat: many peers, many exports, many requests that are not answered.
fn growth(c: &mut Criterion) {
    let peers = [1, 8, 64].map(|peers| (format!("{peers} peers"), Plan { peers, ..ALONE }));
    let exports = [1, 16, 256].map(|exports| (format!("{exports} exports"), Plan { exports, ..ALONE }));
    // An exit keeps 65 536 requests, and of these an initiator has 2048, and no more than its peer has left.
    let waiting = [1, 64, 1024, 16_384, 30 * 2048]
        .map(|waiting| (format!("{waiting} pending"), Plan { waiting, ..ALONE }));
    for (id, plan) in peers.into_iter().chain(exports).chain(waiting) {
        let mut world = World::new(plan);
        for (step, name) in STEPS {
            let name = format!("growth: {name}");
            measure(c, (&name, &id), &mut world, step, (AtaOpcode::ReadExt, 2));
        }
        for (step, name) in TIMERS {
            let name = format!("growth: {name}, 100 ms");
            measure_timers(c, (&name, &id), &mut world, step);
        }
    }
}

/// How long a look at an exit holds its data plane up: of one peer and one export, and of a hub.
fn looks(c: &mut Criterion) {
    const HUB: Plan = Plan {
        peers: 64,
        exports: 256,
        ..ALONE
    };
    for (id, plan) in [("1 peer, 1 export", ALONE), ("64 peers, 256 exports", HUB)] {
        let mut world = World::new(plan);
        for _ in 0..100 {
            world.round(AtaOpcode::ReadExt, 2, &mut |_, act| act());
        }
        let mut group = c.benchmark_group("snapshot");
        group.bench_function(BenchmarkId::from_parameter(id), |bench| {
            bench.iter(|| world.look());
        });
        group.finish();
    }
}

criterion_group!(benches, per_frame, growth, looks);
criterion_main!(benches);
