//! The devices of segments.

use std::collections::BTreeMap;

use aoe_common::snapshot::{self, Snapshot};

use super::finding::{Findings, Level};
use super::host::Host;
use crate::config::Device;

/// A frame of two sectors with its headers, without Ethernet's: what every initiator needs.
const LEAST_MTU: u16 = 1060;
const JUMBO: u16 = 9000;

/// Looks at the device of each segment.
pub(super) fn examine(
    devices: &BTreeMap<String, Device>,
    snapshot: Option<&Snapshot>,
    host: &Host,
    findings: &mut Findings,
) {
    for (segment, device) in devices {
        let row = snapshot.and_then(|snapshot| snapshot.segments.iter().find(|row| row.name == *segment));
        match device {
            Device::Tap { name, .. } if !host.has(class(name)) => match row {
                Some(_) => findings.fail(
                    "device",
                    segment,
                    format!("the TAP device {name} is gone although a gateway runs here"),
                    "look with: ip link; run doctor where the gateway runs, in its network namespace",
                ),
                None => findings.unknown(
                    "device",
                    segment,
                    format!("the TAP device {name} is made when the gateway starts"),
                    "",
                ),
            },
            Device::Nic(name) if !host.has(class(name)) => findings.fail(
                "device",
                segment,
                format!("there is no interface {name} here"),
                "look with: ip link; name one that is there as `nic`, or run doctor in the network namespace of the gateway",
            ),
            Device::Nic(name) | Device::Tap { name, .. } => device_of(segment, name, row, host, findings),
        }
    }
}

fn class(name: &str) -> String {
    format!("sys/class/net/{name}")
}

fn device_of(
    segment: &str,
    name: &str,
    row: Option<&snapshot::Segment>,
    host: &Host,
    findings: &mut Findings,
) {
    let of = |file: &str| format!("{}/{file}", class(name));
    // The file cannot be read while the interface is down.
    match host.number::<u8>(of("carrier")) {
        Some(1) => findings.ok("link", segment, format!("{name} has a link{}", speed(name, host))),
        Some(_) => findings.fail(
            "link",
            segment,
            format!("{name} has no link"),
            "look at the cable, the switch port, or the other end of the veth pair",
        ),
        None => findings.fail(
            "link",
            segment,
            format!("{name} is down"),
            format!("bring it up: ip link set {name} up"),
        ),
    }
    mtu(segment, name, row, host, findings);
    membership(segment, name, host, findings);
    drops(segment, name, host, findings);
}

fn speed(name: &str, host: &Host) -> String {
    match host.number::<i64>(format!("{}/speed", class(name))) {
        Some(megabits) if megabits > 0 => format!(" of {megabits} Mbit/s"),
        _ => String::new(),
    }
}

fn mtu(segment: &str, name: &str, row: Option<&snapshot::Segment>, host: &Host, findings: &mut Findings) {
    let Some(mtu) = host.number::<u16>(format!("{}/mtu", class(name))) else {
        findings.unknown("mtu", segment, format!("{name} does not say its MTU"), "");
        return;
    };
    let sectors = (mtu.saturating_sub(36)) / 512;
    if mtu < LEAST_MTU {
        findings.fail(
            "mtu",
            segment,
            format!("MTU {mtu} of {name} is less than a frame of 2 sectors"),
            format!("ip link set {name} mtu {JUMBO}, or 1500 if the segment does not carry more"),
        );
    } else if mtu < JUMBO {
        findings.add(
            "mtu",
            segment,
            Level::Ok,
            format!("MTU {mtu} of {name}: {sectors} sectors a frame, where 9000 carries 17"),
            format!(
                "if switch, target and initiators carry it: ip link set {name} mtu {JUMBO} on all of them; see tuning.md"
            ),
        );
    } else {
        findings.ok(
            "mtu",
            segment,
            format!("MTU {mtu} of {name}: {sectors} sectors a frame"),
        );
    }
    if let Some(row) = row.filter(|row| row.mtu != 0 && row.mtu != mtu) {
        findings.warn(
            "mtu",
            segment,
            format!("the gateway uses {} as MTU of {name}, which has {mtu}", row.mtu),
            "it follows within 5 s; if not, it runs in another network namespace",
        );
    }
}

fn membership(segment: &str, name: &str, host: &Host, findings: &mut Findings) {
    let of = |file: &str| format!("{}/{file}", class(name));
    let master = host.link(of("master"));
    if host.has(of("brport")) {
        let bridge = master.unwrap_or_else(|| "a bridge".to_owned());
        findings.fail(
            "membership",
            segment,
            format!("{name} is a port of {bridge}: the bridge takes its frames before the gateway sees them"),
            format!("name {bridge} as `nic`, or a veth pair into it"),
        );
    } else if let Some(master) = master {
        findings.fail(
            "membership",
            segment,
            format!("{name} belongs to {master}: its frames arrive there"),
            format!("name {master} as `nic`"),
        );
    } else if host.has(of("bonding")) {
        let mode = host.text(of("bonding/mode")).unwrap_or_default();
        findings.ok("membership", segment, format!("{name} is a bond ({mode})"));
    } else {
        findings.ok(
            "membership",
            segment,
            format!("{name} belongs to no bridge or bond"),
        );
    }
}

fn drops(segment: &str, name: &str, host: &Host, findings: &mut Findings) {
    let counters = [
        "rx_dropped",
        "rx_missed_errors",
        "rx_fifo_errors",
        "rx_errors",
        "tx_dropped",
        "tx_errors",
    ];
    let counted = counters.into_iter().filter_map(|counter| {
        let n: u64 = host.number(format!("{}/statistics/{counter}", class(name)))?;
        (n > 0).then(|| format!("{counter} {n}"))
    });
    let counted: Vec<_> = counted.collect();
    if counted.is_empty() {
        findings.ok("device-drops", segment, format!("{name} dropped nothing"));
    } else {
        findings.warn(
            "device-drops",
            segment,
            format!("{name} since it was made: {}", counted.join(", ")),
            format!(
                "see whether they grow (ip -s link show {name}); rx_missed and rx_fifo: a larger ring (ethtool -G {name} \
                 rx N); rx_dropped also counts frames of other protocols"
            ),
        );
    }
}
