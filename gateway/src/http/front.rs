//! Whether there is a listener, and where: it follows the configuration.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Site;
use super::answer::Answerer;
use super::connection;
use super::counts::Kind;
use super::crowd::{Crowd, Pulse, Room};
use super::host::Names;
use crate::config::Metrics;
use crate::logging::id;

/// After a lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The listener, if there is one.
#[derive(Debug)]
pub(crate) struct Front {
    site: Arc<Site>,
    open: Option<Open>,
}

/// One that is open. What is connected ends with it.
#[derive(Debug)]
struct Open {
    /// As configured.
    address: SocketAddr,
    answerer: Arc<Answerer>,
    task: JoinHandle<Infallible>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is done when the configuration changes, made beforehand.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// It stays where it is, or there is none.
    Same,
    /// It opens here.
    Opens(TcpListener),
    /// The one that is open is in the way, and has to close first.
    InOurWay,
}

impl Front {
    /// Closed.
    pub(crate) fn new(site: Site) -> Self {
        Front {
            site: Arc::new(site),
            open: None,
        }
    }

    /// Opens as configured. If it cannot, the gateway goes on without it, and the log says why. Must be called within a tokio
    /// runtime.
    pub(crate) fn start(&mut self, wanted: Option<&Metrics>) {
        if let Some(wanted) = wanted {
            match bind(wanted.listen) {
                Ok(listener) => self.open(wanted, listener),
                Err(error) => complain(wanted.listen, &error),
            }
        }
    }

    /// Does what can fail before the configuration changes: an address that was not open yet is bound.
    ///
    /// # Errors
    /// The system refuses it. That is no obstacle if it was refused before: then it is only logged again.
    pub(crate) fn prepare(
        &self,
        before: Option<&Metrics>,
        wanted: Option<&Metrics>,
    ) -> Result<Prepared, String> {
        let Some(wanted) = wanted else {
            return Ok(Prepared::Same);
        };
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.address == wanted.listen)
        {
            return Ok(Prepared::Same);
        }
        let error = match bind(wanted.listen) {
            Ok(listener) => return Ok(Prepared::Opens(listener)),
            Err(error) => error,
        };
        let ours = self.open.as_ref().map(|open| open.address);
        if error.kind() == io::ErrorKind::AddrInUse && ours.is_some_and(|ours| overlap(ours, wanted.listen)) {
            return Ok(Prepared::InOurWay);
        }
        if before.is_some_and(|before| before.listen == wanted.listen) {
            complain(wanted.listen, &error);
            return Ok(Prepared::Same);
        }
        Err(format!(
            "cannot listen on {} for [metrics]: {error}{}",
            wanted.listen,
            advice(&error)
        ))
    }

    /// Becomes what is configured now.
    pub(crate) async fn follow(&mut self, wanted: Option<&Metrics>, prepared: Prepared) {
        match (wanted, prepared) {
            (None, _) => {
                if let Some(open) = self.open.take() {
                    tracing::info!(id = id::METRICS, "metrics: {} is closed", open.address);
                }
            }
            (Some(wanted), Prepared::Same) => {
                if let Some(open) = &self.open {
                    open.answerer.rename(Names::of(wanted));
                }
            }
            (Some(wanted), Prepared::Opens(listener)) => self.open(wanted, listener),
            (Some(wanted), Prepared::InOurWay) => {
                if let Some(mut open) = self.open.take() {
                    open.task.abort();
                    // Its socket is closed once it has ended.
                    let _ = (&mut open.task).await;
                }
                self.start(Some(wanted));
            }
        }
    }

    fn open(&mut self, wanted: &Metrics, listener: TcpListener) {
        let address = listener.local_addr().unwrap_or(wanted.listen);
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return complain(wanted.listen, &error),
        };
        let answerer = Arc::new(Answerer::new(self.site.clone(), Names::of(wanted)));
        let task = tokio::spawn(accept(listener, answerer.clone()));
        self.open = Some(Open {
            address: wanted.listen,
            answerer,
            task,
        });
        tracing::info!(id = id::METRICS, "metrics: listening on http://{address}");
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Whether two addresses cannot be listened at beside each other.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let wild = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (wild || one.ip() == other.ip())
}

fn complain(address: SocketAddr, error: &io::Error) {
    tracing::warn!(
        id = id::METRICS_MISSING,
        "metrics: cannot listen on {address}: {error}{}; the gateway goes on without; once that is mended, a reload opens it",
        advice(error)
    );
}

/// What an operator can do.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            " (`ss -tlnp` shows who has it; each gateway of a host needs a port of its own)"
        }
        io::ErrorKind::AddrNotAvailable => {
            " (no interface has this address yet; `ip address` shows those there are)"
        }
        io::ErrorKind::PermissionDenied => " (ports below 1024 are for root: use another one)",
        _ => "",
    }
}

async fn accept(listener: tokio::net::TcpListener, answerer: Arc<Answerer>) -> Infallible {
    let mut crowd = Crowd::default();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(id = id::METRICS, "metrics: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        answerer.counts().add(Kind::Connection);
        let room = crowd.make_room();
        if room != Room::Free {
            answerer.counts().add(Kind::Crowded);
        }
        if room != Room::None {
            let pulse = Pulse::new();
            crowd.join(pulse.clone(), connection::serve(stream, answerer.clone(), pulse));
        }
    }
}
