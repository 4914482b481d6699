//! The usual scene of the stories in which something breaks: two sites around the real vblade, and an initiator at
//! site A whose every byte is checked, afterwards also in the file behind vblade.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::gateway::{Access, RunningGateway, Site};
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::{Namespace, VethEnd, veth};
use aoe_lab::relay::{Relay, Side};
pub use aoe_lab::topology::PATIENCE;
use aoe_lab::topology::{Gateways, World, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger, Workload};

use crate::load::{self, Done, Load};
use crate::stage::{Counted, Stage, Vblade, eventually, wait_for_device};

/// Where the target is, on site B's segment.
pub const TARGET: Address = Address { shelf: 7, slot: 3 };
/// Where site A presents it.
pub const IMPORT: Address = Address { shelf: 107, slot: 3 };
/// Size of the disk: 4 MiB.
pub const SECTORS: usize = 8 << 10;

/// One story's world, in use.
#[derive(Debug)]
pub struct Trial {
    started: Instant,
    /// The gateways; before the world, so that they end first.
    pub gateways: Gateways,
    /// The target; `None` while it is dead.
    vblade: Option<Vblade>,
    /// Namespaces, cables and configuration.
    pub world: World,
    image: PathBuf,
}

impl Trial {
    /// Builds the world, lets `edit` change it, starts everything, and waits until the import is up.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(stage: &Stage, plan: WorldPlan, edit: impl FnOnce(&mut World)) -> Result<Self> {
        Self::start_with(stage, plan, &[], edit)
    }

    /// As [`Trial::start`], with options for vblade.
    ///
    /// # Errors
    /// As [`Trial::start`].
    pub fn start_with(
        stage: &Stage,
        plan: WorldPlan,
        options: &[&str],
        edit: impl FnOnce(&mut World),
    ) -> Result<Self> {
        let edit = |world: &mut World| {
            edit(world);
            Ok(())
        };
        let mut trial = Self::begin(stage, plan, options, edit)?;
        trial.gateways.wait_for_import(IMPORT)?;
        trial.say(format_args!("{IMPORT} is up"));
        Ok(trial)
    }

    /// As [`Trial::start_with`], without waiting for the import.
    ///
    /// # Errors
    /// When a process does not start.
    pub fn begin(
        stage: &Stage,
        plan: WorldPlan,
        options: &[&str],
        edit: impl FnOnce(&mut World) -> Result<()>,
    ) -> Result<Self> {
        Self::begin_with_disk(stage, plan, SECTORS as u64, options, edit)
    }

    /// As [`Trial::begin`], with a disk of `sectors` sectors, which is too big or too small for [`Trial::load`].
    ///
    /// # Errors
    /// When a process does not start.
    pub fn begin_with_disk(
        stage: &Stage,
        plan: WorldPlan,
        sectors: u64,
        options: &[&str],
        edit: impl FnOnce(&mut World) -> Result<()>,
    ) -> Result<Self> {
        let started = Instant::now();
        let mut world = stage.world(plan)?;
        world.share("disk", TARGET, Access::ReadWrite, IMPORT);
        edit(&mut world)?;
        // The gateways come first, because one of them may have to make the TAP device vblade runs on.
        let gateways = world.start()?;
        let vblade = stage.serve(&world, TARGET, sectors, options)?;
        Ok(Trial {
            started,
            gateways,
            image: vblade.image().to_owned(),
            vblade: Some(vblade),
            world,
        })
    }

    /// A line about what goes on.
    pub fn say(&self, what: impl Display) {
        println!("{:7.3} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// A warmed-up initiator at work in the background, on the whole disk.
    ///
    /// # Errors
    /// When I/O fails.
    pub fn load(&self, workload: Workload) -> Result<Load> {
        let ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        self.load_by(self.world.initiator()?, ledger, workload)
    }

    /// As [`Trial::load`], by an initiator of one's own on the part of the disk that the ledger is about.
    ///
    /// # Errors
    /// When I/O fails.
    pub fn load_by(&self, mut initiator: Initiator, mut ledger: Ledger, workload: Workload) -> Result<Load> {
        load::warm_up(&mut initiator, IMPORT, &mut ledger)?;
        self.say(format_args!(
            "warmed up: a lost frame is sent again after {:?}",
            initiator.driver().retransmit_timeout(IMPORT).unwrap_or_default()
        ));
        let load = Load::start(initiator, IMPORT, ledger, workload)?;
        load.go_on(50)?;
        Ok(load)
    }

    /// Ends the load and the story: reads everything back, compares the target's file, demands that both gateways
    /// still run as the processes they were, and that they end clean.
    ///
    /// # Errors
    /// Whatever is not as it has to be.
    pub fn finish(mut self, load: Load) -> Result<Done> {
        let done = self.end(load)?;
        self.both_run()?;
        self.gateways.stop()?;
        Ok(done)
    }

    /// Ends one load and verifies its part of the disk.
    ///
    /// # Errors
    /// When a sector is wrong.
    pub fn end(&self, load: Load) -> Result<Done> {
        let (mut initiator, mut ledger, done) = load.finish()?;
        self.verify(&mut initiator, &mut ledger)?;
        self.say(format_args!(
            "verified: {} requests, {:.1} MB, {} frames sent again",
            done.requests,
            done.bytes as f64 / 1e6,
            done.retransmits
        ));
        Ok(done)
    }

    /// Reads everything back through the gateways, and compares the target's file with it byte by byte.
    ///
    /// # Errors
    /// When a sector is wrong.
    pub fn verify(&self, initiator: &mut Initiator, ledger: &mut Ledger) -> Result<()> {
        let read = Workload {
            patience: load::PATIENCE,
            ..Workload::read_back(ledger, 16, 8)
        };
        let figures = read.run(initiator, IMPORT, ledger)?;
        ensure!(figures.is_clean(), "reading back: {figures:?}");
        let mut wrong = Vec::new();
        ledger.check(0, &fs::read(&self.image)?, |complaint| {
            wrong.push(complaint.to_string())
        });
        ensure!(wrong.is_empty(), "the target's file: {wrong:#?}");
        Ok(())
    }

    /// Kills vblade as a crash would, or buries it if it has ended by itself.
    ///
    /// # Errors
    /// Those of kill.
    pub fn kill_vblade(&mut self) -> Result<()> {
        match self.vblade.take() {
            Some(mut vblade) => vblade.process().kill().map(drop),
            None => Ok(()),
        }
    }

    /// Starts vblade on the same file again, as soon as its device is up.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_vblade(&mut self) -> Result<()> {
        let device = self.world.target_device();
        wait_for_device(&self.world.ground.tgt, device)?;
        self.vblade = Some(Vblade::start(
            &self.world.ground.tgt,
            device,
            TARGET,
            &self.image,
            &[],
        )?);
        Ok(())
    }

    /// Puts a switch between site A's gateway and its initiators, and gives `count` hosts on it, each with a device
    /// `eth0` that stays whatever happens to the gateway's.
    ///
    /// # Errors
    /// When a device cannot be made.
    pub fn switch(&self, count: usize) -> Result<Vec<Namespace>> {
        let switch = &self.world.ground.ini;
        switch.add_bridge(SWITCH, &["eth0"])?;
        let host = |number| {
            let host = Namespace::new("host")?;
            let port = format!("p{number}");
            veth(
                end(&host, "eth0"),
                end(switch, &port),
                self.world.ground.plan.segment_mtu,
            )?;
            switch.add_port(SWITCH, &port)?;
            Ok(host)
        };
        (0..count).map(host).collect()
    }

    /// The file behind vblade.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// The relay between the gateways.
    ///
    /// # Errors
    /// When the world has none.
    pub fn relay(&self) -> Result<&Relay> {
        self.world
            .ground
            .relay
            .as_ref()
            .context("this world has no relay")
    }

    /// The gateway of one side.
    pub fn gateway(&mut self, side: Side) -> &mut RunningGateway {
        match side {
            Side::A => &mut self.gateways.a,
            Side::B => &mut self.gateways.b,
        }
    }

    /// The directory and configuration of one side.
    pub fn site(&self, side: Side) -> &Site {
        match side {
            Side::A => &self.world.site_a,
            Side::B => &self.world.site_b,
        }
    }

    /// Starts the gateway of one side again; the one before it ends at the latest now.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self, side: Side) -> Result<()> {
        // It would hold the port.
        self.gateway(side).process().stop()?;
        match side {
            Side::A => self.gateways.a = self.world.site_a.start(&self.world.ground.gwa)?,
            Side::B => self.gateways.b = self.world.site_b.start(&self.world.ground.gwb)?,
        }
        Ok(())
    }

    /// The counters of one side's gateway.
    ///
    /// # Errors
    /// When it has ended.
    pub fn counted(&mut self, side: Side) -> Result<Counted> {
        Counted::ask(self.gateway(side))
    }

    /// How many lines of one side's log contain `pattern`, over all of its starts.
    ///
    /// # Errors
    /// When there is no log.
    pub fn logged(&self, side: Side, pattern: &str) -> Result<usize> {
        let log = fs::read_to_string(self.site(side).dir().join("gateway.log"))?;
        Ok(log.lines().filter(|line| line.contains(pattern)).count())
    }

    /// Waits until one side's log has at least `count` lines with `pattern`.
    ///
    /// # Errors
    /// When it has not in time.
    pub fn wait_for_log(&self, side: Side, pattern: &str, count: usize) -> Result<()> {
        let what = format!("side {side:?} logs {pattern:?} {count} times");
        eventually(&what, PATIENCE, || Ok(self.logged(side, pattern)? >= count))?;
        self.say(format_args!("side {side:?} says: {pattern}"));
        Ok(())
    }

    /// Fails if a gateway has ended, or has said that something of its own went wrong.
    ///
    /// # Errors
    /// When one has.
    pub fn both_run(&mut self) -> Result<()> {
        for side in [Side::A, Side::B] {
            let ended = self.gateway(side).process().try_wait()?;
            ensure!(ended.is_none(), "gateway {side:?} has ended: {ended:?}");
            for word in ["panicked", "ERROR"] {
                ensure!(self.logged(side, word)? == 0, "gateway {side:?} says {word:?}");
            }
        }
        Ok(())
    }
}

/// The switch in namespace `ini`, see [`Trial::switch`].
pub const SWITCH: &str = "br0";

/// An end of a cable, with a hardware address of the kernel's choice.
pub fn end<'a>(namespace: &'a Namespace, name: &'a str) -> VethEnd<'a> {
    VethEnd {
        namespace,
        name,
        mac: None,
    }
}

/// Sleeps in the middle of a story, which has no other sign to wait for.
pub fn pause(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}
