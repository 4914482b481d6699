//! Frames and messages by hand, for what no honest initiator or gateway sends.

use aoe_common::frame::{
    Address, AoeCommand, Ata, AtaFlags, AtaHeader, AtaOpcode, Flags, Frame, Header, MacAddr, Pdu, Query,
    QueryCommand, QueryHeader, Tag, ata, ethernet, pad_to_min,
};
use aoe_common::time::Instant;

/// The header of a request.
pub fn request(address: Address, command: AoeCommand, tag: u32) -> Header {
    Header {
        version: 1,
        flags: Flags::REQUEST,
        error: 0,
        address,
        command,
        tag: Tag(tag),
    }
}

/// A request's PDU with any argument.
pub fn pdu(address: Address, command: AoeCommand, tag: u32, argument: &[u8]) -> Vec<u8> {
    let mut pdu = request(address, command, tag).to_bytes().to_vec();
    pdu.extend_from_slice(argument);
    pdu
}

/// The argument of an ATA command. Writes get W and the data; 48-bit commands get E.
pub fn ata(opcode: u8, sectors: u8, lba: u64, data: &[u8]) -> Vec<u8> {
    let command = AtaOpcode::from(opcode);
    let mut flags = 0;
    if command.is_extended() {
        flags |= AtaFlags::EXTENDED;
    }
    if command.is_write() {
        flags |= AtaFlags::WRITE;
    }
    let header = AtaHeader {
        flags: AtaFlags(flags),
        error_feature: 0,
        sectors,
        command_status: opcode,
        lba: ata::lba48_bytes(lba),
        reserved: [0; 2],
    };
    let mut argument = header.to_bytes().to_vec();
    argument.extend_from_slice(data);
    argument
}

/// The argument of a Config query.
pub fn query(command: QueryCommand, string: &[u8]) -> Vec<u8> {
    let header = QueryHeader {
        buffer_count: 0,
        firmware: 0,
        sectors: 0,
        version: 1,
        command,
    };
    let mut argument = header.to_bytes(string.len() as u16).to_vec();
    argument.extend_from_slice(string);
    argument
}

/// A frame around a PDU, padded as a network card does.
pub fn frame(destination: MacAddr, source: MacAddr, pdu: &[u8]) -> Vec<u8> {
    let mut frame = ethernet::header_bytes(destination, source).to_vec();
    frame.extend_from_slice(pdu);
    pad_to_min(&mut frame, 0);
    frame
}

/// A request message as an edge sends it, in a chunk: see `tunnel/message.rs` of the core.
pub fn request_chunk(
    export: u16,
    import: u16,
    initiator: MacAddr,
    (number, captured): (u64, Instant),
    pdu: &[u8],
) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend_from_slice(&export.to_be_bytes());
    message.extend_from_slice(&import.to_be_bytes());
    message.extend_from_slice(&initiator.0);
    message.extend_from_slice(&number.to_be_bytes());
    message.extend_from_slice(&(captured.as_micros() as u32).to_be_bytes());
    message.extend_from_slice(pdu);
    chunk(1, &message)
}

/// A reply message as an exit sends it, in a chunk.
pub fn reply_chunk(import: u16, initiator: MacAddr, number: u64, pdu: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend_from_slice(&import.to_be_bytes());
    message.extend_from_slice(&initiator.0);
    message.extend_from_slice(&number.to_be_bytes());
    // It was at the exit for no time at all.
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(pdu);
    chunk(2, &message)
}

/// A whole message of a kind, in a chunk.
pub fn chunk(kind: u8, message: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, 0];
    chunk.extend_from_slice(&(message.len() as u16).to_be_bytes());
    chunk.extend_from_slice(message);
    chunk
}

/// A part of a message of a kind, in a chunk.
pub fn fragment(kind: u8, message: u32, offset: u16, total: u16, part: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, 1];
    chunk.extend_from_slice(&(part.len() as u16 + 8).to_be_bytes());
    chunk.extend_from_slice(&message.to_be_bytes());
    chunk.extend_from_slice(&offset.to_be_bytes());
    chunk.extend_from_slice(&total.to_be_bytes());
    chunk.extend_from_slice(part);
    chunk
}

/// The parts of a captured frame that tests look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who sent it.
    pub source: MacAddr,
    /// Whom it is for.
    pub destination: MacAddr,
    /// The AoE header.
    pub header: Header,
    /// What follows the AoE header, padding included.
    pub argument: Vec<u8>,
}

impl Seen {
    /// Reads a frame that a gateway or a target sent.
    ///
    /// # Panics
    /// If it is not AoE.
    pub fn parse(bytes: &[u8]) -> Seen {
        let frame = Frame::parse(bytes).expect("an AoE frame");
        let pdu = Pdu::parse(frame.payload()).expect("an AoE PDU");
        Seen {
            source: frame.source(),
            destination: frame.destination(),
            header: pdu.header(),
            argument: pdu.argument().to_vec(),
        }
    }

    /// Its ATA registers and data.
    ///
    /// # Panics
    /// If it is shorter than an ATA argument.
    pub fn ata(&self) -> Ata<'_> {
        Ata::parse(&self.argument).expect("an ATA argument")
    }

    /// Its Config argument.
    ///
    /// # Panics
    /// If it is no Config argument.
    pub fn query(&self) -> Query<'_> {
        Query::parse(&self.argument).expect("a Config argument")
    }

    /// Status and error register if this is a normal ATA response.
    pub fn ata_outcome(&self) -> Option<(u8, u8)> {
        let normal = self.header.flags == Flags::RESPONSE && self.header.command == AoeCommand::Ata;
        normal.then(|| (self.ata().status(), self.ata().error()))
    }
}
