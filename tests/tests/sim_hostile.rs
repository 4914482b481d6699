//! What anybody on the path can do: repeat, reorder, damage, forge, send from elsewhere. None of it changes a thing.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::{Endpoint, PostQuantum, Protection};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::telemetry::Count;
use aoe_lab::random::Random;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::wire::Datagram;
use e2e::sim::{Fate, Load, Pair, Plan, SiteId, Weather, World};

const LONG: Duration = Duration::from_secs(600);

fn elsewhere() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 66], 666))
}

fn loaded(plan: Plan, pair: Pair, operations: u64) -> World {
    let mut world = plan.build();
    world.start_recording();
    world.open(pair.initiator, SEEN);
    world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(operations));
    world
}

fn opened(world: &World, pair: Pair) -> [u64; 2] {
    [pair.edge, pair.exit].map(|site| world.count(site, Count::RecordsOpened))
}

/// Everything that a site does outwardly, and how it stands with its peer.
fn standing(world: &World, pair: Pair) -> Vec<u64> {
    let mut numbers = Vec::new();
    for site in [pair.edge, pair.exit] {
        for count in [
            Count::RecordsOpened,
            Count::RecordsSealed,
            Count::FramesSent,
            Count::Handshakes,
            Count::RequestsToTarget,
            Count::RepliesToInitiator,
        ] {
            numbers.push(world.count(site, count));
        }
        numbers.push(world.events(site).count() as u64);
    }
    numbers.push(world.datagrams());
    numbers
}

#[test]
fn everything_repeated_in_any_order_from_anywhere_changes_nothing() {
    // With one handshake there is nothing to say. With two, each side that was called answers the older call, by a refusal,
    // once in half a second; no time passes here.
    for_each_seed(6, |seed| {
        let (post_quantum, most_refusals) = match seed % 2 {
            0 => (PostQuantum::Off, 0),
            _ => (PostQuantum::Prefer, 2),
        };
        let protection = match seed % 4 {
            0 | 1 => Protection::Encrypt,
            _ => Protection::Authenticate,
        };
        let (mut plan, pair) = Plan::pair(seed);
        for (site, other) in [(pair.edge, pair.exit), (pair.exit, pair.edge)] {
            let peer = plan.peer_mut(site, other);
            (peer.protection, peer.post_quantum) = (vec![protection], post_quantum);
        }
        let mut world = loaded(plan, pair, 100);
        world.run_until("all requests have ended", LONG, World::loads_done);
        world.run_for(Duration::from_secs(2));
        let mut recorded = world.recorded();
        assert!(recorded.len() > 100);
        let mut random = Random::new(seed);
        for at in 0..recorded.len() {
            let other = random.below(recorded.len() as u64) as usize;
            recorded.swap(at, other);
        }
        let before = standing(&world, pair);
        for datagram in recorded {
            world.inject(datagram.clone());
            world.inject(Datagram {
                from: elsewhere(),
                ..datagram.clone()
            });
            // Reflected to its sender, and as if the receiver had sent it.
            world.inject(Datagram {
                from: datagram.to,
                to: datagram.from,
                bytes: datagram.bytes,
            });
        }
        let after = standing(&world, pair);
        let ((datagrams, rest), (datagrams_before, rest_before)) =
            (after.split_last().unwrap(), before.split_last().unwrap());
        assert_eq!(rest, rest_before);
        assert!(
            datagrams - datagrams_before <= most_refusals,
            "{after:?} {before:?}"
        );
        world.run_for(Duration::from_secs(20));
        world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(20));
        world.finish_loads(LONG);
    });
}

#[test]
fn one_flipped_bit_anywhere_is_noticed() {
    for protection in [Protection::Encrypt, Protection::Authenticate] {
        let (mut plan, pair) = Plan::pair(5);
        plan.peer_mut(pair.edge, pair.exit).protection = vec![protection];
        plan.peer_mut(pair.exit, pair.edge).protection = vec![protection];
        let mut world = loaded(plan, pair, 10);
        // One record is withheld, so that it stays fresh; every damaged copy is offered instead.
        let to = world.socket(pair.exit);
        world.run_for(Duration::from_millis(1));
        world.recorded();
        world.start_recording();
        world.set_filter(move |_, datagram| {
            if datagram.to == to && datagram.bytes[0] == 4 {
                Fate::Lose
            } else {
                Fate::Pass
            }
        });
        world.run_for(Duration::from_millis(10));
        let withheld = world
            .recorded()
            .into_iter()
            .find(|one| one.to == to && one.bytes[0] == 4)
            .unwrap();
        let before = standing(&world, pair);
        for bit in 0..withheld.bytes.len() * 8 {
            let mut damaged = withheld.clone();
            damaged.bytes[bit / 8] ^= 1 << (bit % 8);
            world.inject(damaged);
        }
        for len in 0..withheld.bytes.len() {
            let mut cut = withheld.clone();
            cut.bytes.truncate(len);
            world.inject(cut);
            let mut longer = withheld.clone();
            longer.bytes.resize(withheld.bytes.len() + len + 1, 0);
            world.inject(longer);
        }
        assert_eq!(standing(&world, pair), before);
        let opened_before = opened(&world, pair)[1];
        world.inject(withheld);
        assert_eq!(
            opened(&world, pair)[1],
            opened_before + 1,
            "the genuine one still opens"
        );
        world.clear_filter();
        world.finish_loads(LONG);
    }
}

#[test]
fn datagrams_of_every_length_at_every_point_of_a_sessions_life() {
    let (mut plan, pair) = Plan::pair(6);
    for site in &mut plan.sites {
        site.tunnel.rekey_after = Duration::from_secs(5);
    }
    let mut world = loaded(plan, pair, 600);
    let mut random = Random::new(6);
    let sockets = [world.socket(pair.edge), world.socket(pair.exit)];
    let mut offer = |world: &mut World, len: usize| {
        let to = sockets[len % 2];
        let from = if len.is_multiple_of(3) {
            sockets[1 - len % 2]
        } else {
            elsewhere()
        };
        let fill = random.next_u64() as u8;
        let mut bytes = vec![fill; len];
        if let Some(first) = bytes.first_mut() {
            *first = (len / 7 % 6) as u8;
        }
        if let Some(reserved) = bytes.get_mut(1..4) {
            reserved.fill(0);
        }
        world.inject(Datagram { from, to, bytes });
    };
    // All lengths up to a jumbo record and a few beyond up to the largest, spread over start, load and rekeys.
    let lens = (0..9300)
        .chain((9300..65_535).step_by(997))
        .chain([65_507, 65_535]);
    for (index, len) in lens.enumerate() {
        offer(&mut world, len);
        if index % 8 == 0 {
            world.run_for(Duration::from_millis(12));
        }
    }
    assert!(world.dropped(pair.exit, DropReason::DatagramTooLong) > 0);
    assert!(world.events_like(pair.edge, |event| matches!(event, Event::SessionRekeyed { .. })) > 0);
    assert_eq!(
        world.events_like(pair.edge, |event| matches!(event, Event::PeerMoved { .. })),
        0
    );
    world.finish_loads(LONG);
    assert_eq!(world.driver(pair.initiator).counters().retransmits, 0);
}

#[test]
fn a_copy_of_every_datagram_arrives_and_counts_once() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair_on(seed, [9000, 9000]);
        plan.weather = Weather {
            duplicate: 1.0,
            jitter: Duration::from_millis(3),
            ..Weather::calm(Duration::from_millis(1))
        };
        let mut world = loaded(plan, pair, 150);
        world.finish_loads(LONG);
        let sent = world.count(pair.edge, Count::RequestsToWire);
        // The initiator itself may be impatient, and have two requests that are one.
        let accounted = world.count(pair.exit, Count::RequestsToTarget)
            + world.count(pair.exit, Count::RequestsCollapsed)
            + world.dropped(pair.exit, DropReason::WriteStale)
            + world.dropped(pair.exit, DropReason::RequestRepeated);
        assert_eq!(sent, accounted);
        let sealed = world.count(pair.edge, Count::RecordsSealed);
        assert_eq!(world.count(pair.exit, Count::RecordsOpened), sealed);
        assert!(world.dropped(pair.exit, DropReason::RecordReplayed) >= sealed);
    });
}

fn moves(world: &World, site: SiteId) -> usize {
    world.events_like(site, |event| matches!(event, Event::PeerMoved { .. }))
}

#[test]
fn only_fresh_genuine_data_moves_a_peer() {
    for_each_seed(4, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = loaded(plan, pair, 200);
        world.run_for(Duration::from_millis(40));
        // Replayed and damaged copies from elsewhere do not.
        let recorded = world.recorded();
        world.run_for(Duration::from_millis(5));
        for datagram in recorded {
            for damage in [false, true] {
                let mut copy = datagram.clone();
                copy.from = elsewhere();
                if damage {
                    *copy.bytes.last_mut().unwrap() ^= 1;
                }
                world.inject(copy);
            }
        }
        assert_eq!((moves(&world, pair.edge), moves(&world, pair.exit)), (0, 0));
        // A genuine record that was overtaken does not either.
        let to = world.socket(pair.exit);
        let mut withheld: Option<Vec<u8>> = None;
        world.start_recording();
        world.set_filter(move |_, datagram| {
            if datagram.to != to {
                return Fate::Pass;
            }
            // Whenever it is sent again, too.
            match *withheld.get_or_insert_with(|| datagram.bytes.clone()) == datagram.bytes {
                true => Fate::Lose,
                false => Fate::Pass,
            }
        });
        world.run_for(Duration::from_millis(40));
        world.clear_filter();
        let late = world.recorded().into_iter().find(|one| one.to == to).unwrap();
        let before = opened(&world, pair)[1];
        world.inject(Datagram {
            from: elsewhere(),
            ..late
        });
        assert_eq!(opened(&world, pair)[1], before + 1, "it is genuine and opens");
        assert_eq!(moves(&world, pair.exit), 0, "but it does not move the peer");
        // A peer that really moves is followed, in the middle of the load.
        let moved = SocketAddr::from(([192, 0, 2, 5], 5000));
        world.rebind(pair.edge, moved);
        world.start_recording();
        world.run_for(Duration::from_secs(8));
        assert_eq!(moves(&world, pair.exit), 1, "{}", world.story());
        assert!(world.recorded().iter().any(|one| one.to == moved));
        world.finish_loads(LONG);
    });
}

#[test]
fn both_sides_may_move_again_and_again_under_load() {
    for_each_seed(4, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.weather = Weather::rough(Duration::from_millis(2));
        let mut world = loaded(plan, pair, 300);
        for turn in 0..6u8 {
            world.run_for(Duration::from_millis(20));
            let site = if turn % 2 == 0 { pair.edge } else { pair.exit };
            let moved = SocketAddr::from(([192, 0, 2, turn], 5000 + u16::from(turn)));
            world.rebind(site, moved);
            // If what tells the other side is lost, it asks for the name.
            world.rename(site, moved);
            // The one that moved speaks within its keepalive.
            world.run_for(Duration::from_secs(7));
        }
        world.finish_loads(LONG);
        assert!(
            moves(&world, pair.edge) >= 1 && moves(&world, pair.exit) >= 1,
            "{}",
            world.story()
        );
    });
}

/// Lets the initiator work for so many milliseconds, while somebody on the path stops every record of the edge and sends it
/// on from an address of their own. Returns how many bytes they sent, and how many they got.
fn send_on(world: &mut World, pair: Pair, millis: u16, from: impl Fn(u16) -> SocketAddr) -> (usize, usize) {
    let [edge, exit] = [pair.edge, pair.exit].map(|site| world.socket(site));
    let (mut sent, mut got) = (0, 0);
    world.set_filter(move |_, one| {
        let is_stopped = one.from == edge && one.bytes[0] == 4;
        if is_stopped { Fate::Lose } else { Fate::Pass }
    });
    world.start_recording();
    for turn in 0..millis {
        world.run_for(Duration::from_millis(1));
        let recorded = world.recorded();
        world.start_recording();
        for datagram in recorded {
            if datagram.to != edge && datagram.to != exit {
                got += datagram.bytes.len();
            } else if datagram.from == edge && datagram.bytes[0] == 4 {
                sent += datagram.bytes.len();
                world.inject(Datagram {
                    from: from(turn),
                    ..datagram
                });
            }
        }
    }
    world.recorded();
    world.clear_filter();
    (sent, got)
}

#[test]
fn who_sends_fresh_records_on_from_an_address_of_its_own_draws_no_more_than_three_times_their_bytes() {
    for_each_seed(3, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = loaded(plan, pair, 1500);
        world.run_for(Duration::from_millis(40));
        world.recorded();
        for from in [
            |_| elsewhere(),
            |turn| SocketAddr::from(([192, 0, 2, 9], 5000 + turn)),
        ] {
            let (sent, got) = send_on(&mut world, pair, 150, from);
            assert!(sent > 1000 && got > 0, "{sent} sent, {got} got");
            assert!(got <= 3 * sent, "{got} bytes for {sent}");
        }
        assert!(world.count(pair.exit, Count::PathChallenges) > 0);
        assert_eq!(moves(&world, pair.exit), 0, "{}", world.story());
        // Meanwhile what the exit sent went to the edge, and the session stayed.
        assert_eq!(
            world.events_like(pair.edge, |event| matches!(event, Event::SessionLost { .. })),
            0
        );
        world.finish_loads(LONG);
    });
}

#[test]
fn a_response_counts_only_from_the_address_that_was_asked() {
    for_each_seed(2, |seed| {
        let (plan, pair) = Plan::pair(seed);
        let mut world = loaded(plan, pair, 400);
        world.run_for(Duration::from_millis(40));
        world.recorded();
        // The challenges are carried to the edge, which answers them from where it is.
        let [edge, exit] = [pair.edge, pair.exit].map(|site| world.socket(site));
        for _ in 0..100 {
            world.start_recording();
            let mut left = 1;
            world.set_filter(move |_, one| {
                let is_stopped = one.from == edge && one.bytes[0] == 4 && left > 0;
                left -= i32::from(is_stopped);
                if is_stopped { Fate::Lose } else { Fate::Pass }
            });
            world.run_for(Duration::from_millis(3));
            let recorded = world.recorded();
            if let Some(fresh) = recorded.iter().find(|one| one.from == edge && one.bytes[0] == 4) {
                world.start_recording();
                world.inject(Datagram {
                    from: elsewhere(),
                    ..fresh.clone()
                });
                for asked in world.recorded().into_iter().filter(|one| one.to == elsewhere()) {
                    world.inject(Datagram {
                        from: exit,
                        to: edge,
                        ..asked
                    });
                }
            }
        }
        world.clear_filter();
        assert!(world.count(pair.exit, Count::PathChallenges) > 0);
        assert_eq!(moves(&world, pair.exit), 0, "{}", world.story());
        world.finish_loads(LONG);
    });
}

#[test]
fn a_pinned_peer_stays_where_it_is_configured() {
    for_each_seed(2, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.peer_mut(pair.exit, pair.edge).endpoint_pinned = true;
        let mut world = loaded(plan, pair, 200);
        world.run_for(Duration::from_millis(40));
        let (home, moved) = (world.socket(pair.edge), SocketAddr::from(([192, 0, 2, 5], 5000)));
        world.rebind(pair.edge, moved);
        world.start_recording();
        world.run_for(Duration::from_secs(30));
        assert!(world.recorded().iter().all(|one| one.to != moved));
        assert!(world.dropped(pair.exit, DropReason::PeerElsewhere) > 0);
        let told = |event: &Event| matches!(event, Event::PeerElsewhere { .. });
        assert_eq!(world.events_like(pair.exit, told), 1, "once a minute");
        assert_eq!(moves(&world, pair.exit), 0, "{}", world.story());
        world.rebind(pair.edge, home);
        world.finish_loads(LONG);
    });
}

#[test]
fn a_path_may_change_between_ipv4_and_ipv6() {
    let (mut plan, pair) = Plan::pair_on(7, [9000, 9000]);
    let v6 = |n: u16| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 34978));
    for (n, site) in (1..).zip(&mut plan.sites) {
        site.sockets.push(v6(n));
    }
    plan.set_path_mtu(1280);
    plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
    let mut world = loaded(plan, pair, 300);
    world.run_for(Duration::from_millis(50));
    // IPv4 is gone: only the IPv6 name is left, and the session has to be made anew.
    world.set_filter(|_, datagram| {
        if datagram.to.is_ipv4() {
            Fate::Lose
        } else {
            Fate::Pass
        }
    });
    world.rename(pair.exit, v6(2));
    world.finish_loads(LONG);
}

#[test]
fn a_renamed_peer_is_found_when_it_is_lost() {
    for_each_seed(3, |seed| {
        let (mut plan, pair) = Plan::pair(seed);
        plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
        let mut world = loaded(plan, pair, 100);
        world.run_for(Duration::from_millis(40));
        // The exit's host is replaced by another one elsewhere, with the same key; its name follows.
        let moved = SocketAddr::from(([192, 0, 2, 200], 34978));
        world.kill(pair.exit);
        world.run_for(Duration::from_secs(60));
        world.rebind(pair.exit, moved);
        world.rename(pair.exit, moved);
        world.start(pair.exit);
        world.finish_loads(LONG);
    });
}

#[test]
fn a_cut_of_one_direction_is_noticed_and_healed() {
    for_each_seed(3, |seed| {
        for cut in 0..2 {
            let (plan, pair) = Plan::pair(seed);
            let mut world = loaded(plan, pair, 60);
            world.run_for(Duration::from_millis(30));
            let from = world.socket(SiteId(cut));
            world.set_filter(move |_, one| if one.from == from { Fate::Lose } else { Fate::Pass });
            world.run_for(Duration::from_secs(45));
            let lost = |event: &Event| matches!(event, Event::SessionLost { .. });
            assert!(world.events_like(SiteId(cut), lost) > 0, "{}", world.story());
            world.clear_filter();
            world.finish_loads(LONG);
        }
    });
}
