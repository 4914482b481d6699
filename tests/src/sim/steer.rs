//! A pair whose operators pause, drain, resume and take down in any order, under load and on a bad path.
//!
//! The law: no request fails, no byte is wrong, nothing new goes to the target of a paused export, no pause lasts longer
//! than it may, and once everything goes on, everything ends.

use std::time::Duration;

use aoe_common::config::{ExportId, ImportId, PeerId};
use aoe_common::snapshot::State;
use aoe_common::steer::{Order, Steered, Thing};
use aoe_common::telemetry::Count;
use aoe_common::time::Instant;
use aoe_lab::random::{Random, mix};

use super::load::Load;
use super::plan::{Pair, Plan, REAL, SEEN};
use super::site::SiteId;
use super::wire::{Weather, magnitude};
use super::world::World;

/// The export of a pair, its import, and each other's only peer.
pub const EXPORT: Thing = Thing::Export(ExportId(0));
/// See [`EXPORT`].
pub const IMPORT: Thing = Thing::Import(ImportId(0));
/// See [`EXPORT`].
pub const PEER: PeerId = PeerId(0);

/// No pause lasts longer.
const LONGEST: Duration = Duration::from_secs(151);
/// Longer than an initiator's timer, whatever was lost.
const LIMIT: Duration = Duration::from_secs(170);

/// A pause of something for so long.
pub fn pause(what: Thing, how_long: Duration) -> Order {
    Order::Pause {
        what,
        how_long,
        by: "user 0".to_owned(),
    }
}

/// The end of a pause.
pub fn resume(what: Thing) -> Order {
    Order::Resume {
        what,
        by: "user 0".to_owned(),
    }
}

/// What both sides of a pair are told, and what is known of it.
struct Operators {
    pair: Pair,
    /// Since when the export is paused, and what had been sent to the target then.
    exit: Option<(Instant, u64)>,
    /// Since when initiators may be waiting.
    waits: Option<Instant>,
    taken_down: bool,
}

impl Operators {
    /// Looks whether the law holds; notes what has changed by itself.
    fn look(&mut self, world: &World) {
        let sent = world.count(self.pair.exit, Count::RequestsToTarget);
        let exports = world.snapshot(self.pair.exit).exports;
        let is_paused = exports[0].paused.is_some();
        assert_eq!(
            exports[0].standing.state == State::Paused,
            is_paused,
            "{exports:?}"
        );
        match (self.exit, is_paused) {
            (Some((since, before)), true) => {
                assert_eq!(
                    sent, before,
                    "something new went to the target of a paused export"
                );
                let lasts = world.now().saturating_since(since);
                assert!(lasts < LONGEST, "paused for {lasts:?}");
            }
            (None, true) => self.exit = Some((world.now(), sent)),
            (_, false) => self.exit = None,
        }
        let here = world.snapshot(self.pair.edge).imports[0].paused.is_some();
        match self.waits {
            Some(_) if is_paused || here || self.taken_down => {}
            Some(_) => self.waits = None,
            None if is_paused || here || self.taken_down => self.waits = Some(world.now()),
            None => {}
        }
    }

    /// How long initiators may have waited because of what operators did.
    fn waited(&self, world: &World) -> Duration {
        let since = self.waits.unwrap_or(world.now());
        world.now().saturating_since(since)
    }

    fn act(&mut self, world: &mut World, random: &mut Random) {
        let Pair { edge, exit, .. } = self.pair;
        let how_long = magnitude(Duration::from_secs(40), random);
        let which = [(exit, EXPORT), (edge, IMPORT)][random.below(2) as usize];
        match random.below(8) {
            0..3 => {
                let found = world
                    .steer(which.0, &pause(which.1, how_long))
                    .expect("it is there");
                let pause = found.pause.expect("pauses");
                assert!(pause.left_ms <= pause.possible_ms && pause.possible_ms <= 150_000);
            }
            3..6 => {
                world.steer(which.0, &resume(which.1));
            }
            6 if !self.taken_down => {
                let site = [exit, edge][random.below(2) as usize];
                take_down(world, site);
                self.taken_down = true;
            }
            _ => self.take_up(world),
        }
    }

    fn take_up(&mut self, world: &mut World) {
        for site in [self.pair.exit, self.pair.edge] {
            let by = "user 0".to_owned();
            world.steer(site, &Order::TakeUp { peer: PEER, by });
        }
        self.taken_down = false;
    }

    fn everything_goes_on(&mut self, world: &mut World) {
        self.take_up(world);
        world.steer(self.pair.exit, &resume(EXPORT));
        world.steer(self.pair.edge, &resume(IMPORT));
    }
}

/// The session with the other side ends there.
pub fn take_down(world: &mut World, site: SiteId) -> Option<Steered> {
    let by = "user 0".to_owned();
    world.steer(site, &Order::TakeDown { peer: PEER, by })
}

/// Runs a seed.
///
/// # Panics
/// If the law does not hold.
pub fn the_law_holds(seed: u64) {
    let mut random = Random::new(mix(seed ^ 0x57ee));
    let (plan, pair) = Plan::pair(seed);
    let mut world = plan.build();
    world.open(pair.initiator, SEEN);
    world.set_weather(Weather {
        loss: 0.02,
        duplicate: 0.01,
        jitter: Duration::from_millis(3),
        ..Weather::calm(Duration::from_millis(2))
    });
    let load = Load::new(pair.initiator, SEEN, (pair.target, REAL));
    world.start_load(
        load.depth(1 + random.below(8) as usize)
            .range(64)
            .operations(3000),
    );
    let mut operators = Operators {
        pair,
        exit: None,
        waits: None,
        taken_down: false,
    };
    for _ in 0..5 + random.below(10) {
        operators.act(&mut world, &mut random);
        operators.look(&world);
        for _ in 0..magnitude(Duration::from_secs(15), &mut random).as_millis() / 100 {
            world.run_for(Duration::from_millis(100));
            operators.look(&world);
        }
        // What the two sides do together is not bounded by either.
        if operators.waited(&world) > Duration::from_secs(90) {
            operators.everything_goes_on(&mut world);
            world.run_for(Duration::from_secs(25));
            operators.look(&world);
        }
    }
    operators.everything_goes_on(&mut world);
    let (ended, _) = world.progress();
    world.run_until("the load goes on", LIMIT, |world| {
        world.progress().0 > ended + 50 || world.loads_done()
    });
    world.finish_loads(LIMIT);
    world.verify_disks();
    assert_eq!(world.progress().1, 0);
}
