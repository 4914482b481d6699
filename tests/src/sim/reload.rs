//! Two edges, one exit and several disks, configured at random and reloaded while they work.
//!
//! The law: a gateway that was changed while it ran behaves as one that was started so. Nothing that is allowed before and
//! after is lost, and no byte is wrong meanwhile.

mod shape;

use std::time::Duration;

use aoe_common::config::{Access, SegmentId};
use aoe_common::frame::{Address, SECTOR_LEN};
use aoe_lab::initiator::{Action, DiskError, RequestId};
use aoe_lab::random::{Random, mix};
use aoe_lab::target::BladeSettings;

use super::lan::LanId;
use super::load::{Errors, Load};
use super::plan::Plan;
use super::wire::{Weather, magnitude};
use super::world::World;

use shape::{Cast, Disk, EXPORTS, Names, Shape};

/// Sectors that loads use; a probe writes behind them.
const USED: u64 = 64;
/// Longer than an initiator's timer, whatever was lost.
const LIMIT: Duration = Duration::from_secs(170);
/// How long a gateway takes at most until everything is as configured: a call, an update, a question to the segment.
const SETTLED: Duration = Duration::from_secs(12);

/// What somebody who comes and looks finds at an address.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A disk that can be read, and this one is written.
    Writable(usize),
    /// A disk that can be read, and refuses writes.
    ReadOnly,
    /// Something else.
    Broken(String),
}

/// What a seed's story was, for failures.
#[derive(Debug)]
pub struct Story {
    /// The configurations, one after the other.
    pub stages: Vec<Shape>,
}

/// Runs a seed: three or four configurations one after the other under load, on a bad path; then everything is
/// found as in a world that was started by the last one.
///
/// # Panics
/// If it is not so.
pub fn the_law_holds(seed: u64) {
    let mut random = Random::new(mix(seed ^ 0x4e10));
    let mut stages = vec![Shape::draw(&mut random)];
    for _ in 0..1 + random.below(3) {
        let next = stages[stages.len() - 1].change(&mut random);
        stages.push(next);
    }
    let story = Story { stages };
    let last = &story.stages[story.stages.len() - 1];
    let (mut world, cast) = build(seed, &story.stages[0]);
    world.set_weather(Weather {
        loss: 0.02,
        duplicate: 0.01,
        jitter: Duration::from_millis(3),
        ..Weather::calm(Duration::from_millis(2))
    });
    let certain = start_loads(&mut world, &cast, &story, &mut random);
    let names = names(&world, &cast);
    for stage in &story.stages[1..] {
        world.run_for(magnitude(Duration::from_secs(2), &mut random));
        let mut sites = vec![cast.exit, cast.edges[0], cast.edges[1]];
        while !sites.is_empty() {
            let site = sites.swap_remove(random.below(sites.len() as u64) as usize);
            world.reload(site, |plan| stage.write(&cast, &names, site, plan));
            world.run_for(magnitude(Duration::from_millis(500), &mut random));
        }
    }
    world.run_until(
        &format!("what is allowed throughout ends: {story:?}"),
        LIMIT,
        |world| world.loads_ended(certain),
    );
    world.run_for(SETTLED);
    world.verify_disks();
    let (mut fresh, same) = build(seed, last);
    fresh.run_for(SETTLED);
    let (found, expected) = (probe(&mut world, &cast), probe(&mut fresh, &same));
    let differ: Vec<_> = found
        .iter()
        .zip(&expected)
        .filter(|(one, other)| one != other)
        .collect();
    assert!(
        differ.is_empty(),
        "seed {seed}: found, and after a fresh start: {differ:?}\n{story:?}\n{}",
        world.story()
    );
}

fn build(seed: u64, shape: &Shape) -> (World, Cast) {
    let mut plan = Plan::new(seed);
    let rights = [plan.lan(1500), plan.lan(1500)];
    let lefts: [LanId; 2] = [plan.lan(1500), plan.lan(1500)];
    let exit = plan.site(&rights);
    let edges = lefts.map(|left| plan.site(&[left]));
    let mut blades = Vec::new();
    for (segment, right) in (0..).map(SegmentId).zip(rights) {
        let host = plan.target(right);
        for slot in 0..3 {
            let address = Address {
                shelf: 7 + segment.0,
                slot,
            };
            plan.blade(host, address, BladeSettings::default());
            blades.push(Disk {
                host,
                segment,
                address,
            });
        }
    }
    let cast = Cast {
        exit,
        edges,
        users: lefts.map(|left| plan.initiator(left)),
        probers: lefts.map(|left| plan.initiator(left)),
        blades,
    };
    let names = Names {
        users: cast.users.map(|host| plan.mac(host)),
        probers: cast.probers.map(|host| plan.mac(host)),
    };
    for site in [exit, edges[0], edges[1]] {
        shape.write(&cast, &names, site, &mut plan.sites[site.0]);
    }
    (plan.build(), cast)
}

fn names(world: &World, cast: &Cast) -> Names {
    Names {
        users: cast.users.map(|host| world.mac(host)),
        probers: cast.probers.map(|host| world.mac(host)),
    }
}

/// Starts a load for everything that can be used at first and is never another disk: how many of them, the first ones, must
/// end without a fault.
fn start_loads(world: &mut World, cast: &Cast, story: &Story, random: &mut Random) -> usize {
    let (mut certain, mut doubtful) = (Vec::new(), Vec::new());
    for edge in 0..2 {
        for name in 0..usize::from(EXPORTS) {
            let usable: Vec<_> = story
                .stages
                .iter()
                .map(|stage| stage.usable(edge, name))
                .collect();
            let Some((address, disk, access)) = usable[0] else {
                continue;
            };
            // Between the reloads of two gateways an import is there whose export has another disk already.
            let exports = story
                .stages
                .iter()
                .filter_map(|stage| stage.exports[name].as_ref());
            if exports.into_iter().any(|export| export.disk != disk) {
                continue;
            }
            let stays = |one: &Option<(Address, usize, Access)>| one.is_some_and(|(at, ..)| at == address);
            let always = usable.iter().all(stays);
            let least = usable
                .iter()
                .flatten()
                .map(|(.., access)| *access)
                .min()
                .unwrap_or(access);
            let disk = cast.blades[disk];
            let load = Load::new(cast.users[edge], address, (disk.host, disk.address))
                .depth(1 + random.below(6) as usize)
                .range(USED)
                .operations(4000);
            match (always, least) {
                (true, Access::ReadWrite) => certain.push(load.operations(150)),
                (true, Access::ReadOnly) if random.happens(0.5) => {
                    certain.push(load.operations(150).writes(0.0));
                }
                _ => doubtful.push(load.errors(Errors::Expected)),
            }
            world.open(cast.users[edge], address);
            world.drive(cast.users[edge], |driver, _, _| {
                driver.settle(address, Duration::from_millis(4), 3000);
            });
        }
    }
    let count = certain.len();
    for load in certain.into_iter().chain(doubtful) {
        world.start_load(load);
    }
    count
}

/// What is found at every address by somebody who was not there before.
fn probe(world: &mut World, cast: &Cast) -> Vec<(usize, Address, Found)> {
    let places: Vec<(usize, Address)> = (0..2)
        .flat_map(|edge| [107, 108].map(|shelf| (edge, shelf)))
        .flat_map(|(edge, shelf)| (0..EXPORTS as u8).map(move |slot| (edge, Address { shelf, slot })))
        .collect();
    // What was announced earlier is not asked about.
    for prober in cast.probers {
        world.drive(prober, |driver, _, _| driver.take_found());
    }
    for _ in 0..5 {
        for (edge, address) in &places {
            world.drive(cast.probers[*edge], |driver, _, out| driver.query(*address, out));
        }
        world.run_for(Duration::from_secs(1));
    }
    let answers = cast
        .probers
        .map(|prober| world.drive(prober, |driver, _, _| driver.take_found()));
    let mut asked = Vec::new();
    for (number, (edge, address)) in (0..).zip(&places) {
        let prober = cast.probers[*edge];
        if !answers[*edge].iter().any(|answer| answer.address == *address) {
            continue;
        }
        let lba = USED + number;
        let data = [number as u8 + 1; SECTOR_LEN].to_vec();
        let ids = world.drive(prober, |driver, now, out| {
            let read = Action::Read {
                lba: 0,
                sectors: 1,
                buffer: Vec::new(),
            };
            [Action::Write { lba, data }, read].map(|action| driver.submit(*address, action, now, out))
        });
        asked.push((number, ids));
    }
    let completions = world.completions(&cast.probers, Duration::from_secs(30));
    let find = |edge: usize, id: RequestId| {
        let ended = completions
            .iter()
            .find(|(host, done)| *host == cast.probers[edge] && done.id == id);
        ended.map(|(_, done)| done.outcome)
    };
    let found = (0..).zip(&places).map(|(number, (edge, address))| {
        let Some((_, [write, read])) = asked.iter().find(|(other, _)| *other == number) else {
            return (*edge, *address, Found::Nothing);
        };
        let found = match (find(*edge, *write), find(*edge, *read)) {
            (Some(Ok(())), Some(Ok(()))) => match where_is(world, cast, USED + number, number as u8 + 1) {
                Some(disk) => Found::Writable(disk),
                None => Found::Broken("what was written is nowhere".to_owned()),
            },
            (Some(Err(DiskError::Status { .. })), Some(Ok(()))) => Found::ReadOnly,
            other => Found::Broken(format!("{other:?}")),
        };
        (*edge, *address, found)
    });
    found.collect()
}

/// The disk that has this byte there.
fn where_is(world: &World, cast: &Cast, lba: u64, byte: u8) -> Option<usize> {
    cast.blades.iter().position(|disk| {
        let blade = world.target(disk.host).blade(disk.address).expect("a blade");
        let mut bytes = Vec::new();
        blade
            .backing()
            .read(lba, SECTOR_LEN, &mut bytes)
            .expect("memory can be read");
        bytes.first() == Some(&byte)
    })
}
