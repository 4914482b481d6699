//! The stable ids of lines that the gateway's own parts log; those of events of the core are in [`aoe_common::event`].
//! `docs/log.md` lists both, and a test holds it against them.

macro_rules! ids {
    ($($(#[$doc:meta])+ $name:ident => $id:literal,)+) => {
        $($(#[$doc])+ pub(crate) const $name: &str = $id;)+
        /// All of them.
        #[cfg(test)]
        pub(crate) const ALL: &[&str] = &[$($id,)+];
    };
}

ids! {
    /// Everything that was there at the start is in use.
    READY => "ready",
    /// It was told to end.
    ENDING => "ending",
    /// It cannot start or go on.
    FAILED => "failed",
    /// A data plane hangs.
    HANGS => "data-plane-hangs",
    /// Numbers, on request and at the end.
    COUNTERS => "counters",
    /// A legal configuration that is probably not what was meant.
    CONFIG_WARNING => "config-warning",
    /// A reload found this fault.
    CONFIG_FAULT => "config-fault",
    /// A reload was made, or had nothing to do.
    RELOAD => "reload",
    /// A reload was not made.
    RELOAD_REFUSED => "reload-refused",
    /// Changes of files that count at once are found late.
    FILES_UNWATCHED => "files-unwatched",
    /// Who asked has gone.
    ORDER_ABANDONED => "order-abandoned",
    /// An operator changed something that is in no file.
    OPERATOR => "operator",
    /// There is no socket for programs of this host.
    SOCKET_MISSING => "socket-missing",
    /// A program could not connect.
    SOCKET_ERROR => "socket-error",
    /// A UDP socket is open.
    LISTENING => "listening",
    /// The kernel gives smaller buffers than asked for.
    BUFFERS_SMALL => "buffers-small",
    /// Something ends soon, or has ended.
    EXPIRES => "expires",
    /// Keys are less protected than they could be.
    KEYS_EXPOSED => "keys-exposed",
    /// Whether memory stays out of swap.
    MEMORY => "memory",
    /// The operator accepted a disk.
    DISK_ACCEPTED => "disk-accepted",
    /// What was remembered of keys cannot be used.
    KEYS_FORGOTTEN => "keys-forgotten",
    /// What is learnt of keys cannot be kept.
    KEYS_NOT_KEPT => "keys-not-kept",
    /// The file that says which disk an export has cannot be used.
    DISK_FILE => "disk-file",
    /// Which disk an export has is not remembered.
    DISK_NOT_REMEMBERED => "disk-not-remembered",
    /// A segment carries frames.
    SEGMENT_UP => "segment-up",
    /// A segment carries none.
    SEGMENT_DOWN => "segment-down",
    /// A device keeps another MTU than configured.
    SEGMENT_MTU => "segment-mtu",
    /// Changes of devices are missed.
    DEVICES_UNWATCHED => "devices-unwatched",
    /// Workers capture more than they need.
    CAPTURE_WIDE => "capture-wide",
    /// Where a peer can be called.
    ENDPOINT_FOUND => "endpoint-found",
    /// Where a peer can be called cannot be told.
    ENDPOINT_MISSING => "endpoint-missing",
    /// A capture begins or ends.
    CAPTURE => "capture",
    /// The listener for metrics.
    METRICS => "metrics",
    /// There is no listener for metrics.
    METRICS_MISSING => "metrics-missing",
    /// The audit log is not written.
    AUDIT_FAILED => "audit-failed",
    /// The audit log is written again, and nothing was lost.
    AUDIT_WORKS => "audit-works",
    /// The audit log is written again, and entries were lost.
    AUDIT_LOST => "audit-lost",
}
