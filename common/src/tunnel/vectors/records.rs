//! Records of both modes and both ciphers: opened, told in words, and made again from what was understood.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use super::{Vector, hex, number};
use crate::config::{Access, ConfigString, PostQuantum};
use crate::event::KeysFault;
use crate::export::{ExportState, TargetState, Withdrawn, Writes};
use crate::refusal;
use crate::time::Instant;
use crate::tunnel::cipher::RecordKey;
use crate::tunnel::message::{
    Chunk, Kind, ReplyHead, RequestHead, chunks, emit_chunk_head, emit_fragment_head,
};
use crate::tunnel::quantum::Assurance;
use crate::tunnel::reassembly::{Reassembly, Step};
use crate::tunnel::record::{HEADER_LEN, MAX_RECORD_LEN, RecordHeader};
use crate::tunnel::report::Report;
use crate::tunnel::said_keys::{self, SaidKeys};
use crate::tunnel::session::{Agreed, Role, Session};
use crate::tunnel::transport::Transport;
use crate::tunnel::update::{self, Entry, Rest};

const NOW: Instant = Instant::from_micros(0);

impl Vector {
    fn record_key(&self) -> RecordKey {
        let (cipher, protection) = (self.ciphers("cipher")[0], self.protections("protection")[0]);
        RecordKey::new(cipher, protection, &self.key("key")).unwrap()
    }

    /// The receiver's session, as the first line of the first datagram names it.
    fn session(&self) -> Session {
        let words: Vec<_> = self.datagrams[0].meaning[0].split(' ').collect();
        let ["record", "receiver", receiver, "counter", _] = words[..] else {
            panic!("{}", self.name)
        };
        let agreed = Agreed {
            transport: Transport::Noise,
            keys: None,
            has_psk: false,
            assurance: Assurance::NONE,
            role: Role::Listener,
            local_index: u32::try_from(number(receiver)).unwrap(),
            remote_index: 0,
            send_key: self.record_key(),
            receive_key: self.record_key(),
            protection: self.protections("protection")[0],
            cipher: self.ciphers("cipher")[0],
            peer_boot: 0,
            proof: None,
        };
        Session::new(agreed, PostQuantum::Prefer, NOW, Duration::from_secs(120))
    }
}

fn every_record() -> Vec<Vector> {
    let mut vectors = Vector::all("record-");
    vectors.extend(Vector::all("fragments-"));
    vectors
}

#[test]
fn records_mean_what_their_files_say() {
    for vector in every_record() {
        let mut session = vector.session();
        let mut reassembly = Reassembly::default();
        for datagram in &vector.datagrams {
            let mut bytes = datagram.bytes.clone();
            let header = RecordHeader::parse(*bytes.first_chunk().unwrap()).unwrap();
            assert_eq!(header.receiver, session.local_index, "{}", vector.name);
            let (payload, _) = session.open(header, &mut bytes, Duration::ZERO, NOW).unwrap();
            let mut found = vec![format!(
                "record receiver {:#010x} counter {}",
                header.receiver, header.counter
            )];
            tell(payload, &mut reassembly, &mut found);
            assert_eq!(found, datagram.meaning, "{}", vector.name);
            assert!(
                session
                    .open(header, &mut datagram.bytes.clone(), Duration::ZERO, NOW)
                    .is_err(),
                "{}: it opens once",
                vector.name
            );
        }
    }
}

#[test]
fn records_are_made_byte_for_byte_from_what_was_understood() {
    for vector in every_record() {
        let key = vector.record_key();
        for datagram in &vector.datagrams {
            let mut sealed = datagram.bytes.clone();
            let header = RecordHeader::parse(*datagram.bytes.first_chunk().unwrap()).unwrap();
            let payload = key.open(header.counter, &mut sealed).unwrap();
            let mut rebuilt = header.emit().to_vec();
            for chunk in chunks(payload).map_while(Result::ok) {
                emit(&chunk, &mut rebuilt);
            }
            // Padding and nonsense are not ours to make; they are taken as they are.
            let understood = rebuilt.len() - HEADER_LEN;
            rebuilt.extend_from_slice(&payload[understood..]);
            let tag = key.seal(header.counter, &mut rebuilt).unwrap();
            rebuilt.extend_from_slice(&tag);
            assert_eq!(hex(&rebuilt), hex(&datagram.bytes), "{}", vector.name);
        }
    }
}

#[test]
fn a_session_counts_its_records_from_zero_as_the_file_does() {
    let vector = Vector::read("record-counters");
    let receiver = vector.session().local_index;
    let agreed = Agreed {
        transport: Transport::Noise,
        keys: None,
        has_psk: false,
        assurance: Assurance::NONE,
        role: Role::Dialer,
        local_index: 0,
        remote_index: receiver,
        send_key: vector.record_key(),
        receive_key: vector.record_key(),
        protection: vector.protections("protection")[0],
        cipher: vector.ciphers("cipher")[0],
        peer_boot: 0,
        proof: None,
    };
    let mut session = Session::new(agreed, PostQuantum::Prefer, NOW, Duration::from_secs(120));
    for (datagram, payload_len) in vector.datagrams.iter().zip([0, 1]) {
        let mut record = vec![0; HEADER_LEN + payload_len];
        session.seal(&mut record, 0).unwrap();
        assert_eq!(hex(&record), hex(&datagram.bytes));
    }
}

#[test]
fn only_mode_authenticate_shows_what_travels() {
    for vector in every_record() {
        let shows = vector.get("protection") == "authenticate";
        for datagram in &vector.datagrams {
            let mut sealed = datagram.bytes.clone();
            let header = RecordHeader::parse(*datagram.bytes.first_chunk().unwrap()).unwrap();
            let payload = vector.record_key().open(header.counter, &mut sealed).unwrap();
            if payload.len() >= 8 {
                let sent = &datagram.bytes[HEADER_LEN..][..payload.len()];
                assert_eq!(payload == sent, shows, "{}", vector.name);
            }
        }
    }
}

#[test]
fn another_counter_receiver_or_key_opens_nothing() {
    for vector in every_record() {
        let datagram = &vector.datagrams[0];
        let header = RecordHeader::parse(*datagram.bytes.first_chunk().unwrap()).unwrap();
        let opens = |key: &RecordKey, header: RecordHeader| {
            let mut sealed = datagram.bytes.clone();
            sealed[..HEADER_LEN].copy_from_slice(&header.emit());
            key.open(header.counter, &mut sealed).is_some()
        };
        let right = vector.record_key();
        assert!(opens(&right, header), "{}", vector.name);
        let other_counter = RecordHeader {
            counter: header.counter ^ 1,
            ..header
        };
        let other_receiver = RecordHeader {
            receiver: !header.receiver,
            ..header
        };
        assert!(!opens(&right, other_counter) && !opens(&right, other_receiver));
        let mut secret = vector.key("key");
        secret[31] ^= 1;
        let (cipher, protection) = (vector.ciphers("cipher")[0], vector.protections("protection")[0]);
        assert!(!opens(
            &RecordKey::new(cipher, protection, &secret).unwrap(),
            header
        ));
    }
}

#[test]
fn the_longest_record_is_as_long_as_the_document_says() {
    let vector = Vector::read("record-longest");
    assert_eq!(vector.datagram().bytes.len(), MAX_RECORD_LEN);
}

/// A payload in words.
fn tell(payload: &[u8], reassembly: &mut Reassembly, lines: &mut Vec<String>) {
    let mut told = 0;
    for chunk in chunks(payload) {
        let Ok(chunk) = chunk else {
            lines.push("nonsense".to_owned());
            return;
        };
        told += 4 + chunk.bytes.len();
        let Some(position) = chunk.position else {
            tell_message(chunk.kind, chunk.bytes, lines);
            continue;
        };
        told += 8;
        lines.push(format!(
            "part of {} number {} at {} of {}: {} bytes",
            name(chunk.kind),
            position.message,
            position.offset,
            position.total,
            chunk.bytes.len()
        ));
        match reassembly.add(position, chunk.bytes, NOW) {
            Step::Complete(whole) => {
                let mut of_whole = Vec::new();
                tell_message(chunk.kind, whole.bytes(), &mut of_whole);
                lines.extend(of_whole.into_iter().map(|line| format!("whole {line}")));
            }
            Step::Waiting | Step::Displaced => {}
            Step::Refused(_) => lines.push("refused".to_owned()),
        }
    }
    if told < payload.len() {
        lines.push(format!("padding {}", payload.len() - told));
    }
}

fn tell_message(kind: Kind, message: &[u8], lines: &mut Vec<String>) {
    match kind {
        Kind::Request => {
            let (head, pdu) = RequestHead::parse(message).unwrap();
            lines.push(format!(
                "request export {} import {} initiator {} number {} captured {} {}",
                head.export.0,
                head.import.0,
                head.initiator,
                head.number,
                head.captured,
                tell_pdu(pdu)
            ));
        }
        Kind::Reply => {
            let (head, pdu) = ReplyHead::parse(message).unwrap();
            lines.push(format!(
                "reply import {} initiator {} number {} queue {} target {} {}",
                head.import.0,
                head.initiator,
                head.number,
                head.stay.queue_us,
                head.stay.target_us,
                tell_pdu(pdu)
            ));
        }
        Kind::Update => {
            let update = update::parse(message).unwrap();
            let rest = match update.scope.rest {
                Rest::Nothing => "all",
                Rest::Follows => "more follow",
                Rest::Ending => "ending",
            };
            lines.push(format!(
                "update {} {rest} of {}",
                update.serial, update.scope.exports
            ));
            lines.extend(update.entries.iter().map(tell_entry));
        }
        Kind::UpdateAck => {
            let (serial, missed) = update::parse_ack(message).unwrap();
            let missed: String = missed.iter().map(|name| format!(" missed {name}")).collect();
            lines.push(format!("update-ack {serial}{missed}"));
        }
        Kind::Ping | Kind::Pong | Kind::PathChallenge | Kind::PathResponse => {
            lines.push(format!("{} {}", name(kind), hex(message)))
        }
        Kind::Report | Kind::Abandon => {
            let report = Report::parse(message).unwrap();
            let mut line = format!(
                "{} session {:#010x} next {} floor {}",
                name(kind),
                report.session,
                report.next,
                report.floor
            );
            for (first, end) in report.missing() {
                line.push_str(&format!(" missing {first}..{end}"));
            }
            lines.push(line);
        }
        Kind::Refusals => {
            let refused = refusal::parse(message).unwrap();
            lines.extend(refused.iter().map(|refused| {
                format!(
                    "refused export {} initiator {} {} times {}",
                    refused.export.0, refused.initiator, refused.what, refused.times
                )
            }));
        }
        Kind::QuantumOffer | Kind::QuantumAnswer => {
            let (session, rest) = message.split_first_chunk().unwrap();
            let session = u32::from_be_bytes(*session);
            lines.push(format!(
                "{} session {session:#010x} {}",
                name(kind),
                tell_pdu(rest)
            ));
        }
        Kind::Keys => {
            let said = SaidKeys::parse(message).unwrap();
            lines.push(format!("keys serial {} in use {}", said.serial, said.in_use));
            lines.extend(said.keys.iter().map(|key| format!("key {key}")));
        }
        Kind::KeysAck => {
            let (serial, outcome) = said_keys::parse_ack(message).unwrap();
            let answer = match outcome {
                Ok(()) => "kept",
                Err(KeysFault::OfAnotherPeer) => "another peer's",
                Err(KeysFault::OfTheReceiver) => "the receiver's",
                Err(KeysFault::Revoked) => "revoked",
                Err(KeysFault::WithoutItsOwn) => "without its own",
                Err(KeysFault::Unknown) => "unknown",
            };
            lines.push(format!("keys-ack {serial} {answer}"));
        }
        Kind::Close | Kind::Inquire => {
            assert!(message.is_empty());
            lines.push(name(kind));
        }
    }
}

fn tell_pdu(pdu: &[u8]) -> String {
    if pdu.len() <= 40 {
        return format!("pdu {}", hex(pdu));
    }
    let sum = digest(&SHA256, pdu);
    format!("pdu of {} bytes sha256 {}", pdu.len(), hex(sum.as_ref()))
}

fn tell_entry(entry: &Entry) -> String {
    match entry {
        Entry::Offered(state) => tell_export(state),
        Entry::Withdrawn(export, why) => {
            let why = match why {
                Withdrawn::NotExported => "not exported",
                Withdrawn::NotAllowed => "not allowed",
                Withdrawn::Ended => "ended",
            };
            format!("export {} withdrawn: {why}", export.0)
        }
    }
}

fn tell_export(state: &ExportState) -> String {
    let initiators = match state.rights.listed().as_deref() {
        None => "any".to_owned(),
        Some([]) => "none".to_owned(),
        Some(listed) => listed
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
    };
    format!(
        "export {} name {} {} {} {}{} firmware {:#06x} buffers {} sectors {} carried {} size {} digest {} \
         string {} initiators {initiators}",
        state.export.0,
        state.name,
        match state.state {
            TargetState::Live => "live",
            TargetState::Away => "away",
            TargetState::Unknown => "down",
        },
        match state.rights.access() {
            Access::ReadOnly => "read-only",
            Access::ReadWrite => "read-write",
        },
        match state.rights.rules()[0].config_string {
            ConfigString::Read => "may-read",
            ConfigString::Set => "may-set",
        },
        match state.writes {
            Writes::Carried => "",
            Writes::Stopped => " writes-stopped",
        },
        state.target.firmware,
        state.target.buffer_count,
        state.target.sectors,
        state.carried,
        state.identity.size,
        hex(&state.identity.digest),
        state.target.string.len(),
    )
}

/// The kind's own name, in small letters.
fn name(kind: Kind) -> String {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Makes a chunk again: whole messages from their meaning.
fn emit(chunk: &Chunk<'_>, out: &mut Vec<u8>) {
    let len = u16::try_from(chunk.bytes.len()).unwrap();
    if let Some(position) = chunk.position {
        emit_fragment_head(chunk.kind, position, len, out);
        out.extend_from_slice(chunk.bytes);
        return;
    }
    emit_chunk_head(chunk.kind, len, out);
    match chunk.kind {
        Kind::Request => {
            let (head, pdu) = RequestHead::parse(chunk.bytes).unwrap();
            out.extend_from_slice(&head.emit());
            out.extend_from_slice(pdu);
        }
        Kind::Reply => {
            let (head, pdu) = ReplyHead::parse(chunk.bytes).unwrap();
            out.extend_from_slice(&head.emit());
            out.extend_from_slice(pdu);
        }
        Kind::Update => {
            let update = update::parse(chunk.bytes).unwrap();
            out.extend_from_slice(&update.serial.to_be_bytes());
            update.scope.emit(out);
            update.entries.iter().for_each(|entry| entry.emit(out));
        }
        Kind::Refusals => {
            let refused = refusal::parse(chunk.bytes).unwrap();
            refused.iter().for_each(|refused| refused.emit(out));
        }
        Kind::UpdateAck => {
            let (serial, missed) = update::parse_ack(chunk.bytes).unwrap();
            update::emit_ack(serial, missed.into_iter(), out);
        }
        Kind::Report | Kind::Abandon => Report::parse(chunk.bytes).unwrap().emit(out),
        Kind::Keys => out.extend_from_slice(&SaidKeys::parse(chunk.bytes).unwrap().emit()),
        Kind::KeysAck => {
            let (serial, outcome) = said_keys::parse_ack(chunk.bytes).unwrap();
            out.extend_from_slice(&said_keys::emit_ack(serial, outcome));
        }
        Kind::Ping
        | Kind::Pong
        | Kind::Close
        | Kind::PathChallenge
        | Kind::PathResponse
        | Kind::Inquire
        | Kind::QuantumOffer
        | Kind::QuantumAnswer => out.extend_from_slice(chunk.bytes),
    }
}
