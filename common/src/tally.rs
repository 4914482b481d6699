//! What was refused, by reason: how often, and to whom, for what and when last.

use crate::config::PeerId;
use crate::drop_reason::DropReason;
use crate::frame::MacAddr;
use crate::refusal::Refusal;
use crate::snapshot::Refusals;
use crate::standing::Moment;
use crate::time::Instant;

/// Refusals of one thing. There are no more entries than reasons.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    reason: DropReason,
    count: u64,
    last: Last,
}

/// The last one of its reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Last {
    pub(crate) initiator: MacAddr,
    /// The peer it is behind; `None`: it is on a segment here.
    pub(crate) peer: Option<PeerId>,
    /// What it asked for, where that tells more than the reason.
    pub(crate) what: Option<Refusal>,
    pub(crate) at: Instant,
}

impl Tally {
    /// So many were refused for this reason. No memory is taken but for a reason that is new.
    pub(crate) fn note(&mut self, reason: DropReason, times: u64, last: Last) {
        match self.0.iter_mut().find(|entry| entry.reason == reason) {
            Some(entry) => {
                entry.count = entry.count.saturating_add(times);
                entry.last = last;
            }
            None => self.0.push(Entry {
                reason,
                count: times,
                last,
            }),
        }
    }

    /// The same as data, the newest first; `name` says what a peer is called.
    pub(crate) fn rows(&self, moment: &Moment, name: impl Fn(PeerId) -> String) -> Vec<Refusals> {
        let mut entries: Vec<&Entry> = self.0.iter().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.last.at));
        let row = |entry: &Entry| {
            let Last {
                initiator,
                peer,
                what,
                at,
            } = entry.last;
            Refusals {
                reason: entry.reason.name().to_owned(),
                count: entry.count,
                last_who: match peer {
                    Some(peer) => format!("{initiator} behind {}", name(peer)),
                    None => initiator.to_string(),
                },
                last_what: what.map_or_else(|| words(entry.reason).to_owned(), |what| what.to_string()),
                last: moment.unix(at),
            }
        };
        entries.into_iter().map(row).collect()
    }
}

/// Whether a request that ended for this reason was refused to its initiator. One that is a late copy of another was not.
pub(crate) fn is_refusal(reason: DropReason) -> bool {
    !matches!(
        reason,
        DropReason::RequestRepeated
            | DropReason::WriteStale
            | DropReason::NoSession
            | DropReason::MessageMalformed
            | DropReason::RequestConfigMismatch
            | DropReason::RequestImportPaused
    )
}

/// The reason in words, where no more is known of what was asked for.
fn words(reason: DropReason) -> &'static str {
    match reason {
        DropReason::RefusedConflict => "a write (another disk may answer for the target)",
        DropReason::RequestImportDown => "a request (the import cannot be used)",
        DropReason::TargetDown => "a request (the target was never heard)",
        DropReason::TargetTimeout => "a request (the target has been silent for too long)",
        DropReason::RequestTooOld => "a request (older than `max_age`)",
        DropReason::QueueFull | DropReason::PendingFull | DropReason::OverlapFull => {
            "a request (too many of them wait)"
        }
        DropReason::ExportWithdrawn => "a request (the right to it was taken away)",
        DropReason::ExportMoved => "a request (the export has another target now)",
        DropReason::RequestImportPaused => "a request (the import is paused)",
        DropReason::PauseOutlasted => "a request (the export was paused for long)",
        DropReason::PeerTakenDown => "a request (its peer was taken down)",
        DropReason::PeerRemoved => "a request (its peer is none any more)",
        DropReason::PeerRestarted => "a request (its peer was restarted)",
        DropReason::GatewayEnding => "a request (the gateway is about to end)",
        DropReason::FrameTooBigForSegment => "a request (its frame does not fit the segment)",
        _ => "a request",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn refusals_are_counted_by_reason_and_the_last_is_named() {
        let at = |secs: u64| Instant::from_micros(secs * 1_000_000);
        let last = |n, peer, what, secs| Last {
            initiator: MacAddr([2, 0, 0, 0, 0, n]),
            peer,
            what,
            at: at(secs),
        };
        let mut tally = Tally::default();
        let read_only = Some(Refusal::ReadOnly);
        tally.note(
            DropReason::RefusedReadOnly,
            1,
            last(1, Some(PeerId(7)), read_only, 1),
        );
        tally.note(
            DropReason::RefusedReadOnly,
            u64::MAX,
            last(2, Some(PeerId(7)), read_only, 2),
        );
        tally.note(DropReason::QueueFull, 1, last(3, None, None, 3));
        let moment = Moment {
            now: at(10),
            wall: Duration::from_secs(1000),
        };
        let rows = tally.rows(&moment, |peer| format!("site-{}", peer.0));
        let row = |reason: &str, count, who: &str, what: &str, last| Refusals {
            reason: reason.into(),
            count,
            last_who: who.into(),
            last_what: what.into(),
            last,
        };
        assert_eq!(
            rows,
            [
                row(
                    "queue_full",
                    1,
                    "02:00:00:00:00:03",
                    "a request (too many of them wait)",
                    993.0
                ),
                row(
                    "refused_read_only",
                    u64::MAX,
                    "02:00:00:00:00:02 behind site-7",
                    &Refusal::ReadOnly.to_string(),
                    992.0
                ),
            ]
        );
    }
}
