//! An exit with two edges, and what they carry.

use std::time::Duration;

use aoe_common::config::{ExportId, Limit, Rates};
use aoe_common::drop_reason::DropReason;
use aoe_common::snapshot::{Export, Initiator, Side, Snapshot};
use aoe_lab::target::BladeSettings;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::{HostId, LanId, Load, Pair, Plan, SiteId, World};

pub(super) const DISK: ExportId = ExportId(0);
pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn iops(rate: u64) -> Limit {
    Limit {
        ceiling: Rates {
            iops: Some(rate),
            bandwidth: None,
        },
        floor: Rates::default(),
    }
}

pub(super) fn bandwidth(rate: u64) -> Limit {
    Limit {
        ceiling: Rates {
            iops: None,
            bandwidth: Some(rate),
        },
        floor: Rates::default(),
    }
}

pub(super) fn floor(rate: u64) -> Limit {
    Limit {
        ceiling: Rates::default(),
        floor: Rates {
            iops: Some(rate),
            bandwidth: None,
        },
    }
}

/// An exit with one disk, and two edges with an initiator each: Alice's and Bob's. The second is greedy if there is one.
pub(super) struct Hub {
    pub(super) plan: Plan,
    pub(super) pair: Pair,
    pub(super) bob: (SiteId, LanId, HostId),
}

impl Hub {
    pub(super) fn new(seed: u64) -> Hub {
        let (mut plan, pair) = Plan::pair(seed);
        let (edge, lan) = plan.another_edge(pair.exit);
        let host = plan.initiator(lan);
        Hub {
            plan,
            pair,
            bob: (edge, lan, host),
        }
    }

    /// A disk that takes so long for each request, with so many buffers.
    pub(super) fn build(self, service: Duration, buffers: u16) -> Run {
        let Hub { plan, pair, bob } = self;
        let mut world = plan.build();
        let target = world.target_mut(pair.target);
        target.set_service_time(service);
        *target.blade_mut(REAL).unwrap().settings_mut() = BladeSettings {
            buffer_count: buffers,
            ..BladeSettings::default()
        };
        world.open(pair.initiator, SEEN);
        world.open(bob.2, SEEN);
        Run { world, pair }
    }
}

pub(super) struct Run {
    pub(super) world: World,
    pub(super) pair: Pair,
}

impl Run {
    /// Reads without an end, so many at a time, of so many sectors.
    pub(super) fn reads(&mut self, host: HostId, depth: usize, sectors: u32) {
        let load = Load::new(host, SEEN, (self.pair.target, REAL));
        let load = load
            .operations(u64::MAX)
            .depth(depth)
            .writes(0.0)
            .largest(sectors);
        self.world.start_load(load);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.world.snapshot(self.pair.exit)
    }

    pub(super) fn export(&self) -> Export {
        self.snapshot().exports.swap_remove(0)
    }

    /// The exit's row of this initiator: of the export that it uses most, for it looks at all there are.
    pub(super) fn row(&self, host: HostId) -> Initiator {
        let mac = self.world.mac(host).to_string();
        let mut rows = self.snapshot().initiators;
        rows.sort_by_key(|row| std::cmp::Reverse(row.traffic.requests));
        let mut rows = rows
            .into_iter()
            .filter(|row| row.side == Side::There && row.mac == mac);
        rows.next().expect("it asked for something")
    }

    /// Requests and bytes a second of each of these, over so many seconds from now on.
    pub(super) fn rates<const N: usize>(&mut self, hosts: [HostId; N], seconds: u32) -> [(u64, u64); N] {
        let count = |run: &Run| {
            hosts.map(|host| {
                let traffic = run.row(host).traffic;
                (traffic.answered, traffic.read_bytes + traffic.written_bytes)
            })
        };
        let before = count(self);
        self.world.run_for(SECOND * seconds);
        let after = count(self);
        let mut rates = [(0, 0); N];
        for (rate, (before, after)) in rates.iter_mut().zip(before.into_iter().zip(after)) {
            *rate = (
                (after.0 - before.0) / u64::from(seconds),
                (after.1 - before.1) / u64::from(seconds),
            );
        }
        rates
    }

    /// Nothing was lost, refused or given up on the way.
    pub(super) fn nothing_was_lost(&self) {
        let row = self.export();
        assert_eq!(row.traffic.refused, 0);
        for reason in [
            DropReason::RequestTooOld,
            DropReason::QueueFull,
            DropReason::PendingFull,
            DropReason::OverlapFull,
            DropReason::TargetTimeout,
        ] {
            assert_eq!(self.world.dropped(self.pair.exit, reason), 0, "{reason:?}");
        }
    }
}

pub(super) fn is_near(rate: u64, right: u64, percent: u64) {
    assert!(rate.abs_diff(right) * 100 <= right * percent, "{rate} of {right}");
}
