//! Counters and events: what the core says about itself.

use std::collections::VecDeque;
use std::time::Duration;

use crate::drop_reason::DropReason;
use crate::event::Event;
use crate::notes::{Book, Notes};
use crate::time::Instant;
use crate::trouble::{About, Troubles, Was};

/// Events kept until the driver asks; older ones are let go and counted.
const MAX_EVENTS: usize = 1024;

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// Things that go well.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Count { $($(#[doc = $doc])+ $variant,)+ }

        impl Count {
            /// Every count, in the order of the enum.
            pub const ALL: &'static [Count] = &[$(Count::$variant,)+];

            /// The name in documents.
            pub const fn name(self) -> &'static str {
                match self { $(Count::$variant => $name,)+ }
            }

            /// The name for Prometheus.
            pub const fn metric(self) -> &'static str {
                match self { $(Count::$variant => concat!("aoe_", $name, "_total"),)+ }
            }

            /// What is counted, in a sentence.
            pub const fn words(self) -> &'static str {
                match self { $(Count::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

counts! {
    /// Frames captured on segments.
    FramesReceived => "frames_received",
    /// Frames emitted on segments.
    FramesSent => "frames_sent",
    /// Requests sent to an exit.
    RequestsToWire => "requests_to_wire",
    /// Requests sent to a target.
    RequestsToTarget => "requests_to_target",
    /// Requests that waited at the exit for room at the target.
    RequestsQueued => "requests_queued",
    /// Requests that waited at the exit for a write of the same sectors.
    RequestsHeld => "requests_held",
    /// Requests sent to a target again, because it did not answer in time.
    RequestsRepeated => "requests_repeated",
    /// Copies of requests that were at the exit already: the one answer goes to the newest.
    RequestsCollapsed => "requests_collapsed",
    /// Times that an address was found to be that of another disk, or of two.
    Conflicts => "conflicts",
    /// Answers of a target to further copies of a request that was answered, or to one that nobody waits for any more.
    AnswersAbsorbed => "answers_absorbed",
    /// Replies sent to an edge.
    RepliesToWire => "replies_to_wire",
    /// Replies sent to an initiator.
    RepliesToInitiator => "replies_to_initiator",
    /// Config queries answered by the edge itself.
    QueriesAnswered => "queries_answered",
    /// Refusals sent to initiators.
    Refusals => "refusals",
    /// Datagrams received.
    DatagramsReceived => "datagrams_received",
    /// Records opened.
    RecordsOpened => "records_opened",
    /// Records sealed.
    RecordsSealed => "records_sealed",
    /// Records that came only after they were asked for, or never; not those the sender says are not worth it, as probes
    /// of a path's MTU that it does not carry.
    RecordsMissed => "records_missed",
    /// Records that did not arrive at all, although they were asked for.
    RecordsGivenUp => "records_given_up",
    /// Records sent again because the peer asked for them.
    RecordsResent => "records_resent",
    /// Records the peer asked for and that are kept no more, or are more than may be sent again.
    ResendsRefused => "resends_refused",
    /// Messages packed again because their record is longer than the path carries now.
    MessagesRepacked => "messages_repacked",
    /// Probes of a path's MTU.
    PathProbes => "path_probes",
    /// Times a peer was asked at a new address whether it is there.
    PathChallenges => "path_challenges",
    /// Times a longer datagram was found to pass.
    PathMtuRaised => "path_mtu_raised",
    /// Times long datagrams did not pass any more.
    PathMtuLowered => "path_mtu_lowered",
    /// Last records sent again, or pings after them, because their receiver did not confirm them.
    TailProbes => "tail_probes",
    /// Reports of what arrived and what did not.
    ReportsSent => "reports_sent",
    /// Handshakes completed.
    Handshakes => "handshakes",
    /// Events discarded because nobody asked for them.
    EventsLost => "events_lost",
}

/// Numbers since the start, local to one engine: plain additions, no atomics.
#[derive(Debug)]
pub struct Counters {
    counts: [u64; Count::ALL.len()],
    drops: [u64; DropReason::COUNT],
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            counts: [0; Count::ALL.len()],
            drops: [0; DropReason::COUNT],
        }
    }
}

impl Counters {
    /// One number of things that went well.
    pub fn count(&self, count: Count) -> u64 {
        self.counts.get(count as usize).copied().unwrap_or_default()
    }

    /// How often something ended for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or_default()
    }

    /// Every number with its name: counts first, then drops, each in the order of its enum.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = Count::ALL.iter().map(|count| (count.name(), self.count(*count)));
        counts.chain(
            DropReason::ALL
                .iter()
                .map(|reason| (reason.name(), self.dropped(*reason))),
        )
    }
}

/// Where the core's parts report to.
#[derive(Debug, Default)]
pub struct Telemetry {
    counters: Counters,
    events: VecDeque<Event>,
    troubles: Troubles,
    /// What is noted for the audit log.
    pub(crate) notes: Book,
}

impl Telemetry {
    /// The numbers.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// One more of these.
    pub fn count(&mut self, count: Count) {
        self.add(count, 1);
    }

    /// `n` more of these. Numbers saturate: a peer has a say in some of them.
    pub fn add(&mut self, count: Count, n: u64) {
        if let Some(slot) = self.counters.counts.get_mut(count as usize) {
            *slot = slot.saturating_add(n);
        }
    }

    /// Something ended here.
    pub fn drop(&mut self, reason: DropReason) {
        self.drops(reason, 1);
    }

    /// `n` things ended here.
    pub fn drops(&mut self, reason: DropReason, n: u64) {
        if let Some(slot) = self.counters.drops.get_mut(reason as usize) {
            *slot = slot.saturating_add(n);
        }
    }

    /// A state that an operator should look at begins, goes on, or has another cause.
    pub(crate) fn raise(&mut self, now: Instant, about: About, event: Event) {
        self.raise_after(Duration::ZERO, now, about, event);
    }

    /// As [`raise`](Self::raise), but it is logged only if it lasts for `grace`.
    pub(crate) fn raise_after(&mut self, grace: Duration, now: Instant, about: About, event: Event) {
        if let Some(line) = self.troubles.raise(now, grace, about, event) {
            self.event(line);
        }
    }

    /// Something that an operator should look at happened; it may happen often.
    pub(crate) fn happened(&mut self, now: Instant, times: u64, about: About, event: impl FnOnce() -> Event) {
        if let Some(line) = self.troubles.happened(now, times, about, event) {
            self.event(line);
        }
    }

    /// A state is over; the caller logs that, where it was logged.
    pub(crate) fn over(&mut self, now: Instant, about: About) -> Was {
        self.troubles.over(now, about)
    }

    /// What these troubles were about is not there any more.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(About) -> bool) {
        self.troubles.forget(is_gone);
    }

    /// What an operator should look at now.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (About, &Event, Instant)> {
        self.troubles.standing()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.troubles.deadline()
    }

    /// Logs again what lasts.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for line in self.troubles.handle_timeout(now) {
            self.event(line);
        }
    }

    /// Something an operator may want to know.
    pub fn event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.count(Count::EventsLost);
        }
        self.events.push_back(event);
    }

    /// What was noted for the audit log since this was asked last.
    pub fn take_notes(&mut self) -> Notes {
        self.notes.take()
    }

    /// The oldest event not yet asked for.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_saturate() {
        let mut telemetry = Telemetry::default();
        for n in [u64::MAX - 1, 1 << 33, u64::MAX] {
            telemetry.add(Count::ResendsRefused, n);
            telemetry.drops(DropReason::QueueFull, n);
        }
        let counters = telemetry.counters();
        assert_eq!(counters.count(Count::ResendsRefused), u64::MAX);
        assert_eq!(counters.dropped(DropReason::QueueFull), u64::MAX);
    }

    #[test]
    fn every_number_has_a_distinct_name_and_counts_its_own() {
        let mut telemetry = Telemetry::default();
        telemetry.count(Count::Refusals);
        telemetry.drops(DropReason::QueueFull, 3);
        let mut named: Vec<_> = telemetry.counters().iter().collect();
        assert_eq!(named.iter().filter(|(_, n)| *n > 0).count(), 2);
        assert!(named.contains(&("refusals", 1)) && named.contains(&("queue_full", 3)));
        let all = named.len();
        named.sort_unstable();
        named.dedup_by_key(|(name, _)| *name);
        assert_eq!(named.len(), all);
    }
}
