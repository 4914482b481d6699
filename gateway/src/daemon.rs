//! The order in which things start and end.
//!
//! 1. Sockets are bound; a taken address ends it here.
//! 2. The engine is made and the data plane starts on a thread of its own.
//! 3. The control side starts on this thread: signals, devices, names of peers.
//! 4. Segments whose devices exist are attached, and the log says `ready`.
//! 5. SIGTERM or SIGINT: the peers are told, the counters are logged, and the process ends.
//!
//! Both threads talk by [`Command`] and [`Reports`]; neither waits for the other.

use std::io;
use std::net::SocketAddr;
use std::thread;

use aoe_common::engine::Engine;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock, unix_time};
use crate::config::Loaded;
use crate::driver::{Command, CommandSender, Driver, Lost, Reports};
use crate::resolver::Resolver;
use crate::segment::{AttachError, Watch};
use crate::wire::{Offload, UdpWire};

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
        devices,
        busy_poll,
    } = loaded;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let clock = Clock::start();
    let gateway = core.name.clone();
    let segments: Vec<_> = core
        .segments
        .iter()
        .map(|segment| segment.name.clone())
        .zip(devices)
        .collect();
    let peers: Vec<_> = core
        .peers
        .iter()
        .map(|peer| peer.name.clone())
        .zip(endpoints)
        .collect();

    let wires = bind(&listen)?;
    let engine = Engine::new(core, seed()?, clock.now(), unix_time());
    let (lost, losses) = mpsc::unbounded_channel();
    let (endpoint_needed, endpoint_requests) = mpsc::unbounded_channel();
    let reports = Reports {
        lost,
        endpoint_needed,
    };
    let (driver, commands) = Driver::new(engine, wires, segments.len(), clock, busy_poll, reports)?;

    let outcome = runtime.block_on(async {
        // Before anything else can go wrong: a signal must not find its default action.
        let signals = Signals::listen()?;
        let mut watch = Watch::new(&gateway, segments.into_iter(), clock, commands.clone())?;
        let resolver = Resolver::new(peers.into_iter(), listen, commands.clone());
        let ended = spawn(driver)?;
        let outcome = watch.start().map_err(RunError::Attach);
        if outcome.is_ok() {
            commands.send(Command::LogReady);
        } else {
            commands.send(Command::Shutdown);
        }
        let control = Control {
            signals,
            watch,
            resolver,
            commands,
        };
        let end = control.run(losses, endpoint_requests, ended).await;
        outcome.and(end)
    });
    // A name server that does not answer must not hold the process up.
    runtime.shutdown_background();
    outcome
}

/// What runs beside the data plane.
struct Control {
    signals: Signals,
    watch: Watch,
    resolver: Resolver,
    commands: CommandSender,
}

impl Control {
    /// Runs until the data plane has ended.
    async fn run(
        self,
        losses: mpsc::UnboundedReceiver<Lost>,
        endpoint_requests: mpsc::UnboundedReceiver<aoe_common::config::PeerId>,
        ended: oneshot::Receiver<io::Result<()>>,
    ) -> Result<(), RunError> {
        tokio::select! {
            biased;
            end = ended => match end {
                Ok(outcome) => outcome.map_err(RunError::DataPlane),
                Err(_) => Err(RunError::DataPlane(io::Error::other("its thread is gone"))),
            },
            never = self.signals.obey(self.commands) => match never {},
            never = self.watch.run(losses) => match never {},
            never = self.resolver.run(endpoint_requests) => match never {},
        }
    }
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

    async fn obey(mut self, commands: CommandSender) -> std::convert::Infallible {
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => {
                    tracing::info!("ending: SIGTERM");
                    commands.send(Command::Shutdown);
                }
                Some(()) = self.interrupt.recv() => {
                    tracing::info!("ending: SIGINT");
                    commands.send(Command::Shutdown);
                }
                Some(()) = self.hangup.recv() => {
                    tracing::warn!("SIGHUP ignored: reload is not there yet; restart to use a changed configuration");
                }
                Some(()) = self.user.recv() => commands.send(Command::LogCounters),
                else => std::future::pending().await,
            }
        }
    }
}

fn bind(listen: &[SocketAddr]) -> Result<Vec<UdpWire>, RunError> {
    let mut wires = Vec::with_capacity(listen.len());
    for address in listen {
        let wire = UdpWire::bind(*address).map_err(|cause| RunError::Listen {
            address: *address,
            cause,
        })?;
        let offload = match wire.segmentation_offload() {
            Offload::Works => "",
            Offload::Off => ", without segmentation offload",
        };
        tracing::info!("listening on {}{offload}", wire.local_addr()?);
        if wire.buffers().fall_short_of(UdpWire::BUFFERS) {
            tracing::warn!(
                "listening on {address}: {}",
                wire.buffers().complaint(UdpWire::BUFFERS)
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

/// Starts the data plane; the receiver hears how it ended.
fn spawn(mut driver: Driver) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (tell, ended) = oneshot::channel();
    thread::Builder::new()
        .name("data-plane".to_owned())
        .spawn(move || {
            let bomb = AbortOnPanic;
            let outcome = driver.run();
            std::mem::forget(bomb);
            // Told before the segments are let go, so that nobody wonders where a TAP device went. Nobody
            // listens only if the control side has panicked, and then the process ends.
            let _ = tell.send(outcome);
        })?;
    Ok(ended)
}

/// A gateway without its data plane must not look alive: the supervisor restarts what aborts.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        std::process::abort();
    }
}
