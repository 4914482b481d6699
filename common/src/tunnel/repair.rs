//! Repair of one link: what was lost on the way is sent again, long before an initiator would.
//!
//! ```text
//!   sender                                          receiver
//!   kept ── records 0 1 2 3 ──▶ (2 is lost) ──▶ gaps: 2 is missing
//!        ◀── report: next 4, floor 2, missing 2 ──  after the tolerance
//!        ── record 2, the very same bytes ──▶       the window lets it in once
//!        ◀── report: next 4, floor 4 ──             by what goes out anyway
//! ```
//! A lost last record has no later one to make its loss known: if nothing is heard of it, it is sent again, and then a
//! ping follows it.
//!
//! - `sent`: the sender's half
//! - `news`: the receiver's half; what it misses is in [`gaps`](super::gaps)
//! - `again`: trains of records that are sent again

mod again;
mod news;
mod sent;

pub(crate) use self::news::News;
pub(crate) use self::sent::{Probe, Sent};
use crate::allowance::Allowance;
use crate::output::TrainBatch;
use crate::time::Instant;

/// Reports of one peer that are read in a second. A link of 10 Gbit/s makes some 10 000.
const REPORTS_PER_SECOND: u32 = 50_000;

/// Repair between us and one peer.
#[derive(Debug)]
pub(crate) struct Repair {
    /// What we sent.
    pub(crate) sent: Sent,
    /// What we have to tell of what the peer sent.
    pub(crate) news: News,
    /// A report on its way into the packer.
    pub(crate) report: Vec<u8>,
    /// The peer's reports read in this second.
    reports: Allowance,
}

impl Repair {
    pub(crate) fn new(now: Instant) -> Repair {
        Repair {
            sent: Sent::default(),
            news: News::new(now),
            report: Vec::new(),
            reports: Allowance::default(),
        }
    }

    /// Whether one more report of the peer is read now.
    pub(crate) fn reads_report(&mut self, now: Instant) -> bool {
        self.reports.take(REPORTS_PER_SECOND, now)
    }

    /// Forgets everything: the peer is gone, or another process.
    pub(crate) fn clear(&mut self, pool: &mut TrainBatch) {
        self.sent.clear(pool);
        self.news.clear();
    }
}
