//! Everything that can go wrong at once, between initiators that write the same few sectors again and again.
//!
//! A storm draws from its seed how bad the path is, how the target works, and when what is held up, paused or started
//! anew. What must hold is what [`registers`](super::registers) say: no read older than the newest acknowledged write,
//! no acknowledged write lost, none applied after a newer acknowledged one; and every request ends well.

pub mod kinds;

use std::time::Duration;

use aoe_common::config::{SegmentId, TargetOrder};
use aoe_lab::initiator::driver::Habit;
use aoe_lab::random::{Random, mix};
use aoe_lab::target::{BladeSettings, Questions, Service, Tail, Target};

use super::host::HostId;
use super::lan::{LanId, LanWeather};
use super::load::Load;
use super::plan::{Guard, Plan, REAL, SEEN};
use super::site::SiteId;
use super::wire::{Weather, magnitude};
use super::world::{Watch, World};

/// The longest that a datagram, or the whole path, is held up.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// The longest that a disk does nothing, or takes for one request.
const LONGEST_STALL: Duration = Duration::from_secs(12);
/// Carries one sector a frame, and not two.
const ONE_SECTOR_MTU: u16 = 600;
/// Sectors that all requests are about.
const HOT: u64 = 8;
/// Sectors of the largest request: two frames of a LAN of MTU 1500.
const LARGEST: u32 = 3;
/// Round trips that every initiator has made before: its timer is no longer the one of a new device.
const SETTLED: u32 = 3000;
/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(1200);

/// What kind of storm.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// Who writes, at least one.
    pub initiators: &'static [Habit],
    /// Network cards of each of them.
    pub cards: Cards,
    /// Gateways by which they reach the disk, each on a LAN of its own with a part of them.
    pub edges: usize,
    /// How the target works.
    pub target: Order,
    /// The share of its requests that take from half a second to twelve seconds.
    pub slow: f64,
    /// What happens besides a bad path.
    pub troubles: &'static [Trouble],
    /// Requests of every initiator.
    pub operations: u64,
    /// Whether the exit keeps writes in order.
    pub guard: Guard,
}

/// How many network cards an initiator has on its LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cards {
    /// One.
    One,
    /// Two, and its requests leave by each in turn.
    Two,
}

/// In which order a target works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As requests come: vblade.
    Kept,
    /// As it likes, overlapping requests too: ggaoed.
    Any,
}

/// Something that happens at a moment of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing arrives at the other end of the path for up to ten seconds, and then all of it.
    PathStalls,
    /// For up to half a second everything takes another way, which is up to ten seconds longer, whatever the gateways
    /// send again meanwhile as well; then the path is the usual one, and what is sent on it is there first.
    PathDetours,
    /// A gateway's process does not run for up to five seconds; what comes waits in its sockets.
    GatewayPauses,
    /// A gateway's process is gone without a word and comes back within two seconds.
    GatewayRestarts,
    /// The target does not run for up to twenty seconds; what comes waits in its socket.
    TargetPauses,
    /// The target's process is another one: what it had queued is lost.
    TargetRestarts,
    /// The disk does nothing for up to twelve seconds, while the target answers questions about it; meanwhile the exit's
    /// process is gone and another one comes.
    ExitRestartsInStall,
    /// A gateway's machine stands still for up to thirty seconds, its clock too.
    GatewayFreezes,
    /// A gateway's segment carries no more than one sector a frame for up to two seconds.
    SegmentShrinks,
}

/// Who is on the stage.
struct Cast {
    edges: Vec<SiteId>,
    exit: SiteId,
    target: HostId,
    /// The target's LAN.
    right: LanId,
    initiators: Vec<HostId>,
}

impl Storm {
    /// Runs the storm of a seed, and leaves the world as it is after it.
    ///
    /// # Panics
    /// If a sector holds what it must not, or a request does not end well.
    pub fn rage(&self, seed: u64) -> World {
        let mut random = Random::new(mix(seed ^ 0x5707));
        let delay = Duration::from_micros(200 + random.below(15_000));
        let (plan, cast) = self.plan(seed, delay, &mut random);
        let mut world = plan.build();
        world.set_watch(Watch::Nothing);
        self.slow_down(world.target_mut(cast.target), &mut random);
        for initiator in &cast.initiators {
            world.open(*initiator, SEEN);
            world.drive(*initiator, |driver, _, _| driver.settle(SEEN, delay * 2, SETTLED));
        }
        world.set_weather(weather(delay, &mut random));
        if random.happens(0.5) {
            let mut some = || random.below(30) as f64 / 1000.0;
            let (loss, duplicate) = (some(), some());
            world.set_lan_weather(cast.right, LanWeather { loss, duplicate });
        }
        for initiator in &cast.initiators {
            let load = Load::new(*initiator, SEEN, (cast.target, REAL))
                .operations(self.operations)
                .depth(1 + random.below(4) as usize)
                .range(HOT)
                .largest(LARGEST)
                .writes(0.6)
                .again(0.7);
            world.start_load(load);
        }
        for _ in 0..random.below(9) {
            world.run_some(magnitude(Duration::from_secs(3), &mut random));
            if !self.troubles.is_empty() {
                let trouble = self.troubles[random.below(self.troubles.len() as u64) as usize];
                happen(&mut world, trouble, &cast, &mut random);
            }
        }
        world.run_until("all requests have ended", LIMIT, World::loads_done);
        // What is still held up comes now, and must do no harm any more.
        world.run_for(LONGEST_DELAY + Duration::from_secs(1));
        world.verify_disks();
        world
    }

    fn plan(&self, seed: u64, delay: Duration, random: &mut Random) -> (Plan, Cast) {
        let (mut plan, [edge, exit], [left, right]) = Plan::gateways_on(seed, [1500, 1500]);
        let (mut edges, mut lefts) = (vec![edge], vec![left]);
        while edges.len() < self.edges {
            let (edge, left) = plan.another_edge(exit);
            edges.push(edge);
            lefts.push(left);
        }
        let target = plan.target(right);
        let settings = BladeSettings {
            buffer_count: [2, 4, 16][random.below(3) as usize],
            ..BladeSettings::default()
        };
        plan.blade(target, REAL, settings);
        let initiators = lefts.iter().cycle().zip(self.initiators);
        let initiators: Vec<HostId> = initiators
            .map(|(left, habit)| plan.initiator_with(*left, *habit))
            .collect();
        if self.cards == Cards::Two {
            initiators.iter().for_each(|host| plan.second_card(*host));
        }
        plan.weather = Weather::calm(delay);
        plan.sites[exit.0].guard = self.guard;
        for export in &mut plan.sites[exit.0].exports {
            export.safety.order = match self.target {
                Order::Kept => TargetOrder::Fifo,
                Order::Any => TargetOrder::Any,
            };
        }
        let cast = Cast {
            edges,
            exit,
            target,
            right,
            initiators,
        };
        (plan, cast)
    }

    fn slow_down(&self, target: &mut Target, random: &mut Random) {
        if self.target == Order::Any {
            target.set_service(Service::AnyOrder(Random::new(random.next_u64())));
        }
        if self.slow > 0.0 {
            target.set_questions(Questions::AtOnce);
            target.set_tail(Tail {
                share: self.slow,
                least: Duration::from_millis(500),
                most: LONGEST_STALL,
                random: Random::new(random.next_u64()),
            });
        }
    }
}

/// A path of which anything may be bad, and the worst always is: datagrams that are held up, not lost.
fn weather(delay: Duration, random: &mut Random) -> Weather {
    let mut some = |most: f64| {
        random
            .happens(0.6)
            .then(|| random.below(1000) as f64 / 1000.0 * most)
    };
    let (loss, duplicate, wide) = (some(0.05), some(0.05), some(0.3));
    let stray = 0.005 + some(0.2).unwrap_or_default();
    Weather {
        loss: loss.unwrap_or_default(),
        duplicate: duplicate.unwrap_or_default(),
        jitter: Duration::from_secs_f64(wide.unwrap_or_default()).min(delay * 20),
        stray,
        stray_by: LONGEST_DELAY,
        ..Weather::calm(delay)
    }
}

fn happen(world: &mut World, trouble: Trouble, cast: &Cast, random: &mut Random) {
    let who = if random.happens(0.5) {
        cast.exit
    } else {
        cast.edges[random.below(cast.edges.len() as u64) as usize]
    };
    let mut up_to = |seconds| magnitude(Duration::from_secs(seconds), &mut *random);
    match trouble {
        Trouble::PathStalls => world.stall_path(up_to(10)),
        Trouble::PathDetours => {
            let time = Duration::from_millis(5 + random.below(500));
            world.detour(time, magnitude(LONGEST_DELAY, random));
        }
        Trouble::GatewayPauses => world.pause(who, up_to(5)),
        Trouble::GatewayFreezes => world.freeze(who, up_to(30)),
        Trouble::GatewayRestarts => restart(world, who, up_to(2)),
        Trouble::TargetPauses => world.pause_host(cast.target, up_to(20)),
        Trouble::TargetRestarts => world.restart_host(cast.target),
        Trouble::ExitRestartsInStall => {
            let until = world.now() + magnitude(LONGEST_STALL, &mut *random);
            world.target_mut(cast.target).stall(until);
            world.run_some(magnitude(Duration::from_secs(1), &mut *random));
            restart(world, cast.exit, magnitude(Duration::from_secs(2), random));
        }
        Trouble::SegmentShrinks => {
            world.set_segment_mtu(who, SegmentId(0), ONE_SECTOR_MTU);
            world.run_some(up_to(2));
            world.set_segment_mtu(who, SegmentId(0), 1500);
        }
    }
}

fn restart(world: &mut World, who: SiteId, away: Duration) {
    world.kill(who);
    world.run_some(away);
    world.start(who);
}
