//! Where two sites stand: namespaces, cables and addresses, before anything runs in them.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;

use crate::gateway::PORT;
use crate::netns::{Namespace, VethEnd, veth};
use crate::relay::{Relay, RelayEnd};

use super::{Attach, Between, Internet, SEGMENT, WorldPlan};

/// Namespaces with cables between them. Each site's segment is the device [`SEGMENT`] of its gateway's host, and its
/// side of the underlay is `wan0` there.
#[derive(Debug)]
pub struct Ground {
    /// What was asked for.
    pub plan: WorldPlan,
    /// Host of site A's initiator.
    pub ini: Namespace,
    /// Host of site A's gateway.
    pub gwa: Namespace,
    /// What is between the gateways; its devices `a` and `b` lead to them. Empty if that is a cable.
    pub wan: Namespace,
    /// Host of site B's gateway.
    pub gwb: Namespace,
    /// Host of site B's target.
    pub tgt: Namespace,
    /// The relay, if there is one.
    pub relay: Option<Relay>,
    /// Site A's address on the underlay.
    pub a: IpAddr,
    /// Site B's address on the underlay.
    pub b: IpAddr,
    /// Where site A finds site B: at its address, or at the relay's.
    pub b_seen_from_a: IpAddr,
    /// Where site B finds site A.
    pub a_seen_from_b: IpAddr,
}

impl Ground {
    /// Makes namespaces, cables and addresses.
    ///
    /// # Errors
    /// Without the rights to make namespaces, or when a step fails; the message says which.
    pub fn build(plan: WorldPlan) -> Result<Self> {
        let (gwa, gwb, wan) = (
            Namespace::new("gwa")?,
            Namespace::new("gwb")?,
            Namespace::new("wan")?,
        );
        let ini = end_host("ini", &gwa, plan.attach_a, plan.segment_mtu)?;
        let tgt = end_host("tgt", &gwb, plan.attach_b, plan.segment_mtu)?;
        match plan.between {
            Between::Cable => veth(end(&gwa, "wan0"), end(&gwb, "wan0"), plan.underlay_mtu)?,
            Between::Bridge | Between::Relay => {
                veth(end(&gwa, "wan0"), end(&wan, "a"), plan.underlay_mtu)?;
                veth(end(&gwb, "wan0"), end(&wan, "b"), plan.underlay_mtu)?;
            }
        }
        let at = |text| address(plan.internet, text);
        let prefix = prefix_len(plan.internet);
        let (a, b) = match plan.between {
            Between::Cable | Between::Bridge => (at((100, 1)), at((100, 2))),
            Between::Relay => (at((100, 1)), at((113, 1))),
        };
        gwa.add_address("wan0", a, prefix)?;
        gwb.add_address("wan0", b, prefix)?;
        let (towards_a, towards_b) = (at((100, 254)), at((113, 254)));
        let (relay, b_seen_from_a, a_seen_from_b) = match plan.between {
            Between::Cable => (None, b, a),
            Between::Bridge => {
                wan.add_bridge("br0", &["a", "b"])?;
                wan.set_mtu("br0", plan.underlay_mtu)?;
                (None, b, a)
            }
            Between::Relay => {
                wan.add_address("a", towards_a, prefix)?;
                // Site B's side is a bridge, for others may be there.
                wan.add_bridge("br0", &["b"])?;
                wan.set_mtu("br0", plan.underlay_mtu)?;
                wan.add_address("br0", towards_b, prefix)?;
                let end = |ours, gateway| RelayEnd {
                    ours: socket(ours),
                    gateway: socket(gateway),
                };
                let relay = Relay::start(&wan, end(towards_a, a), end(towards_b, b), 1)?;
                (Some(relay), towards_a, towards_b)
            }
        };
        Ok(Ground {
            plan,
            ini,
            gwa,
            wan,
            gwb,
            tgt,
            relay,
            a,
            b,
            b_seen_from_a,
            a_seen_from_b,
        })
    }
}

/// The host of an AoE end: a namespace behind the gateway's device `san`, or the gateway's own.
pub(super) fn end_host(name: &str, gateway: &Namespace, attach: Attach, mtu: u32) -> Result<Namespace> {
    match attach {
        Attach::Tap => Ok(gateway.clone()),
        Attach::Nic => {
            let host = Namespace::new(name)?;
            veth(end(&host, "eth0"), end(gateway, SEGMENT), mtu)?;
            Ok(host)
        }
    }
}

pub(super) fn end<'a>(namespace: &'a Namespace, name: &'a str) -> VethEnd<'a> {
    VethEnd {
        namespace,
        name,
        mac: None,
    }
}

pub(super) fn socket(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, PORT)
}

pub(super) fn prefix_len(internet: Internet) -> u8 {
    match internet {
        Internet::V4 => 24,
        Internet::V6 => 64,
    }
}

/// Addresses for documentation (RFC 5737, RFC 3849): a network number, 100 or 113, and a host.
pub(super) fn address(internet: Internet, (network, host): (u8, u8)) -> IpAddr {
    match internet {
        Internet::V4 if network == 100 => IpAddr::from([198, 51, 100, host]),
        Internet::V4 => IpAddr::from([203, 0, network, host]),
        Internet::V6 => IpAddr::from([0x2001, 0xdb8, 0, u16::from(network), 0, 0, 0, u16::from(host)]),
    }
}
