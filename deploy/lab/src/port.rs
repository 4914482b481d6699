//! A network device of a namespace, as the two AoE ends use it: batches in, batches out, down is a state.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use aoe_common::frame::{ETHERTYPE_AOE, MacAddr};
use aoe_gateway::sys::batch::RecvBatch;
use aoe_gateway::sys::link::{self, Link};
use aoe_gateway::sys::packet::{PacketOptions, PacketSocket};
use aoe_gateway::sys::poll::{Interest, PollSet};

use crate::frames::Frames;
use crate::netns::Namespace;

/// How long to wait between looks at a device that is down or missing.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A packet socket for AoE frames on one device, reopened when the device was deleted and made again.
#[derive(Debug)]
pub struct Port {
    namespace: Namespace,
    device: String,
    link: Link,
    socket: PacketSocket,
    poll: PollSet,
    batch: RecvBatch,
    unsent: u64,
}

impl Port {
    /// Opens the device called `device`.
    ///
    /// # Errors
    /// When there is no such device, or without CAP_NET_RAW.
    pub fn open(namespace: &Namespace, device: &str) -> Result<Self> {
        let (link, socket) = attach(namespace, device)?;
        let mut poll = PollSet::with_slots(1);
        poll.watch(0, &socket, Interest::Readable);
        Ok(Port {
            namespace: namespace.clone(),
            device: device.to_owned(),
            link,
            socket,
            poll,
            batch: RecvBatch::default(),
            unsent: 0,
        })
    }

    /// As [`Port::open`], for a device that is still to come.
    ///
    /// # Errors
    /// When it has not come after `timeout`.
    pub fn open_within(namespace: &Namespace, device: &str, timeout: Duration) -> Result<Self> {
        let until = Instant::now() + timeout;
        loop {
            match Port::open(namespace, device) {
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => std::thread::sleep(LOOK_AGAIN),
                Ok(port) => return Ok(port),
            }
        }
    }

    /// The device's own address.
    pub fn mac(&self) -> MacAddr {
        self.link.mac
    }

    /// The device's MTU (IP-style) when last looked at.
    pub fn mtu(&self) -> u32 {
        self.link.mtu
    }

    /// Frames that could not be sent, since the start.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Looks at the device again, and opens it again if it is another one by now. Returns whether it is there.
    pub fn refresh(&mut self) -> bool {
        let device = self.device.clone();
        let found = self
            .namespace
            .run(move || Ok(link::by_name(&device)?))
            .ok()
            .flatten();
        let Some(found) = found else { return false };
        if found.index != self.link.index {
            let Ok((link, socket)) = attach(&self.namespace, &self.device) else {
                return false;
            };
            self.poll.watch(0, &socket, Interest::Readable);
            self.socket = socket;
            self.link = link;
        } else {
            self.link = found;
        }
        true
    }

    /// Waits for frames, at most for `timeout`, and returns those that came, at most 64.
    ///
    /// A device that is down or gone is no error: nothing comes from it, and it is opened again when it is back.
    pub fn recv(&mut self, timeout: Duration) -> &RecvBatch {
        // Take what is there before asking whether something is: under load that saves a system call a batch.
        match self.take() {
            Ok(0) => {
                if self.poll.wait(Some(timeout)).is_ok_and(|ready| ready > 0) && self.take().is_err() {
                    self.back_off();
                }
            }
            Ok(_) => {}
            Err(_) => self.back_off(),
        }
        &self.batch
    }

    /// Takes what has already come, without waiting.
    pub fn recv_ready(&mut self) -> &RecvBatch {
        if self.take().is_err() {
            self.back_off();
        }
        &self.batch
    }

    /// Sends a batch and empties it; what the device does not take is counted and lost.
    pub fn send(&mut self, frames: &mut Frames) {
        if frames.is_empty() {
            return;
        }
        let outcome = self.socket.send_batch(frames.iter());
        self.unsent += outcome.failed as u64;
        frames.clear();
        if outcome.gone.is_some() {
            self.refresh();
        }
    }

    /// Frames the kernel dropped before us because our receive buffer was full, since the last call.
    pub fn kernel_drops(&mut self) -> u32 {
        self.socket.kernel_drops().unwrap_or(0)
    }

    fn take(&mut self) -> io::Result<usize> {
        self.socket.recv_batch(&mut self.batch)
    }

    fn back_off(&mut self) {
        if !self.refresh() {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

fn attach(namespace: &Namespace, device: &str) -> Result<(Link, PacketSocket)> {
    let name = device.to_owned();
    namespace
        .run(move || {
            let link = link::by_name(&name)?.ok_or_else(|| anyhow!("there is no such device"))?;
            let socket = PacketSocket::open(link.index, PacketOptions::ethertype(ETHERTYPE_AOE))?;
            Ok((link, socket))
        })
        .with_context(|| format!("opening device {device}"))
}
