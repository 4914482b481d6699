//! What initiators ask and targets answer.

#![allow(dead_code, reason = "every bench uses its part of it")]

use aoe_common::frame::{
    Address, AoeCommand, Ata, AtaHeader, AtaOpcode, Frame, Header, MacAddr, Pdu, SECTOR_LEN, aoe, ethernet,
    pad_to_min,
};

/// An initiator.
pub(crate) const INITIATOR: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
/// Every target.
pub(crate) const TARGET: MacAddr = MacAddr([2, 0, 0, 0, 2, 2]);

/// A request that an initiator sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(crate) initiator: MacAddr,
    pub(crate) to: MacAddr,
    pub(crate) address: Address,
    pub(crate) opcode: AtaOpcode,
    pub(crate) lba: u64,
    pub(crate) sectors: u8,
    pub(crate) tag: u32,
}

impl Asking {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let writes = self.opcode.is_write();
        let mut pdu = vec![0x10, 0, 0, 0, 0, 0];
        pdu.extend_from_slice(&self.tag.to_be_bytes());
        aoe::set_address(&mut pdu, self.address);
        let flags = if writes { 0x41 } else { 0x40 };
        pdu.extend_from_slice(&[flags, 0, self.sectors, self.opcode.into()]);
        pdu.extend_from_slice(&self.lba.to_le_bytes()[..6]);
        pdu.extend_from_slice(&[0, 0]);
        if writes {
            pdu.resize(pdu.len() + usize::from(self.sectors) * SECTOR_LEN, 0x5a);
        }
        framed(self.to, self.initiator, &pdu)
    }
}

/// A request to `e1.1` with this number in its tag; it is for sectors of its own.
pub(crate) fn request(opcode: AtaOpcode, sectors: u8, number: u32) -> Vec<u8> {
    let asking = Asking {
        initiator: INITIATOR,
        to: MacAddr::BROADCAST,
        address: Address { shelf: 1, slot: 1 },
        opcode,
        lba: u64::from(number) * u64::from(sectors),
        sectors,
        tag: number,
    };
    asking.frame()
}

/// The first sector that a request to a target is about; none if it is not about sectors.
pub(crate) fn lba(request: &[u8]) -> Option<u64> {
    let frame = Frame::parse(request).unwrap();
    let pdu = Pdu::parse(frame.payload()).unwrap();
    let ata = Ata::parse(pdu.argument()).ok()?;
    (pdu.command() == AoeCommand::Ata).then(|| ata.lba())
}

/// What a target with many buffers answers to a request of the exit.
pub(crate) fn answer(request: &[u8]) -> Vec<u8> {
    let frame = Frame::parse(request).unwrap();
    let pdu = Pdu::parse(frame.payload()).unwrap();
    let header: Header = pdu.header().response();
    let mut answer = header.to_bytes().to_vec();
    match pdu.command() {
        AoeCommand::Query => answer.extend_from_slice(&[0xff, 0xff, 0x40, 0x19, 17, 0x10, 0, 0]),
        _ => {
            let ata = Ata::parse(pdu.argument()).unwrap();
            let done = AtaHeader {
                sectors: 0,
                command_status: 0x40,
                ..ata.header()
            };
            answer.extend_from_slice(&done.to_bytes());
            let len = usize::from(ata.sectors()) * SECTOR_LEN;
            if ata.command() == AtaOpcode::Identify {
                answer.extend_from_slice(&identify());
            } else if ata.command().is_read() {
                answer.resize(answer.len() + len, 0xa5);
            }
        }
    }
    framed(frame.source(), TARGET, &answer)
}

/// A disk of 2^32 sectors that takes 48-bit addresses.
fn identify() -> [u8; SECTOR_LEN] {
    let mut bytes = [0; SECTOR_LEN];
    bytes[83 * 2 + 1] = 0x04;
    bytes[86 * 2 + 1] = 0x04;
    bytes[60 * 2..62 * 2].copy_from_slice(&0x0fff_ffffu32.to_le_bytes());
    bytes[100 * 2..104 * 2].copy_from_slice(&(1u64 << 32).to_le_bytes());
    bytes
}

fn framed(to: MacAddr, from: MacAddr, pdu: &[u8]) -> Vec<u8> {
    let mut frame = ethernet::header_bytes(to, from).to_vec();
    frame.extend_from_slice(pdu);
    pad_to_min(&mut frame, 0);
    frame
}
