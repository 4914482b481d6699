//! Why a gateway does not start, or stops.

use std::io;
use std::net::SocketAddr;

use crate::listening;
use crate::segment::AttachError;

/// Why the gateway could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A listen address cannot be used.
    #[error("cannot listen on {address}: {cause}{}", listening::advice(cause))]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A segment cannot be attached, and waiting will not help.
    #[error("{0}")]
    Attach(AttachError),
    /// The system has no thread, descriptor or random bytes left for us.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
    /// The data plane cannot go on.
    #[error("the data plane stopped: {0}")]
    DataPlane(io::Error),
}

impl RunError {
    /// What the system said: it decides the exit code.
    pub fn cause(&self) -> &io::Error {
        match self {
            RunError::Listen { cause, .. } | RunError::Start(cause) | RunError::DataPlane(cause) => cause,
            RunError::Attach(error) => error.cause(),
        }
    }
}
