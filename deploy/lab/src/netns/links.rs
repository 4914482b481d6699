//! Interfaces of a namespace, by netlink: no `ip` command is needed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use aoe_common::frame::MacAddr;
use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::Namespace;

/// One end of a veth pair: where it lives and what it is called (at most 15 bytes).
#[derive(Clone, Copy, Debug)]
pub struct VethEnd<'a> {
    /// The namespace the end lives in.
    pub namespace: &'a Namespace,
    /// The interface's name there.
    pub name: &'a str,
    /// Its hardware address; the kernel picks one if `None`.
    pub mac: Option<MacAddr>,
}

/// What the kernel says about an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// Interface index within its namespace.
    pub index: u32,
    /// Hardware address.
    pub mac: MacAddr,
    /// IP-style MTU, without the 14-byte Ethernet header.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub is_up: bool,
}

/// Connects two namespaces by a veth pair of the given MTU (IP-style), both ends up.
///
/// # Errors
/// When a name is taken or the kernel refuses.
pub fn veth(one: VethEnd<'_>, other: VethEnd<'_>, mtu: u32) -> Result<()> {
    let mut far = LinkMessageBuilder::<LinkUnspec>::new()
        .name(other.name.to_owned())
        .mtu(mtu)
        .setns_by_fd(other.namespace.raw_handle());
    if let Some(mac) = other.mac {
        far = far.address(mac.0.to_vec());
    }
    let mut near = LinkVeth::new(one.name, other.name)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(far.build())))
        .mtu(mtu);
    if let Some(mac) = one.mac {
        near = near.address(mac.0.to_vec());
    }
    let message = near.build();
    netlink(one.namespace, async move |handle| {
        Ok(handle.link().add(message).execute().await?)
    })
    .with_context(|| format!("making the veth pair {} - {}", one.name, other.name))?;
    one.namespace.set_up(one.name)?;
    other.namespace.set_up(other.name)
}

impl Namespace {
    /// Sets an interface up.
    ///
    /// # Errors
    /// When there is no such interface; this goes for all methods here.
    pub fn set_up(&self, link: &str) -> Result<()> {
        self.change(link, LinkMessageBuilder::up)
    }

    /// Sets an interface down: its carrier and its peer's are gone until it is up again.
    ///
    /// # Errors
    /// As [`Namespace::set_up`].
    pub fn set_down(&self, link: &str) -> Result<()> {
        self.change(link, LinkMessageBuilder::down)
    }

    /// Changes an interface's MTU (IP-style).
    ///
    /// # Errors
    /// As [`Namespace::set_up`].
    pub fn set_mtu(&self, link: &str, mtu: u32) -> Result<()> {
        self.change(link, move |builder| builder.mtu(mtu))
    }

    /// Adds an address with prefix length, usable at once (no duplicate detection for IPv6).
    ///
    /// # Errors
    /// As [`Namespace::set_up`].
    pub fn add_address(&self, link: &str, address: IpAddr, prefix_len: u8) -> Result<()> {
        let index = self.facts(link)?.index;
        netlink(self, async move |handle| {
            let mut request = handle.address().add(index, address, prefix_len);
            if address.is_ipv6() {
                request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
                request
                    .message_mut()
                    .attributes
                    .push(AddressAttribute::Flags(AddressFlags::Nodad));
            }
            Ok(request.execute().await?)
        })
        .with_context(|| format!("adding {address}/{prefix_len} to {link}"))
    }

    /// Makes a bridge that is up and has `ports` (interfaces of this namespace).
    ///
    /// # Errors
    /// When the name is taken or a port is missing.
    pub fn add_bridge(&self, bridge: &str, ports: &[&str]) -> Result<()> {
        let message = LinkBridge::new(bridge).up().build();
        netlink(self, async move |handle| {
            Ok(handle.link().add(message).execute().await?)
        })
        .with_context(|| format!("making bridge {bridge}"))?;
        ports.iter().try_for_each(|port| self.add_port(bridge, port))
    }

    /// Makes an interface a port of a bridge.
    ///
    /// # Errors
    /// When one of them is missing.
    pub fn add_port(&self, bridge: &str, port: &str) -> Result<()> {
        let controller = self.facts(bridge)?.index;
        self.change(port, move |builder| builder.controller(controller))
    }

    /// Deletes an interface; a veth end takes its peer with it.
    ///
    /// # Errors
    /// As [`Namespace::set_up`].
    pub fn delete_link(&self, link: &str) -> Result<()> {
        let index = self.facts(link)?.index;
        netlink(self, async move |handle| {
            Ok(handle.link().del(index).execute().await?)
        })
        .with_context(|| format!("deleting {link}"))
    }

    /// What the kernel says about an interface.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn facts(&self, link: &str) -> Result<LinkFacts> {
        let name = link.to_owned();
        netlink(self, async move |handle| {
            let found = handle.link().get().match_name(name).execute().try_next().await?;
            found
                .as_ref()
                .map(facts_of)
                .ok_or_else(|| anyhow!("the kernel gave no answer"))
        })
        .with_context(|| format!("looking for interface {link}"))
    }

    /// Whether an interface of that name exists.
    pub fn has_link(&self, link: &str) -> bool {
        self.facts(link).is_ok()
    }

    /// Waits until an interface of that name exists, made by somebody else.
    ///
    /// # Errors
    /// When it does not after `timeout`.
    pub fn wait_for_link(&self, link: &str, timeout: Duration) -> Result<LinkFacts> {
        let until = Instant::now() + timeout;
        loop {
            match self.facts(link) {
                Ok(facts) => return Ok(facts),
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn change(
        &self,
        link: &str,
        change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> Result<()> {
        let message = change(LinkUnspec::new_with_name(link)).build();
        netlink(self, async move |handle| {
            Ok(handle.link().change(message).execute().await?)
        })
        .with_context(|| format!("changing interface {link}"))
    }
}

fn facts_of(message: &LinkMessage) -> LinkFacts {
    let mut facts = LinkFacts {
        index: message.header.index,
        mac: MacAddr::ZERO,
        mtu: 0,
        is_up: message.header.flags.contains(LinkFlags::Up),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(bytes) => {
                facts.mac = bytes.as_slice().try_into().map_or(MacAddr::ZERO, MacAddr);
            }
            LinkAttribute::Mtu(mtu) => facts.mtu = *mtu,
            _ => {}
        }
    }
    facts
}

/// Runs one netlink conversation inside a namespace.
pub(super) fn netlink<T, F>(namespace: &Namespace, talk: F) -> Result<T>
where
    T: Send + 'static,
    F: AsyncFnOnce(Handle) -> Result<T> + Send + 'static,
{
    namespace.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            tokio::select! {
                () = connection => bail!("the netlink socket closed"),
                answer = talk(handle) => answer,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end<'a>(namespace: &'a Namespace, name: &'a str) -> VethEnd<'a> {
        VethEnd {
            namespace,
            name,
            mac: None,
        }
    }

    #[test]
    fn a_pair_has_the_mtu_and_address_asked_for_on_both_sides() {
        let (left, right) = (Namespace::new("left").unwrap(), Namespace::new("right").unwrap());
        let mac = MacAddr([2, 0, 0, 0, 0, 9]);
        veth(
            VethEnd {
                mac: Some(mac),
                ..end(&left, "a")
            },
            end(&right, "b"),
            9000,
        )
        .unwrap();

        let (a, b) = (left.facts("a").unwrap(), right.facts("b").unwrap());
        assert_eq!((a.mac, a.mtu, a.is_up), (mac, 9000, true));
        assert_eq!((b.mtu, b.is_up), (9000, true));

        right.set_down("b").unwrap();
        right.set_mtu("b", 1400).unwrap();
        assert_eq!(
            right.facts("b").map(|facts| (facts.mtu, facts.is_up)).unwrap(),
            (1400, false)
        );

        left.delete_link("a").unwrap();
        assert!(!left.has_link("a") && !right.has_link("b"), "the peer goes too");
    }

    #[test]
    fn addresses_of_both_families_carry_traffic_at_once_through_a_bridge() {
        let rooms: Vec<_> = ["one", "hub", "two"]
            .iter()
            .map(|name| Namespace::new(name).unwrap())
            .collect();
        veth(end(&rooms[0], "eth0"), end(&rooms[1], "p0"), 1500).unwrap();
        veth(end(&rooms[2], "eth0"), end(&rooms[1], "p1"), 1500).unwrap();
        rooms[1].add_bridge("br0", &["p0", "p1"]).unwrap();

        for (room, four, six) in [
            (0, "198.51.100.1", "2001:db8::1"),
            (2, "198.51.100.2", "2001:db8::2"),
        ] {
            rooms[room]
                .add_address("eth0", four.parse().unwrap(), 24)
                .unwrap();
            rooms[room].add_address("eth0", six.parse().unwrap(), 64).unwrap();
        }
        for (from, to) in [
            ("198.51.100.1:0", "198.51.100.2:7"),
            ("[2001:db8::1]:0", "[2001:db8::2]:7"),
        ] {
            let bind = |at: &'static str| move || Ok(std::net::UdpSocket::bind(at)?);
            let receiver = rooms[2].run(bind(to)).unwrap();
            receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let sender = rooms[0].run(bind(from)).unwrap();
            sender.send_to(b"hello", to).unwrap();
            let mut bytes = [0; 16];
            assert_eq!(receiver.recv(&mut bytes).unwrap(), 5, "{from} to {to}");
        }
    }

    #[test]
    fn a_missing_interface_is_named_in_the_error() {
        let room = Namespace::new("empty").unwrap();
        let error = format!("{:#}", room.set_up("nothere").unwrap_err());
        assert!(error.contains("nothere") && error.contains("empty"), "{error}");
    }
}
