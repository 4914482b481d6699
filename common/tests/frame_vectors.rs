//! Frames as they are on the wire, kept as files: each is read, compared with what its file says it means, and
//! built up again byte for byte.
//!
//! A file under `tests/vectors/frames` has lines of four kinds: `#` where the frame is from, `?` which request it
//! answers (a response does not say), `>` what it means, and its bytes in hexadecimal.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and clippy sees only #[test] functions as tests"
)]

mod frame_rebuild;

use std::fs;
use std::path::Path;

use aoe_common::frame::ata::emit_refusal;
use aoe_common::frame::query::QueryCommand;
use aoe_common::frame::{
    AoeCommand, Ata, AtaOpcode, ETHERNET_HEADER_LEN, Frame, MIN_FRAME_LEN, MacMask, Malformed, Pdu, Query,
    Reserve, ethernet, pad_to_min,
};
use frame_rebuild::{exact_len, rebuild};

struct Vector {
    name: String,
    answers: Option<(AtaOpcode, u8)>,
    meaning: Vec<String>,
    bytes: Vec<u8>,
}

#[test]
fn every_vector_means_what_its_file_says() {
    for vector in vectors() {
        let found = match describe(&vector.bytes, vector.answers) {
            Ok(lines) => lines,
            Err(fault) => vec![format!("malformed {}", fault.as_str())],
        };
        assert_eq!(found, vector.meaning, "{}", vector.name);
    }
}

#[test]
fn every_well_formed_vector_is_rebuilt_byte_for_byte_in_dirty_memory() {
    for vector in vectors() {
        let Ok(pdu) = pdu_of(&vector.bytes) else { continue };
        let Ok(built_pdu) = rebuild(&pdu, vector.answers) else {
            continue;
        };

        let frame = Frame::parse(&vector.bytes).unwrap();
        let mut built = vec![0xaa; ETHERNET_HEADER_LEN];
        ethernet::emit_header(&mut built, frame.destination(), frame.source());
        built.extend(built_pdu);
        let len = built.len();
        assert_eq!(built, vector.bytes[..len], "{}", vector.name);

        pad_to_min(&mut built, 0);
        assert!(built.len() >= MIN_FRAME_LEN, "{}", vector.name);
        assert!(
            built[len..].iter().all(|byte| *byte == 0),
            "{}: padding is zeros",
            vector.name
        );
    }
}

#[test]
fn a_vector_cut_anywhere_is_the_same_frame_or_none() {
    for vector in vectors() {
        for len in 0..vector.bytes.len() {
            let cut = &vector.bytes[..len];
            let Ok(pdu) = pdu_of(cut) else { continue };
            let whole = pdu_of(&vector.bytes).unwrap();
            assert_eq!(pdu.header(), whole.header(), "{} cut to {len}", vector.name);
            let Ok(cut_len) = exact_len(&pdu, None) else {
                continue;
            };
            if matches!(
                pdu.command(),
                AoeCommand::Ata | AoeCommand::Query | AoeCommand::MacMask | AoeCommand::Reserve
            ) {
                assert_eq!(
                    Ok(cut_len),
                    exact_len(&whole, None),
                    "{} cut to {len}",
                    vector.name
                );
                assert_eq!(
                    rebuild(&pdu, None),
                    rebuild(&whole, None),
                    "{} cut to {len}",
                    vector.name
                );
            }
        }
    }
}

#[test]
fn our_refusal_is_what_a_read_only_vblade_answers_without_its_stale_bytes() {
    let vectors = vectors();
    let named = |name: &str| vectors.iter().find(|vector| vector.name == name).unwrap();
    for (request, refusal) in [
        ("readonly-write-ext-request", "vblade-readonly-write-ext-refusal"),
        ("readonly-write-request", "vblade-readonly-write-refusal"),
        ("flush-ext-request", "vblade-flush-ext-refusal"),
        ("smart-request", "vblade-smart-refusal"),
    ] {
        let request = Frame::parse(&named(request).bytes).unwrap();
        let pdu = Pdu::parse(request.payload()).unwrap();

        let mut ours = vec![0xaa; ETHERNET_HEADER_LEN];
        ethernet::emit_header(&mut ours, request.source(), request.destination());
        emit_refusal(&pdu, &Ata::parse(pdu.argument()).unwrap(), &mut ours);
        let len = ours.len();
        pad_to_min(&mut ours, 0);

        let theirs = &named(refusal).bytes;
        assert_eq!(ours[..len], theirs[..len], "{refusal}");
        assert_eq!(ours[len..], [0; 24], "{refusal}");
    }
}

#[test]
fn every_fault_has_a_vector_but_those_of_length() {
    let found: Vec<_> = vectors()
        .iter()
        .filter_map(|vector| describe(&vector.bytes, None).err())
        .collect();
    for fault in Malformed::ALL {
        let too_big_for_a_file = matches!(fault, Malformed::FrameTooLong | Malformed::PduTooLong);
        assert!(found.contains(&fault) != too_big_for_a_file, "{}", fault.as_str());
    }
}

fn pdu_of(frame: &[u8]) -> Result<Pdu<'_>, Malformed> {
    Pdu::parse(Frame::parse(frame)?.payload())
}

fn describe(bytes: &[u8], answers: Option<(AtaOpcode, u8)>) -> Result<Vec<String>, Malformed> {
    let frame = Frame::parse(bytes)?;
    let pdu = Pdu::parse(frame.payload())?;
    let header = pdu.header();
    let mut lines = vec![
        format!("ethernet to {} from {}", frame.destination(), frame.source()),
        format!(
            "aoe version {} flags {:#x} error {} address {} command {} tag {}",
            header.version,
            header.flags.bits(),
            header.error,
            pdu.address(),
            pdu.command(),
            pdu.tag()
        ),
    ];
    match pdu.command() {
        AoeCommand::Ata => lines.push(describe_ata(&Ata::parse(pdu.argument())?, pdu.is_response())),
        AoeCommand::Query => lines.push(describe_query(&Query::parse(pdu.argument())?)),
        AoeCommand::MacMask => {
            let mask = MacMask::parse(pdu.argument())?;
            let header = mask.header();
            lines.push(format!(
                "mac-mask command {} error {} count {}",
                u8::from(header.command),
                u8::from(header.error),
                header.count
            ));
            for directive in mask.directives() {
                lines.push(format!(
                    "directive {} {}",
                    u8::from(directive.command),
                    directive.address
                ));
            }
        }
        AoeCommand::Reserve => {
            let reserve = Reserve::parse(pdu.argument())?;
            let header = reserve.header();
            lines.push(format!(
                "reserve command {} count {}",
                u8::from(header.command),
                header.count
            ));
            lines.extend(reserve.addresses().map(|address| format!("initiator {address}")));
        }
        AoeCommand::KeyedReserve | AoeCommand::Vendor(_) | AoeCommand::Unknown(_) => {}
    }
    let len = ETHERNET_HEADER_LEN + exact_len(&pdu, answers)?;
    let trailing = &bytes[len..];
    let kind = match trailing {
        [] => "",
        _ if trailing.iter().all(|byte| *byte == 0) => " zero",
        _ => " stale",
    };
    lines.push(format!("length {len} trailing {}{kind}", trailing.len()));
    Ok(lines)
}

fn describe_ata(ata: &Ata<'_>, is_response: bool) -> String {
    let registers = if is_response {
        format!(
            "response flags {:#04x} error {:#04x} sectors {} status {:#04x} {}",
            ata.flags().0,
            ata.error(),
            ata.sectors(),
            ata.status(),
            if ata.is_success() { "success" } else { "failure" }
        )
    } else {
        format!(
            "request flags {:#04x} feature {:#04x} sectors {} command {}",
            ata.flags().0,
            ata.feature(),
            ata.sectors(),
            ata.command()
        )
    };
    let lba_bytes: String = ata.lba_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ata {registers} lba {} bytes {lba_bytes}", ata.lba())
}

fn describe_query(query: &Query<'_>) -> String {
    let command = match query.command() {
        QueryCommand::Read => "read".to_owned(),
        QueryCommand::Test => "test".to_owned(),
        QueryCommand::Prefix => "prefix".to_owned(),
        QueryCommand::SetIfEmpty => "set-if-empty".to_owned(),
        QueryCommand::ForceSet => "force-set".to_owned(),
        QueryCommand::Unknown(code) => format!("unknown-{code}"),
    };
    let text = match query.string() {
        string @ [_, ..] if string.len() < 64 => String::from_utf8(string.to_vec()).unwrap(),
        _ => "-".to_owned(),
    };
    format!(
        "query buffers {} firmware {:#06x} sectors {} version {} command {command} string {} {text}",
        query.buffer_count(),
        query.firmware(),
        query.sectors(),
        query.version(),
        query.string().len()
    )
}

fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/frames");
    let mut vectors: Vec<Vector> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| read_vector(&entry.unwrap().path()))
        .collect();
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(
        vectors.len() > 80,
        "only {} vectors in {}",
        vectors.len(),
        folder.display()
    );
    vectors
}

fn read_vector(path: &Path) -> Vector {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.starts_with("# "),
        "{name}: the first line says where the frame is from"
    );
    let mut vector = Vector {
        name,
        answers: None,
        meaning: Vec::new(),
        bytes: Vec::new(),
    };
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("#", _)) => {}
            Some(("?", request)) => vector.answers = Some(read_request(request)),
            Some((">", meaning)) => vector.meaning.push(meaning.to_owned()),
            _ => vector.bytes.extend(
                line.split_whitespace()
                    .map(|byte| u8::from_str_radix(byte, 16).expect("a byte in hexadecimal")),
            ),
        }
    }
    assert!(
        !vector.meaning.is_empty() && !vector.bytes.is_empty(),
        "{}",
        vector.name
    );
    vector
}

/// Reads `answers read-ext 2`.
fn read_request(text: &str) -> (AtaOpcode, u8) {
    let mut words = text.split(' ');
    assert_eq!(words.next(), Some("answers"));
    let name = words.next().unwrap();
    let opcode = (0..=u8::MAX)
        .map(AtaOpcode::from)
        .find(|opcode| opcode.name() == name)
        .unwrap();
    (opcode, words.next().unwrap().parse().unwrap())
}
