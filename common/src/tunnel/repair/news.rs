//! What the peer should hear of its records, and when: reports of what arrived and what did not.

use std::time::Duration;

use crate::time::Instant;
use crate::tunnel::report::MAX_REPORT_LEN;

/// News of arrivals go out by themselves after this time, if nothing else did.
pub(crate) const NEWS_WITHIN: Duration = Duration::from_millis(2);
/// News go out with other messages at most this often ...
const NEWS_EVERY: Duration = Duration::from_millis(1);
/// ... or after this much has arrived: the sender keeps it all until it hears.
const NEWS_BYTES: usize = 128 << 10;
/// News go out by themselves after this much has arrived.
const NEWS_BYTES_ALONE: usize = 1 << 20;
/// Between two reports that nothing else carries.
const ALONE_EVERY: Duration = Duration::from_micros(250);
/// A report may cost one byte for two that arrived; so much is granted in advance.
const REPORT_CREDIT: usize = 16 << 10;
/// When a report is due, and what it may cost.
#[derive(Debug)]
pub(crate) struct News {
    /// When the last report went out.
    told_at: Instant,
    /// Since when there is something to tell.
    since: Option<Instant>,
    /// Bytes that arrived since the last report and of which the peer wants to hear.
    bytes: usize,
    /// Bytes that reports may have.
    credit: usize,
}

impl News {
    pub(super) fn new(now: Instant) -> News {
        News {
            told_at: now,
            since: None,
            bytes: 0,
            credit: REPORT_CREDIT,
        }
    }

    /// There is nothing to tell any more: the peer is gone, or another process.
    pub(super) fn clear(&mut self) {
        (self.since, self.bytes) = (None, 0);
    }

    /// So many bytes of a record arrived that the peer should hear of.
    pub(crate) fn note(&mut self, len: usize, now: Instant) {
        self.since.get_or_insert(now);
        self.bytes += len;
    }

    /// So many bytes arrived.
    pub(crate) fn note_arrival(&mut self, len: usize) {
        self.credit = (self.credit + len / 2).min(REPORT_CREDIT);
    }

    /// Whether a report goes out with other messages now; `ask_at` is when there is something to ask for.
    pub(crate) fn goes_along(&self, ask_at: Instant, now: Instant) -> bool {
        let news = self.since.is_some() && (self.told_at + NEWS_EVERY <= now || self.bytes >= NEWS_BYTES);
        (news || ask_at <= now) && self.credit >= MAX_REPORT_LEN
    }

    /// When a report goes out by itself.
    pub(crate) fn due_at(&self, ask_at: Instant) -> Instant {
        if self.credit < MAX_REPORT_LEN {
            return Instant::NEVER;
        }
        let news = self.since.map_or(Instant::NEVER, |since| {
            if self.bytes >= NEWS_BYTES_ALONE {
                since
            } else {
                since + NEWS_WITHIN
            }
        });
        news.min(ask_at).max(self.told_at + ALONE_EVERY)
    }

    /// Reports of so many bytes go out.
    pub(crate) fn told(&mut self, len: usize, now: Instant) {
        self.told_at = now;
        self.since = None;
        self.bytes = 0;
        self.credit = self.credit.saturating_sub(len);
    }
}
