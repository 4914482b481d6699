//! Models of what is on the segments: initiators that ask, targets that answer.

use aoe_common::frame::{
    Address, AoeCommand, Ata, AtaHeader, AtaOpcode, ETHERNET_HEADER_LEN, Frame, HEADER_LEN, MacAddr, Pdu,
    SECTOR_LEN, Tag, aoe, ethernet, pad_to_min,
};

/// The MAC of the target behind gateway `side`.
pub(crate) fn target_mac(side: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0xaa, side])
}

/// The MAC of an initiator.
pub(crate) fn initiator_mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0xbb, number])
}

/// An ATA request as an initiator would send it; writes carry their sectors.
pub(crate) fn ata_request(
    (from, to): (MacAddr, MacAddr),
    address: Address,
    tag: Tag,
    opcode: u8,
    sectors: u8,
    lba: u8,
) -> Vec<u8> {
    let mut flags = 0x40;
    let writes = AtaOpcode::from(opcode).is_write();
    if writes {
        flags |= 1;
    }
    let mut pdu = vec![0x10, 0, 0, 0, 0, 0];
    pdu.extend_from_slice(&tag.0.to_be_bytes());
    aoe::set_address(&mut pdu, address);
    pdu.extend_from_slice(&[flags, 0, sectors, opcode, lba, 0, 0, 0, 0, 0, 0, 0]);
    if writes {
        pdu.resize(pdu.len() + usize::from(sectors) * SECTOR_LEN, lba);
    }
    framed((from, to), &pdu)
}

/// A Config query as an initiator would send it.
pub(crate) fn query((from, to): (MacAddr, MacAddr), address: Address, tag: Tag, command: u8) -> Vec<u8> {
    let mut pdu = vec![0x10, 0, 0, 0, 0, 1];
    pdu.extend_from_slice(&tag.0.to_be_bytes());
    aoe::set_address(&mut pdu, address);
    pdu.extend_from_slice(&[0, 0, 0, 0, 0, 0x10 | command & 0x0f, 0, 5]);
    pdu.extend_from_slice(b"hello");
    framed((from, to), &pdu)
}

/// What a healthy target behind gateway `side` answers to one of its frames.
pub(crate) fn answer(side: u8, request: &[u8]) -> Vec<u8> {
    let request = Frame::parse(request).unwrap();
    let pdu = Pdu::parse(request.payload()).unwrap();
    let mut answer = pdu.header().response().to_bytes().to_vec();
    if pdu.command() == AoeCommand::Query {
        answer.extend_from_slice(&[0, 4, 0x40, 0x19, 2, pdu.argument()[5], 0, 5]);
        answer.extend_from_slice(b"hello");
    } else {
        let asked = Ata::parse(pdu.argument()).unwrap();
        let sectors = match asked.command() {
            AtaOpcode::Read | AtaOpcode::ReadExt => asked.sectors(),
            AtaOpcode::Identify => 1,
            _ => 0,
        };
        let answered = AtaHeader {
            error_feature: 0,
            sectors: 0,
            command_status: 0x40,
            ..asked.header()
        };
        answer.extend_from_slice(&answered.to_bytes());
        answer.resize(answer.len() + usize::from(sectors) * SECTOR_LEN, 0x5a);
    }
    framed((target_mac(side), request.source()), &answer)
}

/// Whether a frame is an ATA request or response.
pub(crate) fn is_ata(frame: &[u8]) -> bool {
    pdu_of(frame).is_some_and(|pdu| pdu.command() == AoeCommand::Ata)
}

/// Whether a frame is an ATA response that reports success; what it answers is not looked at.
pub(crate) fn is_ata_success(frame: &[u8]) -> bool {
    pdu_of(frame).is_some_and(|pdu| {
        pdu.is_response()
            && !pdu.is_error()
            && pdu.command() == AoeCommand::Ata
            && Ata::parse(pdu.argument()).is_ok_and(|ata| ata.is_success())
    })
}

/// Destination, source and tag of a frame that can be read.
pub(crate) fn who(frame: &[u8]) -> Option<(MacAddr, MacAddr, Tag)> {
    let frame = Frame::parse(frame).ok()?;
    let pdu = Pdu::parse(frame.payload()).ok()?;
    Some((frame.destination(), frame.source(), pdu.tag()))
}

fn pdu_of(frame: &[u8]) -> Option<Pdu<'_>> {
    Pdu::parse(Frame::parse(frame).ok()?.payload()).ok()
}

fn framed((from, to): (MacAddr, MacAddr), pdu: &[u8]) -> Vec<u8> {
    assert!(pdu.len() >= HEADER_LEN);
    let mut frame = vec![0; ETHERNET_HEADER_LEN];
    ethernet::emit_header(&mut frame, to, from);
    frame.extend_from_slice(pdu);
    pad_to_min(&mut frame, 0);
    frame
}
