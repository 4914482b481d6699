//! Capture files: the four kinds of blocks of pcapng (draft-ietf-opsawg-pcapng) that we write.
//!
//! ```text
//!  block     type u32 | length u32 | body, a multiple of 4 bytes | length u32
//!  option    code u16 | length u16 | value, padded with zeros to a multiple of 4 bytes;  0, 0: no more follow
//! ```
//!
//! Numbers are little-endian, which the first block says. Times are microseconds since 1970.

use std::time::Duration;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const VERSION: [u16; 2] = [1, 0];
/// How long the section is, is not known beforehand.
const UNKNOWN_LENGTH: u64 = u64::MAX;
const LINKTYPE_ETHERNET: u16 = 1;
/// Ten to the minus six: microseconds.
const MICROSECONDS: u8 = 6;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_DESCRIPTION: u16 = 3;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const STATISTICS_START: u16 = 2;
const STATISTICS_END: u16 = 3;
const STATISTICS_RECEIVED: u16 = 4;
const STATISTICS_DROPPED: u16 = 5;

/// No text is longer, in bytes.
const LONGEST_TEXT: usize = 1000;

/// Which way a frame went, as seen from the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// It came in.
    Inbound,
    /// It went out.
    Outbound,
}

/// A frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    /// The interface, by the order in which they were written.
    pub(crate) interface: u32,
    /// When, since 1970.
    pub(crate) at: Duration,
    pub(crate) direction: Direction,
    /// How long it was.
    pub(crate) len: usize,
    /// The bytes of it that are known.
    pub(crate) bytes: &'a [u8],
    pub(crate) comment: &'a str,
}

/// What became of the frames of an interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statistics {
    /// The interface, by the order in which they were written.
    pub(crate) interface: u32,
    /// When the capture began, since 1970.
    pub(crate) began: Duration,
    /// When it ended, since 1970.
    pub(crate) ended: Duration,
    /// Frames, with those for which there was no room.
    pub(crate) received: u64,
    /// Frames for which there was no room.
    pub(crate) dropped: u64,
}

/// Appends the block that every file begins with: which program wrote it, and a word to who opens it.
pub(crate) fn section(file: &mut Vec<u8>, application: &str, comment: &str) {
    block(file, SECTION, |body| {
        body.extend_from_slice(&BYTE_ORDER.to_le_bytes());
        for half in VERSION {
            body.extend_from_slice(&half.to_le_bytes());
        }
        body.extend_from_slice(&UNKNOWN_LENGTH.to_le_bytes());
        text(body, COMMENT, comment);
        text(body, SECTION_APPLICATION, application);
        end_of_options(body);
    });
}

/// Appends an interface; `snaplen` 0: frames are whole.
pub(crate) fn interface(file: &mut Vec<u8>, name: &str, description: &str, snaplen: usize) {
    block(file, INTERFACE, |body| {
        body.extend_from_slice(&LINKTYPE_ETHERNET.to_le_bytes());
        body.extend_from_slice(&[0; 2]);
        body.extend_from_slice(&length(snaplen).to_le_bytes());
        text(body, INTERFACE_NAME, name);
        text(body, INTERFACE_DESCRIPTION, description);
        option(body, INTERFACE_RESOLUTION, &[MICROSECONDS]);
        end_of_options(body);
    });
}

/// Appends a frame.
pub(crate) fn packet(file: &mut Vec<u8>, packet: &Packet<'_>) {
    block(file, PACKET, |body| {
        body.extend_from_slice(&packet.interface.to_le_bytes());
        body.extend_from_slice(&timestamp(packet.at));
        body.extend_from_slice(&length(packet.bytes.len()).to_le_bytes());
        body.extend_from_slice(&length(packet.len).to_le_bytes());
        body.extend_from_slice(packet.bytes);
        pad(body, packet.bytes.len());
        let direction: u32 = match packet.direction {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        option(body, PACKET_FLAGS, &direction.to_le_bytes());
        text(body, COMMENT, packet.comment);
        end_of_options(body);
    });
}

/// Appends what became of the frames of an interface.
pub(crate) fn statistics(file: &mut Vec<u8>, statistics: &Statistics) {
    block(file, STATISTICS, |body| {
        body.extend_from_slice(&statistics.interface.to_le_bytes());
        body.extend_from_slice(&timestamp(statistics.ended));
        option(body, STATISTICS_START, &timestamp(statistics.began));
        option(body, STATISTICS_END, &timestamp(statistics.ended));
        option(body, STATISTICS_RECEIVED, &statistics.received.to_le_bytes());
        option(body, STATISTICS_DROPPED, &statistics.dropped.to_le_bytes());
        end_of_options(body);
    });
}

fn block(file: &mut Vec<u8>, kind: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let start = file.len();
    file.extend_from_slice(&kind.to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    write(file);
    let len = length(file.len() + 4 - start).to_le_bytes();
    file.extend_from_slice(&len);
    if let Some(place) = file.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&len);
    }
}

/// A text without what would change the terminal of who reads it, and of bounded length. An empty one is left out.
fn text(body: &mut Vec<u8>, code: u16, text: &str) {
    let mut clean = String::new();
    for c in text.chars() {
        if clean.len() + c.len_utf8() > LONGEST_TEXT {
            break;
        }
        clean.push(if c.is_control() { ' ' } else { c });
    }
    if !clean.is_empty() {
        option(body, code, clean.as_bytes());
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    // Texts are bounded, everything else has a fixed length.
    let Ok(len) = u16::try_from(value.len()) else {
        return;
    };
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&len.to_le_bytes());
    body.extend_from_slice(value);
    pad(body, value.len());
}

fn end_of_options(body: &mut Vec<u8>) {
    option(body, END_OF_OPTIONS, &[]);
}

/// Fills up what has this length to a multiple of 4.
fn pad(body: &mut Vec<u8>, len: usize) {
    let missing = len.next_multiple_of(4) - len;
    body.resize(body.len() + missing, 0);
}

/// Microseconds in two halves, the upper one first.
fn timestamp(at: Duration) -> [u8; 8] {
    let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX).to_le_bytes();
    let [l0, l1, l2, l3, h0, h1, h2, h3] = micros;
    [h0, h1, h2, h3, l0, l1, l2, l3]
}

/// A length as the file has it; frames are far shorter than what it can say.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and the options of the only block, as the specification lays them out.
    fn read(file: &[u8], kind: u32, fixed: usize) -> (Vec<u8>, Vec<(u16, Vec<u8>)>) {
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!(word(0), kind);
        assert_eq!(word(4) as usize, file.len());
        assert_eq!(word(file.len() - 4) as usize, file.len());
        assert_eq!(file.len() % 4, 0);
        let body = file[8..8 + fixed].to_vec();
        let (mut rest, mut options) = (&file[8 + fixed..file.len() - 4], Vec::new());
        loop {
            let half = |at: usize| u16::from_le_bytes(rest[at..at + 2].try_into().unwrap());
            let (code, len) = (half(0), usize::from(half(2)));
            options.push((code, rest[4..4 + len].to_vec()));
            let padded = len.next_multiple_of(4);
            assert!(rest[4 + len..4 + padded].iter().all(|byte| *byte == 0));
            rest = &rest[4 + padded..];
            if code == 0 {
                assert!(len == 0 && rest.is_empty());
                return (body, options);
            }
        }
    }

    #[test]
    fn a_section_is_as_in_the_specification() {
        let mut file = Vec::new();
        section(&mut file, "app", "care");
        let wanted = [
            &[
                0x0a, 0x0d, 0x0d, 0x0a, 48, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
            ][..],
            &[0xff; 8],
            &[
                1, 0, 4, 0, b'c', b'a', b'r', b'e', 4, 0, 3, 0, b'a', b'p', b'p', 0,
            ],
            &[0, 0, 0, 0, 48, 0, 0, 0],
        ];
        assert_eq!(file, wanted.concat());
    }

    #[test]
    fn an_interface_says_what_it_is() {
        let mut file = Vec::new();
        interface(&mut file, "import e107.3", "of site-b", 256);
        let (body, options) = read(&file, 1, 8);
        assert_eq!(body, [1, 0, 0, 0, 0, 1, 0, 0]);
        let wanted = [
            (2, b"import e107.3".to_vec()),
            (3, b"of site-b".to_vec()),
            (9, vec![6]),
            (0, vec![]),
        ];
        assert_eq!(options, wanted);
    }

    #[test]
    fn a_packet_of_any_length_is_padded_and_says_how_long_it_was() {
        for len in 0..9_u8 {
            let bytes = vec![0xaa; len.into()];
            let len = usize::from(len);
            let mut file = Vec::new();
            let frame = Packet {
                interface: 3,
                at: Duration::from_micros(0x0001_0203_0405_0607),
                direction: Direction::Outbound,
                len: 1060,
                bytes: &bytes,
                comment: "admitted",
            };
            packet(&mut file, &frame);
            let (body, options) = read(&file, 6, 20 + len.next_multiple_of(4));
            let head = [3, 0, 0, 0, 3, 2, 1, 0, 7, 6, 5, 4];
            assert_eq!(body[..12], head);
            assert_eq!(body[12..16], u32::try_from(len).unwrap().to_le_bytes());
            assert_eq!(body[16..20], 1060_u32.to_le_bytes());
            assert_eq!(body[20..20 + len], bytes);
            assert!(body[20 + len..].iter().all(|byte| *byte == 0));
            assert_eq!(options[0], (2, vec![2, 0, 0, 0]));
            assert_eq!(options[1], (1, b"admitted".to_vec()));
        }
    }

    #[test]
    fn a_comment_is_bounded_and_changes_no_terminal() {
        let comment = |comment: &str| {
            let mut file = Vec::new();
            let frame = Packet {
                interface: 0,
                at: Duration::ZERO,
                direction: Direction::Inbound,
                len: 0,
                bytes: &[],
                comment,
            };
            packet(&mut file, &frame);
            read(&file, 6, 20).1
        };
        assert_eq!(comment("a\x1b[2Jb\nc\u{9b}")[1].1, b"a [2Jb c ");
        let long = comment(&"ü".repeat(600));
        assert_eq!(String::from_utf8(long[1].1.clone()).unwrap(), "ü".repeat(500));
        assert_eq!(comment("").len(), 2, "an empty one is none");
        assert_eq!(comment("x")[0], (2, vec![1, 0, 0, 0]));
    }

    #[test]
    fn statistics_count_what_was_dropped() {
        let mut file = Vec::new();
        let counted = Statistics {
            interface: 1,
            began: Duration::from_micros(5),
            ended: Duration::from_micros((1 << 32) + 6),
            received: 12,
            dropped: 2,
        };
        statistics(&mut file, &counted);
        let (body, options) = read(&file, 5, 12);
        assert_eq!(body, [1, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
        let wanted = [
            (2, vec![0, 0, 0, 0, 5, 0, 0, 0]),
            (3, vec![1, 0, 0, 0, 6, 0, 0, 0]),
            (4, 12_u64.to_le_bytes().to_vec()),
            (5, 2_u64.to_le_bytes().to_vec()),
            (0, vec![]),
        ];
        assert_eq!(options, wanted);
    }
}
