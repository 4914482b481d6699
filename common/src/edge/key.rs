//! What a request asked: tells copies of it from other requests, and its reply from other replies.

use crate::frame::{Ata, MacAddr, Pdu};
use crate::request::Asked;

/// What makes two requests of one initiator look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Who asks.
    pub(super) initiator: MacAddr,
    pub(super) asked: Asked,
    lba: u64,
}

impl Key {
    pub(super) fn of_ata(initiator: MacAddr, ata: &Ata<'_>) -> Key {
        Key {
            initiator,
            asked: Asked::of_ata(ata),
            lba: ata.lba(),
        }
    }

    pub(super) const fn of_query(initiator: MacAddr) -> Key {
        Key::of(initiator, Asked::Query)
    }

    /// Of a command without an address.
    pub(super) const fn of(initiator: MacAddr, asked: Asked) -> Key {
        Key {
            initiator,
            asked,
            lba: 0,
        }
    }

    /// Whether a response can be the answer to this: the same command, and exactly as long as the answer must be.
    pub(super) fn is_answered_by(&self, pdu: &Pdu<'_>) -> bool {
        self.asked.answer_len(pdu) == Some(pdu.bytes().len())
    }

    /// All of it in one number.
    pub(super) fn number(&self) -> u64 {
        let [a, b, c, d, e, f] = self.initiator.0;
        let (what, sectors) = match self.asked {
            Asked::Ata { opcode, sectors, .. } => (u8::from(opcode), sectors),
            Asked::Extra { command, sectors } => (command.code().0, sectors),
            Asked::Query => (0, 0),
            Asked::Reserve => (0, 1),
            Asked::MacMask => (0, 2),
        };
        // A large odd factor, so that address and MAC do not cancel each other out.
        let initiator = u64::from_be_bytes([0, 0, a, b, c, d, e, f]).wrapping_mul(0xd6e8_feb8_6659_fd93);
        initiator ^ self.lba ^ u64::from(what) << 48 ^ u64::from(sectors) << 56
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Address, AoeCommand, Flags, HEADER_LEN, Header, SECTOR_LEN, Tag, ata};

    const SOMEBODY: MacAddr = MacAddr([2; 6]);

    fn key(opcode: u8, sectors: u8) -> Key {
        Key::of_ata(
            SOMEBODY,
            &Ata::parse(&[0, 0, sectors, opcode, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap(),
        )
    }

    /// A response with this status and so much behind its argument.
    fn response(command: AoeCommand, flags: Flags, status: u8, more: usize) -> Vec<u8> {
        let header = Header {
            version: 1,
            flags,
            error: 0,
            address: Address { shelf: 1, slot: 1 },
            command,
            tag: Tag(1),
        };
        let mut pdu = header.to_bytes().to_vec();
        pdu.extend_from_slice(&[0, 0, 0, status, 0, 0, 0, 0, 0, 0, 0, 0]);
        pdu.resize(pdu.len() + more, 0);
        pdu
    }

    #[test]
    fn a_reply_fits_what_was_asked_or_nothing() {
        let (read, write, identify) = (key(0x24, 2), key(0x34, 2), key(0xec, 1));
        let fits = |key: Key, status, more| {
            let bytes = response(AoeCommand::Ata, Flags::RESPONSE, status, more);
            key.is_answered_by(&Pdu::parse(&bytes).unwrap())
        };
        for (key, right) in [(read, 2 * SECTOR_LEN), (write, 0), (identify, SECTOR_LEN)] {
            for sectors in 0..4 {
                let more = sectors * SECTOR_LEN;
                assert_eq!(fits(key, 0x40, more), more == right, "{key:?} {more}");
            }
            assert!(
                fits(key, 0x41, 0) && !fits(key, 0x41, SECTOR_LEN),
                "{key:?} failed"
            );
        }
        let error = response(AoeCommand::Ata, Flags::ERROR_RESPONSE, 0, 0);
        let pdu = |len| Pdu::parse(&error[..len]).unwrap();
        assert!(read.is_answered_by(&pdu(HEADER_LEN)) && read.is_answered_by(&pdu(ata::PDU_LEN)));
        let long = response(AoeCommand::Ata, Flags::ERROR_RESPONSE, 0, 1);
        assert!(!read.is_answered_by(&Pdu::parse(&long).unwrap()));
        let query = response(AoeCommand::Query, Flags::RESPONSE, 0, 0);
        let query = Pdu::parse(&query[..HEADER_LEN + 8]).unwrap();
        assert!(Key::of_query(SOMEBODY).is_answered_by(&query) && !read.is_answered_by(&query));
        assert!(!Key::of_query(SOMEBODY).is_answered_by(&pdu(ata::PDU_LEN)));
    }
}
