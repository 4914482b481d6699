//! Datagrams as `docs/protocol.md` says, kept as files and made by a second implementation: each is read, compared
//! with what its file says it means, and made again byte for byte. A change of the protocol breaks one of them.
//!
//! A file under `tests/vectors/wire` has lines of four kinds: `#` where it is from, `=` what it was made with, `>`
//! what the datagram below means, and its bytes in hexadecimal. An empty line stands between two datagrams.

mod handshakes;
mod quantum;
mod records;

use std::fs;
use std::path::Path;

use crate::config::{Cipher, PostQuantum, Protection};

/// One file.
struct Vector {
    name: String,
    given: Vec<(String, String)>,
    datagrams: Vec<Datagram>,
}

/// What its lines say, and its bytes.
#[derive(Default)]
struct Datagram {
    meaning: Vec<String>,
    bytes: Vec<u8>,
}

impl Vector {
    fn read(name: &str) -> Vector {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/vectors/wire/{name}.hex"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            text.starts_with("# "),
            "{name}: the first line says where it is from"
        );
        let mut given = Vec::new();
        let mut datagrams = vec![Datagram::default()];
        for line in text.lines() {
            let newest = datagrams.last_mut().unwrap();
            match line.split_once(' ') {
                Some(("#", _)) => {}
                Some(("=", pair)) => {
                    let (key, value) = pair.split_once(' ').unwrap();
                    given.push((key.to_owned(), value.to_owned()));
                }
                Some((">", meaning)) => newest.meaning.push(meaning.to_owned()),
                _ if line.is_empty() => datagrams.push(Datagram::default()),
                _ => newest
                    .bytes
                    .extend(line.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap())),
            }
        }
        Vector {
            name: name.to_owned(),
            given,
            datagrams,
        }
    }

    /// Every file whose name starts so.
    fn all(prefix: &str) -> Vec<Vector> {
        let mut names = names();
        names.retain(|name| name.starts_with(prefix));
        assert!(!names.is_empty(), "no vector is named {prefix}*");
        names.iter().map(|name| Vector::read(name)).collect()
    }

    /// A value the file gives, if it does.
    fn find(&self, key: &str) -> Option<&str> {
        let found = self.given.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    fn get(&self, key: &str) -> &str {
        self.find(key)
            .unwrap_or_else(|| panic!("{} has no {key}", self.name))
    }

    fn key(&self, key: &str) -> [u8; 32] {
        bytes(self.get(key)).try_into().unwrap()
    }

    fn number(&self, key: &str) -> u64 {
        number(self.get(key))
    }

    fn protections(&self, key: &str) -> Vec<Protection> {
        self.get(key)
            .split(' ')
            .map(|word| word.parse().unwrap())
            .collect()
    }

    fn ciphers(&self, key: &str) -> Vec<Cipher> {
        self.get(key)
            .split(' ')
            .map(|word| word.parse().unwrap())
            .collect()
    }

    /// What a side wants of keys; files that do not say so are from before that was.
    fn post_quantum(&self) -> PostQuantum {
        self.find("post-quantum")
            .map_or(PostQuantum::Off, |word| word.parse().unwrap())
    }

    /// The only datagram.
    fn datagram(&self) -> &Datagram {
        assert_eq!(self.datagrams.len(), 1, "{}", self.name);
        &self.datagrams[0]
    }
}

fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/wire");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    names.sort();
    names
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|two| str::from_utf8(two).unwrap());
    digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads `12` or `0x0c`.
fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

#[test]
fn every_file_belongs_to_a_test() {
    let tested = [
        "first-message",
        "answer",
        "cookie-reply",
        "post-quantum-exchange",
        "record-",
        "fragments-",
    ];
    for name in names() {
        assert!(tested.iter().any(|prefix| name.starts_with(prefix)), "{name}");
    }
}
