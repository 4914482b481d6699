//! The order in which things start and end.
//!
//! 1. Sockets are bound; a taken address ends it here.
//! 2. The engine is made and the data plane starts on a thread of its own.
//! 3. The control side starts on this thread: signals, devices, names of peers.
//! 4. Segments whose devices exist are attached, and the log says `ready`.
//! 5. SIGTERM or SIGINT: what targets have to answer is waited for, a second at most, the peers are told, the counters are
//!    logged, and the process ends.
//!
//! A data plane that hangs is noticed by the `watchdog`, and ends the process.
//!
//! Threads talk by [`Command`] and [`Reports`]; none waits for another. With several workers there is one data plane for
//! each, with an engine, sockets and sessions of its own; they share nothing.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use aoe_common::disk::Disk;
use aoe_common::engine::Engine;
use aoe_common::worker::Worker;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock::{Clock, unix_time};
use crate::config::Loaded;
use crate::disks::{Disks, Found, Keeper, Note};
use crate::driver::{Command, CommandSender, Driver, Lost, Reports};
use crate::resolver::Resolver;
use crate::segment::{AttachError, Watch, WatchedSegment};
use crate::sys::buffers::Buffers;
use crate::wire::{Offload, UdpWire};
use crate::{watchdog, workers};

/// Why the gateway could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A listen address cannot be used.
    #[error("cannot listen on {address}: {cause}{}", listen_advice(cause))]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A segment cannot be attached, and waiting will not help.
    #[error("{0}")]
    Attach(AttachError),
    /// The system has no thread, descriptor or random bytes left for us.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The data plane cannot go on.
    #[error("the data plane stopped: {0}")]
    DataPlane(io::Error),
}

impl RunError {
    /// What the system said: it decides the exit code.
    pub fn cause(&self) -> &io::Error {
        match self {
            RunError::Listen { cause, .. } | RunError::Start(cause) | RunError::DataPlane(cause) => cause,
            RunError::Attach(error) => error.cause(),
        }
    }
}

/// Runs one gateway until a signal ends it.
///
/// # Errors
/// Everything that time does not mend; see [`RunError`]. Devices that are missing are waited for.
pub fn run(loaded: Loaded) -> Result<(), RunError> {
    let Loaded {
        core,
        listen,
        endpoints,
        mut devices,
        settings,
    } = loaded;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let clock = Clock::start();
    let gateway = core.name.clone();
    let names: Vec<_> = core
        .segments
        .iter()
        .map(|(id, segment)| (id, segment.name.clone()))
        .collect();
    let peers: Vec<_> = core
        .peers
        .values()
        .map(|peer| (peer.name.clone(), endpoints.get(&peer.name).cloned()))
        .collect();

    let exports: Vec<_> = core.exports.values().map(|export| export.name.clone()).collect();
    let disks = Disks::new(settings.state.as_deref());
    let remembered = remember(disks.as_ref(), &exports);
    let found = Found::default();

    let parts = core.for_workers(settings.workers);
    let segments: Vec<_> = names
        .into_iter()
        .filter_map(|(id, name)| {
            Some(WatchedSegment {
                device: devices.remove(&name)?,
                name,
                shares: workers::shares(&parts, id),
            })
        })
        .collect();
    let (lost, losses) = mpsc::unbounded_channel();
    let mut data_planes = Vec::new();
    for part in parts {
        let Worker { number, of } = part.tunnel.worker;
        let wires = bind(&listen, number)?;
        let mut engine = Engine::new(part, seed()?, clock.now(), unix_time());
        for (export, disk) in &remembered {
            engine.remember_disk(export, disk.clone());
        }
        let (endpoint_needed, endpoint_requests) = mpsc::unbounded_channel();
        let reports = Reports {
            lost: lost.clone(),
            endpoint_needed,
            disks: found.clone(),
        };
        let label = match of {
            1 => String::new(),
            _ => format!("worker {number}: "),
        };
        let (driver, commands) = Driver::new(
            label,
            engine,
            wires,
            segments.len(),
            clock,
            settings.busy_poll,
            reports,
        )?;
        let resolver = Resolver::new(
            peers.clone().into_iter(),
            listen.clone(),
            number.into(),
            commands.clone(),
        );
        data_planes.push((driver, commands, resolver, endpoint_requests));
    }

    let outcome = runtime.block_on(async {
        // Before anything else can go wrong: a signal must not find its default action.
        let signals = Signals::listen()?;
        let commands: Vec<_> = data_planes
            .iter()
            .map(|(_, commands, ..)| commands.clone())
            .collect();
        let mut watch = Watch::new(&gateway, segments.into_iter(), clock, commands.clone())?;
        let (tell, ends) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for (number, (driver, _, resolver, requests)) in data_planes.into_iter().enumerate() {
            spawn(number, driver, tell.clone())?;
            tasks.spawn(resolver.run(requests));
        }
        if let Some(disks) = disks {
            tasks.spawn(Keeper::new(disks, exports, found).run(commands.clone()));
        }
        drop(tell);
        watchdog::start(&commands)?;
        let outcome = watch.start().map_err(RunError::Attach);
        let copies = std::iter::repeat_n(Arc::new(()), commands.len());
        for (worker, copy) in commands.iter().zip(copies) {
            worker.send(match outcome {
                Ok(()) => Command::LogReady(copy),
                Err(_) => Command::Shutdown,
            });
        }
        let control = Control {
            signals,
            watch,
            commands,
            tasks,
        };
        let end = control.run(losses, ends).await;
        outcome.and(end)
    });
    // A name server that does not answer must not hold the process up.
    runtime.shutdown_background();
    outcome
}

/// Reads which disk each export had.
fn remember(disks: Option<&Disks>, exports: &[String]) -> Vec<(String, Disk)> {
    let Some(disks) = disks else {
        if !exports.is_empty() {
            tracing::info!(
                "which disk an export has is not remembered over a restart: set `state` of [gateway] to a directory"
            );
        }
        return Vec::new();
    };
    let read = |export: &String| match disks.read(export) {
        Ok(Some(Note::Disk(disk))) => Some((export.clone(), disk)),
        Ok(None | Some(Note::AcceptNext)) => None,
        Err(error) => {
            tracing::error!(
                "{error}. Nobody knows which disk export {export} had, so any is another one until it is accepted: \
                 aoe-gateway accept-disk"
            );
            Some((export.clone(), Disk::unlike_any()))
        }
    };
    exports.iter().filter_map(read).collect()
}

/// What runs beside the data plane.
struct Control {
    signals: Signals,
    watch: Watch,
    commands: Vec<CommandSender>,
    /// Tasks of their own, which end with this.
    tasks: JoinSet<Infallible>,
}

impl Control {
    /// Runs until all data planes have ended, or one cannot go on.
    async fn run(
        self,
        losses: mpsc::UnboundedReceiver<Lost>,
        ends: mpsc::UnboundedReceiver<io::Result<()>>,
    ) -> Result<(), RunError> {
        let workers = self.commands.len();
        let _tasks = self.tasks;
        tokio::select! {
            biased;
            end = all_ended(ends, workers) => end.map_err(RunError::DataPlane),
            never = self.signals.obey(self.commands) => match never {},
            never = self.watch.run(losses) => match never {},
        }
    }
}

async fn all_ended(mut ends: mpsc::UnboundedReceiver<io::Result<()>>, workers: usize) -> io::Result<()> {
    for _ in 0..workers {
        match ends.recv().await {
            Some(outcome) => outcome?,
            None => return Err(io::Error::other("its thread is gone")),
        }
    }
    Ok(())
}

/// The signals an operator sends.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    async fn obey(mut self, commands: Vec<CommandSender>) -> Infallible {
        let tell = |command: fn() -> Command| commands.iter().for_each(|worker| worker.send(command()));
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => {
                    tell(|| Command::Shutdown);
                    tracing::info!("ending: SIGTERM");
                }
                Some(()) = self.interrupt.recv() => {
                    tell(|| Command::Shutdown);
                    tracing::info!("ending: SIGINT");
                }
                Some(()) = self.hangup.recv() => {
                    tracing::warn!("SIGHUP ignored: reload is not there yet; restart to use a changed configuration");
                }
                Some(()) = self.user.recv() => tell(|| Command::LogCounters),
                else => std::future::pending().await,
            }
        }
    }
}

/// The sockets of one worker.
fn bind(listen: &[SocketAddr], worker: u8) -> Result<Vec<UdpWire>, RunError> {
    let mut wires = Vec::with_capacity(listen.len());
    for first in listen {
        let address = workers::listen_address(*first, worker);
        let wire = UdpWire::bind(address).map_err(|cause| RunError::Listen { address, cause })?;
        let offload = match wire.segmentation_offload() {
            Offload::Works => "",
            Offload::Off => ", without segmentation offload",
        };
        tracing::info!("listening on {}{offload}", wire.local_addr()?);
        if wire.buffers().fall_short_of(Buffers::DATA_PLANE) {
            tracing::warn!(
                "listening on {address}: {}",
                wire.buffers().complaint(Buffers::DATA_PLANE)
            );
        }
        wires.push(wire);
    }
    Ok(wires)
}

/// What an operator can do about it.
fn listen_advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => " (`ss -ulnp` shows who has it)",
        io::ErrorKind::AddrNotAvailable => {
            " (no interface has this address yet; `ip address` shows those there are)"
        }
        _ => "",
    }
}

fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

/// Starts a data plane; `tell` hears how it ended.
fn spawn(worker: usize, mut driver: Driver, tell: mpsc::UnboundedSender<io::Result<()>>) -> io::Result<()> {
    thread::Builder::new()
        .name(format!("data-plane-{worker}"))
        .spawn(move || {
            let bomb = AbortOnPanic;
            let outcome = driver.run();
            std::mem::forget(bomb);
            // Told before the segments are let go, so that nobody wonders where a TAP device went. Nobody
            // listens only if the control side has panicked, and then the process ends.
            let _ = tell.send(outcome);
        })?;
    Ok(())
}

/// A gateway without its data plane must not look alive: the supervisor restarts what aborts.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        std::process::abort();
    }
}
