//! A capture as lines: for people as they come, or as JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use base64ct::{Base64, Encoding as _};
use serde::Serialize;

use super::Sink;
use super::decode::{Decoded, decode};
use crate::control::captures::lines::{Begun, Direction, Frame, Interface, Line};

/// Lines on the standard output.
pub(super) struct Live {
    interfaces: Vec<Interface>,
    json: bool,
    waiting: String,
}

/// A line for machines.
#[derive(Serialize)]
struct ForMachines<'a> {
    name: &'a str,
    aoe: &'a Decoded,
    #[serde(flatten)]
    frame: &'a Frame,
}

impl Live {
    pub(super) fn new(begun: &Begun, json: bool) -> Live {
        Live {
            interfaces: begun.interfaces.clone(),
            json,
            waiting: String::new(),
        }
    }

    fn frame(&self, frame: &Frame) -> io::Result<String> {
        let bytes = Base64::decode_vec(&frame.bytes).map_err(io::Error::other)?;
        let decoded = decode(&bytes);
        let interface = usize::try_from(frame.interface).ok();
        let interface = interface.and_then(|at| self.interfaces.get(at));
        let name = interface.map_or("?", |interface| interface.name.as_str());
        if self.json {
            let line = ForMachines {
                name,
                aoe: &decoded,
                frame,
            };
            return Ok(serde_json::to_string(&line)?);
        }
        Ok(for_people(name, &decoded, frame))
    }
}

/// Time, direction, where, initiator, peer, what, and what became of it.
fn for_people(name: &str, decoded: &Decoded, frame: &Frame) -> String {
    let (seconds, micros) = (frame.unix_us / 1_000_000, frame.unix_us % 1_000_000);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let way = match frame.direction {
        Direction::In => "in ",
        Direction::Out => "out",
    };
    let mut line = format!("{hour:02}:{minute:02}:{second:02}.{micros:06}Z {name} {way} ");
    // Writing to a string does not fail.
    let _ = write!(
        line,
        "{} {}  {}  {}",
        match frame.initiator.as_str() {
            "" => "nobody",
            mac => mac,
        },
        frame.peer,
        decoded.words,
        frame.text
    );
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl Sink for Live {
    fn take(&mut self, line: &Line) -> io::Result<()> {
        match line {
            Line::Frame(frame) => {
                let line = self.frame(frame)?;
                self.waiting.push_str(&line);
            }
            Line::Note(_) if !self.json => return Ok(()),
            Line::End(_) if !self.json => return Ok(()),
            line => self.waiting.push_str(&serde_json::to_string(line)?),
        }
        self.waiting.push('\n');
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout();
        stdout.write_all(self.waiting.as_bytes())?;
        self.waiting.clear();
        stdout.flush()
    }
}
