//! A local Ethernet: hosts and gateways on one switch, and the rules for frames of gateways.

use std::time::Duration;

use aoe_common::frame::{
    AoeCommand, Ata, Flags, Frame, HEADER_LEN, MIN_FRAME_LEN, MacAddr, MacMask, Pdu, Query, Reserve,
    SECTOR_LEN, ata,
};

/// How long a frame takes to the other ports.
pub const LAN_DELAY: Duration = Duration::from_micros(20);

/// Names a LAN of a [`Plan`](super::Plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LanId(pub usize);

/// Who is on which port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// A gateway, by site and segment.
    Gateway(usize, u16),
    /// An initiator, a target or a station.
    Host(usize),
}

/// How frames fare on a LAN. Probabilities are from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LanWeather {
    /// Frames that vanish.
    pub loss: f64,
    /// Frames of hosts that arrive twice. Frames of gateways do not: a write that a switch copies is another write, and
    /// no gateway can know of it.
    pub duplicate: f64,
}

#[derive(Debug)]
pub(super) struct Lan {
    pub(super) mtu: u16,
    pub(super) weather: LanWeather,
    pub(super) ports: Vec<Port>,
}

/// What is wrong with a frame that a gateway sent on a LAN of this MTU with this address.
///
/// # Errors
/// The first broken rule: own source address, AoE, padded to 60 bytes, not longer than the LAN, flags that
/// responses and requests of today have, nothing but zeros behind what the frame means.
pub(super) fn inspect(bytes: &[u8], own: MacAddr, mtu: u16) -> Result<(), String> {
    if bytes.len() < MIN_FRAME_LEN || bytes.len() > usize::from(mtu) + 14 {
        return Err(format!("{} bytes on a LAN of MTU {mtu}", bytes.len()));
    }
    let frame = Frame::parse(bytes).map_err(|fault| fault.to_string())?;
    if frame.source() != own {
        return Err(format!("source {} instead of {own}", frame.source()));
    }
    if frame.destination().is_multicast() && !frame.destination().is_broadcast() {
        return Err(format!("destination {}", frame.destination()));
    }
    let pdu = Pdu::parse(frame.payload()).map_err(|fault| fault.to_string())?;
    let header = pdu.header();
    let flags = [Flags::REQUEST, Flags::RESPONSE, Flags::ERROR_RESPONSE];
    if header.version != 1 || !flags.contains(&header.flags) {
        return Err(format!("version and flags of {header:?}"));
    }
    if header.address.is_broadcast() {
        return Err(format!("address {}", header.address));
    }
    if header.flags != Flags::ERROR_RESPONSE && header.error != 0 {
        return Err(format!("an error without the flag in {header:?}"));
    }
    let argument = pdu.argument();
    let meant = match (header.flags, header.command) {
        (Flags::ERROR_RESPONSE, _) => ata::PDU_LEN,
        (Flags::REQUEST, AoeCommand::Ata) => {
            let ata = Ata::parse(argument).map_err(|fault| fault.to_string())?;
            ata::request_len(&ata).map_err(|fault| fault.to_string())?
        }
        // Its length depends on the request; whatever it is, the data is whole sectors.
        (_, AoeCommand::Ata) => {
            let data = argument.len().saturating_sub(ata::ARGUMENT_LEN);
            ata::PDU_LEN + data / SECTOR_LEN * SECTOR_LEN
        }
        (_, AoeCommand::Query) => Query::parse(argument)
            .map_err(|fault| fault.to_string())?
            .pdu_len(),
        (_, AoeCommand::Reserve) => Reserve::parse(argument)
            .map_err(|fault| fault.to_string())?
            .pdu_len(),
        (_, AoeCommand::MacMask) => MacMask::parse(argument)
            .map_err(|fault| fault.to_string())?
            .pdu_len(),
        _ => HEADER_LEN,
    };
    let behind = pdu
        .bytes()
        .get(meant.min(pdu.bytes().len())..)
        .unwrap_or_default();
    if bytes.len() > MIN_FRAME_LEN && !behind.is_empty() {
        return Err(format!("{} bytes behind its end", behind.len()));
    }
    if behind.iter().any(|byte| *byte != 0) {
        return Err("bytes of something else as padding".to_owned());
    }
    Ok(())
}
