//! A connection whose answers have to be read in time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::crowd::Pulse;

/// How long an answer may take to be read, from the moment when it did not all fit into the socket.
const READING: Duration = Duration::from_secs(10);

/// A stream; what is written to it has to be taken in time, however it trickles.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TokioIo<TcpStream>,
    pulse: Arc<Pulse>,
    patience: Duration,
    /// Runs while something waits to be read.
    waits: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Patient {
            stream: TokioIo::new(stream),
            pulse,
            patience: READING,
            waits: None,
        }
    }

    /// What came of a write: time runs from the first that had to wait until everything is written.
    fn judge(
        &mut self,
        outcome: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if outcome.is_pending() && self.waits.is_none() {
            self.waits = Some(Box::pin(sleep(self.patience)));
        }
        let is_over = self
            .waits
            .as_mut()
            .is_some_and(|waits| waits.as_mut().poll(context).is_ready());
        if is_over {
            let error = io::Error::new(io::ErrorKind::TimedOut, "the answer is not read");
            return Poll::Ready(Err(error));
        }
        outcome
    }
}

impl Read for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(outcome, Poll::Ready(Ok(()))) {
            self.pulse.heard();
        }
        outcome
    }
}

impl Write for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Asked for when everything was written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        if outcome.is_ready() {
            self.waits = None;
            self.pulse.flushed();
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
