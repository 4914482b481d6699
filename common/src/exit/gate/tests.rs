use std::time::Duration;

use super::super::span::Touch;
use super::super::stage::{ALICE, BOB, DISK, Stage, TARGET, export, initiator};
use crate::config::{ExportConfig, Limit, PeerId, Rates};
use crate::drop_reason::DropReason;
use crate::time::Instant;

fn iops(rate: u64) -> Rates {
    Rates {
        iops: Some(rate),
        bandwidth: None,
    }
}

/// An export that Alice has this of.
fn limited(limit: Limit) -> ExportConfig {
    let mut config = export("disk", TARGET);
    config.allow[0].limit = limit;
    config
}

impl Stage {
    fn reads(&mut self, peer: PeerId, lbas: impl Iterator<Item = u64>) {
        for lba in lbas {
            self.ask((peer, initiator(1)), DISK, lba, Touch::Reads).unwrap();
        }
    }

    /// The target answers one at a time; in which order it gets what waits.
    fn served(&mut self) -> Vec<u64> {
        let mut order = Vec::new();
        let mut at_target: std::collections::VecDeque<_> = self.sent().into();
        while let Some(asked) = at_target.pop_front() {
            order.push(asked.lba);
            self.read(asked);
            at_target.extend(self.sent());
        }
        order
    }
}

#[test]
fn who_has_less_than_its_floor_goes_first_and_others_take_turns() {
    for floor in [Rates::default(), iops(1000)] {
        let limit = Limit {
            ceiling: Rates::default(),
            floor,
        };
        let mut bench = Stage::new(vec![limited(limit)], 2);
        bench.reads(BOB, (0..6).map(|n| 1000 + n * 40));
        bench.reads(ALICE, (0..6).map(|n| 5000 + n * 40));
        let served: String = bench
            .served()
            .into_iter()
            .map(|lba| if lba < 5000 { 'b' } else { 'a' })
            .collect();
        let right = match floor.is_none() {
            true => "bbbabababaaa",
            false => "bbaaaaaabbbb",
        };
        assert_eq!(served, right, "two of Bob's were at the target before");
    }
}

/// A full window, answered at once, through the exit.
#[test]
fn a_ceiling_is_exact_from_a_hundred_to_a_hundred_thousand() {
    for rate in [100, 10_000, 100_000] {
        let limit = Limit {
            ceiling: iops(rate),
            floor: Rates::default(),
        };
        let mut bench = Stage::new(vec![limited(limit)], 128);
        let began = bench.now;
        let (mut now, mut lba, mut done) = (began, 0, 0);
        let mut ask = |bench: &mut Stage, now: Instant| {
            lba += 40;
            // The bench lets a millisecond pass for each.
            bench.now = now.saturating_sub(Duration::from_millis(1));
            bench.reads(ALICE, std::iter::once(lba));
        };
        for _ in 0..64 {
            ask(&mut bench, now);
        }
        while now < began + Duration::from_secs(1) {
            bench.now = now;
            bench.step(|exit, _, cx| exit.handle_limits(cx));
            for asked in bench.sent() {
                bench.read(asked);
                done += 1;
                ask(&mut bench, now);
            }
            // What was answered asks again at once, and is answered at once while the limit lets it pass.
            let soon = now.as_micros() + 50;
            let due = bench.exit.limits.due().as_micros();
            now = Instant::from_micros(due.clamp(now.as_micros() + 1, soon));
        }
        assert!(
            done * 100 <= rate * 105 && done * 100 >= rate * 95,
            "{done} of {rate}"
        );
        assert_eq!(bench.dropped(DropReason::RequestTooOld), 0);
    }
}

#[test]
fn what_waits_for_a_limit_is_not_too_old_and_passes_when_the_limit_goes() {
    let limit = Limit {
        ceiling: iops(1),
        floor: Rates::default(),
    };
    let mut bench = Stage::new(vec![limited(limit)], 16);
    bench.reads(ALICE, (0..16).map(|n| n * 40));
    let first = bench.sent();
    assert_eq!(first.len(), 1);
    bench.read(first[0]);
    bench.wait(Duration::from_secs(8));
    bench.step(|exit, _, cx| exit.handle_limits(cx));
    let second = bench.sent();
    assert_eq!(second.len(), 1, "it has waited for 8 s");
    bench.read(second[0]);
    bench.wait(Duration::from_secs(3));
    bench.change(DISK, &export("disk", TARGET));
    assert_eq!(bench.sent().len(), 14, "all that waited");
    assert_eq!(bench.dropped(DropReason::RequestTooOld), 0);
}

#[test]
fn what_waits_for_a_limit_for_too_long_is_dropped() {
    let limit = Limit {
        ceiling: Rates {
            iops: None,
            bandwidth: Some(1),
        },
        floor: Rates::default(),
    };
    let mut bench = Stage::new(vec![limited(limit)], 16);
    // The first takes all that there is for hours.
    bench.reads(ALICE, (0..40).map(|n| n * 40));
    let passed = bench.served().len();
    bench.wait(Duration::from_secs(149));
    assert_eq!(bench.dropped(DropReason::RequestTooOld), 0);
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.dropped(DropReason::RequestTooOld), 40 - passed as u64);
}
