//! A pair with a station beside the initiator, which sends what it likes.

use std::time::Duration;

use aoe_common::config::{Access, SegmentId};
use aoe_common::event::Event;
use aoe_common::frame::{Address, AoeCommand, MacAddr, Tag};
use aoe_common::telemetry::Count;
use e2e::sim::craft::{self, Seen};
use e2e::sim::plan::gateway_mac;
use e2e::sim::{HostId, Pair, Plan, World};

pub(super) const READ: u8 = 0x20;
pub(super) const READ_EXT: u8 = 0x24;
pub(super) const WRITE: u8 = 0x30;
pub(super) const WRITE_EXT: u8 = 0x34;
pub(super) const ALLOWED: [u8; 8] = [READ, READ_EXT, WRITE, WRITE_EXT, 0xec, 0xe7, 0xea, 0xe5];
pub(super) const REFUSED: Option<(u8, u8)> = Some((0x41, 0x04));

/// A running pair with a station on the initiator's LAN that says what no initiator says.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) pair: Pair,
    pub(super) station: HostId,
    pub(super) tag: u32,
    /// Of the last request that was made up.
    pub(super) number: u64,
}

impl Stage {
    pub(super) fn new(seed: u64, change: impl FnOnce(&mut Plan, Pair, HostId)) -> Stage {
        let (mut plan, pair) = Plan::pair(seed);
        let station = plan.station(pair.left);
        change(&mut plan, pair, station);
        let mut world = plan.build();
        world.run_until("the import is up", Duration::from_secs(5), |world| {
            world.events_like(pair.edge, |event| matches!(event, Event::ImportUp { .. })) > 0
        });
        // The initiator has heard of the import and identifies it.
        world.run_for(Duration::from_millis(100));
        world.take_heard(station);
        Stage {
            world,
            pair,
            station,
            tag: 0x8000_0000,
            number: 1 << 60,
        }
    }

    /// Sends a request to the edge and returns what comes back within 20 ms.
    pub(super) fn ask(&mut self, address: Address, command: AoeCommand, argument: &[u8]) -> Vec<Seen> {
        let own = self.world.mac(self.station);
        let edge = gateway_mac(self.pair.edge, SegmentId(0));
        self.tag += 1;
        let pdu = craft::pdu(address, command, self.tag, argument);
        self.world
            .send_frame(self.station, &craft::frame(edge, own, &pdu));
        self.world.run_for(Duration::from_millis(20));
        let heard = self.world.take_heard(self.station);
        heard
            .into_iter()
            .filter(|seen| seen.header.tag == Tag(self.tag))
            .collect()
    }

    /// Hands the exit a request as if the edge had sealed it, of an import that it has not; what came of it. No answer to
    /// it passes the edge.
    pub(super) fn lie(&mut self, export: u16, initiator: MacAddr, pdu: &[u8]) -> Outcome {
        self.number += 1;
        let exit = self.pair.exit;
        let count = |stage: &Stage| {
            let count = |count| stage.world.count(exit, count);
            (count(Count::RepliesToWire), count(Count::Refusals))
        };
        let before = count(self);
        let chunk = craft::request_chunk(
            export,
            7,
            initiator,
            (self.number, self.world.clock(self.pair.edge)),
            pdu,
        );
        self.world.lie(exit, self.pair.edge, &chunk);
        self.world.run_for(Duration::from_millis(20));
        assert!(self.world.take_heard(self.station).is_empty());
        let after = count(self);
        match (after.0 - before.0, after.1 - before.1) {
            (0, 0) => Outcome::Silence,
            (1, 1) => Outcome::Refused,
            (1, 0) => Outcome::Answered,
            other => panic!("{other:?} replies and refusals"),
        }
    }

    pub(super) fn requests_at_target(&self) -> u64 {
        self.world.count(self.pair.exit, Count::RequestsToTarget)
    }
}

/// What came of a request that was handed to the exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Silence,
    Refused,
    Answered,
}

pub(super) fn make_read_only(plan: &mut Plan, pair: Pair) {
    plan.sites[pair.exit.0].exports[0].allow[0].access = Access::ReadOnly;
}
