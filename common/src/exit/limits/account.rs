//! What one limit allows, what of it is used, and how long others had to wait for it.

use std::time::Duration;

use crate::bucket::Bucket;
use crate::config::{Limit, Rates};
use crate::frame::SECTOR_LEN;
use crate::policy::MAX_SECTORS;
use crate::request::Asked;
use crate::snapshot;
use crate::stats::Times;
use crate::time::Instant;

/// What a ceiling lets pass at once after a pause, in time: a fortieth of what it allows in a second.
const BURST_US: u64 = 25_000;
/// Who waits does so for at least this long: so a limit of 100 000 requests a second does not wake anybody that often. Nothing
/// is lost by it, the bucket fills meanwhile.
const COALESCED: Duration = Duration::from_micros(100);
/// What a floor saves up while it is not used.
const FLOOR_BURST_US: u64 = 100_000;

/// What a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    bytes: u64,
}

impl Cost {
    /// One request, and the bytes of the sectors that it moves.
    pub(crate) fn of(asked: Asked) -> Cost {
        Cost {
            bytes: u64::from(asked.moves().unwrap_or(0)) * SECTOR_LEN as u64,
        }
    }
}

/// A bucket for requests and one for bytes, where there is such a rate.
#[derive(Debug)]
struct Buckets {
    iops: Option<Bucket>,
    bandwidth: Option<Bucket>,
}

impl Buckets {
    fn new(rates: Rates, burst_us: u64, now: Instant) -> Buckets {
        let largest = u64::from(MAX_SECTORS) * SECTOR_LEN as u64;
        Buckets {
            iops: rates.iops.map(|rate| Bucket::new(rate, burst_us, 1, now)),
            bandwidth: rates
                .bandwidth
                .map(|rate| Bucket::new(rate, burst_us, largest, now)),
        }
    }

    /// When both have what a request takes.
    fn due(&mut self, cost: Cost, now: Instant) -> Instant {
        let iops = self.iops.as_mut().map_or(now, |bucket| bucket.due(1, now));
        let bandwidth = self.bandwidth.as_mut();
        iops.max(bandwidth.map_or(now, |bucket| bucket.due(cost.bytes, now)))
    }

    /// Whether one of them has what a request takes.
    fn either_has(&mut self, cost: Cost, now: Instant) -> bool {
        let iops = self.iops.as_mut().is_some_and(|bucket| bucket.has(1, now));
        let bandwidth = self.bandwidth.as_mut();
        iops || bandwidth.is_some_and(|bucket| bucket.has(cost.bytes, now))
    }

    fn take(&mut self, cost: Cost, now: Instant) {
        if let Some(bucket) = &mut self.iops {
            bucket.take(1, now);
        }
        if let Some(bucket) = &mut self.bandwidth {
            bucket.take(cost.bytes, now);
        }
    }

    fn are_full(&mut self, now: Instant) -> bool {
        let mut both = [&mut self.iops, &mut self.bandwidth].into_iter().flatten();
        both.all(|bucket| bucket.is_full(now))
    }
}

/// One limit in force.
#[derive(Debug)]
pub(crate) struct Account {
    limit: Limit,
    ceiling: Buckets,
    floor: Buckets,
    /// Whether somebody was refused and the moment for which he waits has not come: nobody passes before him.
    is_closed: bool,
    /// That moment.
    opens: Instant,
    /// Requests that waited for it.
    delayed: u64,
    wait: Times,
}

impl Account {
    pub(crate) fn new(limit: Limit, now: Instant) -> Account {
        Account {
            limit,
            ceiling: Buckets::new(limit.ceiling, BURST_US, now),
            floor: Buckets::new(limit.floor, FLOOR_BURST_US, now),
            is_closed: false,
            opens: Instant::default(),
            delayed: 0,
            wait: Times::default(),
        }
    }

    /// It allows this from now on; what is known of the past stays.
    pub(crate) fn change(&mut self, limit: Limit, now: Instant) {
        if limit != self.limit {
            let past = (self.delayed, std::mem::take(&mut self.wait));
            *self = Account::new(limit, now);
            (self.delayed, self.wait) = past;
        }
    }

    /// What it allows.
    pub(crate) fn limit(&self) -> Limit {
        self.limit
    }

    /// When a request is to ask again, if it may not pass now. Until then nobody passes.
    pub(crate) fn refuses(&mut self, cost: Cost, now: Instant) -> Option<Instant> {
        if !self.is_closed {
            let due = self.ceiling.due(cost, now);
            if due <= now {
                return None;
            }
            self.is_closed = true;
            self.opens = due.max(now + COALESCED);
        }
        Some(self.opens)
    }

    /// The moment may have come.
    pub(crate) fn open(&mut self, now: Instant) {
        self.is_closed &= now < self.opens;
    }

    /// What waits is asked again.
    pub(crate) fn reopen(&mut self) {
        self.is_closed = false;
    }

    /// Whether requests wait for it now.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether a request that has been here since then had, or has, to wait for it.
    pub(crate) fn held(&self, since: Instant) -> bool {
        self.opens > since
    }

    /// Whether less passed of late than its floor.
    pub(crate) fn is_below_floor(&mut self, cost: Cost, now: Instant) -> bool {
        self.floor.either_has(cost, now)
    }

    /// A request passes that has been here since then.
    pub(crate) fn take(&mut self, cost: Cost, since: Instant, now: Instant) {
        self.ceiling.take(cost, now);
        self.floor.take(cost, now);
        if self.held(since) {
            self.delayed += 1;
            self.wait.note(now.micros_since(since));
        }
    }

    /// Whether a new one would be the same, but for what is known of the past.
    pub(crate) fn is_at_rest(&mut self, now: Instant) -> bool {
        !self.is_closed && self.ceiling.are_full(now) && self.floor.are_full(now)
    }

    /// The same as data, while so many wait for it.
    pub(crate) fn row(&self, from: &str, waiting: u64) -> snapshot::Limit {
        let Limit { ceiling, floor } = self.limit;
        snapshot::Limit {
            iops: ceiling.iops,
            bandwidth: ceiling.bandwidth,
            floor_iops: floor.iops,
            floor_bandwidth: floor.bandwidth,
            from: from.to_owned(),
            delayed: self.delayed,
            waiting,
            wait: self.wait.latency(),
        }
    }
}
