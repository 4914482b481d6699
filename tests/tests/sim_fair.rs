//! One peer does its worst at an exit; another one, which uses another disk or the same, goes on.

use std::time::Duration;

use aoe_common::config::Access;
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{Address, AoeCommand, Flags, Header, MacAddr, QueryCommand, QueryHeader};
use aoe_common::telemetry::Count;
use e2e::hostile::{Export, Harm};
use e2e::sim::craft;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::{HostId, Load, Pair, Plan, SiteId, World};

/// A disk of the hostile peer.
const OTHER: Address = Address { shelf: 7, slot: 4 };

/// A pair, and at its exit a second peer that lies: with the right to read the pair's disk (export 0), and to write one
/// of its own at [`OTHER`] (export 1), which a station plays.
struct Hub {
    world: World,
    pair: Pair,
    hostile: SiteId,
    station: HostId,
}

impl Hub {
    fn new(seed: u64) -> Hub {
        let (mut plan, pair) = Plan::pair(seed);
        let hostile = plan.site(&[]);
        plan.introduce(hostile, pair.exit);
        let station = plan.station(pair.right);
        plan.export(pair.exit, "other", pair.right, OTHER, hostile, Access::ReadWrite);
        let exit = &mut plan.sites[pair.exit.0];
        let mut allow = exit.exports[1].allow[0].clone();
        allow.access = Access::ReadOnly;
        exit.exports[0].allow.push(allow);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let mut hub = Hub {
            world,
            pair,
            hostile,
            station,
        };
        hub.announce();
        hub.world.run_for(Duration::from_secs(2));
        let up = |event: &Event| matches!(event, Event::SessionUp { .. });
        assert_eq!(hub.world.events_like(pair.exit, up), 2, "{}", hub.world.story());
        hub
    }

    /// The station says that it is a target with room for everything. It never answers a request.
    fn announce(&mut self) {
        let header = Header {
            flags: Flags::RESPONSE,
            ..craft::request(OTHER, AoeCommand::Query, 0)
        };
        let query = QueryHeader {
            buffer_count: 65_535,
            firmware: 1,
            sectors: 2,
            version: 1,
            command: QueryCommand::Read,
        };
        let mut pdu = header.to_bytes().to_vec();
        pdu.extend_from_slice(&query.to_bytes(0));
        let frame = craft::frame(MacAddr::BROADCAST, self.world.mac(self.station), &pdu);
        self.world.send_frame(self.station, &frame);
    }

    /// Message number `n` of the hostile peer.
    fn harm(&mut self, harm: Harm, n: u64) {
        let payload = harm.payload(n, 0, self.world.clock(self.hostile));
        self.world.lie(self.pair.exit, self.hostile, &payload);
    }

    /// Reads of the honest initiator, 16 at a time: how long they take.
    fn reads(&mut self, operations: u64) -> Duration {
        let pair = self.pair;
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        self.world
            .start_load(load.operations(operations).depth(16).writes(0.0).largest(2));
        self.world.finish_loads(Duration::from_secs(600))
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.world.dropped(self.pair.exit, reason)
    }
}

/// The pair's disk, and the one that answers no request.
const SHARED: Export = Export(0, REAL);
const MUTE: Export = Export(1, OTHER);

/// Everything that a peer can leave at a target that does not answer. It fills its own part, and the other peer does
/// not notice.
#[test]
fn a_peer_with_a_silent_target_does_not_fill_the_table() {
    let mut hub = Hub::new(1);
    let calm = hub.reads(500);
    for n in 0..80_000 {
        hub.harm(Harm::ForgedInitiators(MUTE), n);
        if n % 1000 == 0 {
            hub.announce();
            hub.world.run_for(Duration::from_micros(100));
            hub.world.take_heard_raw(hub.station);
        }
    }
    let refused = hub.dropped(DropReason::PendingFull) + hub.dropped(DropReason::QueueFull);
    assert!(refused > 10_000, "{refused} of 80000 were refused");
    let took = hub.reads(500);
    let refused_since = hub.dropped(DropReason::PendingFull) + hub.dropped(DropReason::QueueFull) - refused;
    assert_eq!(refused_since, 0, "the other peer was refused");
    assert!(took < 2 * calm, "{took:?}, calm {calm:?}");
}

/// A peer that may read the same disk asks in the name of 8000 initiators. The disk is slow: its turns are what there
/// is to take.
#[test]
fn forged_initiators_of_one_peer_leave_the_other_its_turns() {
    let mut hub = Hub::new(2);
    let target = hub.world.target_mut(hub.pair.target);
    target.set_service_time(Duration::from_millis(1));
    let calm = hub.reads(300);
    let mut number = 0;
    let mut flood = |hub: &mut Hub, n: u32| {
        for _ in 0..n {
            number += 1;
            hub.harm(Harm::ForgedInitiators(SHARED), number);
        }
    };
    flood(&mut hub, 8000);
    let pair = hub.pair;
    let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
    hub.world
        .start_load(load.operations(300).depth(16).writes(0.0).largest(2));
    let began = hub.world.now();
    while !hub.world.loads_done() {
        flood(&mut hub, 20);
        hub.world.run_some(Duration::from_millis(10));
        let took = hub.world.now().saturating_since(began);
        assert!(took < 3 * calm, "{took:?}, calm {calm:?}\n{}", hub.world.story());
    }
    assert!(hub.world.count(pair.exit, Count::RequestsToTarget) > 600);
}

/// One sector written over and over: refused by name once enough of them wait; reads of the other disk go on.
#[test]
fn writes_of_one_sector_are_refused_by_name() {
    let mut hub = Hub::new(3);
    let calm = hub.reads(500);
    for n in 0..50_000 {
        hub.harm(Harm::WritesOfOneSector(MUTE), n);
    }
    assert!(hub.dropped(DropReason::OverlapFull) > 45_000);
    let took = hub.reads(500);
    assert!(took < 2 * calm, "{took:?}, calm {calm:?}");
    // What waits goes in the end, and the sector is free again.
    hub.world.run_for(Duration::from_secs(120));
    let refused = hub.dropped(DropReason::OverlapFull);
    hub.announce();
    hub.world.run_for(Duration::from_secs(2));
    hub.harm(Harm::WritesOfOneSector(MUTE), 1 << 40);
    assert_eq!(hub.dropped(DropReason::OverlapFull), refused);
}

/// What does harm by being malformed or never whole.
#[test]
fn nonsense_of_one_peer_is_its_own_affair() {
    let mut hub = Hub::new(4);
    let calm = hub.reads(500);
    for harm in [Harm::Reports, Harm::Fragments, Harm::Updates] {
        for n in 0..5000 {
            hub.harm(harm, n);
        }
        let took = hub.reads(500);
        assert!(took < 2 * calm, "{harm:?}: {took:?}, calm {calm:?}");
    }
    for reason in [DropReason::ReassemblyFull, DropReason::MessageMalformed] {
        assert!(hub.dropped(reason) > 1000, "{reason:?}");
    }
}
