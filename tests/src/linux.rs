//! A site whose initiator is a real Linux kernel with its own AoE driver, and what it does with its disk.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_lab::guest::{Guest, GuestPlan, Initramfs, Kernel, faults};
use aoe_lab::topology::WorldPlan;

use crate::stage::{Stage, run_command, tool};
use crate::trial::{IMPORT, Trial};

/// Functions of the guest's shell; see the file.
const DISK: &str = include_str!("disk.sh");
/// Size of the disk: 64 MiB.
const SECTORS: u64 = 128 << 10;
/// How long a step may take. The driver gives a device up after 181 s without an answer, and that is to be seen.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long a tool on this side may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Two sites: at A a Linux kernel, at B the real vblade.
#[derive(Debug)]
pub struct Linux {
    /// The kernel; before the trial, so that it ends first.
    pub guest: Guest,
    /// Gateways, target, and what is between them.
    pub trial: Trial,
    scratch: PathBuf,
    image: PathBuf,
}

impl Linux {
    /// Builds the world, boots the kernel, loads its driver with the defaults, and waits until it sees the disk.
    ///
    /// # Errors
    /// When something is not installed (the message says how to get it) or does not come up.
    pub fn start(stage: &Stage, plan: WorldPlan) -> Result<Self> {
        let kernel = Kernel::find(stage.binaries())?;
        let programs = ["mkfs.ext4", "e2fsck", "fio"];
        let initramfs = Initramfs::pack(&kernel, &programs, &[("/disk", DISK)])?;
        let mut trial = Trial::begin_with_disk(stage, plan, SECTORS, &[], |_| Ok(()))?;
        let guest = Guest::boot(GuestPlan {
            kernel: &kernel,
            initramfs: &initramfs,
            namespace: &trial.world.ground.ini,
            device: trial.world.initiator_device(),
            mtu: plan.segment_mtu,
            dir: stage.dir(),
        })?;
        trial.gateways.wait_for_import(IMPORT)?;
        let mut linux = Linux {
            guest,
            image: trial.image().to_owned(),
            scratch: stage.dir().to_owned(),
            trial,
        };
        linux.trial.say("Linux is up, and so is the import");
        linux.step("modprobe aoe")?;
        let seen = linux.step("discover")?;
        let payload = (plan.segment_mtu - 36) / 512 * 512;
        let mac = linux
            .trial
            .world
            .ground
            .gwa
            .facts("san")?
            .mac
            .to_string()
            .replace(':', "");
        for fact in [
            format!("sectors {SECTORS}"),
            "state up".to_owned(),
            format!("payload {payload}"),
            format!("mac {mac}"),
        ] {
            ensure!(seen.contains(&fact), "the driver should say {fact:?}: {seen:#?}");
        }
        Ok(linux)
    }

    /// Lets the guest call one function of `disk.sh` and says how long it took.
    ///
    /// # Errors
    /// When it fails.
    pub fn step(&mut self, call: &str) -> Result<Vec<String>> {
        self.begin(call)?;
        self.finish(call)
    }

    /// Begins what [`Linux::finish`] ends.
    ///
    /// # Errors
    /// When the guest is gone.
    pub fn begin(&mut self, call: &str) -> Result<()> {
        self.guest.begin(&format!(". /disk; {call}"))
    }

    /// Waits until what was begun says so.
    ///
    /// # Errors
    /// When it fails.
    pub fn wait_for(&mut self, line: &str) -> Result<()> {
        self.guest.wait_for(line, PATIENCE).map(drop)
    }

    /// The end of what was begun.
    ///
    /// # Errors
    /// When it fails.
    pub fn finish(&mut self, call: &str) -> Result<Vec<String>> {
        let since = Instant::now();
        let said = self
            .guest
            .finish(PATIENCE)
            .with_context(|| format!("step {call:?}"))?;
        self.trial.say(format_args!(
            "{call}: done, {:.1} s after",
            since.elapsed().as_secs_f64()
        ));
        Ok(said)
    }

    /// Everything read back after another mount, the file system checked; by the guest, and by this side in the file
    /// behind vblade. Nothing bad may be in the guest's log.
    ///
    /// # Errors
    /// Whatever is not as it has to be.
    pub fn verify(&mut self) -> Result<()> {
        self.step("again")?;
        self.step("check")?;
        self.look_behind()?;
        self.untroubled()
    }

    /// The file behind vblade is a clean file system with the files that the guest has written.
    fn look_behind(&mut self) -> Result<()> {
        let sums = self.guest.run("cat /tmp/sums", PATIENCE)?.join("\n") + "\n";
        let out = self.scratch.join("dumped");
        fs::create_dir_all(&out)?;
        fs::write(self.scratch.join("sums"), sums)?;
        let mut check = Command::new(tool("e2fsck")?);
        check.arg("-fn").arg(&self.image);
        let mut dump = Command::new(tool("debugfs")?);
        dump.arg("-R")
            .arg(format!("rdump big small {}", out.display()))
            .arg(&self.image);
        let mut compare = Command::new(tool("sha256sum")?);
        compare
            .args(["--check", "--quiet"])
            .arg(self.scratch.join("sums"))
            .current_dir(&out);
        for command in [check, dump, compare] {
            let spoken = run_command(None, command, LIMIT)?;
            ensure!(spoken.code == Some(0), "in the file behind vblade: {spoken:?}");
        }
        Ok(())
    }

    /// The driver says that the device is up; the kernel has logged no trouble since the last call.
    ///
    /// # Errors
    /// When it is otherwise.
    pub fn untroubled(&mut self) -> Result<()> {
        let state = self.guest.run("cat /sys/block/etherd!e107.3/state", PATIENCE)?;
        ensure!(state == ["up"], "the driver says that the device is {state:?}");
        let log = self.guest.kernel_log()?;
        let found = faults(&log);
        ensure!(found.is_empty(), "the guest's kernel complains: {found:#?}");
        self.trial.both_run()
    }
}
