//! What the control thread tells the data plane, and what it hears back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use aoe_common::config::{Change, PeerId, SegmentId};
use aoe_common::disk::Disk;
use aoe_common::event::KeyEvent;
use aoe_common::output::Path;
use aoe_common::segment::SegmentState;
use aoe_common::snapshot::Snapshot;
use aoe_common::steer::{Order, Steered};
use aoe_common::tap::{Batch, Wish};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::mpsc::{Sender, UnboundedSender};
use tokio::sync::oneshot;

use crate::audit::Noted;
use crate::control::KeyNews;
use crate::disks::Found;
use crate::resolver::ask::Ask;
use crate::segment::SegmentPort;
use crate::sys::packet::Addresses;
use crate::wire::UdpWire;

/// One order to the data plane. They are carried out in the order they were sent.
#[derive(Debug)]
pub enum Command {
    /// Use this port for a segment, in place of any it had.
    Attach {
        /// The segment.
        segment: SegmentId,
        /// Which attachment of that segment this is; a [`Lost`] names it.
        generation: u64,
        /// The open port.
        port: SegmentPort,
        /// What to tell the engine.
        state: SegmentState,
    },
    /// The port of a segment stays, its properties changed.
    Announce {
        /// The segment.
        segment: SegmentId,
        /// What to tell the engine.
        state: SegmentState,
    },
    /// Close the port of a segment; the segment is down.
    Detach {
        /// The segment.
        segment: SegmentId,
    },
    /// A peer's endpoint, resolved.
    SetEndpoint {
        /// The peer.
        peer: PeerId,
        /// The ways to it, the best first.
        ways: Vec<Path>,
    },
    /// The disk behind an export, whichever it is, is the right one; so says the operator.
    AcceptDisk {
        /// The export's name.
        export: String,
    },
    /// What a peer said of its keys is kept.
    KeysKept {
        /// The peer.
        peer: PeerId,
        /// The number of what it said.
        serial: u32,
    },
    /// Do what an operator says; `None`: it is about nothing of this worker.
    Steer(Order, oneshot::Sender<Option<Steered>>),
    /// Log that everything that was there at the start is in use: the worker that lets go of the last copy does.
    LogReady(Arc<()>),
    /// The port of a segment, if there is one, captures these frames from now on.
    Capture {
        /// The segment.
        segment: SegmentId,
        /// The addresses.
        addresses: Addresses,
        /// Whether it does.
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Become what another configuration says, in one go.
    Renew {
        /// What differs.
        renewal: Box<Renewal>,
        /// It is so.
        done: oneshot::Sender<()>,
    },
    /// Say how everything is.
    Snapshot(oneshot::Sender<Snapshot>),
    /// Copy these frames for who captures, and hand them over by this channel: what has no place in it waits, within bounds.
    BeginCapture {
        /// Which capture it is.
        id: u64,
        /// What is copied.
        wish: Box<Wish>,
        /// Who gets it; once nobody does, the capture ends.
        to: Sender<Batch>,
    },
    /// End a capture.
    EndCapture {
        /// Which one.
        id: u64,
        /// Gets what was not handed over.
        done: oneshot::Sender<Batch>,
    },
    /// Report what was noted for the audit log.
    TakeNotes,
    /// Log every counter.
    LogCounters,
    /// Take nothing new, wait for what targets have to answer, a second at most, tell the peers, log the counters, and end.
    /// Said twice: at once.
    Shutdown,
}

/// What differs in another configuration, for one data plane.
#[derive(Debug, Default)]
pub struct Renewal {
    /// How long to look for more work before sleeping, if that differs.
    pub busy_poll: Option<Duration>,
    /// Sockets to use from now on, with numbers that were never used before.
    pub open: Vec<(u8, UdpWire)>,
    /// What the engine changes.
    pub changes: Vec<Change>,
    /// Disks that exports which appear had earlier, by the export's name.
    pub disks: Vec<(String, Disk)>,
    /// Sockets to close, once the rest is done.
    pub close: Vec<u8>,
}

/// A port that the data plane gave up.
#[derive(Debug)]
pub struct Lost {
    /// The segment.
    pub segment: SegmentId,
    /// Which of its attachments.
    pub generation: u64,
    /// Why.
    pub error: io::Error,
}

/// Where the data plane reports to.
///
/// The channels have no bound of their own (what is found has one entry for each export): a port is lost once per attachment, and the engine asks for an
/// endpoint at its own measured pace.
#[derive(Clone, Debug)]
pub struct Reports {
    /// Ports given up.
    pub lost: UnboundedSender<Lost>,
    /// What was noted for the audit log.
    pub noted: UnboundedSender<Noted>,
    /// Peers whose name should be resolved, again if it was before.
    pub endpoint_needed: UnboundedSender<Ask>,
    /// Disks that are to be remembered.
    pub disks: Found,
    /// What becomes of keys, if a restart should not forget it.
    pub keys: KeyReports,
}

/// Where one data plane reports what becomes of keys.
#[derive(Clone, Debug)]
pub struct KeyReports {
    /// Which data plane it is.
    pub(crate) worker: usize,
    /// Where to.
    pub(crate) to: UnboundedSender<KeyNews>,
}

impl KeyReports {
    /// Reports what concerns a restart. Peers say few things of keys in a second, however many they say.
    pub(crate) fn report(&self, event: &KeyEvent) {
        if let KeyEvent::Learnt { .. } | KeyEvent::Told { .. } | KeyEvent::Switched { .. } = event {
            // The control side is only gone when the process ends.
            let _ = self.to.send(KeyNews {
                worker: self.worker,
                event: event.clone(),
            });
        }
    }
}

/// A way to command the data plane, and to wake it.
#[derive(Clone, Debug)]
pub struct CommandSender {
    queue: mpsc::Sender<Command>,
    wake: Arc<EventFd>,
    life: Arc<Life>,
}

/// The data plane's end.
#[derive(Debug)]
pub(crate) struct CommandReceiver {
    queue: mpsc::Receiver<Command>,
    wake: Arc<EventFd>,
    life: Arc<Life>,
}

/// How the data plane is.
#[derive(Debug, Default)]
struct Life {
    turns: AtomicU64,
    /// It was told to end.
    is_ending: AtomicBool,
    has_ended: AtomicBool,
}

/// A way in, from any thread, and its end.
pub(crate) fn channel() -> io::Result<(CommandSender, CommandReceiver)> {
    let wake = Arc::new(EventFd::from_flags(
        EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK,
    )?);
    let (sender, receiver) = mpsc::channel();
    let life = Arc::new(Life::default());
    Ok((
        CommandSender {
            queue: sender,
            wake: wake.clone(),
            life: life.clone(),
        },
        CommandReceiver {
            queue: receiver,
            wake,
            life,
        },
    ))
}

impl CommandSender {
    /// Sends one command. Once the data plane has ended, commands go nowhere: who cares waits for its end.
    pub fn send(&self, command: Command) {
        if matches!(command, Command::Shutdown) {
            self.life.is_ending.store(true, Ordering::Relaxed);
        }
        if self.queue.send(command).is_ok() {
            self.wake();
        }
    }

    /// Makes it take a turn.
    pub(crate) fn wake(&self) {
        // It can only fail by being full, and then the data plane is awake already.
        let _ = self.wake.write(1);
    }

    /// The turns it has made; `None`: it has ended.
    pub(crate) fn turns(&self) -> Option<u64> {
        let lives = !self.life.has_ended.load(Ordering::Relaxed);
        lives.then(|| self.life.turns.load(Ordering::Relaxed))
    }

    /// Whether it was told to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.life.is_ending.load(Ordering::Relaxed)
    }
}

impl CommandReceiver {
    /// The next command, if one waits. Clears the sign when none does.
    pub(crate) fn next(&mut self) -> Option<Command> {
        self.queue.try_recv().ok().or_else(|| {
            // Clear first, then look once more: a command sent in between is found or signed again.
            let _ = self.wake.read();
            self.queue.try_recv().ok()
        })
    }

    /// The data plane has made a turn.
    pub(crate) fn turned(&self) {
        self.life.turns.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for CommandReceiver {
    fn drop(&mut self) {
        self.life.has_ended.store(true, Ordering::Relaxed);
    }
}

impl AsFd for CommandReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::poll::{Interest, PollSet};

    #[test]
    fn a_command_wakes_and_an_empty_queue_sleeps() {
        let (sender, mut receiver) = channel().unwrap();
        let mut set = PollSet::with_slots(1);
        set.watch(0, &receiver, Interest::Readable);
        let mut is_awake = || set.wait(Some(Duration::ZERO)).unwrap() == 1;
        assert!(!is_awake());
        sender.send(Command::LogReady(Arc::default()));
        sender.send(Command::Shutdown);
        assert!(is_awake());
        assert!(matches!(receiver.next(), Some(Command::LogReady(_))));
        assert!(matches!(receiver.next(), Some(Command::Shutdown)));
        assert!(receiver.next().is_none());
        assert!(!is_awake());
    }
}
