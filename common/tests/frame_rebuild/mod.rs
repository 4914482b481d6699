//! Takes the AoE part of a frame apart and builds it up again from its meaning alone, in dirty memory.

use aoe_common::frame::{
    AoeCommand, Ata, AtaOpcode, HEADER_LEN, MacMask, Malformed, Pdu, Query, Reserve, ata, mac_mask, reserve,
};

/// What memory holds before something is emitted into it; shows through where nothing was.
const DIRTY: u8 = 0xaa;

/// The exact length of `pdu`, without padding or ballast.
///
/// `answers` is the ATA request that a response answers: a response does not say how much data it carries.
pub(crate) fn exact_len(pdu: &Pdu<'_>, answers: Option<(AtaOpcode, u8)>) -> Result<usize, Malformed> {
    match pdu.command() {
        AoeCommand::Ata => {
            let view = Ata::parse(pdu.argument())?;
            match answers {
                _ if !pdu.is_response() => ata::request_len(&view),
                Some((command, sectors)) if !pdu.is_error() => Ok(ata::response_len(command, sectors, &view)),
                _ => Ok(ata::PDU_LEN),
            }
        }
        AoeCommand::Query => Ok(Query::parse(pdu.argument())?.pdu_len()),
        AoeCommand::MacMask => Ok(MacMask::parse(pdu.argument())?.pdu_len()),
        AoeCommand::Reserve => Ok(Reserve::parse(pdu.argument())?.pdu_len()),
        AoeCommand::KeyedReserve | AoeCommand::Vendor(_) | AoeCommand::Unknown(_) => Ok(pdu.bytes().len()),
    }
}

/// `pdu` once more, without padding or ballast, every byte emitted from what the views said.
pub(crate) fn rebuild(pdu: &Pdu<'_>, answers: Option<(AtaOpcode, u8)>) -> Result<Vec<u8>, Malformed> {
    let mut built = vec![DIRTY; exact_len(pdu, answers)?];
    let (header, argument) = built.split_at_mut(HEADER_LEN);
    pdu.header().emit(header);
    match pdu.command() {
        AoeCommand::Ata => {
            let view = Ata::parse(pdu.argument())?;
            view.header().emit(argument);
            let data = &mut argument[ata::ARGUMENT_LEN..];
            data.copy_from_slice(&view.data()[..data.len()]);
        }
        AoeCommand::Query => {
            let view = Query::parse(pdu.argument())?;
            view.header().emit(view.string(), argument);
        }
        AoeCommand::MacMask => {
            let view = MacMask::parse(pdu.argument())?;
            view.header().emit(argument);
            let (places, rest) = argument[mac_mask::ARGUMENT_LEN..].as_chunks_mut();
            assert_eq!((places.len(), rest.len()), (view.directives().len(), 0));
            for (place, directive) in places.iter_mut().zip(view.directives()) {
                *place = directive.to_bytes();
            }
        }
        AoeCommand::Reserve => {
            let view = Reserve::parse(pdu.argument())?;
            view.header().emit(argument);
            let (places, rest) = argument[reserve::ARGUMENT_LEN..].as_chunks_mut();
            assert_eq!((places.len(), rest.len()), (view.addresses().len(), 0));
            for (place, address) in places.iter_mut().zip(view.addresses()) {
                *place = address.0;
            }
        }
        AoeCommand::KeyedReserve | AoeCommand::Vendor(_) | AoeCommand::Unknown(_) => {
            argument.copy_from_slice(pdu.argument());
        }
    }
    Ok(built)
}
