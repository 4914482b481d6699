//! What became of those who looked, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])+ $variant:ident => $name:literal,)+) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])+ $variant,)+ }

        impl Kind {
            /// Every kind, in the order of the enum.
            const ALL: &'static [Kind] = &[$(Kind::$variant,)+];

            /// Its name among all counters.
            const fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name,)+ }
            }
        }
    };
}

kinds! {
    /// Connections.
    Connection => "http_connections",
    /// Requests that were answered.
    Answered => "http_answered",
    /// Requests that were refused: another method, path or host, or with a body.
    Refused => "http_refused",
    /// Requests that could not be answered.
    Failed => "http_failed",
    /// Connections dropped because there were too many.
    Crowded => "http_dropped_crowded",
    /// Connections dropped because no whole request came in time.
    SlowRequest => "http_dropped_slow_request",
    /// Connections dropped because an answer was not read in time.
    SlowReader => "http_dropped_slow_reader",
    /// Connections dropped because what came is not HTTP, or longer than a request may be.
    Malformed => "http_dropped_malformed",
}

/// Numbers since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts([AtomicU64; Kind::ALL.len()]);

impl Counts {
    /// One more.
    pub(super) fn add(&self, kind: Kind) {
        if let Some(n) = self.0.get(kind as usize) {
            n.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One more request, by its answer.
    pub(super) fn answered(&self, status: StatusCode) {
        self.add(if status.is_client_error() {
            Kind::Refused
        } else if status.is_server_error() {
            Kind::Failed
        } else {
            Kind::Answered
        });
    }

    /// Every number with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = Kind::ALL.iter().map(|kind| kind.name());
        names.zip(self.0.iter().map(|n| n.load(Ordering::Relaxed)))
    }
}
