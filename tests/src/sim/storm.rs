//! Everything that can go wrong at once, between initiators that write the same few sectors again and again.
//!
//! A storm draws from its seed how bad the path is, how the target works, and when what is held up, paused or started
//! anew. What must hold is what [`registers`](super::registers) say: no read older than the newest acknowledged write,
//! no acknowledged write lost, none applied after a newer acknowledged one; and every request ends well.

use std::time::Duration;

use aoe_lab::initiator::driver::Habit;
use aoe_lab::random::{Random, mix};
use aoe_lab::target::{BladeSettings, Service};

use super::host::HostId;
use super::load::Load;
use super::plan::{Guard, Plan, REAL, SEEN};
use super::site::SiteId;
use super::wire::{Weather, magnitude};
use super::world::{Watch, World};

/// The longest that a datagram, or the whole path, is held up.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
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
    /// How the target works.
    pub target: Order,
    /// What happens besides a bad path.
    pub troubles: &'static [Trouble],
    /// Requests of every initiator.
    pub operations: u64,
    /// Whether the exit keeps writes in order.
    pub guard: Guard,
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
}

impl Storm {
    /// Runs the storm of a seed, and leaves the world as it is after it.
    ///
    /// # Panics
    /// If a sector holds what it must not, or a request does not end well.
    pub fn rage(&self, seed: u64) -> World {
        let mut random = Random::new(mix(seed ^ 0x5707));
        let (mut plan, [edge, exit], [left, right]) = Plan::gateways_on(seed, [1500, 1500]);
        let target = plan.target(right);
        let settings = BladeSettings {
            buffer_count: [2, 4, 16][random.below(3) as usize],
            ..BladeSettings::default()
        };
        plan.blade(target, REAL, settings);
        let initiators: Vec<HostId> = self
            .initiators
            .iter()
            .map(|habit| plan.initiator_with(left, *habit))
            .collect();
        let delay = Duration::from_micros(200 + random.below(15_000));
        plan.weather = Weather::calm(delay);
        plan.sites[exit.0].guard = self.guard;
        let mut world = plan.build();
        world.set_watch(Watch::Nothing);
        if self.target == Order::Any {
            let order = Service::AnyOrder(Random::new(random.next_u64()));
            world.target_mut(target).set_service(order);
        }
        for initiator in &initiators {
            world.open(*initiator, SEEN);
            world.drive(*initiator, |driver, _, _| driver.settle(SEEN, delay * 2, SETTLED));
        }
        world.set_weather(weather(delay, &mut random));
        if random.happens(0.5) {
            world.set_lan_loss(right, random.below(30) as f64 / 1000.0);
        }
        for initiator in &initiators {
            let load = Load::new(*initiator, SEEN, (target, REAL))
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
                let who = if random.happens(0.5) { edge } else { exit };
                happen(&mut world, trouble, who, target, &mut random);
            }
        }
        world.run_until("all requests have ended", LIMIT, World::loads_done);
        // What is still held up comes now, and must do no harm any more.
        world.run_for(LONGEST_DELAY + Duration::from_secs(1));
        world.verify_disks();
        world
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

fn happen(world: &mut World, trouble: Trouble, who: SiteId, target: HostId, random: &mut Random) {
    let mut up_to = |seconds| magnitude(Duration::from_secs(seconds), &mut *random);
    match trouble {
        Trouble::PathStalls => world.stall_path(up_to(10)),
        Trouble::PathDetours => {
            let time = Duration::from_millis(5 + random.below(500));
            world.detour(time, magnitude(LONGEST_DELAY, random));
        }
        Trouble::GatewayPauses => world.pause(who, up_to(5)),
        Trouble::GatewayRestarts => {
            world.kill(who);
            world.run_some(up_to(2));
            world.start(who);
        }
        Trouble::TargetPauses => world.pause_host(target, up_to(20)),
        Trouble::TargetRestarts => world.restart_host(target),
    }
}
