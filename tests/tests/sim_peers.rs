//! A peer comes, changes and goes under load, and another peer's load does not notice.

use std::time::Duration;

use aoe_common::config::{Access, Endpoint, PathMtu, Protection};
use aoe_common::event::Event;
use aoe_common::frame::Address;
use aoe_common::snapshot::{Peer, State};
use aoe_lab::target::BladeSettings;
use e2e::sim::plan::{Pair, REAL, SEEN, SitePlan};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{HostId, Load, Plan, SiteId, Weather, World};

/// Two edges of one exit. The second one's peer row at the exit is what changes.
struct Hub {
    world: World,
    pair: Pair,
    second: SiteId,
    guest: HostId,
}

/// The disk of the second edge.
const OTHER: Address = Address { shelf: 7, slot: 4 };

/// Two edges, each with a disk of its own behind the exit.
fn plan(seed: u64) -> (Plan, Pair, SiteId, HostId) {
    let (mut plan, pair) = Plan::pair(seed);
    plan.weather = Weather::calm(Duration::from_millis(5 + seed % 3));
    plan.blade(pair.target, OTHER, BladeSettings::default());
    let lan = plan.lan(1500);
    let second = plan.site(&[lan]);
    plan.introduce(second, pair.exit);
    plan.export(pair.exit, "other", pair.right, OTHER, second, Access::ReadWrite);
    plan.import(second, pair.exit, "other", lan, SEEN);
    let guest = plan.initiator(lan);
    (plan, pair, second, guest)
}

/// Both edges have their disk open, and the first one has a load that must not notice anything.
fn hub(seed: u64, change: impl FnOnce(&mut Plan, Pair, SiteId)) -> Hub {
    let (mut plan, pair, second, guest) = plan(seed);
    change(&mut plan, pair, second);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.open(guest, SEEN);
    let hub = Hub {
        world,
        pair,
        second,
        guest,
    };
    hub.loaded()
}

impl Hub {
    fn loaded(mut self) -> Hub {
        let target = self.pair.target;
        let load = |host, disk, operations| {
            Load::new(host, SEEN, (target, disk))
                .operations(operations)
                .depth(4)
        };
        self.world.start_load(load(self.pair.initiator, REAL, 6000));
        self.world.start_load(load(self.guest, OTHER, 5000));
        self.world.run_for(Duration::from_millis(500));
        self
    }

    /// What the exit says of the second edge, if it is a peer of it.
    fn row(&self) -> Option<Peer> {
        let rows = self.world.snapshot(self.pair.exit).peers;
        rows.into_iter()
            .find(|row| row.name == format!("site-{}", self.second.0))
    }

    fn state(&self) -> Option<State> {
        self.row().map(|row| row.standing.state)
    }

    /// When the session of the exit with the second edge began.
    fn session_since(&self) -> f64 {
        self.row()
            .and_then(|row| row.session)
            .expect("there is a session")
            .since
    }

    fn wait_for_session(&mut self, limit: Duration) -> Duration {
        let (exit, name) = (self.pair.exit, format!("site-{}", self.second.0));
        self.world
            .run_until("the second edge has a session", limit, |world| {
                let rows = world.snapshot(exit).peers;
                rows.iter()
                    .any(|row| row.name == name && row.standing.state == State::Up)
            })
    }

    /// Everything ends well, and the first edge has noticed nothing.
    fn finish(mut self) -> World {
        self.world.finish_loads(Duration::from_secs(300));
        let driver = self.world.driver(self.pair.initiator).counters();
        assert_eq!(
            (driver.retransmits, driver.unexpected),
            (0, 0),
            "{}",
            self.world.story()
        );
        let lost = |event: &Event| matches!(event, Event::SessionLost { .. });
        assert_eq!(
            self.world.events_like(self.pair.edge, lost),
            0,
            "{}",
            self.world.story()
        );
        self.world
    }
}

/// The second edge is no peer of the exit any more.
fn dismiss(exit: &mut SitePlan) {
    exit.peers.truncate(1);
    exit.exports[1].allow.clear();
}

#[test]
fn a_peer_that_is_removed_loses_its_session_at_once_and_goes_on_when_it_is_added_again() {
    for_each_seed(4, |seed| {
        let mut hub = hub(seed, |_, _, _| ());
        let (exit, second) = (hub.pair.exit, hub.second);
        for round in 0..3 {
            let (mut peer, mut allow) = (None, None);
            hub.world.reload(exit, |plan| {
                (peer, allow) = (plan.peers.get(1).cloned(), plan.exports[1].allow.first().cloned());
                dismiss(plan);
            });
            assert_eq!(hub.row(), None);
            hub.world.run_for(Duration::from_millis(20));
            let told = |event: &Event| matches!(event, Event::SessionLost { why, .. } if why.contains("no peer of it any more"));
            assert_eq!(
                hub.world.events_like(second, told),
                round + 1,
                "{}",
                hub.world.story()
            );
            hub.world.run_for(Duration::from_secs(2));
            let stranger = |event: &Event| matches!(event, Event::Stranger { key: Some(_), .. });
            assert!(
                hub.world.events_like(exit, stranger) > 0,
                "it calls, as a stranger"
            );
            assert_eq!(hub.row(), None);
            hub.world.reload(exit, |plan| {
                plan.peers.extend(peer);
                plan.exports[1].allow.extend(allow);
            });
            hub.wait_for_session(Duration::from_secs(7));
        }
        hub.finish();
    });
}

#[test]
fn a_psk_that_the_two_sides_get_at_different_times_costs_nothing() {
    for_each_seed(4, |seed| {
        let mut hub = hub(seed, |_, _, _| ());
        let (exit, second) = (hub.pair.exit, hub.second);
        for (number, psk) in [Some([1; 32]), Some([2; 32]), None].into_iter().enumerate() {
            let before = hub.session_since();
            let exit_first = (number as u64 + seed).is_multiple_of(2);
            let (first, last) = if exit_first {
                (exit, second)
            } else {
                (second, exit)
            };
            let set = |plan: &mut SitePlan| {
                let last = plan.peers.last_mut().expect("it has a peer");
                last.psk = psk;
            };
            hub.world.reload(first, set);
            hub.world.run_for(Duration::from_millis(500 + 300 * (seed % 10)));
            assert_eq!(hub.session_since(), before, "the session stays while they differ");
            hub.world.reload(last, set);
            let (since, name) = (before, format!("site-{}", second.0));
            hub.world
                .run_until("both use it", Duration::from_secs(6), |world| {
                    let rows = world.snapshot(exit).peers;
                    let session = rows
                        .into_iter()
                        .find(|row| row.name == name)
                        .and_then(|row| row.session);
                    session.is_some_and(|session| session.since > since && session.psk == psk.is_some())
                });
            hub.world.run_for(Duration::from_millis(700 * (seed % 7)));
        }
        let guest = hub.guest;
        let world = hub.finish();
        assert_eq!(world.driver(guest).counters().retransmits, 0, "{}", world.story());
    });
}

#[test]
fn a_psk_that_only_one_side_has_ends_the_session_by_its_age_and_both_say_why() {
    for_each_seed(2, |seed| {
        let mut hub = hub(seed, |plan, _, _| {
            plan.sites
                .iter_mut()
                .for_each(|site| site.tunnel.rekey_after = Duration::from_secs(5));
        });
        let (exit, second) = (hub.pair.exit, hub.second);
        hub.world.reload(exit, |plan| plan.peers[1].psk = Some([1; 32]));
        hub.world.run_for(Duration::from_secs(50));
        assert_eq!(hub.state(), Some(State::Up));
        hub.world.run_for(Duration::from_secs(30));
        let row = hub.row().expect("it is still a peer");
        assert_eq!(row.standing.state, State::Down);
        let refused = |event: &Event| matches!(event, Event::HandshakeRefused { why, .. } if why.contains("compare the psk of both sides"));
        for site in [exit, second] {
            assert!(hub.world.events_like(site, refused) > 0, "{}", hub.world.story());
        }
        hub.world.reload(second, |plan| plan.peers[0].psk = Some([1; 32]));
        hub.wait_for_session(Duration::from_secs(7));
        hub.finish();
    });
}

#[test]
fn another_mode_ends_the_session_and_the_next_one_follows_within_a_second() {
    for_each_seed(4, |seed| {
        let both = vec![Protection::Authenticate, Protection::Encrypt];
        let mut hub = hub(seed, |plan, pair, second| {
            plan.peer_mut(pair.exit, second).protection.clone_from(&both);
            plan.peer_mut(second, pair.exit).protection.clone_from(&both);
        });
        let mode = |hub: &Hub| {
            hub.row()
                .and_then(|row| row.session)
                .map(|session| session.protection)
        };
        assert_eq!(mode(&hub), Some("authenticate".to_owned()));
        let exit = hub.pair.exit;
        hub.world
            .reload(exit, |plan| plan.peers[1].protection = vec![Protection::Encrypt]);
        assert_eq!(mode(&hub), None);
        let took = hub.wait_for_session(Duration::from_secs(1));
        assert!(took < Duration::from_millis(100), "{took:?}");
        assert_eq!(mode(&hub), Some("encrypt".to_owned()));
        hub.finish();
    });
}

#[test]
fn another_path_mtu_endpoint_or_cipher_is_no_reason_to_lose_anything() {
    for_each_seed(4, |seed| {
        let mut hub = hub(seed, |_, _, _| ());
        let (exit, second, before) = (hub.pair.exit, hub.second, hub.session_since());
        for mtu in [PathMtu::Fixed(1400), PathMtu::Auto, PathMtu::Fixed(1500)] {
            hub.world.reload(exit, |plan| plan.peers[1].path_mtu = mtu);
            hub.world.reload(second, |plan| plan.peers[0].path_mtu = mtu);
            hub.world.run_for(Duration::from_secs(2));
        }
        hub.world
            .reload(second, |plan| plan.peers[0].endpoint = Endpoint::Unknown);
        hub.world.run_for(Duration::from_secs(1));
        hub.world
            .reload(second, |plan| plan.peers[0].endpoint = Endpoint::Known);
        hub.world.reload(exit, |plan| plan.tunnel.ciphers.truncate(1));
        hub.world.run_for(Duration::from_secs(1));
        assert_eq!(hub.session_since(), before, "it is the same session");
        for site in [exit, second] {
            hub.world
                .reload(site, |plan| plan.tunnel.rekey_after = Duration::from_secs(5));
        }
        hub.world.run_for(Duration::from_millis(100));
        assert!(hub.session_since() > before, "it was older than that");
        let guest = hub.guest;
        let world = hub.finish();
        assert_eq!(world.driver(guest).counters().retransmits, 0, "{}", world.story());
    });
}

#[test]
fn a_site_that_nobody_knew_is_added_and_serves_without_a_restart() {
    for_each_seed(2, |seed| {
        let (mut plan, pair, second, guest) = plan(seed);
        let exit = &mut plan.sites[pair.exit.0];
        let (peer, allow) = (exit.peers[1].clone(), exit.exports[1].allow[0].clone());
        dismiss(exit);
        let mut world = plan.build();
        world.open(pair.initiator, SEEN);
        let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
        world.start_load(load.operations(1000));
        world.run_for(Duration::from_millis(500));
        world.reload(pair.exit, |plan| {
            plan.peers.push(peer);
            plan.exports[1].allow.push(allow);
        });
        assert_eq!(world.snapshot(pair.exit).peers.len(), 2);
        world.open(guest, SEEN);
        world.start_load(Load::new(guest, SEEN, (pair.target, OTHER)));
        world.finish_loads(Duration::from_secs(60));
        assert_eq!(
            world.driver(pair.initiator).counters().retransmits,
            0,
            "{}",
            world.story()
        );
        let up = |event: &Event| matches!(event, Event::ImportUp { .. });
        assert_eq!(world.events_like(second, up), 1);
        let all = world.snapshot(pair.exit);
        assert!(all.peers.iter().all(|row| row.standing.state == State::Up));
    });
}
