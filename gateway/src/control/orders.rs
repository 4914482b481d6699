//! The control socket: one request and one answer to everybody who connects.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::captures::Captures;
use super::guests::{Guests, PATIENCE, read_line, write};
use super::protocol::{Answer, LONGEST, Outcome, Request};
use super::socket::Listener;
use crate::audit::{Audit, Order};
use crate::config::Group;
use crate::sys::poll::is_hung_up;

/// Its owner alone may ask.
const MODE: u32 = 0o600;
/// Its owner and the members of a group may.
const MODE_OF_GROUP: u32 = 0o660;
/// Answers to one request that nobody has read yet; further ones that only say what still waits are left out.
const MOST_ANSWERS: usize = 4;
/// Requests that wait; further ones are refused.
pub(crate) const MOST_ASKS: usize = 8;

/// A request that waits for its turn.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What is asked.
    pub(crate) request: Request,
    /// By whom.
    pub(crate) by: By,
    /// Gets the answer; before it, answers that say what still waits.
    pub(crate) reply: mpsc::Sender<Answer>,
    /// The connection it came by.
    caller: Arc<UnixStream>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Who sent a signal; the kernel does not say.
    Hangup,
    /// A program.
    Program {
        /// Its user.
        uid: u32,
        /// The process; 0 if it is not known.
        pid: i32,
    },
}

impl By {
    /// Whether it is who the gateway runs as, or root, and not somebody whom a group lets steer.
    pub(crate) fn is_owner(&self) -> bool {
        match self {
            By::Hangup => true,
            By::Program { uid, .. } => *uid == 0 || *uid == nix::unistd::geteuid().as_raw(),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Hangup => f.write_str("SIGHUP"),
            By::Program { uid, pid } => write!(f, "user {uid}, process {pid}"),
        }
    }
}

impl Ask {
    /// Whether who asked has gone meanwhile: nobody would hear what came of it.
    pub(crate) fn is_abandoned(&self) -> bool {
        is_hung_up(&*self.caller)
    }
}

/// Opens the socket, or says why nobody can ask.
pub(crate) fn open(path: &Path, group: Option<&Group>) -> Option<Listener> {
    super::open(
        path,
        match group {
            Some(_) => MODE_OF_GROUP,
            None => MODE,
        },
        group,
        "control",
        "`aoe-gateway reload` does not find this gateway, SIGHUP reloads it all the same",
    )
}

/// Serves for as long as it is polled.
pub(crate) async fn serve(
    listener: Listener,
    asks: mpsc::Sender<Ask>,
    audit: Audit,
    captures: Captures,
) -> Infallible {
    let mut guests = Guests::default();
    loop {
        let stream = Arc::new(listener.accept().await);
        let (asks, captures) = (asks.clone(), captures.clone());
        // Taken down whatever becomes of it.
        let mut order = audit.order(&stream);
        guests.serve(async move {
            let mut is_last = false;
            let mut answers = match ask(&stream, asks, &mut order).await {
                Ok(answers) => answers,
                Err(refused) => {
                    order.answered(&refused);
                    return tell(&stream, &refused).await;
                }
            };
            while !is_last {
                let ends = || Answer::refused("the gateway ends");
                let answer = answers.recv().await.unwrap_or_else(ends);
                is_last = answer.outcome != Outcome::Waits;
                order.answered(&answer);
                tell(&stream, &answer).await;
                if let Some(capture) = answer.capture {
                    captures.stream(capture.id, stream.clone());
                }
            }
        });
    }
}

async fn tell(stream: &UnixStream, answer: &Answer) {
    // There is nothing in it that cannot be written.
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    // Who does not read it has itself to thank.
    let _ = write(stream, &line, PATIENCE).await;
}

/// Reads a request and puts it in line; where its answers come from, or why there are none.
async fn ask(
    stream: &Arc<UnixStream>,
    asks: mpsc::Sender<Ask>,
    order: &mut Order,
) -> Result<mpsc::Receiver<Answer>, Answer> {
    let line = read_line(stream, LONGEST, PATIENCE)
        .await
        .map_err(Answer::refused)?;
    order.asked(&line);
    let request = serde_json::from_slice(&line).map_err(|error| {
        Answer::refused(format!(
            "{error}; a request is one line such as {{\"request\": \"reload\", \"config\": \"/etc/aoe-gateway/a.toml\"}}"
        ))
    })?;
    let who = stream.peer_cred().map_err(Answer::refused)?;
    let by = By::Program {
        uid: who.uid(),
        pid: who.pid().unwrap_or_default(),
    };
    let (reply, answers) = mpsc::channel(MOST_ANSWERS);
    let ask = Ask {
        request,
        by,
        reply,
        caller: stream.clone(),
    };
    match asks.try_send(ask) {
        Ok(()) => Ok(answers),
        Err(_) => Err(Answer::refused("too many requests wait already; try again")),
    }
}
