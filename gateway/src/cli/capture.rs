//! `capture`: frames that pass an export or import after policy, in words, as a file for Wireshark, or as JSON.

mod decode;
mod file;
mod live;

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::net::Shutdown;
use std::num::NonZeroU64;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use aoe_common::frame::MacAddr;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use self::file::File;
use self::live::Live;
use super::client::begin;
use super::{Exit, steer};
use crate::config::duration_text;
use crate::control::captures::LONGEST;
use crate::control::captures::lines::{Begun, End, Line, Wanted};
use crate::control::protocol::{Answer, Request};

/// What is captured, and for how long.
#[derive(Args, Debug)]
pub(super) struct What {
    #[command(flatten)]
    places: Places,
    /// Only frames of this peer
    #[arg(long, value_name = "PEER")]
    peer: Option<String>,
    /// Only frames of the initiator with this MAC
    #[arg(long, value_name = "MAC")]
    initiator: Option<MacAddr>,
    /// End after so many frames
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
    /// Capture so many bytes of each frame, 0 for all of it: the headers of AoE and ATA are the first 36, then come
    /// the sectors
    #[arg(long, value_name = "BYTES", default_value_t = 256)]
    snaplen: usize,
    /// End after this time, at most 60m
    #[arg(long, value_name = "TIME", default_value = "5m")]
    duration: String,
    /// Write a pcapng file for Wireshark, with mode 0600; - writes to the standard output, for `| tshark -r -`
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    write: Option<PathBuf>,
    #[command(flatten)]
    common: steer::Common,
}

/// Where frames are captured.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Places {
    /// An export of this gateway; may be given several times
    #[arg(long = "export", value_name = "NAME")]
    exports: Vec<String>,
    /// An import of this gateway, such as e107.3 or PEER/EXPORT; may be given several times
    #[arg(long = "import", value_name = "IMPORT")]
    imports: Vec<String>,
    /// All exports and imports
    #[arg(long)]
    all: bool,
}

/// Takes the frames.
trait Sink {
    /// Takes what the gateway says.
    ///
    /// # Errors
    /// It cannot be written.
    fn take(&mut self, line: &Line) -> io::Result<()>;
    /// Lets others see what was taken.
    ///
    /// # Errors
    /// It cannot be written.
    fn flush(&mut self) -> io::Result<()>;
}

/// Captures what passes the running gateway.
pub(super) fn run(what: &What) -> Exit {
    let to_stdout = what.write.as_deref() == Some(Path::new("-"));
    if to_stdout && io::stdout().is_terminal() {
        complain("a capture file is no text: write it to a file, or add | tshark -r -\n");
        return Exit::Usage;
    }
    let duration = match duration_text(&what.duration, LONGEST) {
        Ok(duration) => duration,
        Err(refusal) => {
            complain(&format!("--duration: {refusal}\n"));
            return Exit::Usage;
        }
    };
    let request = Request::Capture(Wanted {
        exports: what.places.exports.clone(),
        imports: what.places.imports.clone(),
        all: what.places.all,
        peer: what.peer.clone(),
        initiator: what.initiator.map(|mac| mac.to_string()),
        count: what.count.map(NonZeroU64::get),
        snaplen: what.snaplen,
        seconds: Some(duration.as_secs().max(1)),
    });
    match begin(&what.common.config.config, &request) {
        Ok((answer, reader)) => match &answer.capture {
            Some(begun) => capture(begun, reader, what),
            None => refused(&answer, what),
        },
        Err(unheard) => steer::complain(&what.common, &unheard),
    }
}

fn refused(answer: &Answer, what: &What) -> Exit {
    if what.common.json {
        return steer::print(&what.common, answer);
    }
    complain(&format!("nothing is captured: {}\n", answer.reason));
    answer.exit()
}

/// Takes frames until the gateway ends it.
fn capture(begun: &Begun, reader: BufReader<UnixStream>, what: &What) -> Exit {
    let mut sink: Box<dyn Sink> = match &what.write {
        None => Box::new(Live::new(begun, what.common.json)),
        Some(path) => match File::create(path, begun) {
            Ok(file) => Box::new(file),
            Err(error) => {
                complain(&format!("{}: {error}\n", path.display()));
                return Exit::of_io(&error);
            }
        },
    };
    end_on_signals(reader.get_ref());
    match pass(reader, sink.as_mut()) {
        Ok(Some(end)) => {
            if !what.common.json {
                complain(&summary(&end));
            }
            match end.cut {
                true => Exit::Unavailable,
                false => Exit::Ok,
            }
        }
        Ok(None) => {
            complain("the gateway has ended\n");
            Exit::Unavailable
        }
        // Who reads it has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            complain(&format!("{error}\n"));
            Exit::of_io(&error)
        }
    }
}

/// Hands on every line; how the capture ended, if that was said.
fn pass(mut reader: BufReader<UnixStream>, sink: &mut dyn Sink) -> io::Result<Option<End>> {
    // Frames may be far between; a gateway that is gone closes its end.
    reader.get_ref().set_read_timeout(None)?;
    let mut text = Vec::new();
    sink.flush()?;
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        let line: Line = serde_json::from_slice(&text)?;
        sink.take(&line)?;
        match line {
            Line::End(end) => {
                sink.flush()?;
                return Ok(Some(end));
            }
            Line::Note(note) => complain(&format!("{note}\n")),
            Line::Frame(_) => {}
        }
        // The next ones have not come yet.
        if !reader.buffer().contains(&b'\n') {
            sink.flush()?;
        }
    }
}

/// After the first SIGINT or SIGTERM the gateway is told that nothing more is wanted, and what it still has is taken. After
/// the second the process ends.
fn end_on_signals(stream: &UnixStream) {
    let Ok(stream) = stream.try_clone() else { return };
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            for is_first in [true, false] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                match is_first {
                    true => _ = stream.shutdown(Shutdown::Write),
                    false => std::process::exit(Exit::Ok as i32),
                }
            }
        });
    };
    // Without the thread a signal ends the process at once.
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
}

fn summary(end: &End) -> String {
    let frames = match end.frames {
        1 => "1 frame".to_owned(),
        count => format!("{count} frames"),
    };
    let dropped: u64 = end.dropped.iter().sum();
    let cure = match dropped {
        0 => "",
        _ => " (they were forwarded, but not shown: capture less with --initiator, --peer or --snaplen)",
    };
    format!("{frames} captured, {dropped} dropped{cure}: {}\n", end.reason)
}

fn complain(text: &str) {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
