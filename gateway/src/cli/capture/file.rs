//! A capture as a pcapng file.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use aoe_common::version::VERSION;
use base64ct::{Base64, Encoding as _};

use super::Sink;
use crate::clock::unix_time;
use crate::control::captures::lines::{self, Begun, End, Frame, Line};
use crate::pcapng::{self, Direction, Packet, Statistics};

/// What the first who opens it reads.
const WARNING: &str = "plaintext of disks: keep it as safe as the disks";
/// Bytes that wait to be written.
const WAITING: usize = 256 << 10;

/// A file, or the standard output.
pub(super) struct File {
    to: Box<dyn Write>,
    /// Whole blocks.
    waiting: Vec<u8>,
    began: Duration,
    /// Frames of each interface.
    frames: Vec<u64>,
}

impl File {
    /// Makes the file, with mode 0600 if there is none or an ordinary one; `-` is the standard output.
    ///
    /// # Errors
    /// The system refuses it.
    pub(super) fn create(path: &Path, begun: &Begun) -> io::Result<File> {
        let to: Box<dyn Write> = match path == Path::new("-") {
            true => Box::new(io::stdout()),
            false => Box::new(open(path)?),
        };
        let mut waiting = Vec::new();
        pcapng::section(&mut waiting, &format!("aoe-gateway {VERSION}"), WARNING);
        for interface in &begun.interfaces {
            pcapng::interface(
                &mut waiting,
                &interface.name,
                &interface.description,
                begun.snaplen,
            );
        }
        Ok(File {
            to,
            waiting,
            began: unix_time(),
            frames: vec![0; begun.interfaces.len()],
        })
    }

    fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        let bytes = Base64::decode_vec(&frame.bytes).map_err(io::Error::other)?;
        if let Some(count) = usize::try_from(frame.interface)
            .ok()
            .and_then(|at| self.frames.get_mut(at))
        {
            *count += 1;
        }
        let packet = Packet {
            interface: frame.interface,
            at: Duration::from_micros(frame.unix_us),
            direction: match frame.direction {
                lines::Direction::In => Direction::Inbound,
                lines::Direction::Out => Direction::Outbound,
            },
            len: frame.length,
            bytes: &bytes,
            comment: &frame.comment(),
        };
        pcapng::packet(&mut self.waiting, &packet);
        Ok(())
    }

    fn end(&mut self, end: &End) {
        let dropped = end.dropped.iter().copied().chain(std::iter::repeat(0));
        for ((interface, frames), dropped) in (0..).zip(&self.frames).zip(dropped) {
            let statistics = Statistics {
                interface,
                began: self.began,
                ended: unix_time(),
                received: frames.saturating_add(dropped),
                dropped,
            };
            pcapng::statistics(&mut self.waiting, &statistics);
        }
    }
}

impl Sink for File {
    fn take(&mut self, line: &Line) -> io::Result<()> {
        match line {
            Line::Frame(frame) => self.frame(frame)?,
            Line::Note(_) => {}
            Line::End(end) => self.end(end),
        }
        match self.waiting.len() {
            WAITING.. => self.flush(),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.write_all(&self.waiting)?;
        self.waiting.clear();
        self.to.flush()
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // One that was there may be open to others.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}
