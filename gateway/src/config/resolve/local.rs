//! What is ours: listen addresses and segments.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::names::Once;
use crate::config::Device;
use crate::config::fault::{Faults, Kind};
use crate::config::gateway_file::{GatewayFile, SegmentEntry};
use crate::config::value::quote;

/// Most listen addresses: a path names its socket by one byte, and nobody needs more than these.
const MOST_LISTEN: usize = 64;
/// MTU of a TAP device nobody gave one.
const DEFAULT_TAP_MTU: u16 = 1500;

/// The listen addresses, each bindable beside the others.
pub(super) fn listen(file: &GatewayFile, faults: &mut Faults) -> Vec<SocketAddr> {
    let addresses = file
        .gateway
        .as_ref()
        .map_or([].as_slice(), |gateway| &gateway.listen);
    if let Some(first_too_many) = addresses.get(MOST_LISTEN) {
        let found = format!("there are {} listen addresses", addresses.len());
        faults.fault(
            Kind::BadValue,
            &first_too_many.place,
            found,
            format!("write at most {MOST_LISTEN}"),
        );
    }
    let workers = u16::from(file.workers());
    let mut listen: Vec<SocketAddr> = Vec::new();
    for address in addresses.iter().take(MOST_LISTEN) {
        let port = address.value.port();
        if port.checked_add(workers - 1).is_none() {
            let found = format!(
                "{workers} workers need the ports {port} to {}",
                u32::from(port) + u32::from(workers) - 1
            );
            faults.fault(
                Kind::BadValue,
                &address.place,
                found,
                format!("write a port of at most {}", u16::MAX - (workers - 1)),
            );
        }
        if port == 0 {
            faults.warn(
                &address.place,
                "port 0 is another port at every start, and no peer can know it",
                "write a fixed port, unless this gateway only calls others",
            );
        } else if let Some(other) = listen
            .iter()
            .find(|other| covers(**other, address.value, workers))
        {
            let found = format!(
                "{} cannot be bound beside {other}",
                quote(&address.value.to_string())
            );
            faults.fault(
                Kind::Duplicate,
                &address.place,
                found,
                if workers > 1 {
                    "each worker has a port of its own, from this one upwards: keep them apart"
                } else {
                    "remove one of the two, or use two ports"
                },
            );
        }
        listen.push(address.value);
    }
    listen
}

/// What each segment attaches to, by its name.
pub(super) fn devices(file: &GatewayFile, faults: &mut Faults) -> Option<BTreeMap<String, Device>> {
    if file.segments.is_empty() {
        faults.fault(
            Kind::MissingKey,
            &file.place,
            "there is no [[segment]], so there is nothing to carry frames from or to",
            "add [[segment]] with a name and a nic or tap",
        );
    }
    let mut once = Once::default();
    let mut devices = Vec::new();
    for segment in &file.segments {
        for interface in segment.nic.iter().chain(&segment.tap) {
            once.claim(interface.value.as_str(), &interface.place, faults, |interface| {
                (
                    format!("another segment uses {}", quote(interface)),
                    String::from(
                        "one segment per interface: use another interface, or refer to the other segment",
                    ),
                )
            });
        }
        if let (Some(tap), 2..) = (&segment.tap, file.workers()) {
            faults.fault(
                Kind::Conflict,
                &tap.place,
                "a `tap` cannot be shared by several workers: its queues are chosen by the kernel, not by the export",
                "remove `workers` from [gateway], or attach to a `nic`",
            );
        }
        let name = segment.name.as_ref().map(|name| name.value.clone());
        devices.push(name.zip(device(segment, faults)));
    }
    devices.into_iter().collect()
}

fn device(segment: &SegmentEntry, faults: &mut Faults) -> Option<Device> {
    match (&segment.nic, &segment.tap) {
        (Some(_), Some(tap)) => {
            faults.fault(
                Kind::Conflict,
                &tap.place,
                "this segment has both a `nic` and a `tap`",
                "keep one: `nic` to attach to an interface that exists, `tap` to make one",
            );
            None
        }
        (Some(nic), None) => {
            if let Some(mtu) = &segment.mtu {
                let instead = format!(
                    "remove it; to change the NIC: ip link set {} mtu {}",
                    nic.value, mtu.value
                );
                faults.fault(
                    Kind::Conflict,
                    &mtu.place,
                    "`mtu` is only for a `tap`; a NIC has its own",
                    instead,
                );
            }
            Some(Device::Nic(nic.value.clone()))
        }
        (None, Some(tap)) => {
            let mtu = segment.mtu.as_ref().map_or(DEFAULT_TAP_MTU, |mtu| mtu.value);
            Some(Device::Tap {
                name: tap.value.clone(),
                mtu,
            })
        }
        (None, None) => {
            if !segment.names_a_device {
                faults.fault(
                    Kind::MissingKey,
                    &segment.place,
                    "the segment has neither a `nic` nor a `tap`",
                    "add nic = \"eth1\" to attach to an interface, or tap = \"aoe0\" to make one",
                );
            }
            None
        }
    }
}

/// Whether two addresses claim the same port of the same addresses, as many ports as there are workers. IPv4 and IPv6
/// are bound apart.
fn covers(a: SocketAddr, b: SocketAddr, workers: u16) -> bool {
    a.port().abs_diff(b.port()) < workers
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}
