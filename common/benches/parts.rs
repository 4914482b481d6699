//! What single steps cost. `cargo bench -p aoe-common --features bench --bench parts`.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench: it reads the clock, knows its numbers, and may fail loudly"
)]

use std::hint::black_box;

use aoe_common::bench::quantum::{Exchange, Handshakes};
use aoe_common::bench::{Guarding, Packing, Pendings, Policy, RECORD_HEADER_LEN, Records, parse, parsed};
use aoe_common::config::Protection;
use aoe_common::frame::{AtaOpcode, MacAddr};
use aoe_common::output::TrainBatch;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

mod frames;

/// One record of a small frame, of a full datagram, of a jumbo frame.
const LENGTHS: [usize; 3] = [1088, 1400, 8740];

fn records(c: &mut Criterion) {
    for (name, protection) in [
        ("encrypt", Protection::Encrypt),
        ("authenticate", Protection::Authenticate),
    ] {
        let mut group = c.benchmark_group(format!("seal/{name}"));
        for len in LENGTHS {
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::from_parameter(len), |bench| {
                let (records, mut record) = (Records::new(protection), vec![1; RECORD_HEADER_LEN + len]);
                bench.iter(|| {
                    record.truncate(RECORD_HEADER_LEN + len);
                    records.seal(black_box(&mut record));
                });
            });
        }
        group.finish();
        let mut group = c.benchmark_group(format!("open/{name}"));
        for len in LENGTHS {
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::from_parameter(len), |bench| {
                let (records, mut sealed) = (Records::new(protection), vec![1; RECORD_HEADER_LEN + len]);
                records.seal(&mut sealed);
                bench.iter_batched_ref(
                    || sealed.clone(),
                    |sealed| assert_eq!(records.open(black_box(sealed)), len),
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

fn steps(c: &mut Criterion) {
    let request = frames::request(AtaOpcode::WriteExt, 2, 5);
    c.bench_function("parse", |bench| bench.iter(|| parse(black_box(&request))));
    let mut group = c.benchmark_group("policy");
    for initiators in [1, 64] {
        let policy = Policy::with(initiators);
        let last = MacAddr([2, 0, 0, 0, 0, initiators - 1]);
        group.bench_function(BenchmarkId::new("initiators", initiators), |bench| {
            bench.iter(|| assert!(policy.admits(black_box(last), &request)));
        });
    }
    // The decision alone, of a request that is parsed. The last one is the most that a configuration can have.
    for (name, policy, run) in [
        ("plain", Policy::plain(), 0),
        ("64 initiators", Policy::with(64), 0),
        ("16 runs x 64 initiators", Policy::in_runs(64, 16), 13),
        ("112 runs x 64 initiators", Policy::in_runs(64, 112), 93),
    ] {
        // Its sectors begin at twice its number.
        let frame = frames::request(AtaOpcode::WriteExt, 2, run * 64 + 2);
        let request = parsed(&frame).unwrap();
        group.bench_function(BenchmarkId::new("decision", name), |bench| {
            let mac = MacAddr([2, 0, 0, 0, 0, 41]);
            bench.iter(|| assert!(policy.decides(black_box(mac), black_box(&request))));
        });
    }
    group.finish();
    // A batch of 32 messages, packed and sealed, for both path MTUs.
    let mut group = c.benchmark_group("pack");
    for (message, datagram) in [(1046, 1472), (8726, 1472), (8726, 8972)] {
        let body = vec![1; message];
        group.throughput(Throughput::Elements(32));
        group.bench_function(
            BenchmarkId::new(format!("{message}-byte messages"), datagram),
            |bench| {
                let (mut packing, mut trains) = (Packing::new(datagram), TrainBatch::default());
                bench.iter(|| {
                    trains.clear();
                    assert!(packing.pack(32, black_box(&body), &mut trains) > 0);
                });
            },
        );
    }
    group.finish();
}

/// The curves that have to be flat.
fn tables(c: &mut Criterion) {
    let mut group = c.benchmark_group("pending table");
    for count in [1, 64, 1024, 16_384, 65_000] {
        let mut pendings = Pendings::with(count);
        group.bench_function(BenchmarkId::from_parameter(count), |bench| {
            bench.iter(|| assert!(pendings.stay()));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("order guard");
    for count in [1, 64, 1024, 16_384] {
        let mut guarding = Guarding::with(count);
        group.bench_function(BenchmarkId::new("in order", count), |bench| {
            bench.iter(|| assert!(guarding.accept()));
        });
    }
    for behind in [1, 64, 1024, 16_383] {
        let guarding = Guarding::with(16_384);
        group.bench_function(BenchmarkId::new("late by", behind), |bench| {
            bench.iter(|| assert!(guarding.judge_late(black_box(behind))));
        });
    }
    group.finish();
}

fn post_quantum(c: &mut Criterion) {
    let mut group = c.benchmark_group("pq");
    let exchange = Exchange::new().unwrap();
    group.bench_function("key generation", |bench| {
        bench.iter(|| Exchange::offer().unwrap())
    });
    group.bench_function("encapsulation", |bench| bench.iter(|| exchange.answer().unwrap()));
    group.bench_function("decapsulation", |bench| bench.iter(|| exchange.open().unwrap()));
    for (name, with_secret) in [("without a secret", false), ("with a secret", true)] {
        let handshakes = Handshakes::new(with_secret).unwrap();
        group.bench_function(BenchmarkId::new("handshake", name), |bench| {
            bench.iter(|| black_box(handshakes.run().unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, records, steps, tables, post_quantum);
criterion_main!(benches);
