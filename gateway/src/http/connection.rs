//! One connection.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;

use super::answer::Answerer;
use super::counts::Kind;
use super::crowd::Pulse;
use super::patience::Patient;

/// How long a whole request may take to come; also how long a connection may rest.
const ASKING: Duration = Duration::from_secs(10);
/// Bytes of a request line and all headers.
const LONGEST_HEAD: usize = 8 * 1024;
/// Headers of a request. Browsers send about twenty.
const MOST_HEADERS: usize = 64;

/// Serves a guest until it goes, or is too slow.
pub(super) async fn serve(stream: TcpStream, answerer: Arc<Answerer>, pulse: Arc<Pulse>) {
    let service = service_fn(|request| {
        let (answerer, pulse) = (answerer.clone(), pulse.clone());
        async move {
            pulse.asked();
            let answer = answerer.answer(request).await;
            pulse.answered();
            Ok::<_, Infallible>(answer)
        }
    });
    let outcome = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASKING)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(Patient::new(stream, pulse.clone()), service)
        .await;
    if let Some(kind) = outcome.err().and_then(|error| mishap(&error, &pulse)) {
        answerer.counts().add(kind);
    }
}

/// What went wrong, if it is their fault. A guest that just goes does no harm.
fn mishap(error: &hyper::Error, pulse: &Pulse) -> Option<Kind> {
    let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    if error.is_parse() {
        Some(Kind::Malformed)
    } else if error.is_timeout() {
        (!pulse.is_idle()).then_some(Kind::SlowRequest)
    } else if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        Some(Kind::SlowReader)
    } else {
        None
    }
}
