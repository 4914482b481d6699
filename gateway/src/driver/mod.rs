//! The one loop of the data plane: wait, feed the engine, send what it made.
//!
//! It runs on a thread of its own and has no opinions about frames. A turn takes at most one batch from every
//! segment and every socket, so no direction starves another, and asks the time once for each batch.

mod alarm;
mod capturing;
mod command;
mod obey;
mod queue;
mod say;
mod segment;
mod spin;
mod waiter;

use std::io;
use std::time::Duration;

use aoe_common::config::SegmentId;
use aoe_common::drop_reason::DropReason;
use aoe_common::engine::{Engine, Refused};
use aoe_common::event::{Event, KeyEvent};
use aoe_common::output::{Output, Path};
use aoe_common::segment::SegmentState;
use aoe_common::table::{Id as _, Table};
use aoe_common::tap::Batch;
use aoe_common::time::Instant;
use tokio::sync::mpsc::Sender;

pub use self::command::{Command, CommandSender, KeyReports, Lost, Renewal, Reports};
pub(crate) use self::command::{CommandReceiver, channel};
use self::queue::Queue;
use self::segment::Segment;
use self::waiter::{Source, Waiter};
use crate::clock::{Clock, unix_time};
use crate::resolver::ask::Ask;
use crate::segment::SegmentPort;
use crate::sys::batch::RecvBatch;
use crate::wire::{Origin, RecvMemory, UdpWire};

/// The data plane of one gateway.
pub struct Driver {
    /// What its lines of the log begin with.
    label: String,
    engine: Engine,
    clock: Clock,
    waiter: Waiter,
    commands: CommandReceiver,
    reports: Reports,
    segments: Table<SegmentId, Segment>,
    /// By the number of the socket. One that was closed leaves its place empty: its number means nothing else afterwards.
    wires: Vec<Option<UdpWire>>,
    /// Frames of one segment, while they are fed to the engine.
    frames: RecvBatch,
    /// Datagrams of one socket, while they are fed to the engine.
    datagrams: RecvMemory,
    out: Output,
    /// Who captures: the number of each capture, and where its batches go.
    captures: Vec<(u64, Sender<Batch>)>,
    /// Until when targets are waited for, once it was told to end.
    ends_at: Option<Instant>,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    End,
}

/// A turn that takes longer was stopped: what it made for a segment is not sent any more.
const LONGEST_TURN: Duration = Duration::from_millis(500);

/// How long the end waits for what targets have to answer: much longer than a disk usually takes, and short enough for
/// those who wait for the process to end.
const DRAIN_FOR: Duration = Duration::from_secs(1);

/// How a data plane works.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// How long it looks for more work before it sleeps; zero: it sleeps at once.
    pub busy_poll: Duration,
    /// Frames that it takes from a segment at a time: 1 to [`RecvBatch::SLOTS`].
    pub batch: u8,
}

impl Driver {
    /// A data plane at rest, with segments that are all down, and a way to command it. The sockets have numbers from 0 on. What it logs begins with
    /// `label`.
    ///
    /// # Errors
    /// A lack of descriptors.
    pub fn new(
        label: String,
        engine: Engine,
        wires: Vec<UdpWire>,
        segments: impl Iterator<Item = SegmentId>,
        clock: Clock,
        tuning: Tuning,
        reports: Reports,
    ) -> io::Result<(Self, CommandSender)> {
        let (sender, commands) = channel()?;
        let mut table = Table::default();
        for id in segments {
            table.insert(id, Segment::default());
        }
        let most = table.ids().last().map_or(0, |id| usize::from(id.number()) + 1);
        let mut waiter = Waiter::new(most, tuning.busy_poll)?;
        waiter.watch(Source::Commands, &commands);
        for (index, wire) in wires.iter().enumerate() {
            waiter.watch(Source::Wire(index), wire);
        }
        let driver = Driver {
            label,
            engine,
            clock,
            waiter,
            commands,
            reports,
            segments: table,
            wires: wires.into_iter().map(Some).collect(),
            frames: RecvBatch::new(tuning.batch.into(), RecvBatch::SLOT_LEN),
            datagrams: RecvMemory::default(),
            out: Output::default(),
            captures: Vec::new(),
            ends_at: None,
        };
        Ok((driver, sender))
    }

    /// Works until it is told to shut down. Segments stay attached until the driver is dropped.
    ///
    /// # Errors
    /// Only if waiting itself fails. Segments and sockets that fail are states, not ends.
    pub fn run(&mut self) -> io::Result<()> {
        let mut now = self.clock.now();
        // What the engine wants before anything happens, such as the addresses of its peers.
        self.deliver(now);
        loop {
            now = self.waiter.wait(self.wake_at(), now, self.clock)?;
            self.commands.turned();
            if self.turn(now) == Flow::End {
                return Ok(());
            }
        }
    }

    /// When the next turn is due, whether or not anything comes.
    fn wake_at(&self) -> Instant {
        if self.segments.values().any(|segment| segment.to_report.is_some()) {
            return Instant::default();
        }
        let deadline = self.engine.deadline().at;
        let deadline = self.ends_at.map_or(deadline, |at| deadline.min(at));
        let has_tap = |segment: &Segment| {
            let port = segment.attached.as_ref().map(|attached| &attached.port);
            matches!(port, Some(SegmentPort::Tap(_)))
        };
        match self.segments.values().any(has_tap) {
            true => deadline.min(self.waiter.looked() + self.engine.max_age() / Queue::LOOKS),
            false => deadline,
        }
    }

    fn turn(&mut self, mut now: Instant) -> Flow {
        let mut flow = self.obey(now);
        for place in 0..self.segments.len() {
            if let Some(id) = self.segments.id_at(place) {
                now = self.feed_frames(id, now);
            }
        }
        for index in 0..self.wires.len() {
            now = self.feed_datagrams(index, now);
        }
        if self.engine.deadline().at <= now {
            self.engine.set_wall_clock(unix_time(), now);
            self.engine.handle_timeout(now, &mut self.out);
        }
        if let Some(at) = self.ends_at
            && (now >= at || self.engine.is_drained())
        {
            flow = Flow::End;
        }
        if flow == Flow::End {
            self.engine.shutdown(now, &mut self.out);
        }
        self.deliver(now);
        if flow == Flow::End {
            self.report_notes(now);
            self.log_counters();
        }
        flow
    }

    /// Feeds one batch of one segment, if there is one.
    ///
    /// A process is stopped on its way back from the kernel. So the clock is read after each batch was received, and the
    /// time of that is returned: nothing that came during a stop is judged, or answered, by the time before it.
    fn feed_frames(&mut self, id: SegmentId, before: Instant) -> Instant {
        let mut now = before;
        let Some(slot) = self.segments.get_mut(id) else {
            return now;
        };
        let mut lost = slot.to_report.take();
        if let Some(attached) = &mut slot.attached
            && !self.waiter.is_ready(Source::Segment(id))
        {
            attached.queue.was_empty(self.waiter.looked());
        } else if let Some(attached) = &mut slot.attached {
            let queue = &mut attached.queue;
            match attached.port.recv_batch(&mut self.frames) {
                Ok(count) => {
                    now = self.clock.now();
                    queue.see_wall_clock(unix_time(), now);
                    for (frame, stamp) in self.frames.stamped() {
                        slot.frames.received += 1;
                        slot.bytes.received += frame.len() as u64;
                        let captured = queue.came(stamp, now);
                        self.engine.handle_frame(id, frame, captured, now, &mut self.out);
                    }
                    queue.was_read(count, before);
                    if count < self.frames.slots() {
                        queue.was_empty(before);
                    }
                    self.engine
                        .count_drop(DropReason::FrameTooLong, self.frames.truncated() as u64);
                }
                Err(error) => {
                    lost = Some(Lost {
                        segment: id,
                        generation: attached.generation,
                        error,
                    })
                }
            }
        }
        if let Some(lost) = lost {
            self.detach(id);
            self.engine
                .handle_segment(id, SegmentState::Down, now, &mut self.out);
            // The control side is only gone when the process ends.
            let _ = self.reports.lost.send(lost);
        }
        now
    }

    /// Feeds one batch of one socket, if there is one.
    ///
    /// Returns what time it is then, as [`feed_frames`](Self::feed_frames) does.
    fn feed_datagrams(&mut self, index: usize, mut now: Instant) -> Instant {
        if !self.waiter.is_ready(Source::Wire(index)) {
            return now;
        }
        let (Some(Some(wire)), Ok(socket)) = (self.wires.get_mut(index), u8::try_from(index)) else {
            return now;
        };
        let mut is_first = true;
        let received = wire.recv(&mut self.datagrams, |origin, datagram| {
            if std::mem::take(&mut is_first) {
                now = self.clock.now();
            }
            let Origin { remote, local } = origin;
            let path = Path {
                socket,
                local,
                remote,
            };
            self.engine.handle_datagram(path, datagram, now, &mut self.out);
        });
        if let Err(error) = received {
            self.engine.count_drop(DropReason::WireReceiveFailed, 1);
            self.engine.note_receive_failed(now, || error.to_string());
        }
        now
    }

    /// Seals and sends what this turn made, and passes on what the engine has to say.
    fn deliver(&mut self, now: Instant) {
        self.engine.flush(now, &mut self.out);
        for train in self.out.trains.iter() {
            let Some(Some(wire)) = self.wires.get_mut(usize::from(train.path.socket)) else {
                self.engine
                    .count_drop(DropReason::WireSendFailed, train.datagrams().count() as u64);
                continue;
            };
            let outcome = wire.send(train);
            let refused = outcome
                .too_long
                .map(|len| self.engine.handle_refused_datagram(train.path, len, now));
            let Some(error) = outcome.error.filter(|_| refused != Some(Refused::Probe)) else {
                continue;
            };
            self.engine
                .count_drop(DropReason::WireSendFailed, outcome.failed as u64);
            // Otherwise shorter ones follow, and the engine says so.
            if matches!(refused, None | Some(Refused::Fixed)) {
                self.engine
                    .note_send_failed(train.path, now, || format!("{error}{}", advice(&error)));
            }
        }
        if self.clock.now().saturating_since(now) > LONGEST_TURN {
            let late = self.out.frames.iter().count() as u64;
            self.engine.count_drop(DropReason::TurnTooLong, late);
        } else if !self.out.frames.is_empty() {
            for (id, segment) in self.segments.iter_mut() {
                let failed = segment.send(id, &self.out);
                self.engine
                    .count_drop(DropReason::SegmentSendFailed, failed as u64);
            }
        }
        self.out.clear();
        if !self.captures.is_empty() {
            self.hand_over();
        }
        while let Some(event) = self.engine.poll_event() {
            match &event {
                Event::EndpointNeeded(peer) => {
                    // The control side is only gone when the process ends.
                    let _ = self.reports.endpoint_needed.send(Ask::Needed(*peer));
                    continue;
                }
                Event::Keys(news) => {
                    self.reports.keys.report(news);
                    if matches!(news, KeyEvent::Learnt { .. }) {
                        continue;
                    }
                }
                Event::DiskKnown { export, disk } => self.reports.disks.add(export.clone(), disk.clone()),
                _ => {}
            }
            say::log(&self.label, &event);
        }
    }
}

/// What an operator can do about it.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMSGSIZE) => " (the device's MTU is smaller than the peer's path_mtu)",
        Some(libc::EPERM) => " (a packet filter of this host forbids it)",
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => {
            " (this host has no route there; `ip route get` shows it)"
        }
        _ => "",
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("segments", &self.segments.len())
            .field("wires", &self.wires.len())
            .finish_non_exhaustive()
    }
}
