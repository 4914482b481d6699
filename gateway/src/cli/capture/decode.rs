//! What a captured frame asks or answers, as far as it was captured.

use aoe_common::frame::{AoeCommand, AoeError, Ata, ETHERNET_HEADER_LEN, MacAddr, Pdu, Query, QueryCommand};
use serde::Serialize;

/// The meaning of a frame.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Decoded {
    /// Who sent it.
    source: String,
    /// For whom.
    destination: String,
    /// The shelf.slot.
    address: String,
    /// The tag.
    tag: u32,
    /// `ata`, `query`, or another command of AoE.
    command: String,
    /// The ATA command of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    ata: Option<String>,
    /// The first sector of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    lba: Option<u64>,
    /// How many sectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    sectors: Option<u8>,
    /// The ATA status of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
    /// The ATA error of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<u8>,
    /// All of that, in words.
    pub(super) words: String,
}

/// Reads the bytes that were captured.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let mac = |at: usize| {
        let bytes = bytes
            .get(at..at + 6)
            .and_then(|mac| <[u8; 6]>::try_from(mac).ok());
        bytes.map(|mac| MacAddr(mac).to_string()).unwrap_or_default()
    };
    let decoded = Decoded {
        destination: mac(0),
        source: mac(6),
        ..Decoded::default()
    };
    let pdu = bytes.get(ETHERNET_HEADER_LEN..).unwrap_or_default();
    let Ok(pdu) = Pdu::parse(pdu) else {
        return Decoded {
            words: "cut off".to_owned(),
            ..decoded
        };
    };
    let decoded = Decoded {
        address: pdu.address().to_string(),
        tag: pdu.tag().0,
        command: pdu.command().to_string(),
        ..decoded
    };
    if pdu.is_response() && pdu.is_error() {
        let error = AoeError::from(pdu.header().error);
        return Decoded {
            words: format!("{} answer: AoE error, {error}", pdu.command()),
            ..decoded
        };
    }
    match pdu.command() {
        AoeCommand::Ata => of_ata(&pdu, decoded),
        AoeCommand::Query => Decoded {
            words: of_query(&pdu),
            ..decoded
        },
        command => Decoded {
            words: format!("AoE command {command}"),
            ..decoded
        },
    }
}

fn of_ata(pdu: &Pdu<'_>, decoded: Decoded) -> Decoded {
    let Ok(ata) = Ata::parse(pdu.argument()) else {
        return Decoded {
            words: "ata, cut off".to_owned(),
            ..decoded
        };
    };
    if pdu.is_response() {
        let (status, error) = (ata.status(), ata.error());
        let words = match ata.is_success() {
            true => format!("answer: ok, status {status:#04x}"),
            false => format!("answer: error {error:#04x}, status {status:#04x}"),
        };
        return Decoded {
            status: Some(status),
            error: Some(error),
            words,
            ..decoded
        };
    }
    let command = ata.command();
    let moves = command.is_read() || command.is_write();
    Decoded {
        ata: Some(command.to_string()),
        lba: moves.then(|| ata.lba()),
        sectors: moves.then(|| ata.sectors()),
        words: match moves {
            true => format!("{command} lba {} sectors {}", ata.lba(), ata.sectors()),
            false => command.to_string(),
        },
        ..decoded
    }
}

fn of_query(pdu: &Pdu<'_>) -> String {
    let Ok(query) = Query::parse(pdu.argument()) else {
        return "config, cut off".to_owned();
    };
    if pdu.is_response() {
        return format!(
            "config answer: buffers {}, sectors {}",
            query.buffer_count(),
            query.sectors()
        );
    }
    let command = match query.command() {
        QueryCommand::Read => "read",
        QueryCommand::Test => "test",
        QueryCommand::Prefix => "prefix test",
        QueryCommand::SetIfEmpty => "set if empty",
        QueryCommand::ForceSet => "force set",
        QueryCommand::Unknown(_) => "unknown command",
    };
    format!("config {command}")
}
