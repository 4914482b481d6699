//! The message by which a receiver tells what has arrived of a session and what has not.
//!
//! ```text
//!   0         4      12      20        24      28
//!  +---------+------+-------+---------+-------+ ...
//!  | session | next | floor | first   | count |
//!  +---------+------+-------+---------+-------+ ...
//! ```

use super::message::take;

/// Missing ranges in one report.
pub(crate) const MAX_RANGES: usize = 32;
const HEAD_LEN: usize = 20;
const RANGE_LEN: usize = 8;
/// Longest report.
pub(crate) const MAX_REPORT_LEN: usize = HEAD_LEN + MAX_RANGES * RANGE_LEN;

/// What has arrived of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The session, by the index that its records carry: the receiver's.
    pub(crate) session: u32,
    /// One more than the newest counter that arrived.
    pub(crate) next: u64,
    /// Below this nothing is missing, or wanted, any more.
    pub(crate) floor: u64,
    ranges: [(u32, u32); MAX_RANGES],
    count: usize,
}

impl Report {
    pub(crate) fn new(session: u32, next: u64, floor: u64) -> Report {
        Report {
            session,
            next,
            floor,
            ranges: [(0, 0); MAX_RANGES],
            count: 0,
        }
    }

    /// Names the records `first..end`, behind those named before; false if that is too much for one report.
    pub(crate) fn add(&mut self, first: u64, end: u64) -> bool {
        if first >= end {
            return true;
        }
        let last = self
            .count
            .checked_sub(1)
            .and_then(|last| self.ranges.get_mut(last));
        if let Some((start, count)) = last
            && self.floor + u64::from(*start) + u64::from(*count) == first
            && let Ok(longer) = u32::try_from(end - first + u64::from(*count))
        {
            *count = longer;
            return true;
        }
        let range = (
            u32::try_from(first.saturating_sub(self.floor)),
            u32::try_from(end.saturating_sub(first)),
        );
        if let (Some(slot), (Ok(first), Ok(count))) = (self.ranges.get_mut(self.count), range) {
            *slot = (first, count);
            self.count += 1;
            return true;
        }
        false
    }

    /// Whether no range is named.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ranges named: first and end.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.iter().take(self.count).map(|(first, count)| {
            let first = self.floor.saturating_add((*first).into());
            (first, first.saturating_add((*count).into()))
        })
    }

    /// Appends the message to `out`.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.session.to_be_bytes());
        out.extend_from_slice(&self.next.to_be_bytes());
        out.extend_from_slice(&self.floor.to_be_bytes());
        for (first, count) in self.ranges.iter().take(self.count) {
            out.extend_from_slice(&first.to_be_bytes());
            out.extend_from_slice(&count.to_be_bytes());
        }
    }

    /// Reads a message; `None` if it is not whole, has too many ranges, or one that is empty, not behind the one before
    /// it, or not between floor and next.
    pub(crate) fn parse(message: &[u8]) -> Option<Report> {
        if message.len() > MAX_REPORT_LEN {
            return None;
        }
        let mut rest = message;
        let session = u32::from_be_bytes(take(&mut rest)?);
        let next = u64::from_be_bytes(take(&mut rest)?);
        let floor = u64::from_be_bytes(take(&mut rest)?);
        if floor > next {
            return None;
        }
        let mut report = Report::new(session, next, floor);
        let mut end = 0;
        while !rest.is_empty() {
            let first = u32::from_be_bytes(take(&mut rest)?);
            let count = u32::from_be_bytes(take(&mut rest)?);
            if count == 0 || u64::from(first) < end || u64::from(first) + u64::from(count) > next - floor {
                return None;
            }
            end = u64::from(first) + u64::from(count);
            let slot = report.ranges.get_mut(report.count)?;
            *slot = (first, count);
            report.count += 1;
        }
        Some(report)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_report_survives_a_round_trip() {
        let mut report = Report::new(0x0102_0304, 0x1_0000_0009, 0x1_0000_0000);
        report.add(0x1_0000_0000, 0x1_0000_0002);
        report.add(0x1_0000_0005, 0x1_0000_0009);
        let mut bytes = Vec::new();
        report.emit(&mut bytes);
        assert_eq!(bytes.len(), HEAD_LEN + 2 * RANGE_LEN);
        assert_eq!(Report::parse(&bytes), Some(report.clone()));
        let missing: Vec<_> = report.missing().collect();
        assert_eq!(
            missing,
            [(0x1_0000_0000, 0x1_0000_0002), (0x1_0000_0005, 0x1_0000_0009)]
        );
        assert_eq!(Report::parse(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn no_report_has_more_ranges_than_allowed_nor_one_beyond_the_newest() {
        let mut report = Report::new(1, 1000, 0);
        (0..40).for_each(|n| assert_eq!(report.add(2 * n, 2 * n + 1), n < 32));
        let mut bytes = Vec::new();
        report.emit(&mut bytes);
        assert_eq!(bytes.len(), MAX_REPORT_LEN);
        assert!(Report::parse(&bytes).is_some());
        let mut longer = bytes.clone();
        longer.extend_from_slice(&[0, 0, 0, 99, 0, 0, 0, 1]);
        assert_eq!(Report::parse(&longer), None);
        bytes.copy_within(HEAD_LEN..HEAD_LEN + RANGE_LEN, HEAD_LEN + RANGE_LEN);
        assert_eq!(Report::parse(&bytes), None, "the same range twice");
        let parse = |next: u64, floor: u64, first: u32, count: u32| {
            let mut bytes = vec![0; 4];
            bytes.extend_from_slice(&next.to_be_bytes());
            bytes.extend_from_slice(&floor.to_be_bytes());
            bytes.extend_from_slice(&first.to_be_bytes());
            bytes.extend_from_slice(&count.to_be_bytes());
            Report::parse(&bytes)
        };
        assert!(parse(10, 5, 4, 1).is_some());
        assert!(parse(10, 5, 4, 2).is_none() && parse(10, 5, 0, 0).is_none());
        assert!(parse(5, 6, 0, 1).is_none() && parse(10, 5, u32::MAX, u32::MAX).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(report) = Report::parse(&bytes) {
                let mut again = Vec::new();
                report.emit(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
