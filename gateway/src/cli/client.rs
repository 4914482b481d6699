//! Talks to the gateway that runs with a configuration.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::Document;
use super::paint::Paint;
use super::{Exit, report};
use crate::config::{Faults, sockets};
use crate::control::protocol::{Answer, Outcome, Request};

/// How long a running gateway may take to say something: to read its files, ask its workers and change.
const PATIENCE: Duration = Duration::from_secs(30);
/// No document is longer, in bytes.
const LONGEST: u64 = 256 << 20;
/// Bytes that are read ahead of what follows an answer.
const AHEAD: usize = 256 << 10;

/// Why a gateway gave no answer.
#[derive(Debug)]
pub(super) enum Unheard {
    /// The configuration does not say where its socket is.
    Config(Faults),
    /// Nobody is there.
    NotRunning {
        /// The socket that was tried.
        socket: PathBuf,
        /// The gateway file.
        config: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody is there and does not do its part.
    Failed {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        error: io::Error,
    },
}

/// The document of the gateway that runs with this file; what else the file says may be wrong.
///
/// # Errors
/// [`Unheard`]
pub(super) fn observe(config: &Path) -> Result<Document, Unheard> {
    let socket = sockets(config).map_err(Unheard::Config)?.observe;
    let stream = connect(&socket, config)?;
    let failed = |error| Unheard::Failed {
        socket: socket.clone(),
        error,
    };
    let mut text = String::new();
    stream.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    Document::read(text).map_err(|error| failed(error.into()))
}

/// Asks the gateway that runs with this file; what else the file says may be wrong.
///
/// # Errors
/// [`Unheard`]
pub(super) fn ask(config: &Path, request: &Request) -> Result<Answer, Unheard> {
    ask_and_wait(config, request, |_| {})
}

/// The same; what still waits, as the gateway says now and then, is handed to `meanwhile`.
///
/// # Errors
/// [`Unheard`]
pub(super) fn ask_and_wait(
    config: &Path,
    request: &Request,
    mut meanwhile: impl FnMut(Answer),
) -> Result<Answer, Unheard> {
    let socket = sockets(config).map_err(Unheard::Config)?.control;
    let mut stream = connect(&socket, config)?;
    let mut talk = || -> io::Result<Answer> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let answers = serde_json::Deserializer::from_reader(BufReader::new((&stream).take(LONGEST)));
        for answer in answers.into_iter::<Answer>() {
            match answer? {
                waits if waits.outcome == Outcome::Waits => meanwhile(waits),
                last => return Ok(last),
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    };
    talk().map_err(|error| Unheard::Failed { socket, error })
}

/// Asks the gateway that runs with this file for what follows its answer.
///
/// # Errors
/// [`Unheard`]
pub(super) fn begin(config: &Path, request: &Request) -> Result<(Answer, BufReader<UnixStream>), Unheard> {
    let socket = sockets(config).map_err(Unheard::Config)?.control;
    let mut stream = connect(&socket, config)?;
    let talk = || -> io::Result<(Answer, BufReader<UnixStream>)> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut reader = BufReader::with_capacity(AHEAD, stream);
        let mut text = Vec::new();
        reader.by_ref().take(LONGEST).read_until(b'\n', &mut text)?;
        match text.is_empty() {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok((serde_json::from_slice(&text)?, reader)),
        }
    };
    talk().map_err(|error| Unheard::Failed { socket, error })
}

fn connect(socket: &Path, config: &Path) -> Result<UnixStream, Unheard> {
    let stream = UnixStream::connect(socket).and_then(|stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    });
    stream.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unheard::NotRunning {
            socket: socket.to_owned(),
            config: config.to_owned(),
            error,
        },
        _ => Unheard::Failed {
            socket: socket.to_owned(),
            error,
        },
    })
}

impl Unheard {
    /// What happened and what to do, as text that ends with a line break.
    pub(super) fn text(&self, paint: &Paint) -> String {
        match self {
            Unheard::Config(faults) => report::for_people(faults, paint),
            Unheard::NotRunning {
                socket,
                config,
                error,
            } => format!(
                "no gateway runs with {config}: {socket}: {error}\n\
                 start it: systemctl start aoe-gateway@NAME, or: aoe-gateway run --config {config}\n\
                 if it runs, it was started with another `observe` or `control`, or could not make them: see its log\n",
                config = config.display(),
                socket = socket.display(),
            ),
            Unheard::Failed { socket, error } => {
                let cure = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        ": run it as the user or a member of the group that the gateway runs as, or as root"
                    }
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        ": the gateway does not answer; see its log"
                    }
                    io::ErrorKind::UnexpectedEof => {
                        ": the gateway just ended, or has as many readers as it takes; try again"
                    }
                    io::ErrorKind::InvalidData => ": this is no gateway, or one of quite another version",
                    _ => "",
                };
                format!("{}: {error}{cure}\n", socket.display())
            }
        }
    }

    /// The same as an answer, for machines.
    pub(super) fn answer(&self) -> Answer {
        let mut answer = Answer::refused(self.text(&Paint::default()).trim_end());
        match self {
            Unheard::Config(faults) => {
                answer.outcome = Outcome::Faults;
                answer.tell(faults);
            }
            Unheard::NotRunning { .. } => answer.outcome = Outcome::NotRunning,
            Unheard::Failed { .. } => answer.outcome = Outcome::Failed,
        }
        answer
    }

    /// The exit code of the process.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Unheard::Config(faults) => super::exit_code(faults),
            Unheard::NotRunning { .. } => Exit::Unavailable,
            Unheard::Failed { error, .. } => Exit::of_io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    use aoe_common::snapshot::Snapshot;

    use super::*;

    /// A file whose gateway would listen beside it.
    fn site() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("gateway.toml");
        let text = "[gateway]\nobserve = \"o.sock\"\ncontrol = \"c.sock\"\nlisen = 5\n";
        std::fs::write(&config, text).unwrap();
        (dir, config)
    }

    #[test]
    fn a_document_is_read_although_the_file_has_faults() {
        let (dir, config) = site();
        let listener = UnixListener::bind(dir.path().join("o.sock")).unwrap();
        let mut wanted = Snapshot {
            version: 1,
            ..Snapshot::default()
        };
        wanted.gateway.name = "site-a".to_owned();
        let document = serde_json::to_string(&wanted).unwrap();
        let server = std::thread::spawn(move || {
            let (mut guest, _) = listener.accept().unwrap();
            guest.write_all(document.as_bytes()).unwrap();
        });
        assert_eq!(observe(&config).unwrap().snapshot, wanted);
        server.join().unwrap();
    }

    #[test]
    fn without_a_gateway_it_is_said_which_socket_was_tried_and_what_to_do() {
        let (dir, config) = site();
        let socket = dir.path().join("o.sock");
        for stale in [false, true] {
            if stale {
                drop(UnixListener::bind(&socket).unwrap());
            }
            let unheard = observe(&config).unwrap_err();
            let text = unheard.text(&Paint::default());
            assert_eq!(unheard.exit(), Exit::Unavailable);
            assert!(text.contains(&format!("{}: ", socket.display())), "{text}");
            let command = format!("aoe-gateway run --config {}\n", config.display());
            assert!(
                text.contains(&command) && text.contains("systemctl start"),
                "{text}"
            );
        }
    }

    #[test]
    fn half_a_document_and_none_are_faults() {
        let (dir, config) = site();
        let listener = UnixListener::bind(dir.path().join("o.sock")).unwrap();
        let server = std::thread::spawn(move || {
            for text in ["", "{\"version\": 1, "] {
                let (mut guest, _) = listener.accept().unwrap();
                guest.write_all(text.as_bytes()).unwrap();
            }
        });
        for _ in 0..2 {
            assert!(matches!(observe(&config), Err(Unheard::Failed { .. })));
        }
        server.join().unwrap();
        std::fs::write(&config, "[gateway]\nname = 5\n").unwrap();
        assert!(matches!(observe(&config), Err(Unheard::Config(_))));
    }
}
