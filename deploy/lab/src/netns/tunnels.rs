//! What tunnels of other makes need from a namespace.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};
use rtnetlink::{LinkVxlan, RouteMessageBuilder};

use super::Namespace;
use super::links::netlink;

/// A point-to-point VXLAN of the kernel (RFC 7348), both ports the same, so that a relay can stand between.
#[derive(Clone, Copy, Debug)]
pub struct Vxlan {
    /// Our address.
    pub local: IpAddr,
    /// Where the other end is.
    pub remote: IpAddr,
    /// UDP port of both ends.
    pub port: u16,
    /// MTU inside (IP-style). Outer packets that are too long for their path are fragmented by IP.
    pub mtu: u32,
}

impl Namespace {
    /// Makes a VXLAN interface that is up.
    ///
    /// # Errors
    /// When the name is taken or the kernel knows no VXLAN.
    pub fn add_vxlan(&self, name: &str, vxlan: Vxlan) -> Result<()> {
        let mut link = LinkVxlan::new(name, 7).port(vxlan.port);
        // The kernel picks source ports from the first up to, and without, the second.
        link = link.port_range(vxlan.port, vxlan.port + 1);
        link = match (vxlan.local, vxlan.remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => link.local(local).remote(remote),
            (IpAddr::V6(local), IpAddr::V6(remote)) => link.local6(local).remote6(remote),
            _ => anyhow::bail!("a VXLAN between IPv4 and IPv6"),
        };
        let message = link.mtu(vxlan.mtu).up().build();
        netlink(self, async move |handle| {
            Ok(handle.link().add(message).execute().await?)
        })
        .with_context(|| format!("making the VXLAN {name}"))
    }

    /// Sends everything without a better way out by an interface (IPv4).
    ///
    /// # Errors
    /// When there is no such interface, or a default route already.
    pub fn add_default_route(&self, link: &str) -> Result<()> {
        let index = self.facts(link)?.index;
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .output_interface(index)
            .build();
        netlink(self, async move |handle| {
            Ok(handle.route().add(route).execute().await?)
        })
        .with_context(|| format!("making {link} the default route"))
    }
}
