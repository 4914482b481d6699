//! Floods of garbage, on LANs, on the wire and inside the tunnel: nothing panics, nothing grows, work goes on.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{OnConflict, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{AoeCommand, MacAddr, QueryCommand};
use aoe_common::telemetry::Count;
use aoe_lab::random::Random;
use e2e::sim::craft;
use e2e::sim::plan::{REAL, SEEN, gateway_mac};
use e2e::sim::puppet::Puppets;
use e2e::sim::seeds::for_each_seed;
use e2e::sim::wire::Datagram;
use e2e::sim::{HostId, Load, Pair, Plan, World};

const FLOOD: usize = 100_000;

fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words.iter_mut() {
        *word = random.next_u64().to_le_bytes();
    }
    for byte in rest {
        *byte = random.next_u64() as u8;
    }
    bytes
}

/// A running pair with a load that has just begun, and a station on each LAN.
fn stage(seed: u64) -> (World, Pair, [HostId; 2]) {
    let (mut plan, pair) = Plan::pair(seed);
    let stations = [plan.station(pair.left), plan.station(pair.right)];
    // They say anything, also that they are what is imported.
    plan.sites[pair.edge.0].imports[0].on_conflict = OnConflict::Alarm;
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(100));
    (world, pair, stations)
}

/// Random bytes that look more like AoE the smaller `wildness` is: 0 to 3.
fn random_frame(random: &mut Random, to: MacAddr, from: MacAddr, wildness: u64) -> Vec<u8> {
    let len = random.below(80) as usize + if random.happens(0.1) { 1000 } else { 0 };
    let body = bytes(random, len);
    if wildness == 3 {
        let mut frame = craft::frame(to, from, &body);
        let at = random.below(14) as usize;
        frame[at] = random.next_u64() as u8;
        return frame;
    }
    let command = AoeCommand::from(random.below(if wildness == 2 { 256 } else { 5 }) as u8);
    let address = if random.happens(0.5) { SEEN } else { REAL };
    let mut pdu = craft::pdu(address, command, random.next_u64() as u32, &body);
    pdu[0] = if wildness == 0 {
        [0x10, 0x18, 0x1c, 0x08][random.below(4) as usize]
    } else {
        body.first().copied().unwrap_or(0)
    };
    craft::frame(to, from, &pdu)
}

#[test]
fn random_frames_on_both_lans() {
    let (mut world, pair, stations) = stage(1);
    let mut random = Random::new(1);
    let gateways = [(pair.edge, stations[0]), (pair.exit, stations[1])];
    for n in 0..FLOOD {
        let (site, station) = gateways[n % 2];
        let to = if random.happens(0.2) {
            MacAddr::BROADCAST
        } else {
            gateway_mac(site, SegmentId(0))
        };
        // No write of ours may come from here: the model does not know it.
        let mut frame = random_frame(&mut random, to, world.mac(station), (n / 2 % 4) as u64);
        if let Some(opcode) = frame.get_mut(27).filter(|opcode| matches!(**opcode, 0x30 | 0x34)) {
            *opcode = 0x20;
        }
        // Nor may it speak for the import, or for the target: a station on that LAN could, that is what pins and alarms are for.
        if site == pair.exit
            && frame.get(14).is_some_and(|flags| flags & 8 != 0)
            && frame[16..19] == [0, 7, 3]
        {
            frame[18] = 4;
        }
        if frame.get(14).is_some_and(|flags| flags & 8 != 0) && frame[..6] == MacAddr::BROADCAST.0 {
            frame[..6].copy_from_slice(&gateway_mac(site, SegmentId(0)).0);
        }
        world.send_frame(station, &frame);
        if n % 64 == 0 {
            world.run_for(Duration::from_micros(200));
            world.take_heard_raw(stations[0]);
            world.take_heard_raw(stations[1]);
        }
    }
    assert!(world.count(pair.edge, Count::FramesReceived) >= FLOOD as u64 / 2);
    world.finish_loads(Duration::from_secs(300));
    for site in [pair.edge, pair.exit] {
        assert_eq!(
            world.events_like(site, |event| matches!(event, Event::SessionLost { .. })),
            0
        );
    }
    assert!(world.events(pair.edge).count() < 100, "no event per frame");
}

#[test]
fn random_datagrams_to_both_sites() {
    let (mut world, pair, _) = stage(2);
    let mut random = Random::new(2);
    let sockets = [world.socket(pair.edge), world.socket(pair.exit)];
    let before = world.datagrams();
    world.start_recording();
    for n in 0..FLOOD {
        let len = match n % 8 {
            0 => 176,
            1 => 104,
            2 => 56,
            _ => random.below(220) as usize,
        };
        let mut bytes = bytes(&mut random, len);
        for (at, byte) in bytes.iter_mut().take(4).enumerate() {
            *byte = if at == 0 { (n % 6) as u8 } else { 0 };
        }
        let from = if n % 5 == 0 {
            sockets[1 - n % 2]
        } else {
            SocketAddr::from(((n as u32).to_be_bytes(), 9))
        };
        world.inject(Datagram {
            from,
            to: sockets[n % 2],
            bytes,
        });
        if n % 64 == 0 {
            world.run_for(Duration::from_micros(200));
        }
    }
    let strangers = world
        .recorded()
        .into_iter()
        .filter(|one| !sockets.contains(&one.to))
        .count();
    assert_eq!(strangers, 0, "garbage is never answered");
    assert!(world.datagrams() - before < 20_000);
    world.finish_loads(Duration::from_secs(300));
    for site in [pair.edge, pair.exit] {
        assert!(world.events(site).count() < 20, "{}", world.story());
    }
}

#[test]
fn random_plaintexts_of_an_authentic_peer() {
    let (mut world, pair, _) = stage(3);
    let mut random = Random::new(3);
    for n in 0..FLOOD / 2 {
        let (site, peer) = if n % 2 == 0 {
            (pair.edge, pair.exit)
        } else {
            (pair.exit, pair.edge)
        };
        let len = random.below(120) as usize;
        let body = bytes(&mut random, len);
        // Everything but updates and close, which an honest peer may send as well and which have their effect.
        let kind = [1, 2, 3, 4, 6, 8, 255][random.below(7) as usize];
        let payload = match n % 3 {
            0 => craft::chunk(kind, &body),
            1 => {
                let (offset, total) = (random.below(60) as u16, random.below(70) as u16);
                craft::fragment(kind, random.below(9) as u32, offset, total, &body)
            }
            _ => {
                let mut many = craft::chunk(kind, &body);
                many.extend_from_slice(&craft::chunk(kind, &body));
                many.truncate(random.below(many.len() as u64 + 1) as usize);
                many
            }
        };
        world.lie(site, peer, &payload);
        if n % 64 == 0 {
            world.run_for(Duration::from_micros(200));
        }
    }
    world.finish_loads(Duration::from_secs(300));
}

#[test]
fn fragments_that_never_complete_are_bounded_and_let_go() {
    let (mut world, pair, _) = stage(4);
    world.run_until("the load has ended", Duration::from_secs(60), World::loads_done);
    for message in 0..20_000 {
        let bomb = craft::fragment(1, message, 0, 16_000, &[1]);
        world.lie(pair.exit, pair.edge, &bomb);
    }
    assert!(world.dropped(pair.exit, DropReason::ReassemblyFull) >= 19_000);
    world.run_for(Duration::from_secs(2));
    let held = world.dropped(pair.exit, DropReason::ReassemblyExpired);
    assert!(held <= 64, "{held} unfinished messages were held");
    world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(50));
    world.finish_loads(Duration::from_secs(60));
}

/// An update that says of the pair's export what the exit says, but for the firmware version.
fn update(serial: u32, firmware: u16) -> Vec<u8> {
    let mut update = serial.to_be_bytes().to_vec();
    // No more follow, one export; its number, flags.
    update.extend_from_slice(&[0, 0, 1, 0, 0, 3]);
    update.extend_from_slice(&firmware.to_be_bytes());
    update.extend_from_slice(&[0, 16, 2, 2]);
    // Which disk it is, is not known.
    update.extend_from_slice(&[0; 16]);
    update.push(4);
    update.extend_from_slice(b"disk");
    update.extend_from_slice(&[0, 0, 0]);
    craft::chunk(5, &update)
}

#[test]
fn a_peer_that_changes_its_mind_all_the_time_does_not_flood_the_lan() {
    let (mut world, pair, _) = stage(8);
    world.run_until("the load has ended", Duration::from_secs(60), World::loads_done);
    world.run_for(Duration::from_secs(1));
    let sent = world.count(pair.edge, Count::FramesSent);
    for n in 0..10_000u16 {
        world.lie(pair.edge, pair.exit, &update(1000 + u32::from(n), n));
    }
    let told = world.count(pair.edge, Count::FramesSent) - sent;
    assert!((1..=64).contains(&told), "{told} announcements at once");
    assert!(world.dropped(pair.edge, DropReason::UpdateTooSoon) >= 9_900);
    // What came too soon is taken when it comes again.
    world.run_for(Duration::from_secs(1));
    world.lie(pair.edge, pair.exit, &update(20_000, 7));
    assert_eq!(world.count(pair.edge, Count::FramesSent) - sent, told + 1);
}

#[test]
fn a_station_that_speaks_for_a_target_all_the_time_floods_neither_log_nor_peers() {
    let mut puppets = Puppets::new(9, 16, 2);
    let is_up = |event: &Event| matches!(event, Event::TargetUp { .. });
    let before = puppets.world.events_like(puppets.exit, is_up);
    for n in 0..1000 {
        puppets.announce(puppets.right, 16 + n % 2, 2);
    }
    let told = puppets.world.events_like(puppets.exit, is_up) - before;
    assert!(told <= 2, "{told} lines in a tenth of a second");
    assert_eq!(puppets.world.dropped(puppets.edge, DropReason::UpdateTooSoon), 0);
}

#[test]
fn a_peer_that_asks_for_the_config_string_does_not_trouble_the_others() {
    let (mut world, pair, _) = stage(10);
    world.run_until("the load has ended", Duration::from_secs(60), World::loads_done);
    world.run_for(Duration::from_secs(1));
    let pdu = craft::pdu(REAL, AoeCommand::Query, 5, &craft::query(QueryCommand::Read, b""));
    // Without reports of what arrived, every other record of the edge is an acknowledgement.
    let acknowledged = |world: &World| {
        world.count(pair.edge, Count::RecordsSealed) - world.count(pair.edge, Count::ReportsSent)
    };
    let before = acknowledged(&world);
    for n in 0..100 {
        let request =
            craft::request_chunk(0, 0, world.mac(pair.initiator), (n, world.clock(pair.edge)), &pdu);
        world.lie(pair.exit, pair.edge, &request);
        world.run_for(Duration::from_millis(10));
    }
    let replies = world.count(pair.exit, Count::RepliesToWire);
    assert!(replies >= 100, "{replies}");
    let acknowledged = acknowledged(&world) - before;
    assert!(acknowledged <= 2, "{acknowledged} updates of nothing new");
}

#[test]
fn ever_new_initiators_do_not_push_a_busy_one_out_and_their_number_is_bounded() {
    let (mut world, pair, stations) = stage(5);
    let edge = gateway_mac(pair.edge, SegmentId(0));
    for n in 0..20_000u32 {
        let [_, b, c, d] = n.to_be_bytes();
        let source = MacAddr([6, 6, 6, b, c, d]);
        let pdu = craft::pdu(SEEN, AoeCommand::Ata, n, &craft::ata(0xec, 1, 0, &[]));
        world.send_frame(stations[0], &craft::frame(edge, source, &pdu));
        if n % 16 == 0 {
            world.run_for(Duration::from_millis(1));
            world.take_heard_raw(stations[0]);
        }
    }
    world.finish_loads(Duration::from_secs(300));
    assert_eq!(world.driver(pair.initiator).counters().error_responses, 0);
}

#[test]
fn a_flood_of_requests_is_shed_by_name_and_forgotten() {
    for_each_seed(1, |seed| {
        let mut puppets = Puppets::new(seed, 65_535, 2);
        // A target with room for everything answers nothing: the pending table fills, then refuses.
        let edge = gateway_mac(puppets.edge, SegmentId(0));
        for tag in 0..80_000u32 {
            let source = MacAddr([2, 7, 7, 7, 7, (tag % 64) as u8]);
            let pdu = craft::pdu(SEEN, AoeCommand::Ata, tag, &craft::ata(0x24, 1, tag.into(), &[]));
            puppets
                .world
                .send_frame(puppets.left, &craft::frame(edge, source, &pdu));
            if tag % 256 == 0 {
                puppets.world.run_for(Duration::from_micros(100));
                puppets.world.take_heard_raw(puppets.right);
                puppets.world.take_heard_raw(puppets.left);
            }
        }
        puppets.world.run_for(Duration::from_secs(70));
        let exit = puppets.exit;
        let sent = puppets.world.count(exit, Count::RequestsToTarget);
        // Nearly all of the table, and each of the 64 initiators as much as it leaves free.
        assert!(sent >= 64_000, "{sent}");
        let dropped = |reason| puppets.world.dropped(exit, reason);
        assert!(dropped(DropReason::QueueFull) > 0);
        let shed = dropped(DropReason::PendingFull)
            + dropped(DropReason::QueueFull)
            + dropped(DropReason::RequestTooOld)
            + dropped(DropReason::PendingExpired)
            + dropped(DropReason::TargetTimeout);
        assert_eq!(
            shed,
            80_000,
            "every request is accounted for\n{}",
            puppets.world.story()
        );
        // Afterwards, once the target is heard of again, there is room.
        puppets.announce(puppets.right, 16, 2);
        puppets.world.run_for(Duration::from_millis(10));
        puppets.world.take_heard_raw(puppets.right);
        puppets.read(1, 7);
        let requests = puppets.at_target();
        assert_eq!(requests.len(), 1);
        let answer = puppets.answer_to(&requests[0], 5);
        puppets.respond(puppets.right, &answer);
        assert_eq!(puppets.at_initiator().len(), 1);
    });
}

#[test]
fn frames_of_others_echoes_and_tagged_frames_go_no_further() {
    let (mut world, pair, stations) = stage(6);
    world.run_until("the load has ended", Duration::from_secs(60), World::loads_done);
    let edge = gateway_mac(pair.edge, SegmentId(0));
    let own = world.mac(stations[0]);
    let sent = world.count(pair.edge, Count::RequestsToWire);
    let read = craft::pdu(SEEN, AoeCommand::Ata, 5, &craft::ata(0x24, 1, 0, &[]));
    let query = craft::pdu(SEEN, AoeCommand::Query, 5, &craft::query(QueryCommand::Read, b""));
    let mut tagged = craft::frame(edge, own, &read);
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x05]);
    for (frame, reason) in [
        (
            craft::frame(MacAddr([2, 2, 2, 2, 2, 2]), own, &read),
            DropReason::FrameForOthers,
        ),
        (
            craft::frame(MacAddr([1, 0x80, 0xc2, 0, 0, 0]), own, &read),
            DropReason::FrameForOthers,
        ),
        (craft::frame(edge, edge, &read), DropReason::FrameOwnEcho),
        (
            craft::frame(MacAddr::BROADCAST, edge, &query),
            DropReason::FrameOwnEcho,
        ),
        (
            craft::frame(edge, MacAddr::BROADCAST, &read),
            DropReason::FrameBadSource,
        ),
        (tagged, DropReason::FrameVlanTagged),
    ] {
        let before = world.dropped(pair.edge, reason);
        world.send_frame(stations[0], &frame);
        world.run_for(Duration::from_millis(5));
        assert_eq!(world.dropped(pair.edge, reason), before + 1, "{reason:?}");
    }
    assert_eq!(world.count(pair.edge, Count::RequestsToWire), sent);
}
