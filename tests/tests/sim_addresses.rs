//! Several addresses of one peer: the next one is called when one is dead, and whichever answers is used.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::config::Endpoint;
use aoe_common::event::Event;
use e2e::sim::plan::{REAL, SEEN};
use e2e::sim::seeds::for_each_seed;
use e2e::sim::{Fate, Load, Plan};

#[test]
fn whichever_address_lives_is_found_at_once_and_again_when_it_dies() {
    for_each_seed(4, |seed| {
        for live in 0..3 {
            let (mut plan, pair) = Plan::pair(seed);
            plan.peer_mut(pair.exit, pair.edge).endpoint = Endpoint::Unknown;
            let ways: Vec<SocketAddr> = (1..=3)
                .map(|host| SocketAddr::from(([203, 0, 113, host], 34978)))
                .collect();
            plan.sites[pair.exit.0].sockets.clone_from(&ways);
            let mut world = plan.build();
            let (first, then) = (ways[live], ways[(live + 1) % 3]);
            let only = |way: SocketAddr| {
                let dead = ways.clone();
                move |datagram: &SocketAddr| dead.contains(datagram) && *datagram != way
            };
            let dead = only(first);
            world.set_filter(move |_, datagram| {
                if dead(&datagram.to) {
                    Fate::Lose
                } else {
                    Fate::Pass
                }
            });
            let up = |event: &Event| matches!(event, Event::SessionUp { .. });
            let took = world.run_until("a session", Duration::from_secs(20), |world| {
                world.events_like(pair.edge, up) == 1
            });
            assert!(
                took < Duration::from_millis(3000),
                "address {live} is the live one: {took:?}"
            );
            world.open(pair.initiator, SEEN);
            world.start_load(Load::new(pair.initiator, SEEN, (pair.target, REAL)).operations(2000));
            world.run_for(Duration::from_secs(1));

            let dead = only(then);
            world.set_filter(move |_, datagram| {
                // What is sent from there is lost as well.
                if dead(&datagram.to) || dead(&datagram.from) {
                    Fate::Lose
                } else {
                    Fate::Pass
                }
            });
            world.finish_loads(Duration::from_secs(60));
            let lost = |event: &Event| matches!(event, Event::SessionLost { .. });
            assert_eq!(world.events_like(pair.edge, lost), 0, "{}", world.story());
        }
    });
}
