//! Verified reads and writes that go on in the background while a test does harm to the world.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use aoe_common::frame::Address;
use aoe_lab::initiator::Initiator;
use aoe_lab::workload::{Ledger, Limit, Mix, Order, Workload};

/// How long I/O may stand still before a test gives up. The Linux driver itself would wait for 180 s.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer may take that the driver does not wait for any more.
const LATE_ANSWERS: Duration = Duration::from_millis(200);
/// Bytes between two looks at the flag that ends it.
const SLICE: u64 = 256 << 10;

/// An initiator at work on a thread of its own. Dropping it ends the work.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<(Initiator, Ledger)>>,
}

/// What the work has come to.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Requests that succeeded.
    pub requests: u64,
    /// Bytes they moved.
    pub bytes: u64,
    /// Frames sent again.
    pub retransmits: u64,
    /// Frames sent again of which the first copy was not answered later: on an idle machine the same number, while a
    /// busy one is sometimes just late. Known once the load has finished.
    pub lost: u64,
    /// The longest time one of them took.
    pub longest: Duration,
    /// What must not be: failed or unanswered requests, wrong sectors.
    pub faults: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    done: Mutex<Done>,
}

/// Reads as often as it writes, at random, 8 KiB each, four at a time.
pub fn mixed() -> Workload {
    Workload {
        order: Order::Random,
        mix: Mix::ReadPercent(50),
        block_sectors: 16,
        depth: 4,
        patience: PATIENCE,
        ..Workload::default()
    }
}

/// Opens the device and works on it until its retransmission timeout has come down from 16.5 s to what the path
/// really takes, so that a lost frame costs a test tenths of seconds. Everything the ledger covers is written once.
///
/// # Errors
/// When nobody answers, a request fails, or a sector is wrong.
pub fn warm_up(initiator: &mut Initiator, address: Address, ledger: &mut Ledger) -> Result<()> {
    initiator.disk(address, PATIENCE)?;
    let write = Workload {
        mix: Mix::Write,
        limit: Limit::Bytes(ledger.sectors() * 512),
        patience: PATIENCE,
        ..Workload::default()
    };
    let mut figures = vec![write.run(initiator, address, ledger)?];
    while initiator
        .driver()
        .retransmit_timeout(address)
        .is_none_or(|timeout| timeout > Duration::from_millis(100))
        && figures.len() < 20
    {
        let read = Workload {
            block_sectors: 2,
            depth: 8,
            limit: Limit::Bytes(1 << 20),
            patience: PATIENCE,
            ..Workload::default()
        };
        figures.push(read.run(initiator, address, ledger)?);
    }
    ensure!(
        figures.iter().all(|one| one.is_clean()),
        "warming up: {figures:?}"
    );
    Ok(())
}

impl Load {
    /// Begins `workload` (its limit does not count) on an open device.
    ///
    /// # Errors
    /// When there is no thread left.
    pub fn start(
        mut initiator: Initiator,
        address: Address,
        mut ledger: Ledger,
        workload: Workload,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let work = move || {
            let mut slice = workload;
            slice.limit = Limit::Bytes(SLICE);
            while !ours.stop.load(Ordering::Relaxed) && ours.lock().faults.is_empty() {
                slice.seed += 1;
                match slice.run(&mut initiator, address, &mut ledger) {
                    Ok(figures) => {
                        let mut done = ours.lock();
                        done.requests += figures.requests;
                        done.bytes += figures.bytes;
                        done.retransmits += figures.retransmits;
                        done.longest = done.longest.max(figures.latency(100.0));
                        if !figures.is_clean() {
                            done.faults.push(format!("{figures:?}"));
                        }
                    }
                    Err(error) => ours.lock().faults.push(format!("{error:#}")),
                }
            }
            (initiator, ledger)
        };
        let thread = thread::Builder::new().name("load".to_owned()).spawn(work)?;
        Ok(Load {
            shared,
            thread: Some(thread),
        })
    }
    /// What was done so far.
    pub fn done(&self) -> Done {
        self.shared.lock().clone()
    }

    /// The longest request since the last call.
    pub fn take_longest(&self) -> Duration {
        std::mem::take(&mut self.shared.lock().longest)
    }

    /// Waits until `requests` more requests have succeeded.
    ///
    /// # Errors
    /// When something failed, a sector was wrong, or nothing moves for too long.
    pub fn go_on(&self, requests: u64) -> Result<()> {
        let goal = self.done().requests + requests;
        let until = Instant::now() + PATIENCE;
        loop {
            let done = self.done();
            ensure!(done.faults.is_empty(), "I/O went wrong: {:#?}", done.faults);
            if done.requests >= goal {
                return Ok(());
            }
            if Instant::now() >= until {
                bail!("I/O stands still after {} requests", done.requests);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Lets what is in flight finish, and gives the initiator and its ledger back.
    ///
    /// # Errors
    /// When a request failed or a sector was wrong.
    pub fn finish(mut self) -> Result<(Initiator, Ledger, Done)> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("it has ended before"))?;
        let (mut initiator, ledger) = thread.join().map_err(|_| anyhow!("the load's thread panicked"))?;
        let mut done = self.done();
        initiator.listen(LATE_ANSWERS);
        let counters = initiator.driver().counters();
        done.lost = counters.retransmits.saturating_sub(counters.unexpected);
        ensure!(done.faults.is_empty(), "I/O went wrong: {:#?}", done.faults);
        Ok((initiator, ledger, done))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The thread ends by itself once what it has in flight is answered or given up; nobody waits for it here,
        // for the gateways may be gone.
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
