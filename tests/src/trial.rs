//! The usual scene of an end-to-end story: two sites with real gateways, the real vblade on a file behind site B, and
//! an initiator at site A whose every byte is checked.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_common::frame::{Address, SECTOR_LEN};
use aoe_lab::gateway::{Access, Binaries, RunningGateway};
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Process;
use aoe_lab::relay::{Relay, Side};
use aoe_lab::topology::{Gateways, World, WorldPlan};
use aoe_lab::workload::{Fresh, Ledger, Workload};
use tempfile::TempDir;

use crate::load::{self, Load};

/// Where the target is, on site B's segment.
pub const TARGET: Address = Address { shelf: 7, slot: 3 };
/// Where site A presents it.
pub const IMPORT: Address = Address { shelf: 107, slot: 3 };
/// How long what must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Size of the disk.
const SECTORS: usize = 8 << 10;

/// One story's world.
#[derive(Debug)]
pub struct Trial {
    started: Instant,
    /// The gateways; before the world, so that they end first.
    pub gateways: Gateways,
    vblade: Option<Process>,
    vblade_options: &'static [&'static str],
    /// Namespaces, cables and configuration.
    pub world: World,
    dir: TempDir,
}

/// Counters of a gateway, as it logs them.
#[derive(Clone, Debug, Default)]
pub struct Numbers(BTreeMap<String, u64>);

impl Trial {
    /// Builds the world, lets `edit` change its configuration, starts everything, and waits until the import is up.
    ///
    /// # Errors
    /// Without namespaces or programs, or when the import does not come up; the message says which.
    pub fn start(plan: WorldPlan, vblade_options: &'static [&'static str], edit: impl FnOnce(&mut World)) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let binaries = Binaries::find()?;
        let mut world = World::build(dir.path(), &binaries, plan)?;
        world.share("backup", TARGET, Access::ReadWrite, IMPORT);
        edit(&mut world);
        fs::File::create(dir.path().join("image"))?.set_len((SECTORS * SECTOR_LEN) as u64)?;
        let mut trial = Trial {
            started: Instant::now(),
            gateways: world.start()?,
            vblade: None,
            vblade_options,
            world,
            dir,
        };
        trial.start_vblade()?;
        trial.gateways.wait_for_import(IMPORT)?;
        trial.say(format_args!("{IMPORT} is up"));
        Ok(trial)
    }

    /// A line about what goes on.
    pub fn say(&self, what: impl Display) {
        println!("{:7.3} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// A warmed-up initiator and the ledger of the whole disk.
    ///
    /// # Errors
    /// When I/O fails.
    pub fn initiator(&self) -> Result<(Initiator, Ledger)> {
        let mut initiator = self.world.initiator()?;
        let mut ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        load::warm_up(&mut initiator, IMPORT, &mut ledger)?;
        self.say(format_args!(
            "warmed up: retransmission timeout {:?}",
            initiator.driver().retransmit_timeout(IMPORT)
        ));
        Ok((initiator, ledger))
    }

    /// A warmed-up initiator at work in the background.
    ///
    /// # Errors
    /// When I/O fails.
    pub fn load(&self, workload: Workload) -> Result<Load> {
        let (initiator, ledger) = self.initiator()?;
        let load = Load::start(initiator, IMPORT, ledger, workload)?;
        load.go_on(100)?;
        Ok(load)
    }

    /// Ends the load, reads everything back through the gateways, and compares the target's file byte by byte. Then
    /// the gateways must still be the same processes and end clean.
    ///
    /// # Errors
    /// Whatever was not as it has to be.
    pub fn finish(mut self, load: Load) -> Result<load::Done> {
        let (mut initiator, mut ledger, done) = load.finish()?;
        self.verify(&mut initiator, &mut ledger)?;
        self.say(format_args!(
            "{} requests, {} MB, {} frames sent again",
            done.requests,
            done.bytes / 1_000_000,
            done.retransmits
        ));
        self.gateways.stop()?;
        Ok(done)
    }

    /// Reads everything back through the gateways, and compares the target's file byte by byte.
    ///
    /// # Errors
    /// When a sector is wrong.
    pub fn verify(&self, initiator: &mut Initiator, ledger: &mut Ledger) -> Result<()> {
        let read = Workload {
            patience: PATIENCE,
            ..Workload::read_back(ledger, 16, 8)
        };
        let figures = read.run(initiator, IMPORT, ledger)?;
        ensure!(figures.is_clean(), "reading back: {figures:?}");
        let mut wrong = Vec::new();
        ledger.check(0, &fs::read(self.image())?, |complaint| wrong.push(complaint.to_string()));
        ensure!(wrong.is_empty(), "the target's file: {wrong:#?}");
        Ok(())
    }

    /// Starts vblade on the image, and waits until it serves.
    ///
    /// # Errors
    /// When its device is missing or it ends.
    pub fn start_vblade(&mut self) -> Result<()> {
        let device = self.world.target_device();
        let until = Instant::now() + PATIENCE;
        while !self.world.tgt.has_link(device) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut command = Command::new("/usr/sbin/vblade");
        command.args(self.vblade_options).args(["7", "3", device]).arg(self.image());
        let vblade = self.world.tgt.spawn("vblade", command, Some(&self.dir.path().join("vblade.log")))?;
        vblade.wait_for_line("sectors", PATIENCE)?;
        self.vblade = Some(vblade);
        Ok(())
    }

    /// Kills vblade as a crash would, or buries it if it has ended.
    ///
    /// # Errors
    /// Those of kill.
    pub fn kill_vblade(&mut self) -> Result<()> {
        if let Some(mut vblade) = self.vblade.take() {
            vblade.kill()?;
        }
        Ok(())
    }

    /// The relay between the gateways.
    ///
    /// # Errors
    /// When the world has none.
    pub fn relay(&self) -> Result<&Relay> {
        self.world.relay.as_ref().context("this world has no relay")
    }

    /// The gateway of one side.
    pub fn gateway(&mut self, side: Side) -> &mut RunningGateway {
        match side {
            Side::A => &mut self.gateways.a,
            Side::B => &mut self.gateways.b,
        }
    }

    /// Starts the gateway of one side again.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self, side: Side) -> Result<()> {
        match side {
            Side::A => self.gateways.a = self.world.site_a.start(&self.world.gwa)?,
            Side::B => self.gateways.b = self.world.site_b.start(&self.world.gwb)?,
        }
        Ok(())
    }

    /// The counters of one side's gateway, asked for by SIGUSR1.
    ///
    /// # Errors
    /// When it does not answer: it has ended.
    pub fn counters(&mut self, side: Side) -> Result<Numbers> {
        let process = self.gateway(side).process();
        let seen = process.transcript().len();
        process.signal(nix::sys::signal::Signal::SIGUSR1)?;
        let line = process.wait_for_line_after(seen, "counters", PATIENCE)?;
        let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
        let numbers = pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
        Ok(Numbers(numbers.collect()))
    }

    /// How many lines of one side's log contain `pattern`, over all of its starts.
    ///
    /// # Errors
    /// When there is no log.
    pub fn logged(&self, side: Side, pattern: &str) -> Result<usize> {
        let site = match side {
            Side::A => &self.world.site_a,
            Side::B => &self.world.site_b,
        };
        let log = fs::read_to_string(site.dir().join("gateway.log"))?;
        Ok(log.lines().filter(|line| line.contains(pattern)).count())
    }

    /// Waits until one side's log has at least `count` lines with `pattern`.
    ///
    /// # Errors
    /// When it has not in time.
    pub fn wait_for_log(&self, side: Side, pattern: &str, count: usize) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.logged(side, pattern)? < count {
            ensure!(Instant::now() < until, "{side:?} logged {pattern:?} less than {count} times");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Fails if a gateway has ended.
    ///
    /// # Errors
    /// When one has.
    pub fn both_run(&mut self) -> Result<()> {
        for side in [Side::A, Side::B] {
            let ended = self.gateway(side).process().try_wait()?;
            ensure!(ended.is_none(), "gateway {side:?} has ended: {ended:?}");
        }
        Ok(())
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (name, gateway) in [("A", &mut self.gateways.a), ("B", &mut self.gateways.b)] {
                println!("the last lines of gateway {name}:\n{}", gateway.process().transcript().tail(40));
            }
        }
    }
}

impl Numbers {
    /// One of them; zero if it is not there.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}
