//! The control socket: one request and one answer to everybody who connects.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::guests::{Guests, PATIENCE, read_line, write};
use super::protocol::{Answer, LONGEST, Request};
use super::socket::Listener;
use crate::sys::poll::is_hung_up;

/// Its owner alone may ask.
const MODE: u32 = 0o600;
/// Requests that wait; further ones are refused.
pub(crate) const MOST_ASKS: usize = 8;

/// A request that waits for its turn.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What is asked.
    pub(crate) request: Request,
    /// By whom.
    pub(crate) by: By,
    /// Gets the answer.
    pub(crate) reply: oneshot::Sender<Answer>,
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
pub(crate) fn open(path: &Path) -> Option<Listener> {
    super::open(
        path,
        MODE,
        "control",
        "`aoe-gateway reload` does not find this gateway, SIGHUP reloads it all the same",
    )
}

/// Serves for as long as it is polled.
pub(crate) async fn serve(listener: Listener, asks: mpsc::Sender<Ask>) -> Infallible {
    let mut guests = Guests::default();
    loop {
        let stream = Arc::new(listener.accept().await);
        let asks = asks.clone();
        guests.serve(async move {
            let answer = answer(&stream, asks).await;
            // There is nothing in it that cannot be written.
            let mut line = serde_json::to_vec(&answer).unwrap_or_default();
            line.push(b'\n');
            // Who does not read it has itself to thank.
            let _ = write(&stream, &line, PATIENCE).await;
        });
    }
}

async fn answer(stream: &Arc<UnixStream>, asks: mpsc::Sender<Ask>) -> Answer {
    let line = match read_line(stream, LONGEST, PATIENCE).await {
        Ok(line) => line,
        Err(error) => return Answer::refused(error),
    };
    let request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(error) => {
            return Answer::refused(format!(
                "{error}; a request is one line such as {{\"request\": \"reload\", \"config\": \"/etc/aoe-gateway/a.toml\"}}"
            ));
        }
    };
    let by = match stream.peer_cred() {
        Ok(who) => By::Program {
            uid: who.uid(),
            pid: who.pid().unwrap_or_default(),
        },
        Err(error) => return Answer::refused(error),
    };
    let (reply, answer) = oneshot::channel();
    let ask = Ask {
        request,
        by,
        reply,
        caller: stream.clone(),
    };
    if asks.try_send(ask).is_err() {
        return Answer::refused("too many requests wait already; try again");
    }
    match answer.await {
        Ok(answer) => answer,
        Err(_) => Answer::refused("the gateway ends"),
    }
}
