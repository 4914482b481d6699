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

mod data_plane;
mod error;
mod signals;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process;
use std::sync::Arc;

use aoe_common::config::{GatewayConfig, SegmentConfig};
use aoe_common::disk::Disk;
use aoe_common::engine::Engine;
use aoe_common::snapshot::Gateway;
use aoe_common::worker::Worker;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use self::data_plane::{seed, spawn};
pub use self::error::RunError;
use self::signals::Signals;
use crate::audit::{Audit, Auditor, Noted};
use crate::clock::{Clock, unix_time};
use crate::config::Loaded;
use crate::control::{self, About, Captures, Followers, KeyNews, Lines, Reloader, Snapshots};
use crate::disks::{Disks, Found, Keeper, remember};
use crate::driver::{Command, CommandSender, Driver, KeyReports, Lost, Reports};
use crate::http::{Front, LastText, Site};
use crate::key_memory::Memory;
use crate::listening::Report;
use crate::logging::Filter;
use crate::resolver::{self, Known, Resolver};
use crate::segment::{Sharing, Watch, WatchedSegment};
use crate::sys::buffers::Buffers;
use crate::watching::Watcher;
use crate::wire::UdpWire;
use crate::{expiring, watchdog, workers};

/// Runs one gateway until a signal ends it. `config` is the file it was loaded from.
///
/// # Errors
/// Everything that time does not mend; see [`RunError`]. Devices that are missing are waited for.
pub fn run(config: &Path, loaded: Loaded, log: Filter) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let audit = Audit::new(&loaded.core.name);
    audit.follow(loaded.settings.audit.as_ref());
    audit.begin(config, &loaded);
    let outcome =
        Start::new(loaded).and_then(|start| runtime.block_on(start.run(config, log, audit.clone())));
    // A name server that does not answer must not hold the process up.
    runtime.shutdown_background();
    // By now everything that ends with the control side has been taken down.
    audit.stop(outcome.as_ref().err());
    outcome
}

/// A gateway whose sockets are bound and whose data planes are at rest.
struct Start {
    loaded: Loaded,
    clock: Clock,
    disks: Option<Disks>,
    found: Found,
    segments: Vec<WatchedSegment>,
    losses: mpsc::UnboundedReceiver<Lost>,
    noted: mpsc::UnboundedReceiver<Noted>,
    keys: mpsc::UnboundedReceiver<KeyNews>,
    memory: Memory,
    workers: Vec<DataPlane>,
}

/// The data plane of one worker, and who finds its peers.
struct DataPlane {
    driver: Driver,
    commands: CommandSender,
    resolver: Resolver,
    /// A way to ask it.
    ask: mpsc::UnboundedSender<resolver::Ask>,
    asks: mpsc::UnboundedReceiver<resolver::Ask>,
}

impl Start {
    fn new(mut loaded: Loaded) -> Result<Start, RunError> {
        let clock = Clock::start();
        let disks = Disks::new(loaded.settings.state.as_deref());
        let memory = Memory::read(disks.as_ref().map(Disks::directory));
        memory.apply(&mut loaded.core);
        let exports = loaded.core.exports.values();
        let exports: Vec<_> = exports.map(|export| export.name.clone()).collect();
        let remembered = remember(disks.as_ref(), &exports);
        let parts = loaded.core.for_workers(loaded.settings.workers);
        let (lost, losses) = mpsc::unbounded_channel();
        let (note, noted) = mpsc::unbounded_channel();
        let (key_news, keys) = mpsc::unbounded_channel();
        let mut start = Start {
            segments: segments(&loaded, &parts),
            loaded,
            clock,
            disks,
            found: Found::default(),
            losses,
            noted,
            keys,
            memory,
            workers: Vec::new(),
        };
        for part in parts {
            let worker =
                start.data_plane(part, &remembered, (lost.clone(), note.clone(), key_news.clone()))?;
            start.workers.push(worker);
        }
        Ok(start)
    }

    fn data_plane(
        &self,
        part: GatewayConfig,
        remembered: &[(String, Disk)],
        (lost, noted, keys): (
            mpsc::UnboundedSender<Lost>,
            mpsc::UnboundedSender<Noted>,
            mpsc::UnboundedSender<KeyNews>,
        ),
    ) -> Result<DataPlane, RunError> {
        let Worker { number, of } = part.tunnel.worker;
        let wires = bind(&self.loaded.listen, number, self.loaded.settings.buffers())?;
        let mut engine = Engine::new(part, seed()?, self.clock.now(), unix_time());
        for (export, disk) in remembered {
            engine.remember_disk(export, disk.clone());
        }
        let (ask, asks) = mpsc::unbounded_channel();
        let reports = Reports {
            lost,
            noted,
            endpoint_needed: ask.clone(),
            disks: self.found.clone(),
            keys: KeyReports {
                worker: number.into(),
                to: keys,
            },
        };
        let label = match of {
            1 => String::new(),
            _ => format!("worker {number}: "),
        };
        let ids = self.segments.iter().map(|segment| segment.id);
        let tuning = self.loaded.settings.tuning();
        let (driver, commands) = Driver::new(label, engine, wires, ids, self.clock, tuning, reports)?;
        let known = Known {
            peers: workers::endpoints(&self.loaded),
            sockets: workers::sockets(&self.loaded.listen),
        };
        Ok(DataPlane {
            driver,
            resolver: Resolver::new(known, number.into(), commands.clone()),
            commands,
            ask,
            asks,
        })
    }

    async fn run(self, config: &Path, log: Filter, audit: Audit) -> Result<(), RunError> {
        // Before anything else can go wrong: a signal must not find its default action.
        let signals = Signals::listen()?;
        let commands: Vec<_> = self
            .workers
            .iter()
            .map(|worker| worker.commands.clone())
            .collect();
        let state = self.disks.as_ref().map(Disks::directory);
        let mut about = about(&self.loaded, &std::path::absolute(config)?, state);
        let counts = about.http.clone();
        let settings = self.loaded.settings.clone();
        let name = self.loaded.core.name.clone();
        let mut watch = Watch::new(&name, self.segments.into_iter(), self.clock, commands.clone())?;
        let (tell, ends) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut resolvers = Vec::new();
        for (number, worker) in self.workers.into_iter().enumerate() {
            spawn(number, worker.driver, tell.clone())?;
            tasks.spawn(worker.resolver.run(worker.asks));
            resolvers.push(worker.ask);
        }
        drop(tell);
        let exports = self.loaded.core.exports.values();
        let exports: Vec<_> = exports.map(|export| export.name.clone()).collect();
        let (keeper, kept) = mpsc::unbounded_channel();
        if let Some(disks) = self.disks.clone() {
            let keeper = Keeper::new(disks, exports, self.found, audit.clone());
            tasks.spawn(keeper.run(commands.clone(), kept));
        }
        watchdog::start(&commands)?;
        let outcome = watch.start().map_err(RunError::Attach);

        let captures = Captures::new(commands.clone(), self.clock);
        about.captures = captures.clone();
        let snapshots = Arc::new(Snapshots::new(commands.clone(), about, audit.clone(), self.clock));
        let mut front = Front::new(Site {
            snapshots: snapshots.clone(),
            workers: commands.clone(),
            counts,
            text: LastText::default(),
        });
        if outcome.is_ok() {
            front.start(self.loaded.metrics.as_ref());
        }
        tasks.spawn(Auditor::new(audit.clone(), commands.clone(), self.noted).run());
        let (sharing, shares) = mpsc::unbounded_channel();
        let followers = Followers {
            workers: commands.clone(),
            resolvers,
            sharing,
            keeper,
            disks: self.disks,
            front,
            log,
            captures: captures.clone(),
        };
        let (ask, asks) = mpsc::channel(control::MOST_ASKS);
        let watched = watch::Sender::new(self.loaded.origin.watched.clone());
        let reloader = Reloader::new(
            config.to_owned(),
            self.loaded,
            (followers, self.memory),
            snapshots.clone(),
            audit.clone(),
        );
        let hangups = Arc::new(Notify::new());
        let (changed, changes) = mpsc::channel(1);
        tasks.spawn(Watcher::new(watched.subscribe(), changed).run());
        tasks.spawn(reloader.run(Lines {
            asks,
            hangups: hangups.clone(),
            changes,
            keys: self.keys,
            watched,
        }));
        tasks.spawn(control::record(snapshots.clone()));
        tasks.spawn(expiring::warn(snapshots.clone()));
        if outcome.is_ok() {
            if let Some(listener) = control::open_observe(&settings.observe) {
                tasks.spawn(control::observe(listener, snapshots));
            }
            if let Some(listener) = control::open_control(&settings.control, settings.control_group.as_ref())
            {
                tasks.spawn(control::take_orders(listener, ask, audit.clone(), captures));
            }
        }
        let copies = std::iter::repeat_n(Arc::new(()), commands.len());
        for (worker, copy) in commands.iter().zip(copies) {
            worker.send(match outcome {
                Ok(()) => Command::LogReady(copy),
                Err(_) => Command::Shutdown,
            });
        }
        let control = Control {
            signals: signals.taken_down(audit),
            hangups,
            watch,
            commands,
            tasks,
        };
        let end = control.run(self.losses, shares, ends).await;
        outcome.and(end)
    }
}

/// Every segment, with what each worker captures of it.
fn segments(loaded: &Loaded, parts: &[GatewayConfig]) -> Vec<WatchedSegment> {
    let parts: Vec<_> = parts.iter().collect();
    let watched = |(id, segment): (_, &SegmentConfig)| {
        Some(WatchedSegment {
            id,
            device: loaded.devices.get(&segment.name)?.clone(),
            buffers: loaded.settings.buffers(),
            name: segment.name.clone(),
            shares: workers::shares(&parts, id),
        })
    };
    loaded.core.segments.iter().filter_map(watched).collect()
}

/// What a snapshot says of the gateway as a whole.
fn about(loaded: &Loaded, config: &Path, state: Option<&Path>) -> About {
    let now = unix_time().as_secs_f64();
    About {
        gateway: Gateway {
            name: loaded.core.name.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            pid: process::id(),
            now,
            started: now,
            configured: now,
            reloads: 0,
            workers: loaded.settings.workers,
            fingerprint: loaded.core.keys.fingerprint(),
            listen: loaded.listen.iter().map(ToString::to_string).collect(),
            config: config.display().to_string(),
            state: state.map(|state| state.display().to_string()).unwrap_or_default(),
            revoked: loaded.revocations.clone(),
        },
        devices: loaded.devices.clone(),
        http: Arc::default(),
        captures: Captures::default(),
        endings: loaded.origin.endings.clone(),
    }
}

/// The sockets of one worker.
fn bind(listen: &[SocketAddr], worker: u8, buffers: Buffers) -> Result<Vec<UdpWire>, RunError> {
    let one = |first: &SocketAddr| {
        let address = workers::listen_address(*first, worker);
        let wire = UdpWire::bind(address, buffers).map_err(|cause| RunError::Listen { address, cause })?;
        Report::of(&wire).log();
        Ok(wire)
    };
    listen.iter().map(one).collect()
}

/// What runs beside the data plane.
struct Control {
    signals: Signals,
    hangups: Arc<Notify>,
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
        shares: mpsc::UnboundedReceiver<Sharing>,
        ends: mpsc::UnboundedReceiver<io::Result<()>>,
    ) -> Result<(), RunError> {
        let workers = self.commands.len();
        let _tasks = self.tasks;
        tokio::select! {
            biased;
            end = all_ended(ends, workers) => end.map_err(RunError::DataPlane),
            never = self.signals.obey(self.commands, self.hangups) => match never {},
            never = self.watch.run(losses, shares) => match never {},
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
