//! What an import had carried, and where the time went.

use super::ledger::{Answered, Novelty, Passage};
use crate::drop_reason::DropReason;
use crate::frame::{Ata, MacAddr, Pdu};
use crate::refusal::Refusal;
use crate::request::Moved;
use crate::sizes::Sizes;
use crate::snapshot::Split;
use crate::stats::{Carried, Times};
use crate::tally::{Last, Tally};
use crate::time::Instant;
use crate::tunnel::message::Stay;

/// The numbers of an import.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) carried: Carried,
    pub(super) sizes: Sizes,
    /// From capture until it was handed to the tunnel.
    segment: Times,
    /// There and back between the gateways: the rest.
    tunnel: Times,
    /// At the exit, until it was sent to the target.
    queue: Times,
    /// At the target.
    target: Times,
    /// From capture to the reply.
    total: Times,
    pub(super) refused: Tally,
}

/// A request that is answered now, in numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    answered: Answered,
    success: bool,
    /// In microseconds.
    pub(super) total_us: u64,
}

impl Done {
    pub(super) fn new(answered: Answered, reply: &Pdu<'_>, now: Instant) -> Done {
        let ata = Ata::parse(reply.argument());
        let Passage { sent, .. } = answered.passage;
        Done {
            answered,
            success: !reply.is_error() && ata.is_ok_and(|ata| ata.is_success()),
            total_us: now
                .micros_since(sent)
                .saturating_add(answered.passage.waited_us()),
        }
    }

    /// Adds it to what was carried.
    pub(super) fn count(&self, carried: &mut Carried) {
        carried.answered(self.moved());
    }

    fn moved(&self) -> Moved {
        self.answered.asked.moved(self.success)
    }
}

/// Adds a request to what was carried.
pub(super) fn count_request(carried: &mut Carried, novelty: Novelty) {
    carried.requests += 1;
    carried.resent += u64::from(novelty == Novelty::Resent);
}

impl Stats {
    /// A request goes to the exit.
    pub(super) fn sent(&mut self, passage: Passage, novelty: Novelty) {
        count_request(&mut self.carried, novelty);
        self.segment.note(passage.waited_us());
    }

    /// A reply goes to its initiator; how long its request was at the exit, the exit says.
    pub(super) fn done(&mut self, done: &Done, stay: Stay) {
        done.count(&mut self.carried);
        self.sizes.note(done.moved());
        let (queue, target) = (stay.queue_us.into(), stay.target_us.into());
        let between = done.total_us.saturating_sub(done.answered.passage.waited_us());
        self.tunnel
            .note(between.saturating_sub(queue).saturating_sub(target));
        self.queue.note(queue);
        self.target.note(target);
        self.total.note(done.total_us);
    }

    /// A request of an initiator ended here for this reason.
    pub(super) fn refused(
        &mut self,
        reason: DropReason,
        what: Option<Refusal>,
        initiator: MacAddr,
        at: Instant,
    ) {
        self.carried.refused += 1;
        let last = Last {
            initiator,
            peer: None,
            what,
            at,
        };
        self.refused.note(reason, 1, last);
    }

    /// Where the time went, as data.
    pub(super) fn split(&self) -> Split {
        Split {
            total: self.total.latency(),
            segment: self.segment.latency(),
            tunnel: self.tunnel.latency(),
            queue: self.queue.latency(),
            target: self.target.latency(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{AtaFlags, AtaOpcode};
    use crate::request::Asked;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    fn reply(status: u8) -> Vec<u8> {
        let mut pdu = vec![0x18, 0, 0, 1, 1, 0, 0, 0, 0, 7];
        pdu.extend_from_slice(&[0, 0, 0, status, 0, 0, 0, 0, 0, 0, 0, 0]);
        pdu
    }

    fn answered(opcode: AtaOpcode, captured: u64, sent: u64) -> Answered {
        Answered {
            asked: Asked::Ata {
                opcode,
                sectors: 4,
                flags: AtaFlags::default(),
            },
            passage: Passage::new(at(captured), at(sent)),
        }
    }

    #[test]
    fn the_time_of_a_request_is_divided_among_where_it_was() {
        let mut stats = Stats::default();
        let answered = answered(AtaOpcode::ReadExt, 1000, 1100);
        stats.sent(answered.passage, Novelty::Resent);
        let bytes = reply(0x40);
        let done = Done::new(answered, &Pdu::parse(&bytes).unwrap(), at(11_000));
        let stay = Stay {
            queue_us: 1000,
            target_us: 4000,
        };
        stats.done(&done, stay);
        let split = stats.split();
        let times = [
            split.segment,
            split.tunnel,
            split.queue,
            split.target,
            split.total,
        ];
        for (found, right) in times.into_iter().zip([100, 4900, 1000, 4000, 10_000]) {
            let found = found.unwrap();
            assert!(
                found.count == 1 && found.max_us.abs_diff(right) <= right / 10,
                "{found:?} {right}"
            );
        }
        assert_eq!((stats.carried.requests, stats.carried.resent), (1, 1));
        assert_eq!((stats.carried.answered, stats.carried.read_bytes), (1, 2048));
        assert_eq!(stats.sizes.rows()[0].reads, 1);
    }

    #[test]
    fn a_peer_that_tells_more_time_than_there_was_breaks_nothing() {
        let mut stats = Stats::default();
        let bytes = reply(0x40);
        let pdu = Pdu::parse(&bytes).unwrap();
        let done = Done::new(answered(AtaOpcode::WriteExt, 0, 5), &pdu, at(1));
        let stay = Stay {
            queue_us: u32::MAX,
            target_us: u32::MAX,
        };
        stats.done(&done, stay);
        assert!(stats.split().tunnel.unwrap().max_us <= 1);
        assert_eq!(stats.carried.written_bytes, 2048);
    }

    #[test]
    fn what_failed_moved_nothing() {
        let bytes = reply(0x41);
        let pdu = Pdu::parse(&bytes).unwrap();
        let mut carried = Carried::default();
        Done::new(answered(AtaOpcode::WriteExt, 0, 0), &pdu, at(9)).count(&mut carried);
        assert_eq!((carried.answered, carried.written_bytes), (1, 0));
    }
}
