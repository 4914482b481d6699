//! A host of its own with a real Linux kernel: the initiator that most sites run, `aoe.ko`, on a segment of ours.
//!
//! ```text
//!  [guest kernel: aoe.ko - eth0]--virtio--[qemu]--tap0--[bridge br0]--DEVICE--  the segment
//!       |         \
//!    console     orders, one line each, and what came of them
//! ```
//!
//! QEMU interprets it (`-accel tcg`), for hardware virtualization is rarely to be had inside virtual machines. So it
//! boots in seconds and its figures mean nothing. The kernel comes unpacked out of a Debian package
//! ([`Kernel`]), the programs are this machine's own ([`Initramfs`]); nothing of it is installed anywhere.

mod console;
mod initramfs;
mod kernel;
mod log;

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::netns::{Namespace, Process};

pub use console::Console;
pub use initramfs::Initramfs;
pub use kernel::Kernel;
pub use log::faults;

/// Emulates it. `-accel kvm` would not do: see the module.
const QEMU: &str = "qemu-system-x86_64";
/// The guest's device on the host's side.
const TAP: &str = "tap0";
/// What connects it with the segment.
const BRIDGE: &str = "br0";
/// How long it may take to boot. It takes three seconds on an idle machine.
const BOOT: Duration = Duration::from_secs(120);
/// How long an order may take that has nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(60);

/// What to boot, and where.
#[derive(Clone, Copy, Debug)]
pub struct GuestPlan<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Its first and only file system.
    pub initramfs: &'a Initramfs,
    /// The host it is attached to.
    pub namespace: &'a Namespace,
    /// That host's device on the segment. A bridge takes it, so the host itself must not use it any more.
    pub device: &'a str,
    /// MTU of the segment (IP-style).
    pub mtu: u32,
    /// Where the socket for orders and `guest.log`, the guest's console, are put.
    pub dir: &'a Path,
}

/// A running guest; dropping it ends it, as a power failure would.
#[derive(Debug)]
pub struct Guest {
    console: Console,
    qemu: Process,
}

/// What is in a message if an order failed: what it said, and what the kernel said last.
struct Trouble<'a> {
    order: &'a str,
    said: &'a [String],
    kernel: String,
}

impl Guest {
    /// Boots it and waits until it takes orders. Its device `eth0` is up.
    ///
    /// # Errors
    /// Without QEMU or the right to make TAP devices, or when it does not boot; the message has its last words.
    pub fn boot(plan: GuestPlan<'_>) -> Result<Self> {
        plan.namespace.add_bridge(BRIDGE, &[plan.device])?;
        let socket = plan.dir.join("guest.orders");
        let mut command = Command::new(QEMU);
        command
            // With RDRAND, or programs that want randomness wait for some seconds.
            .args([
                "-accel",
                "tcg",
                "-cpu",
                "Nehalem,+rdrand",
                "-smp",
                "1",
                "-m",
                "640",
            ])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(plan.kernel.image())
            .arg("-initrd")
            .arg(plan.initramfs.path())
            // Whoever shares a busy machine gets stuck at times; that is no fault of what is tested.
            .args([
                "-append",
                "console=ttyS0 panic=-1 mitigations=off nosoftlockup rcupdate.rcu_cpu_stall_suppress=1",
            ])
            .args(["-serial", "stdio"])
            .arg("-chardev")
            .arg(format!(
                "socket,id=orders,path={},server=on,wait=off",
                socket.display()
            ))
            .args(["-serial", "chardev:orders"])
            .arg("-netdev")
            .arg(format!("tap,id=san,ifname={TAP},script=no,downscript=no"))
            .arg("-device")
            .arg(format!(
                "virtio-net-pci,netdev=san,romfile=,host_mtu={}",
                plan.mtu
            ));
        let log = plan.dir.join("guest.log");
        let mut qemu = plan
            .namespace
            .spawn("guest", command, Some(&log))
            .with_context(|| {
                format!("{QEMU} is needed to run a Linux kernel: `.ci/checks tools` installs it")
            })?;
        let until = Instant::now() + BOOT;
        await_device(plan.namespace, &mut qemu, until)?;
        plan.namespace.set_mtu(TAP, plan.mtu)?;
        plan.namespace.add_port(BRIDGE, TAP)?;
        plan.namespace.set_up(TAP)?;
        let mut guest = Guest {
            console: Console::open(&socket, until)?,
            qemu,
        };
        let greeted = guest.console.await_greeting(until);
        greeted.with_context(|| guest.last_words())?;
        Ok(guest)
    }

    /// Has one line of shell executed and returns what it said, standard error included.
    ///
    /// # Errors
    /// When it exits with another code than 0 or takes longer than `patience`; the message carries what it said and
    /// the kernel's last lines.
    pub fn run(&mut self, order: &str, patience: Duration) -> Result<Vec<String>> {
        self.begin(order)?;
        self.finish(patience)
    }

    /// Begins one line of shell; [`Guest::finish`] has to follow.
    ///
    /// # Errors
    /// When the guest is gone.
    pub fn begin(&mut self, order: &str) -> Result<()> {
        let begun = self.console.begin(order);
        begun.with_context(|| self.last_words())
    }

    /// Waits until what was begun says a line that contains `pattern`.
    ///
    /// # Errors
    /// As [`Guest::run`], and when it ends first.
    pub fn wait_for(&mut self, pattern: &str, patience: Duration) -> Result<String> {
        let found = self.console.wait_for(pattern, Instant::now() + patience);
        found.with_context(|| self.trouble().to_string())
    }

    /// Waits for the end of what was begun and returns everything it said.
    ///
    /// # Errors
    /// As [`Guest::run`].
    pub fn finish(&mut self, patience: Duration) -> Result<Vec<String>> {
        let code = self.console.finish(Instant::now() + patience);
        let code = code.with_context(|| self.trouble().to_string())?;
        ensure!(code == 0, "exit code {code}. {}", self.trouble());
        Ok(self.console.said().to_vec())
    }

    /// What the kernel has logged since the last call, or since it was booted.
    ///
    /// # Errors
    /// When the guest is gone.
    pub fn kernel_log(&mut self) -> Result<Vec<String>> {
        self.run("dmesg -c", AT_ONCE)
    }

    fn trouble(&self) -> Trouble<'_> {
        Trouble {
            order: self.console.order(),
            said: self.console.said(),
            kernel: self.last_words(),
        }
    }

    fn last_words(&self) -> String {
        format!("The guest's last lines:\n{}", self.qemu.transcript().tail(30))
    }
}

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The guest's order was: {}\nIt said:", self.order)?;
        for line in self.said {
            writeln!(f, "    {line}")?;
        }
        f.write_str(&self.kernel)
    }
}

/// QEMU makes the device itself and tells nobody when it has.
fn await_device(namespace: &Namespace, qemu: &mut Process, until: Instant) -> Result<()> {
    while !namespace.has_link(TAP) {
        let ended = qemu.try_wait()?;
        ensure!(
            ended.is_none() && Instant::now() < until,
            "{QEMU} did not make device {TAP}; it takes root, or the right to open /dev/net/tun:\n{}",
            qemu.transcript().tail(10)
        );
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
