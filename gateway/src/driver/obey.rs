//! What the control side asks for.

use std::sync::Arc;
use std::time::SystemTime;

use aoe_common::config::SegmentId;
use aoe_common::drop_reason::DropReason;
use aoe_common::segment::SegmentState;
use aoe_common::snapshot::Snapshot;
use aoe_common::time::Instant;

use super::command::{Command, Renewal};
use super::segment::Attached;
use super::waiter::Source;
use super::{DRAIN_FOR, Driver, Flow};
use crate::audit::Noted;
use crate::clock::unix_time;
use crate::listening::Report;
use crate::logging::id;
use crate::segment::SegmentPort;

impl Driver {
    /// Carries out the commands that wait.
    pub(super) fn obey(&mut self, now: Instant) -> Flow {
        if !self.waiter.is_ready(Source::Commands) {
            return Flow::Continue;
        }
        while let Some(command) = self.commands.next() {
            match command {
                Command::Attach {
                    segment,
                    generation,
                    port,
                    state,
                } => {
                    self.attach(segment, Attached::new(port, generation, now));
                    self.engine.handle_segment(segment, state, now, &mut self.out);
                }
                Command::Announce { segment, state } => {
                    let slot = self.segments.get(segment);
                    // Without a port the news is old: the control side has yet to hear that it was lost.
                    if slot.is_some_and(|slot| slot.attached.is_some()) {
                        self.engine.handle_segment(segment, state, now, &mut self.out);
                    }
                }
                Command::Detach { segment } => {
                    self.detach(segment);
                    self.engine
                        .handle_segment(segment, SegmentState::Down, now, &mut self.out);
                }
                Command::SetEndpoint { peer, ways } => {
                    self.engine.set_wall_clock(unix_time(), now);
                    self.engine.set_endpoint(peer, ways, now, &mut self.out);
                }
                Command::AcceptDisk { export } => self.engine.accept_disk(&export, now, &mut self.out),
                Command::KeysKept { peer, serial } => {
                    self.engine.keys_kept(peer, serial, now, &mut self.out);
                }
                Command::Steer(order, asker) => {
                    self.engine.set_wall_clock(unix_time(), now);
                    // Who has given up finds it in the log and in `status`.
                    let _ = asker.send(self.engine.steer(&order, now, &mut self.out));
                }
                Command::LogReady(copy) => {
                    if Arc::into_inner(copy).is_some() {
                        tracing::info!(id = id::READY, "ready");
                    }
                }
                Command::Capture {
                    segment,
                    addresses,
                    done,
                } => {
                    let slot = self.segments.get_mut(segment);
                    let port = slot.and_then(|slot| slot.attached.as_mut());
                    let outcome = port.map_or(Ok(()), |attached| attached.port.capture(&addresses));
                    // Nobody waits only if the process ends.
                    let _ = done.send(outcome);
                }
                Command::Renew { renewal, done } => {
                    self.renew(*renewal, now);
                    let _ = done.send(());
                }
                Command::Snapshot(asker) => {
                    // Who has given up needs no answer.
                    if !asker.is_closed() {
                        let _ = asker.send(self.snapshot(now));
                    }
                }
                Command::BeginCapture { id, wish, to } => self.begin_capture(id, *wish, to),
                Command::EndCapture { id, done } => {
                    // Nobody waits only if the process ends.
                    let _ = done.send(self.end_capture(id));
                }
                Command::TakeNotes => self.report_notes(now),
                Command::LogCounters => {
                    self.log_counters();
                    self.log_zeroes();
                }
                // An admin who says it twice does not want to wait.
                Command::Shutdown if self.ends_at.is_some() => return Flow::End,
                Command::Shutdown => {
                    self.ends_at = Some(now + DRAIN_FOR);
                    self.engine.begin_shutdown(now, &mut self.out);
                }
            }
        }
        Flow::Continue
    }

    fn attach(&mut self, segment: SegmentId, attached: Attached) {
        self.detach(segment);
        if let Some(slot) = self.segments.get_mut(segment) {
            self.waiter.watch(Source::Segment(segment), &attached.port);
            slot.attached = Some(attached);
        }
    }

    pub(super) fn detach(&mut self, segment: SegmentId) {
        self.waiter.forget(Source::Segment(segment));
        if let Some(slot) = self.segments.get_mut(segment) {
            slot.to_report = None;
            if let Some(mut attached) = slot.attached.take() {
                self.engine
                    .count_drop(DropReason::SegmentOverflow, attached.port.kernel_drops().into());
                close(attached.port);
            }
        }
    }

    /// Becomes what another configuration says, in one go.
    fn renew(&mut self, renewal: Renewal, now: Instant) {
        let Renewal {
            busy_poll,
            open,
            changes,
            disks,
            close,
        } = renewal;
        if let Some(interval) = busy_poll {
            self.waiter.spin_for(interval);
        }
        for (socket, wire) in open {
            let index = usize::from(socket);
            if self.wires.len() <= index {
                self.wires.resize_with(index + 1, || None);
            }
            self.waiter.watch(Source::Wire(index), &wire);
            if let Some(place) = self.wires.get_mut(index) {
                *place = Some(wire);
            }
        }
        self.engine.set_wall_clock(unix_time(), now);
        self.engine.apply(changes, now, &mut self.out);
        for (export, disk) in disks {
            self.engine.remember_disk(&export, disk);
        }
        // What there is to say to peers that are gone leaves by the sockets that are still there.
        self.deliver(now);
        for socket in close {
            self.engine.forget_socket(socket, now, &mut self.out);
            let index = usize::from(socket);
            self.waiter.forget(Source::Wire(index));
            if let Some(place) = self.wires.get_mut(index) {
                *place = None;
            }
        }
    }

    fn snapshot(&mut self, now: Instant) -> Snapshot {
        self.count_overflows();
        let mut snapshot = self.engine.snapshot(now, unix_time());
        // The engine has a row for each segment, in the order of their ids.
        for (row, segment) in snapshot.segments.iter_mut().zip(self.segments.values()) {
            row.frames = segment.frames;
            row.bytes = segment.bytes;
        }
        let wires = self.wires.iter().flatten();
        let rows = wires.map(|wire| Report::of(wire).row(self.engine.worker()));
        snapshot.sockets = rows.collect();
        snapshot
    }

    /// Reports what was noted for the audit log, if anything was.
    pub(super) fn report_notes(&mut self, now: Instant) {
        let notes = self.engine.take_notes();
        if !notes.is_empty() {
            // The control side is only gone when the process ends.
            let _ = self.reports.noted.send(Noted {
                notes,
                now,
                wall: SystemTime::UNIX_EPOCH + unix_time(),
            });
        }
    }

    fn count_overflows(&mut self) {
        for slot in self.segments.values_mut() {
            if let Some(attached) = &mut slot.attached {
                self.engine
                    .count_drop(DropReason::SegmentOverflow, attached.port.kernel_drops().into());
            }
        }
    }

    /// Logs the counters that have counted something.
    pub(super) fn log_counters(&mut self) {
        self.count_overflows();
        let counters = self.engine.counters().iter();
        match in_words(counters.filter(|(_, value)| *value != 0)) {
            line if line.is_empty() => tracing::info!(
                id = id::COUNTERS,
                "{}counters: nothing has been counted yet",
                self.label
            ),
            line => tracing::info!(id = id::COUNTERS, "{}counters{line}", self.label),
        }
    }

    /// Logs the others: they say which names there are.
    fn log_zeroes(&self) {
        let counters = self.engine.counters().iter();
        let line = in_words(counters.filter(|(_, value)| *value == 0));
        tracing::info!(id = id::COUNTERS, "{}nothing so far of{line}", self.label);
    }
}

/// ` name=value`, one after the other.
fn in_words<'a>(counters: impl Iterator<Item = (&'a str, u64)>) -> String {
    counters.map(|(name, value)| format!(" {name}={value}")).collect()
}

/// Closes a packet socket on a thread of its own: the kernel waits for a grace period (`packet_release`), which on a
/// busy machine takes seconds, and the other segments have work to do. A TAP device closes at once, and must be gone
/// before the control side makes it again.
fn close(port: SegmentPort) {
    if matches!(port, SegmentPort::Tap(_)) {
        return;
    }
    let closing = std::thread::Builder::new().name("close".to_owned());
    // If there is no thread to be had, the port was closed with the closure, here and now.
    let _ = closing.spawn(move || drop(port));
}
