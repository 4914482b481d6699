//! Keeps every segment attached: the control side of all attachments.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::time::Duration;

use aoe_common::config::SegmentId;
use aoe_common::frame::ETHERTYPE_AOE;
use aoe_common::segment::SegmentState;
use aoe_common::time::Instant;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::{Attachment, Flavor, SegmentPort, Step, Tap, gateway_mac};
use crate::clock::Clock;
use crate::config::Device;
use crate::driver::{Command, CommandSender, Lost};
use crate::logging::id;
use crate::sys::buffers::Buffers;
use crate::sys::link;
use crate::sys::link_changes::LinkChanges;
use crate::sys::packet::{Addresses, PacketOptions, PacketSocket};

/// Watches the devices of all segments and hands open ports to the data plane.
#[derive(Debug)]
pub struct Watch {
    clock: Clock,
    /// One for each worker.
    commands: Vec<CommandSender>,
    changes: LinkChanges,
    segments: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    id: SegmentId,
    name: String,
    device: Device,
    buffers: Buffers,
    /// What each worker's port captures.
    shares: Vec<Addresses>,
    attachment: Attachment,
    /// Counts attachments, to tell a loss of this one from news of an earlier one.
    generation: u64,
    /// The last refusal, so that the same one is not logged at every attempt.
    refusal: Option<String>,
}

/// One segment to watch.
#[derive(Clone, Debug)]
pub struct WatchedSegment {
    /// Its id.
    pub id: SegmentId,
    /// Its name.
    pub name: String,
    /// Its device.
    pub device: Device,
    /// Buffers of its sockets.
    pub buffers: Buffers,
    /// Which frames of it each worker captures. A TAP device has one worker.
    pub shares: Vec<Addresses>,
}

/// Who captures what of each segment, from now on.
#[derive(Debug)]
pub struct Sharing {
    /// For each segment what each worker captures.
    pub shares: BTreeMap<SegmentId, Vec<Addresses>>,
    /// Gets an answer of each port that has to capture something else.
    pub asked: oneshot::Sender<Vec<oneshot::Receiver<io::Result<()>>>>,
}

/// Devices are also looked at this often, should a sign ever be missed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Watch {
    /// Listens for changes from now on. Each segment has a share for each of the workers that `commands` lead to.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A lack of descriptors.
    pub fn new(
        gateway: &str,
        segments: impl Iterator<Item = WatchedSegment>,
        clock: Clock,
        commands: Vec<CommandSender>,
    ) -> io::Result<Self> {
        let now = clock.now();
        let watched = |segment: WatchedSegment| {
            let WatchedSegment {
                id,
                name,
                device,
                buffers,
                shares,
            } = segment;
            let flavor = match &device {
                Device::Nic(_) => Flavor::Nic,
                Device::Tap { .. } => Flavor::Tap(gateway_mac(gateway, &name)),
            };
            let attachment = Attachment::new(flavor, now);
            Watched {
                id,
                name,
                device,
                buffers,
                shares,
                attachment,
                generation: 0,
                refusal: None,
            }
        };
        Ok(Watch {
            clock,
            commands,
            changes: LinkChanges::listen()?,
            segments: segments.map(watched).collect(),
        })
    }

    /// Attaches what is there.
    ///
    /// # Errors
    /// A right this process does not have: waiting does not bring it. Everything else is waited for.
    pub fn start(&mut self) -> Result<(), AttachError> {
        let now = self.clock.now();
        for segment in &mut self.segments {
            if let Device::Nic(_) = segment.device {
                // Asked even while the device is missing, so that the fault shows now and not at night.
                let probe = PacketSocket::probe().map_err(|error| segment.attach_error(error));
                probe.or_else(|error| {
                    if error.is_mended_by_time() {
                        Ok(())
                    } else {
                        Err(error)
                    }
                })?;
            }
            segment.look(now, &self.commands);
            if let Err(error) = segment.attempt(now, &self.commands) {
                if !error.is_mended_by_time() {
                    return Err(error);
                }
                segment.log_refusal(&error, now);
            }
        }
        Ok(())
    }

    /// Watches forever.
    pub async fn run(
        mut self,
        mut losses: UnboundedReceiver<Lost>,
        mut sharing: UnboundedReceiver<Sharing>,
    ) -> Infallible {
        loop {
            let due = self
                .segments
                .iter()
                .filter_map(|segment| segment.attachment.due())
                .min();
            let wait = due.map_or(LOOK_EVERY, |due| {
                due.saturating_since(self.clock.now()).min(LOOK_EVERY)
            });
            tokio::select! {
                changed = self.changes.changed() => {
                    if let Err(error) = changed {
                        tracing::warn!(id = id::DEVICES_UNWATCHED, "no signs of changed devices: {error}");
                        sleep(LOOK_EVERY).await;
                    }
                }
                Some(lost) = losses.recv() => self.on_lost(&lost),
                Some(sharing) = sharing.recv() => self.share(sharing),
                () = sleep(wait) => {}
            }
            let now = self.clock.now();
            for segment in &mut self.segments {
                segment.look(now, &self.commands);
                if let Err(error) = segment.attempt(now, &self.commands) {
                    segment.log_refusal(&error, now);
                }
            }
        }
    }

    /// Ports are opened and changed by the same hand, so each captures what was said last.
    fn share(&mut self, sharing: Sharing) {
        let Sharing { mut shares, asked } = sharing;
        let mut answers = Vec::new();
        for segment in &mut self.segments {
            let Some(shares) = shares.remove(&segment.id) else {
                continue;
            };
            let workers = self.commands.iter().zip(&segment.shares).zip(&shares);
            for ((worker, before), addresses) in workers {
                if before != addresses {
                    let (done, answer) = oneshot::channel();
                    answers.push(answer);
                    worker.send(Command::Capture {
                        segment: segment.id,
                        addresses: addresses.clone(),
                        done,
                    });
                }
            }
            segment.shares = shares;
        }
        // Who has gone needs no answer.
        let _ = asked.send(answers);
    }

    fn on_lost(&mut self, lost: &Lost) {
        let Some(segment) = self.segments.iter_mut().find(|known| known.id == lost.segment) else {
            return;
        };
        if segment.generation == lost.generation && segment.attachment.lost(self.clock.now()).is_some() {
            tracing::warn!(
                id = id::SEGMENT_DOWN,
                segment = segment.name,
                "segment {} lost {}: {}",
                segment.name,
                segment.device_name(),
                lost.error
            );
        }
    }
}

impl Watched {
    fn device_name(&self) -> &str {
        match &self.device {
            Device::Nic(name) | Device::Tap { name, .. } => name,
        }
    }

    fn look(&mut self, now: Instant, commands: &[CommandSender]) {
        let link = match link::by_name(self.device_name()) {
            Ok(link) => link,
            Err(error) => {
                tracing::warn!(
                    id = id::SEGMENT_DOWN,
                    segment = self.name,
                    "segment {}: cannot look at {}: {error}",
                    self.name,
                    self.device_name()
                );
                return;
            }
        };
        let (name, device) = (&self.name, self.device_name().to_owned());
        match self.attachment.observe(link.as_ref(), now) {
            Step::Rest => {}
            Step::Await(obstacle) => tracing::warn!(
                id = id::SEGMENT_DOWN,
                segment = name,
                "segment {name} waits for {device}: {obstacle}"
            ),
            Step::Detach(obstacle) => {
                tracing::warn!(
                    id = id::SEGMENT_DOWN,
                    segment = name,
                    "segment {name} is down on {device}: {obstacle}"
                );
                for worker in commands {
                    worker.send(Command::Detach { segment: self.id });
                }
            }
            Step::Announce(state) => {
                match state {
                    SegmentState::Up { mac, mtu } => {
                        tracing::info!(
                            id = id::SEGMENT_UP,
                            segment = name,
                            "segment {name} is up on {device} (MAC {mac}, MTU {mtu})"
                        );
                    }
                    SegmentState::Down => {
                        tracing::warn!(
                            id = id::SEGMENT_DOWN,
                            segment = name,
                            "segment {name} is down on {device}: the device is switched off"
                        );
                    }
                }
                for worker in commands {
                    worker.send(Command::Announce {
                        segment: self.id,
                        state,
                    });
                }
            }
        }
    }

    /// Opens the port, if that is due. After a refusal the next attempt is set.
    fn attempt(&mut self, now: Instant, commands: &[CommandSender]) -> Result<(), AttachError> {
        if self.attachment.due().is_none_or(|due| due > now) {
            return Ok(());
        }
        match self.open() {
            Ok((ports, index, state)) => {
                self.generation += 1;
                self.refusal = None;
                self.attachment.opened(index, state, now);
                self.log_attached(&ports, state);
                for (worker, port) in commands.iter().zip(ports) {
                    worker.send(Command::Attach {
                        segment: self.id,
                        generation: self.generation,
                        port,
                        state,
                    });
                }
                Ok(())
            }
            Err(error) => {
                self.attachment.refused(now);
                Err(self.attach_error(error))
            }
        }
    }

    /// Logs why the port could not be opened, unless it is the same as the last time.
    fn log_refusal(&mut self, error: &AttachError, now: Instant) {
        let refusal = error.to_string();
        if self.refusal.as_ref() != Some(&refusal) {
            let wait = self.attachment.due().map(|due| due.saturating_since(now));
            tracing::warn!(
                id = id::SEGMENT_DOWN,
                segment = self.name,
                "{refusal}; next attempt in {} ms",
                wait.unwrap_or_default().as_millis()
            );
            self.refusal = Some(refusal);
        }
    }

    /// Opens a port for each worker.
    fn open(&self) -> io::Result<(Vec<SegmentPort>, u32, SegmentState)> {
        match &self.device {
            Device::Nic(name) => {
                let (index, state) = self.judge(name)?;
                let open = |addresses: &Addresses| {
                    let options = PacketOptions {
                        addresses: addresses.clone(),
                        buffers: self.buffers,
                        ..PacketOptions::ethertype(ETHERTYPE_AOE)
                    };
                    PacketSocket::open(index, options).map(SegmentPort::PacketSocket)
                };
                let ports = self.shares.iter().map(open).collect::<io::Result<_>>()?;
                Ok((ports, index, state))
            }
            Device::Tap { name, mtu } => {
                let tap = Tap::create(name, *mtu)?;
                let (index, state) = self.judge(name)?;
                Ok((vec![SegmentPort::Tap(tap)], index, state))
            }
        }
    }

    fn judge(&self, device: &str) -> io::Result<(u32, SegmentState)> {
        self.attachment
            .judge(link::by_name(device)?.as_ref())
            .map_err(|obstacle| io::Error::other(obstacle.to_string()))
    }

    fn log_attached(&self, ports: &[SegmentPort], state: SegmentState) {
        let (name, device) = (&self.name, self.device_name());
        match state {
            SegmentState::Up { mac, mtu } => {
                tracing::info!(
                    id = id::SEGMENT_UP,
                    segment = name,
                    "segment {name} is attached to {device} (MAC {mac}, MTU {mtu})"
                );
            }
            SegmentState::Down => {
                tracing::info!(
                    id = id::SEGMENT_DOWN,
                    segment = name,
                    "segment {name} is attached to {device}, which is switched off"
                )
            }
        }
        if let (Device::Tap { mtu: asked, .. }, SegmentState::Up { mtu, .. }) = (&self.device, state)
            && *asked != mtu
        {
            tracing::warn!(
                id = id::SEGMENT_MTU,
                segment = name,
                "segment {name}: {device} was made beforehand and keeps its MTU of {mtu}: write mtu = {mtu}, or change \
                 the device's to {asked}"
            );
        }
        let asked = PacketOptions::ethertype(ETHERTYPE_AOE).buffers;
        if let Some(SegmentPort::PacketSocket(socket)) = ports.first()
            && socket.buffers().fall_short_of(asked)
        {
            tracing::warn!(
                id = id::BUFFERS_SMALL,
                segment = name,
                "segment {name}: {}",
                socket.buffers().complaint(asked)
            );
        }
    }

    fn attach_error(&self, source: io::Error) -> AttachError {
        let capability = match self.device {
            Device::Nic(_) => "CAP_NET_RAW",
            Device::Tap { .. } => "CAP_NET_ADMIN",
        };
        let (segment, device) = (self.name.clone(), self.device_name().to_owned());
        AttachError {
            segment,
            device,
            capability,
            source,
        }
    }
}

/// A segment that cannot be attached.
#[derive(Debug)]
pub struct AttachError {
    segment: String,
    device: String,
    capability: &'static str,
    source: io::Error,
}

impl AttachError {
    /// What the system said.
    pub fn cause(&self) -> &io::Error {
        &self.source
    }

    /// Only a missing right is an error that waiting does not mend.
    fn is_mended_by_time(&self) -> bool {
        self.source.kind() != io::ErrorKind::PermissionDenied
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttachError {
            segment,
            device,
            capability,
            source,
        } = self;
        write!(f, "segment {segment} cannot attach to {device}: {source}")?;
        if source.raw_os_error() == Some(libc::EACCES) {
            // No capability but the mode of a file: only the one that makes TAP devices is opened here.
            return f.write_str(
                " (this user may not open /dev/net/tun: run as root, or allow it to everybody, as most distributions do, \
                 by `chmod 0666 /dev/net/tun`)",
            );
        }
        if source.raw_os_error() == Some(libc::EBUSY) {
            f.write_str(" (another program holds it; `lsof /dev/net/tun` shows those that may)")?;
        }
        if source.kind() == io::ErrorKind::PermissionDenied {
            let name = capability.to_lowercase();
            write!(
                f,
                " (this needs {capability}: run as root, or set AmbientCapabilities={capability} in the unit, or \
                 allow the program by `setcap {name}+ep`)"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests;
