//! A target that says at once how it is, and takes its time for reads and writes: the story itself is the target, and
//! answers when it likes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::{Access, Counted};
use aoe_lab::topology::{Gateways, PATIENCE, World, WorldPlan};
use e2e::stage::{Stage, play, wait_for_device};
use e2e::station::ata::{IDENTIFY, READ_EXT, WRITE_EXT};
use e2e::station::{Heard, Request, Station};
use nix::sys::signal::Signal;

const TARGET: Address = Address { shelf: 7, slot: 3 };
const IMPORT: Address = Address { shelf: 107, slot: 3 };

/// Both ends, and what is between them.
struct Story {
    initiator: Station,
    target: Station,
    gateways: Gateways,
    world: World,
    /// Reads and writes that the target has and has not answered, the newest copy of each, by their sector.
    queue: BTreeMap<u64, Heard>,
}

impl Story {
    fn begin(stage: &Stage) -> Result<Story> {
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        let gateways = world.start()?;
        wait_for_device(&world.ground.tgt, world.target_device())?;
        let target = Station::open(&world.ground.tgt, world.target_device())?;
        let initiator = Station::open(&world.ground.ini, world.initiator_device())?;
        let mut story = Story {
            initiator,
            target,
            gateways,
            world,
            queue: BTreeMap::new(),
        };
        story.find()?;
        Ok(story)
    }

    /// Asks for the import until it is there.
    fn find(&mut self) -> Result<()> {
        let asked = self.initiator.send(&Request::config(IMPORT, 0, &[]))?;
        let mut asked_at = Instant::now();
        let mut tag = asked;
        self.until("the import is there", |story, heard| {
            if asked_at.elapsed() > Duration::from_millis(200) {
                asked_at = Instant::now();
                tag = story.initiator.send(&Request::config(IMPORT, 0, &[]))?;
            }
            Ok(heard
                .iter()
                .any(|frame| frame.is_response() && frame.tag() == tag))
        })
    }

    /// Is the target until `done` says yes of what the initiator has just heard.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self, &[Heard]) -> Result<bool>) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        loop {
            for request in self.target.hear(Duration::from_millis(5)) {
                self.take(request)?;
            }
            let heard = self.initiator.hear(Duration::from_millis(5));
            if done(self, &heard)? {
                return Ok(());
            }
            ensure!(
                Instant::now() < limit,
                "not in time: {what}; {}",
                self.gateways.b.process().transcript().tail(20)
            );
        }
    }

    /// The target answers questions at once and keeps everything else.
    fn take(&mut self, request: Heard) -> Result<()> {
        if request.is_response() || request.address() != TARGET && request.address().shelf != 0xffff {
            return Ok(());
        }
        match (request.command(), request.ata_status()) {
            (1, _) => {
                let mut argument = vec![0, 32, 0, 1, 2, 0x10, 0, 0];
                argument.resize(40, 0);
                self.respond(&request, &argument)
            }
            (0, IDENTIFY) => {
                let mut argument = request.from(24)[..12].to_vec();
                argument[3] = 0x40;
                argument.extend_from_slice(&[0x5a; 512]);
                self.respond(&request, &argument)
            }
            (0, _) => {
                self.queue.insert(sector(&request), request);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Does what was asked: a read of a sector brings its number.
    fn serve(&mut self, request: &Heard) -> Result<()> {
        let mut argument = request.from(24)[..12].to_vec();
        let read = argument[3] == READ_EXT;
        argument[3] = 0x40;
        if read {
            argument.extend_from_slice(&content(sector(request)));
        } else {
            argument.resize(36, 0);
        }
        self.respond(request, &argument)
    }

    fn respond(&mut self, request: &Heard, argument: &[u8]) -> Result<()> {
        let mut frame = request.source().0.to_vec();
        frame.extend_from_slice(&self.target.mac().0);
        frame.extend_from_slice(&request.from(12)[..12]);
        frame[14] = 0x18;
        frame[16..19].copy_from_slice(&[0, 7, 3]);
        frame.extend_from_slice(argument);
        self.target.send_raw(&frame)
    }

    /// Sends reads of these sectors; the sector of each tag.
    fn read(&mut self, sectors: impl IntoIterator<Item = u64>) -> Result<BTreeMap<u32, u64>> {
        let ask = |sector| Request::ata(MacAddr::BROADCAST, IMPORT, READ_EXT, sector, 1, &[]);
        sectors
            .into_iter()
            .map(|sector| Ok((self.initiator.send(&ask(sector))?, sector)))
            .collect()
    }

    /// Waits for the answers to reads, which have to hold what was asked for, and hears none to `unanswered`.
    fn collect(&mut self, mut reads: BTreeMap<u32, u64>, unanswered: u32) -> Result<()> {
        self.until("all reads are answered", |_, heard| {
            for frame in heard.iter().filter(|frame| frame.is_response()) {
                ensure!(frame.tag() != unanswered, "the target has not made this write");
                if let Some(sector) = reads.remove(&frame.tag()) {
                    ensure!(frame.ata_status() == 0x40, "{frame:?}");
                    let found = frame.from(36).first_chunk::<8>().context("no data")?;
                    let found = u64::from_be_bytes(*found);
                    ensure!(
                        found == sector,
                        "a read of sector {sector} brought sector {found}"
                    );
                }
            }
            Ok(reads.is_empty())
        })
    }
}

fn sector(request: &Heard) -> u64 {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&request.from(28)[..6]);
    u64::from_le_bytes(bytes)
}

fn content(sector: u64) -> Vec<u8> {
    let mut content = sector.to_be_bytes().to_vec();
    content.resize(512, 0xdd);
    content
}

/// What the target owes the process that is gone must not pass for answers to the one that came.
fn restarted_by(signal: Signal) {
    play(|stage| {
        let mut story = Story::begin(stage)?;
        story.read(100..108)?;
        story.until("the target has the reads", |story, _| Ok(story.queue.len() == 8))?;
        let exit = story.gateways.b.process();
        exit.signal(signal)?;
        let began = Instant::now();
        exit.wait(PATIENCE)?;
        // The target answers nothing, and the end does not wait for it for long. (The machine may be busy.)
        ensure!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let owed = std::mem::take(&mut story.queue);
        let before = story.gateways.a.process().transcript().len();
        story.gateways.b = story.world.site_b.start(&story.world.ground.gwb)?;
        // Until the edge has noticed, it takes requests for the process before.
        story.until("the import is there again", |story, _| {
            let log = story.gateways.a.process().transcript();
            Ok(log.tail(log.len() - before).contains("import e107.3 is up"))
        })?;
        let reads = story.read(200..208)?;
        let write = Request::ata(MacAddr::BROADCAST, IMPORT, WRITE_EXT, 500, 1, &[7; 512]);
        let write = story.initiator.send(&write)?;
        story.until("the target has the new ones", |story, _| {
            Ok(story.queue.keys().filter(|sector| **sector >= 200).count() == 9)
        })?;
        for request in owed.values() {
            story.serve(request)?;
        }
        for (sector, request) in story.queue.clone() {
            if sector < 500 {
                story.serve(&request)?;
            }
        }
        story.collect(reads, write)?;
        let counted = Counted::ask(&mut story.gateways.b)?;
        ensure!(counted.of("response_unmatched") >= 8, "{counted:?}");
        let request = story.queue[&500].clone();
        story.serve(&request)?;
        story.until("the write is acknowledged", |_, heard| {
            Ok(heard
                .iter()
                .any(|frame| frame.is_response() && frame.tag() == write))
        })?;
        story.gateways.stop()
    });
}

#[test]
fn an_exit_that_crashed_leaves_no_answers_to_the_next_one() {
    restarted_by(Signal::SIGKILL);
}

#[test]
fn an_exit_that_was_told_to_end_leaves_no_answers_to_the_next_one() {
    restarted_by(Signal::SIGTERM);
}

/// What the target answers while the exit waits for it reaches the initiator that asked.
#[test]
fn an_exit_that_is_told_to_end_passes_on_what_its_target_has() {
    play(|stage| {
        let mut story = Story::begin(stage)?;
        let reads = story.read(100..108)?;
        story.until("the target has the reads", |story, _| Ok(story.queue.len() == 8))?;
        story.gateways.b.process().signal(Signal::SIGTERM)?;
        // It says so when it has begun.
        let exit = story.gateways.b.process();
        exit.wait_for_line("ending: SIGTERM", PATIENCE)?;
        for request in story.queue.clone().values() {
            story.serve(request)?;
        }
        story.collect(reads, 0)?;
        ensure!(story.gateways.b.process().wait(PATIENCE)?.success());
        story.gateways.a.stop().map(drop)
    });
}

#[test]
fn reads_of_one_sector_at_once_are_all_answered() {
    play(|stage| {
        let mut story = Story::begin(stage)?;
        let mut reads = BTreeMap::new();
        for _ in 0..40 {
            reads.append(&mut story.read([8])?);
        }
        story.until("all are answered", |story, heard| {
            while let Some((_, request)) = story.queue.pop_first() {
                story.serve(&request)?;
            }
            for frame in heard.iter().filter(|frame| frame.is_response()) {
                reads.remove(&frame.tag());
            }
            Ok(reads.is_empty())
        })?;
        story.gateways.stop()
    });
}
