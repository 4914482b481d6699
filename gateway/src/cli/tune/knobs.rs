//! The settings, each with what it does. `docs/tuning.md` has the same rows.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knob {
    pub(super) key: &'static str,
    /// The table it stands in; empty: the top of an export file.
    pub(super) table: &'static str,
    /// As it would be written; empty: none.
    pub(super) default: &'static str,
    pub(super) unit: &'static str,
    pub(super) effect: &'static str,
    /// The figure of the document that shows what it does.
    pub(super) shown_by: &'static str,
}

const fn knob(
    table: &'static str,
    key: &'static str,
    unit: &'static str,
    default: &'static str,
    effect: &'static str,
    shown_by: &'static str,
) -> Knob {
    Knob {
        key,
        table,
        default,
        unit,
        effect,
        shown_by,
    }
}

/// All of them, in the order in which they usually matter.
pub(super) const KNOBS: &[Knob] = &[
    knob(
        "import",
        "window",
        "frames",
        "64",
        "Frames in flight that initiators are told they may have. A long path needs round trip x rate of it; the target's own \
         buffers hold what is at the target, the rest waits at the exit",
        "`imports[].traffic.in_flight`, `imports[].latency.queue`",
    ),
    knob(
        "gateway",
        "busy_poll",
        "time",
        "50us",
        "How long a data plane looks for more work before it sleeps. Longer: single requests are faster where answers take \
         as long, and a processor is busier. `off`: it sleeps at once",
        "`imports[].latency.segment`",
    ),
    knob(
        "gateway",
        "workers",
        "threads",
        "1",
        "Data planes, each with its own imports, exports and sessions. More use more processors; peers need as many",
        "`peers[].worker`, `exports[].worker`",
    ),
    knob(
        "gateway",
        "batch",
        "frames",
        "64",
        "Frames taken from a segment at a time. Fewer give other segments and the path their turn sooner, and cost system calls",
        "`imports[].latency.segment`",
    ),
    knob(
        "gateway",
        "socket_buffer",
        "bytes",
        "7500kB",
        "Buffer of each socket, in each direction. It has to hold what comes while another program has the processor",
        "`sockets[].receive_buffer`, `sockets[].dropped`, counter `segment_overflow`",
    ),
    knob(
        "gateway",
        "max_age",
        "time",
        "1s",
        "A request older than that is not sent to a target any more. Longer: a slow path loses none; shorter: an initiator's \
         retry is not preceded by its old copy",
        "counter `request_too_old`",
    ),
    knob(
        "gateway",
        "keepalive",
        "time",
        "5s",
        "A path idle for this long is probed. Shorter: a dead peer is noticed earlier, and addresses behind NAT stay open",
        "`peers[].since`",
    ),
    knob(
        "gateway",
        "rekey_after",
        "time",
        "120s",
        "Age at which a session gets new keys. It costs a handshake and no frame",
        "`peers[].session.rekey_at`",
    ),
    knob(
        "peer",
        "path_mtu",
        "bytes",
        "auto",
        "The longest IP packet to this peer. `auto` probes; set it where a firewall swallows long packets and probes alike",
        "`peers[].path.mtu`",
    ),
    knob(
        "",
        "target_retry",
        "time",
        "50ms",
        "How soon an unanswered request is sent to the target again, at the earliest; it adapts upwards by itself, to 2 s at \
         most. Raise it for disks that sleep: a copy takes a buffer of the target",
        "counter `requests_repeated`",
    ),
    knob(
        "",
        "target_timeout",
        "time",
        "60s",
        "How long requests to a silent target are kept",
        "`exports[].waiting`",
    ),
    knob(
        "",
        "order",
        "word",
        "any",
        "`fifo`: the target works in the order it was sent, so a write that overlaps another one need not wait as long after a loss",
        "`exports[].latency.queue`",
    ),
    knob(
        "",
        "sync",
        "flag",
        "false",
        "Whether the flag of asynchronous writes is cleared, so that a target that knows it stores a write before it answers",
        "`exports[].latency.target`",
    ),
    knob(
        "",
        "limit",
        "table",
        "",
        "Ceilings and floors for all users of an export together; `limit` of [[peer]] and [[allow]] are of the same kind. \
         See limits.md",
        "`exports[].limit`",
    ),
];
