//! Request and response of an ATA command: how long each is, and how to refuse one.

use super::aoe::Pdu;
use super::ata::{Ata, AtaHeader, AtaOpcode, PDU_LEN, SECTOR_LEN};
use super::malformed::Malformed;

/// Status register of a refusal: DRDY and ERR.
const STATUS_REFUSED: u8 = 0x41;
/// Error register: ABRT, command aborted.
const ERROR_ABORTED: u8 = 0x04;

/// The exact length of the PDU of `request`: header, argument, and the data a write carries to the device.
///
/// What a read or an IDENTIFY carries beyond is no part of the request, yet may be there on purpose: the Linux
/// initiator probes a path with full-size reads (`probe`), and aoe-sancheck finds the frame size of a path by
/// ever shorter IDENTIFY requests. Such ballast stays available in [`Ata::data`].
///
/// A command not listed in [`AtaOpcode`] is taken to carry data if flag W says so.
///
/// # Errors
/// [`Malformed::AtaDataCut`] if the frame holds less data than the sector count announces.
#[inline]
pub fn request_len(request: &Ata<'_>) -> Result<usize, Malformed> {
    let command = request.command();
    let to_device =
        command.is_write() || matches!(command, AtaOpcode::Other(_)) && request.flags().is_write();
    let data_len = if to_device {
        sectors_len(request.sectors())
    } else {
        0
    };
    if request.data().len() < data_len {
        return Err(Malformed::AtaDataCut);
    }
    Ok(PDU_LEN + data_len)
}

/// The exact length of the PDU of a response to `command` for `sectors` sectors.
///
/// A successful read carries what was asked for, a successful IDENTIFY one sector, everything else (failures
/// too) nothing. The caller compares with what arrived: targets pad with stale bytes, and a read response that
/// is too short must not go on, because the initiator would fail that I/O at once. Commands not listed in
/// [`AtaOpcode`] are taken to return no data. Not for responses with the AoE E flag: they have [`PDU_LEN`].
#[inline]
#[must_use]
pub fn response_len(command: AtaOpcode, sectors: u8, response: &Ata<'_>) -> usize {
    if !response.is_success() {
        return PDU_LEN;
    }
    match command {
        AtaOpcode::Identify => PDU_LEN + SECTOR_LEN,
        AtaOpcode::Read | AtaOpcode::ReadExt => PDU_LEN + sectors_len(sectors),
        AtaOpcode::Write
        | AtaOpcode::WriteExt
        | AtaOpcode::Flush
        | AtaOpcode::FlushExt
        | AtaOpcode::CheckPower
        | AtaOpcode::Other(_) => PDU_LEN,
    }
}

/// Appends to `out` the PDU that refuses an ATA request: a normal response with Status 0x41 and Error 0x04
/// (aborted), sector count and address unchanged, no data.
///
/// This is what `vblade -r` and a read-only ggaoed answer to a write; the Linux initiator fails the I/O at once
/// and keeps the device. `ata` is the view of `request`'s argument.
pub fn emit_refusal(request: &Pdu<'_>, ata: &Ata<'_>, out: &mut Vec<u8>) {
    let refused = AtaHeader {
        error_feature: ERROR_ABORTED,
        command_status: STATUS_REFUSED,
        reserved: [0; 2],
        ..ata.header()
    };
    out.extend_from_slice(&request.header().response().to_bytes());
    out.extend_from_slice(&refused.to_bytes());
}

/// Appends to `out` the PDU that asks for a part of what `request` asks for: the `sectors` that follow the first `done`.
/// `ata` is the view of its argument. `None`, and nothing is appended, if `request` has no such part.
pub fn emit_part(request: &Pdu<'_>, ata: &Ata<'_>, done: u8, sectors: u8, out: &mut Vec<u8>) -> Option<()> {
    let part = AtaHeader {
        sectors,
        lba: ata.lba_behind(done)?,
        ..ata.header()
    };
    let data = if ata.command().is_write() {
        let start = sectors_len(done);
        ata.data().get(start..start + sectors_len(sectors))?
    } else {
        &[]
    };
    out.extend_from_slice(&request.header().to_bytes());
    out.extend_from_slice(&part.to_bytes());
    out.extend_from_slice(data);
    Some(())
}

/// Bytes of so many sectors.
#[must_use]
pub const fn sectors_len(sectors: u8) -> usize {
    sectors as usize * SECTOR_LEN
}

#[cfg(test)]
mod tests {
    use super::super::Malformed;
    use super::super::aoe::{HEADER_LEN, Pdu};
    use super::super::ata::{ARGUMENT_LEN, Ata, AtaOpcode, PDU_LEN, SECTOR_LEN};
    use super::{emit_part, emit_refusal, request_len, response_len};

    const WRITE_EXT: [u8; ARGUMENT_LEN] = [0x41, 0, 2, 0x34, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0, 0];

    fn request(flags: u8, opcode: u8, sectors: u8) -> [u8; ARGUMENT_LEN] {
        [flags, 0, sectors, opcode, 0x01, 0x02, 0x03, 0xe4, 0, 0, 0, 0]
    }

    #[test]
    fn a_write_is_as_long_as_its_sectors() {
        for (flags, opcode) in [(1, 0x30), (0, 0x30), (0x41, 0x34), (1, 0xb0)] {
            let mut bytes = request(flags, opcode, 2).to_vec();
            bytes.resize(ARGUMENT_LEN + 2 * SECTOR_LEN, 0);
            assert_eq!(
                request_len(&Ata::parse(&bytes).unwrap()),
                Ok(PDU_LEN + 1024),
                "{opcode:#x}"
            );
            bytes.pop();
            assert_eq!(
                request_len(&Ata::parse(&bytes).unwrap()),
                Err(Malformed::AtaDataCut),
                "{opcode:#x}"
            );
            bytes.resize(5000, 0);
            assert_eq!(
                request_len(&Ata::parse(&bytes).unwrap()),
                Ok(PDU_LEN + 1024),
                "{opcode:#x}"
            );
        }
    }

    #[test]
    fn other_requests_have_no_data_whatever_follows() {
        for (flags, opcode) in [
            (0, 0x20),
            (0x40, 0x24),
            (1, 0x24),
            (0, 0xec),
            (0, 0xe7),
            (0, 0xe5),
            (0, 0xb0),
        ] {
            let mut bytes = request(flags, opcode, 255).to_vec();
            assert_eq!(
                request_len(&Ata::parse(&bytes).unwrap()),
                Ok(PDU_LEN),
                "{opcode:#x}"
            );
            bytes.resize(ARGUMENT_LEN + 8704, 0);
            assert_eq!(
                request_len(&Ata::parse(&bytes).unwrap()),
                Ok(PDU_LEN),
                "{opcode:#x}"
            );
        }
    }

    #[test]
    fn the_length_of_a_response_follows_from_request_and_status() {
        let success = request(0, 0x40, 0);
        let success = Ata::parse(&success).unwrap();
        for (command, sectors, len) in [
            (AtaOpcode::Read, 2, 22 + 1024),
            (AtaOpcode::ReadExt, 255, 22 + 255 * 512),
            (AtaOpcode::ReadExt, 0, 22),
            (AtaOpcode::Identify, 0, 22 + 512),
            (AtaOpcode::Identify, 1, 22 + 512),
            (AtaOpcode::Write, 2, 22),
            (AtaOpcode::WriteExt, 2, 22),
            (AtaOpcode::Flush, 0, 22),
            (AtaOpcode::FlushExt, 0, 22),
            (AtaOpcode::CheckPower, 0, 22),
            (AtaOpcode::Other(0xb0), 1, 22),
        ] {
            assert_eq!(response_len(command, sectors, &success), len, "{command}");
        }
        for status in [0x41, 0x01, 0x80, 0x20, 0x08, 0xe7] {
            let failure = request(0, status, 2);
            let failure = Ata::parse(&failure).unwrap();
            assert!(!failure.is_success());
            assert_eq!(response_len(AtaOpcode::Read, 2, &failure), PDU_LEN, "{status:#x}");
        }
    }

    #[test]
    fn a_refusal_keeps_what_was_asked_and_drops_the_data() {
        let mut bytes = vec![0x13, 0, 0, 7, 4, 0, 0x80, 1, 2, 3];
        bytes.extend(WRITE_EXT);
        bytes.extend([0x5a; 1024]);
        bytes[HEADER_LEN + 10] = 0x5a;
        let pdu = Pdu::parse(&bytes).unwrap();
        let mut out = vec![0xaa];
        emit_refusal(&pdu, &Ata::parse(pdu.argument()).unwrap(), &mut out);
        assert_eq!(
            out,
            [
                0xaa, 0x18, 0, 0, 7, 4, 0, 0x80, 1, 2, 3, 0x41, 0x04, 2, 0x41, 6, 5, 4, 3, 2, 1, 0, 0
            ],
            "the reserved bits of the request do not come back"
        );
    }

    #[test]
    fn a_part_is_where_it_belongs_and_carries_its_own_data() {
        let mut bytes = vec![0x10, 0, 0, 7, 4, 0, 0, 1, 2, 3];
        bytes.extend([0x41, 0, 3, 0x34, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend((0..3 * SECTOR_LEN).map(|at| u8::try_from(at / SECTOR_LEN).unwrap()));
        let pdu = Pdu::parse(&bytes).unwrap();
        let part = |bytes: &[u8], done, sectors| {
            let pdu = Pdu::parse(bytes).unwrap();
            let mut out = Vec::new();
            emit_part(
                &pdu,
                &Ata::parse(pdu.argument()).unwrap(),
                done,
                sectors,
                &mut out,
            )
            .map(|()| out)
        };
        let second = part(&bytes, 1, 2).unwrap();
        assert_eq!(second[..HEADER_LEN], pdu.bytes()[..HEADER_LEN]);
        assert_eq!(
            second[HEADER_LEN..PDU_LEN],
            [0x41, 0, 2, 0x34, 0, 0, 0, 0, 1, 0, 0, 0]
        );
        assert_eq!(second[PDU_LEN..], [[1; SECTOR_LEN], [2; SECTOR_LEN]].concat());
        assert_eq!(part(&bytes, 0, 3).unwrap(), bytes);
        assert_eq!(part(&bytes, 2, 2), None, "there is no fourth sector");
        // 28 bits, and what else is in the fourth byte.
        let mut read = vec![0x10, 0, 0, 7, 4, 0, 0, 1, 2, 3];
        read.extend([0, 0, 3, 0x20, 0xfe, 0xff, 0xff, 0xef, 0, 0, 0, 0]);
        assert_eq!(
            part(&read, 1, 1).unwrap()[HEADER_LEN + 4..][..4],
            [0xff, 0xff, 0xff, 0xef]
        );
        assert_eq!(part(&read, 2, 1), None, "it does not begin at the start again");
    }
}
