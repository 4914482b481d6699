//! What holds for every frame, tried with many.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and clippy sees only #[test] functions as tests"
)]

mod frame_rebuild;

use aoe_common::frame::ata::{emit_refusal, lba48_bytes};
use aoe_common::frame::mac_mask::{Directive, MacMaskHeader};
use aoe_common::frame::query::MAX_STRING_LEN;
use aoe_common::frame::{
    Address, AoeCommand, Ata, AtaFlags, AtaHeader, Flags, Frame, HEADER_LEN, Header, MIN_FRAME_LEN, MacAddr,
    MacMask, Malformed, Pdu, Query, QueryCommand, QueryHeader, Reserve, ReserveHeader, Tag, aoe, ata,
    ethernet, pad_to_min, query,
};
use frame_rebuild::{exact_len, rebuild};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Frame::parse(&bytes);
        if let Ok(pdu) = Pdu::parse(&bytes) {
            prop_assert_eq!(pdu.bytes(), &bytes[..]);
            check_rebuild(&pdu)?;
        }
    }

    #[test]
    fn nearly_right_frames_are_read_or_refused(
        command in 0..6u8,
        flags in any::<u8>(),
        mut bytes in vec(any::<u8>(), HEADER_LEN..2000),
        counts in any::<[u8; 4]>(),
    ) {
        bytes[0] = flags;
        bytes[5] = command;
        // Small counts and lengths are those that fit, so make them likely.
        for (place, count) in bytes[HEADER_LEN..].iter_mut().take(8).zip(counts.iter().cycle()) {
            *place = count % 7;
        }
        check_rebuild(&Pdu::parse(&bytes).unwrap())?;
    }

    #[test]
    fn a_header_survives_and_nothing_behind_it_changes(header in headers(), rest in vec(any::<u8>(), 0..40)) {
        let mut bytes = vec![0xaa; HEADER_LEN];
        bytes.extend(&rest);
        header.emit(&mut bytes);
        let pdu = Pdu::parse(&bytes).unwrap();
        prop_assert_eq!(pdu.header(), header);
        prop_assert_eq!(pdu.argument(), &rest[..]);
    }

    #[test]
    fn setters_agree_with_emit(header in headers(), other in headers()) {
        let mut bytes = header.to_bytes();
        aoe::set_tag(&mut bytes, other.tag);
        aoe::set_address(&mut bytes, other.address);
        aoe::set_flags(&mut bytes, other.version, other.flags);
        let Header { version, flags, address, tag, .. } = other;
        prop_assert_eq!(Header::from_bytes(bytes), Header { version, flags, address, tag, ..header });
    }

    #[test]
    fn an_ethernet_header_survives((to, from) in any::<([u8; 6], [u8; 6])>(), rest in vec(0..9_u8, 0..99)) {
        let mut bytes = vec![0xaa; 14];
        bytes.extend(&rest);
        ethernet::emit_header(&mut bytes, MacAddr(to), MacAddr(from));
        let frame = Frame::parse(&bytes).unwrap();
        prop_assert_eq!((frame.destination().0, frame.source().0, frame.payload()), (to, from, &rest[..]));
    }

    #[test]
    fn addresses_survive_their_text(mac in any::<[u8; 6]>(), shelf in 0..0xffff_u16, slot in 0..0xff_u8) {
        prop_assert_eq!(MacAddr(mac).to_string().parse(), Ok(MacAddr(mac)));
        prop_assume!(shelf != 4095);
        let address = Address { shelf, slot };
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn arbitrary_texts_are_addresses_only_in_their_own_spelling(text in "e?[0-9.:a-f+-]{0,20}") {
        if let Ok(address) = text.parse::<Address>() {
            prop_assert_eq!(address.to_string(), &text[..]);
            prop_assert!(!address.is_broadcast());
        }
        if let Ok(mac) = text.parse::<MacAddr>() {
            prop_assert_eq!(mac.to_string(), text.replace('-', ":").to_lowercase());
        }
    }

    #[test]
    fn an_ata_argument_survives(header in ata_headers(), data in vec(any::<u8>(), 0..1100)) {
        let mut bytes = vec![0xaa; ata::ARGUMENT_LEN];
        bytes.extend(&data);
        header.emit(&mut bytes);
        let view = Ata::parse(&bytes).unwrap();
        prop_assert_eq!(view.header(), header);
        prop_assert_eq!(view.data(), &data[..]);
        prop_assert_eq!(u8::from(view.command()), view.status());
    }

    #[test]
    fn an_lba_is_what_its_bytes_say_least_significant_first(header in ata_headers(), lba in 0..1_u64 << 48) {
        let with_e = AtaFlags(header.flags.0 | AtaFlags::EXTENDED);
        let wide = AtaHeader { flags: with_e, lba: lba48_bytes(lba), ..header };
        prop_assert_eq!(Ata::parse(&wide.to_bytes()).unwrap().lba(), lba);
        let without_e = AtaFlags(header.flags.0 & !AtaFlags::EXTENDED);
        let narrow = AtaHeader { flags: without_e, ..wide };
        prop_assert_eq!(Ata::parse(&narrow.to_bytes()).unwrap().lba(), lba % (1 << 28));
    }

    #[test]
    fn a_request_is_never_longer_than_what_arrived(header in ata_headers(), data_len in 0..3000_usize) {
        let mut bytes = header.to_bytes().to_vec();
        bytes.resize(ata::ARGUMENT_LEN + data_len, 0);
        match ata::request_len(&Ata::parse(&bytes).unwrap()) {
            Ok(len) => prop_assert!(len >= ata::PDU_LEN && len <= HEADER_LEN + bytes.len()),
            Err(fault) => {
                prop_assert_eq!(fault, Malformed::AtaDataCut);
                prop_assert!(data_len < usize::from(header.sectors) * ata::SECTOR_LEN);
            }
        }
    }

    #[test]
    fn a_refusal_fails_and_names_what_was_asked(header in headers(), ata in ata_headers()) {
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(ata.to_bytes());
        bytes.extend([0x5a; 512]);
        let pdu = Pdu::parse(&bytes).unwrap();
        let mut out = Vec::new();
        emit_refusal(&pdu, &Ata::parse(pdu.argument()).unwrap(), &mut out);

        prop_assert_eq!(out.len(), ata::PDU_LEN);
        let refusal = Pdu::parse(&out).unwrap();
        prop_assert_eq!((refusal.bytes()[0], refusal.bytes()[1]), (0x18, 0));
        prop_assert_eq!(refusal.header(), header.response());
        let view = Ata::parse(refusal.argument()).unwrap();
        prop_assert!(!view.is_success());
        prop_assert_eq!((view.status(), view.error()), (0x41, 0x04));
        prop_assert_eq!((view.flags(), view.sectors(), view.lba_bytes()), (ata.flags, ata.sectors, ata.lba));
    }

    #[test]
    fn a_query_survives(
        (buffer_count, firmware, sectors, bits) in any::<(u16, u16, u8, u8)>(),
        string in vec(any::<u8>(), 0..=MAX_STRING_LEN),
        padding in 0..60_usize,
    ) {
        let command = QueryCommand::from_bits(bits);
        let header = QueryHeader { buffer_count, firmware, sectors, version: bits >> 4, command };
        let len = query::ARGUMENT_LEN + string.len();
        let mut bytes = vec![0xaa; len + padding];
        header.emit(&string, &mut bytes);
        prop_assert_eq!(&bytes[len..], &vec![0xaa; padding][..]);
        let view = Query::parse(&bytes).unwrap();
        prop_assert_eq!((view.header(), view.string()), (header, &string[..]));
        prop_assert_eq!(view.pdu_len(), HEADER_LEN + len);
        prop_assert!(Query::parse(&bytes[..len - 1]).is_err());
    }

    #[test]
    fn lists_survive(
        entries in vec(any::<[u8; 8]>(), 0..=255),
        (reserved, command) in any::<(u8, u8)>(),
        padding in 0..8_usize,
    ) {
        let count = u8::try_from(entries.len()).unwrap();
        let header = MacMaskHeader { reserved, command: command.into(), error: 0.into(), count };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(entries.as_flattened());
        bytes.resize(bytes.len() + padding, 0xaa);
        let view = MacMask::parse(&bytes).unwrap();
        prop_assert_eq!(view.header(), header);
        prop_assert!(view.directives().eq(entries.iter().copied().map(Directive::from_bytes)));
        prop_assert!(view.directives().map(|directive| directive.to_bytes()).eq(entries.iter().copied()));

        let header = ReserveHeader { command: command.into(), count };
        let mut bytes = header.to_bytes().to_vec();
        let macs = entries.iter().map(|entry| MacAddr(*entry.first_chunk().unwrap()));
        bytes.extend(macs.clone().flat_map(|mac| mac.0));
        bytes.resize(bytes.len() + padding, 0xaa);
        let view = Reserve::parse(&bytes).unwrap();
        prop_assert_eq!(view.header(), header);
        prop_assert!(view.addresses().eq(macs));
    }

    #[test]
    fn a_cut_pdu_is_the_same_pdu_or_none(command in 0..4_u8, mut bytes in vec(0..5_u8, HEADER_LEN..1200)) {
        bytes[5] = command;
        let whole = Pdu::parse(&bytes).unwrap();
        let whole_built = rebuild(&whole, None);
        for len in 0..bytes.len() {
            match Pdu::parse(&bytes[..len]) {
                Err(fault) => prop_assert!(fault == Malformed::HeaderTooShort && len < HEADER_LEN),
                Ok(cut) => {
                    prop_assert_eq!(cut.header(), whole.header());
                    if let Ok(built) = rebuild(&cut, None) {
                        prop_assert_eq!(Ok(built), whole_built.clone(), "cut to {}", len);
                    }
                }
            }
        }
    }

    #[test]
    fn padding_reaches_the_minimum((before, len, stale) in (0..99_usize, 0..99_usize, 0..99_usize)) {
        let mut buf = vec![0xaa; before + len + stale];
        buf.truncate(before + len);
        pad_to_min(&mut buf, before);
        prop_assert_eq!(buf.len() - before, len.max(MIN_FRAME_LEN));
        prop_assert!(buf[..before + len].iter().all(|byte| *byte == 0xaa));
        prop_assert!(buf[before + len..].iter().all(|byte| *byte == 0));
    }
}

/// Whatever was understood is rebuilt as it was, and is understood the same again.
fn check_rebuild(pdu: &Pdu<'_>) -> Result<(), TestCaseError> {
    let Ok(len) = exact_len(pdu, None) else {
        return Ok(());
    };
    prop_assert!(len <= pdu.bytes().len());
    let built = rebuild(pdu, None).unwrap();
    prop_assert_eq!(&built, &pdu.bytes()[..len]);
    prop_assert_eq!(exact_len(&Pdu::parse(&built).unwrap(), None), Ok(len));
    Ok(())
}

fn headers() -> impl Strategy<Value = Header> {
    any::<(u8, u8, u16, u8, u8, u32)>().prop_map(|(version_flags, error, shelf, slot, command, tag)| Header {
        version: version_flags >> 4,
        flags: Flags::from_bits(version_flags),
        error,
        address: Address { shelf, slot },
        command: AoeCommand::from(command),
        tag: Tag(tag),
    })
}

fn ata_headers() -> impl Strategy<Value = AtaHeader> {
    let opcodes = prop_oneof![
        prop::sample::select(&[0x20, 0x24, 0x30, 0x34, 0xe5, 0xe7, 0xea, 0xec][..]),
        any::<u8>()
    ];
    (opcodes, 0..8_u8, any::<(u8, u8, [u8; 6], [u8; 2])>()).prop_map(
        |(command_status, sectors, (flags, error_feature, lba, reserved))| AtaHeader {
            flags: AtaFlags(flags),
            error_feature,
            sectors,
            command_status,
            lba,
            reserved,
        },
    )
}
