//! An AoE initiator on a device of a namespace.
//!
//! [`driver`] is the model of the Linux driver, without sockets, for simulations too; here is the loop around it, on
//! the caller's own thread, and [`Disk`], which waits for one request at a time.

mod counters;
mod device;
mod disk;
pub mod driver;
mod habit;
mod request;
mod rtt;
mod window;

use std::time::{Duration, Instant as SystemInstant};

use anyhow::{Context, Result, bail};
use aoe_common::frame::{Address, MacAddr};
use aoe_common::time::Instant;

use crate::clock::Clock;
use crate::frames::{Frames, Padding};
use crate::netns::Namespace;
use crate::port::Port;

pub use counters::DriverCounters;
pub use disk::DiskFacts;
pub use driver::{Driver, Found};
pub use request::{Action, Completion, DiskError, RequestId};
pub use rtt::RttEstimator;
pub use window::Window;

/// How often an unanswered query is repeated while somebody waits for it.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Batches taken in before the timer runs: more than a window of any number of disks has, in case a segment is flooded.
const DRAIN: usize = 256;
/// The longest the loop sleeps without looking at its deadline.
const NAP: Duration = Duration::from_millis(100);

/// An initiator on one device. It works only while one of its methods runs: it has no thread of its own.
#[derive(Debug)]
pub struct Initiator {
    port: Port,
    driver: Driver,
    out: Frames,
    clock: Clock,
}

/// A device that is open, for one request at a time.
#[derive(Debug)]
pub struct Disk<'a> {
    initiator: &'a mut Initiator,
    address: Address,
    patience: Duration,
}

impl Initiator {
    /// An initiator on a device of a namespace, which may still be missing for at most `wait`.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub fn open(namespace: &Namespace, device: &str, wait: Duration) -> Result<Self> {
        let port = Port::open_within(namespace, device, wait)?;
        let driver = Driver::new(port.mac(), port.mtu());
        Ok(Initiator {
            port,
            driver,
            out: Frames::new(Padding::None),
            clock: Clock::start(),
        })
    }

    /// Broadcasts a Config query to all targets and returns every config response of the next `listen`, unsolicited
    /// ones included.
    pub fn discover(&mut self, listen: Duration) -> Vec<Found> {
        // Answers that came earlier are not about now.
        self.driver.take_found();
        self.query(Address::BROADCAST);
        self.listen(listen)
    }

    /// Returns every config response of the next `listen`, without asking.
    pub fn listen(&mut self, listen: Duration) -> Vec<Found> {
        let until = SystemInstant::now() + listen;
        let mut found = Vec::new();
        loop {
            let left = until.saturating_duration_since(SystemInstant::now());
            if left.is_zero() {
                return found;
            }
            self.turn(left);
            found.append(&mut self.driver.take_found());
        }
    }

    /// Asks for `address` until somebody answers, at most for `patience`.
    pub fn find(&mut self, address: Address, patience: Duration) -> Option<Found> {
        let until = SystemInstant::now() + patience;
        let mut asked: Option<SystemInstant> = None;
        while SystemInstant::now() < until {
            if asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
                asked = Some(SystemInstant::now());
                self.query(address);
            }
            self.turn(
                until
                    .saturating_duration_since(SystemInstant::now())
                    .min(ASK_AGAIN),
            );
            let found = self
                .driver
                .take_found()
                .into_iter()
                .find(|found| found.address == address);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Opens the device at `address`: discovery, IDENTIFY, then it stays open. `patience` bounds this and every later
    /// request of the returned disk.
    ///
    /// # Errors
    /// When nobody answers in time; the message says which step was not answered.
    pub fn disk(&mut self, address: Address, patience: Duration) -> Result<Disk<'_>> {
        if self.driver.disk(address).is_none() {
            let until = SystemInstant::now() + patience;
            self.find(address, patience)
                .with_context(|| format!("nobody answers for {address}"))?;
            while self.driver.disk(address).is_none() {
                if SystemInstant::now() >= until {
                    bail!("{address} answers queries, but not IDENTIFY within {patience:?}");
                }
                self.turn(NAP);
            }
        }
        self.driver.open(address, &mut self.out);
        Ok(Disk {
            initiator: self,
            address,
            patience,
        })
    }

    /// Submits a request; it is sent with the next [`Initiator::turn`].
    pub fn submit(&mut self, address: Address, action: Action) -> RequestId {
        self.driver
            .submit(address, action, self.clock.now(), &mut self.out)
    }

    /// One turn of the loop: sends what is ready, waits at most `limit` for frames or the timer, takes them in.
    pub fn turn(&mut self, limit: Duration) {
        self.port.send(&mut self.out);
        let wait = self.clock.until(self.driver.deadline(), limit);
        let batch = self.port.recv(wait);
        let now = self.clock.now();
        for frame in batch.iter() {
            self.driver.handle_frame(frame, now, &mut self.out);
        }
        let now = self.clock.now();
        if self.driver.deadline() <= now {
            // The kernel takes answers in as they arrive. We may be late: nothing that is here by now is overdue.
            self.drain(now);
            self.driver.handle_timeout(now, &mut self.out);
        }
    }

    fn drain(&mut self, now: Instant) {
        for _ in 0..DRAIN {
            let mut taken = 0;
            for frame in self.port.recv_ready().iter() {
                self.driver.handle_frame(frame, now, &mut self.out);
                taken += 1;
            }
            if taken == 0 {
                return;
            }
        }
    }

    /// The next request that has ended.
    pub fn poll_completion(&mut self) -> Option<Completion> {
        self.driver.poll_completion()
    }

    /// See [`Driver::settle`].
    pub fn settle(&mut self, address: Address, rtt: Duration, samples: u32) {
        self.driver.settle(address, rtt, samples);
    }

    /// The model inside.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// The device's own address.
    pub fn mac(&self) -> MacAddr {
        self.port.mac()
    }

    /// Frames the kernel dropped because our receive buffer was full, since the last call.
    pub fn kernel_drops(&mut self) -> u32 {
        self.port.kernel_drops()
    }

    /// Sends one raw frame and returns the first frame that `wanted` accepts, past the model.
    ///
    /// For requests that no driver makes. Frames of requests in flight meanwhile are lost to the model.
    pub fn exchange(
        &mut self,
        frame: impl FnOnce(&mut Frames, MacAddr),
        patience: Duration,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        self.port.send(&mut self.out);
        let mut raw = Frames::new(Padding::None);
        frame(&mut raw, self.port.mac());
        self.port.send(&mut raw);
        let until = SystemInstant::now() + patience;
        loop {
            let left = until.saturating_duration_since(SystemInstant::now());
            let answer = self
                .port
                .recv(left)
                .iter()
                .find(|frame| wanted(frame))
                .map(<[u8]>::to_vec);
            if answer.is_some() || left.is_zero() {
                return answer;
            }
        }
    }

    fn query(&mut self, address: Address) {
        // A new MTU counts from the next config response on, as in the driver.
        if self.port.refresh() {
            self.driver.set_link(self.port.mac(), self.port.mtu());
        }
        self.driver.query(address, &mut self.out);
    }
}

impl Disk<'_> {
    /// What IDENTIFY said when the disk was opened.
    pub fn facts(&self) -> DiskFacts {
        self.initiator
            .driver
            .disk(self.address)
            .cloned()
            .unwrap_or_default()
    }

    /// Asks IDENTIFY again.
    ///
    /// # Errors
    /// As [`Disk::read`].
    pub fn identify(&mut self) -> Result<DiskFacts, DiskError> {
        self.wait_for(Action::Identify)
            .map(|bytes| DiskFacts::from_identify(&bytes))
    }

    /// Reads `sectors` sectors from `lba` on.
    ///
    /// # Errors
    /// What the target answered, or [`DiskError::NoAnswer`] when the patience given to [`Initiator::disk`] is over.
    pub fn read(&mut self, lba: u64, sectors: u32) -> Result<Vec<u8>, DiskError> {
        self.wait_for(Action::Read {
            lba,
            sectors,
            buffer: Vec::new(),
        })
    }

    /// Writes whole sectors from `lba` on.
    ///
    /// # Errors
    /// As [`Disk::read`].
    pub fn write(&mut self, lba: u64, data: &[u8]) -> Result<(), DiskError> {
        self.wait_for(Action::Write {
            lba,
            data: data.to_vec(),
        })
        .map(drop)
    }

    /// The initiator it belongs to.
    pub fn initiator(&mut self) -> &mut Initiator {
        self.initiator
    }

    fn wait_for(&mut self, action: Action) -> Result<Vec<u8>, DiskError> {
        let id = self.initiator.submit(self.address, action);
        let until = SystemInstant::now() + self.patience;
        loop {
            while let Some(completion) = self.initiator.poll_completion() {
                if completion.id == id {
                    return completion.outcome.map(|()| completion.data);
                }
            }
            let left = until.saturating_duration_since(SystemInstant::now());
            if left.is_zero() {
                return Err(DiskError::NoAnswer);
            }
            self.initiator.turn(left);
        }
    }
}
