//! Hostile frames.

use aoe_common::frame::{
    Ata, ETHERNET_HEADER_LEN, Frame, HEADER_LEN, MAX_FRAME_LEN, MacMask, Pdu, Query, Reserve, ata, ethernet,
    mac_mask, pad_to_min, query, reserve,
};

/// Reads `data` as a captured frame, and as what a peer sent through the tunnel.
///
/// # Panics
/// If something that was understood is not emitted again as it was, if a length reaches beyond what is there, or if
/// a frame we make is not fit to leave.
pub fn frame(data: &[u8]) {
    if let Ok(frame) = Frame::parse(data) {
        assert!(data.len() <= MAX_FRAME_LEN);
        let header = ethernet::header_bytes(frame.destination(), frame.source());
        assert_eq!(header, data[..ETHERNET_HEADER_LEN]);
        pdu(frame.payload());
    }
    pdu(data);
}

fn pdu(bytes: &[u8]) {
    let Ok(pdu) = Pdu::parse(bytes) else { return };
    assert_eq!(pdu.header().to_bytes(), bytes[..HEADER_LEN]);
    assert_eq!(pdu.argument(), &bytes[HEADER_LEN..]);
    // Each argument is read as every format, whatever the command: a view must hold by itself.
    as_ata(&pdu);
    as_query(pdu.argument());
    as_mac_mask(pdu.argument());
    as_reserve(pdu.argument());
    if pdu.address().is_broadcast() {
        assert!(!pdu.address().matches(pdu.address()));
    }
}

fn as_ata(pdu: &Pdu<'_>) {
    let Ok(view) = Ata::parse(pdu.argument()) else {
        return;
    };
    assert_eq!(view.header().to_bytes(), pdu.argument()[..ata::ARGUMENT_LEN]);
    assert!(view.lba() < 1 << 48);
    if let Ok(len) = ata::request_len(&view) {
        assert!(len <= pdu.bytes().len());
        assert_eq!((len - ata::PDU_LEN) % ata::SECTOR_LEN, 0);
    }
    assert!(ata::response_len(view.command(), view.sectors(), &view) >= ata::PDU_LEN);

    let mut refusal = vec![0xaa; ETHERNET_HEADER_LEN];
    ata::emit_refusal(pdu, &view, &mut refusal);
    pad_to_min(&mut refusal, 0);
    assert_eq!(refusal.len(), 60);
    let answer = Pdu::parse(&refusal[ETHERNET_HEADER_LEN..]).unwrap();
    assert_eq!(answer.header(), pdu.header().response());
    assert!(!Ata::parse(answer.argument()).unwrap().is_success());
}

fn as_query(argument: &[u8]) {
    let Ok(view) = Query::parse(argument) else { return };
    let len = view.pdu_len() - HEADER_LEN;
    assert_eq!(len, query::ARGUMENT_LEN + view.string().len());
    let mut built = vec![0xaa; len];
    view.header().emit(view.string(), &mut built);
    assert_eq!(built, argument[..len]);
}

fn as_mac_mask(argument: &[u8]) {
    let Ok(view) = MacMask::parse(argument) else {
        return;
    };
    let mut built = view.header().to_bytes().to_vec();
    built.extend(view.directives().flat_map(|directive| directive.to_bytes()));
    assert_eq!(built, argument[..view.pdu_len() - HEADER_LEN]);
    assert_eq!(
        built.len(),
        mac_mask::ARGUMENT_LEN + view.directives().len() * mac_mask::DIRECTIVE_LEN
    );
}

fn as_reserve(argument: &[u8]) {
    let Ok(view) = Reserve::parse(argument) else {
        return;
    };
    let mut built = view.header().to_bytes().to_vec();
    built.extend(view.addresses().flat_map(|address| address.0));
    assert_eq!(built, argument[..view.pdu_len() - HEADER_LEN]);
    assert_eq!(
        built.len(),
        reserve::ARGUMENT_LEN + view.addresses().len() * reserve::ADDRESS_LEN
    );
}
