//! UDP sockets: what the kernel gave, and what it dropped.

use aoe_common::snapshot::{Granted, Snapshot};

use super::finding::Findings;
use super::host::Host;
use crate::cli::words;

/// Looks at each socket of the running gateway.
pub(super) fn examine(snapshot: &Snapshot, host: &Host, findings: &mut Findings) {
    for socket in &snapshot.sockets {
        let about = match snapshot.gateway.workers {
            0 | 1 => socket.address.clone(),
            _ => format!("{} #{}", socket.address, socket.worker),
        };
        buffer(
            &about,
            "receive",
            socket.receive_buffer,
            "net.core.rmem_max",
            host,
            findings,
        );
        buffer(
            &about,
            "send",
            socket.send_buffer,
            "net.core.wmem_max",
            host,
            findings,
        );
        match (socket.receive_offload, socket.send_offload) {
            (true, true) => findings.ok("offload", &about, "the kernel takes and hands over many datagrams at once (GSO, GRO)"),
            (receive, send) => findings.warn(
                "offload",
                &about,
                format!("GRO {}, GSO {}: each datagram costs a system call of its own", on(receive), on(send)),
                "GSO goes off when a device refuses it: one without checksum offload (ethtool -K DEV tx on); GRO needs Linux 5.0",
            ),
        }
        match socket.dropped {
            0 => findings.ok("kernel-drops", &about, "no datagram was dropped for want of room"),
            n => findings.warn(
                "kernel-drops",
                &about,
                format!("the kernel dropped {} datagrams because the gateway did not fetch them in time", words::count(n)),
                "raise `socket_buffer`; if it grows under load, the processor is short: `workers`, see tuning.md",
            ),
        }
    }
    let overflow = snapshot
        .counters
        .get("segment_overflow")
        .copied()
        .unwrap_or_default();
    match overflow {
        0 => findings.ok(
            "kernel-drops",
            "segments",
            "no frame was dropped for want of room",
        ),
        n => findings.warn(
            "kernel-drops",
            "segments",
            format!(
                "the kernel dropped {} frames because the gateway did not fetch them in time",
                words::count(n)
            ),
            "raise `socket_buffer`; if it grows under load, the processor is short: `workers`, see tuning.md",
        ),
    }
}

fn on(works: bool) -> &'static str {
    if works { "on" } else { "off" }
}

fn buffer(about: &str, which: &str, buffer: Granted, sysctl: &str, host: &Host, findings: &mut Findings) {
    let Granted { asked, granted } = buffer;
    if granted >= asked {
        findings.ok(
            "socket-buffer",
            about,
            format!("{which} buffer {}", words::bytes(granted)),
        );
        return;
    }
    let limit: Option<u64> = host.number(format!("proc/sys/{}", sysctl.replace('.', "/")));
    let limit = limit.map_or_else(String::new, |limit| format!(" ({sysctl} is {limit})"));
    findings.warn(
        "socket-buffer",
        about,
        format!(
            "{which} buffer {} instead of {}{limit}",
            words::bytes(granted),
            words::bytes(asked)
        ),
        format!("give the gateway CAP_NET_ADMIN, or: sysctl -w {sysctl}={asked}"),
    );
}
