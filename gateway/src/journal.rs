//! The journal of systemd, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram for each entry.
//!
//! Written here because a sender has to choose its own thread: libraries send from the thread that logs, and wait while the
//! socket is full. `docs/decisions/0029-logs-and-audit.md` has more.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where systemd-journald listens.
pub(crate) const SOCKET: &str = "/run/systemd/journal/socket";
/// The journal takes a datagram within a moment, or is stuck.
const PATIENCE: Duration = Duration::from_secs(1);
/// A longer value is cut, in bytes. A datagram has to fit into the buffer of a socket, which has 212,992 by default.
const LONGEST_VALUE: usize = 48 << 10;
/// The same for all of a message.
const LONGEST_MESSAGE: usize = 128 << 10;

/// A sender.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

/// One entry.
#[derive(Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Journal {
    /// Sends to the socket there. It need not be there yet.
    pub(crate) fn at(path: impl AsRef<Path>) -> Journal {
        Journal {
            path: path.as_ref().to_owned(),
            socket: None,
        }
    }

    /// Sends [a message](Message::into_bytes), and waits a second at most.
    ///
    /// # Errors
    /// Nobody listens, or does not take it in time.
    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(PATIENCE))?;
                none.insert(socket)
            }
        };
        // By its path each time: the journal may have been started again.
        socket.send_to(message, &self.path).map(drop)
    }
}

impl Message {
    /// Adds a field, whose name has capitals, digits and `_` only. Values may be anything.
    pub(crate) fn field(&mut self, name: &str, value: &str) {
        let mut end = value.len().min(LONGEST_VALUE);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = value.get(..end).unwrap_or_default();
        if self.0.len() + name.len() + value.len() > LONGEST_MESSAGE {
            return;
        }
        self.0.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.0.push(b'\n');
            self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }

    /// Adds a field of ours: `peer` becomes `AOE_PEER`.
    pub(crate) fn own_field(&mut self, name: &str, value: &str) {
        let capital = |c: char| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => c.to_ascii_uppercase(),
            _ => '_',
        };
        // The journal ignores fields with longer names.
        let name: String = "AOE_".chars().chain(name.chars().map(capital)).take(64).collect();
        self.field(&name, value);
    }

    /// As it is sent.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The fields of a datagram, read as the protocol says.
    pub(crate) fn parse(mut bytes: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            let line = std::str::from_utf8(&bytes[..end]).unwrap();
            bytes = &bytes[end + 1..];
            if let Some((name, value)) = line.split_once('=') {
                fields.push((name.to_owned(), value.to_owned()));
                continue;
            }
            let (len, rest) = bytes.split_first_chunk::<8>().unwrap();
            let len = usize::try_from(u64::from_le_bytes(*len)).unwrap();
            let value = std::str::from_utf8(&rest[..len]).unwrap().to_owned();
            assert_eq!(rest[len], b'\n');
            bytes = &rest[len + 1..];
            fields.push((line.to_owned(), value));
        }
        fields
    }

    #[test]
    fn values_with_line_breaks_cannot_make_fields() {
        let mut message = Message::default();
        message.field("MESSAGE", "one\nPRIORITY=0\nmore");
        message.own_field("peer-name", "a=b");
        message.field("X", &"é".repeat(LONGEST_VALUE));
        let fields = parse(&message.into_bytes());
        assert_eq!(fields.len(), 3);
        assert_eq!(
            fields[0],
            ("MESSAGE".to_owned(), "one\nPRIORITY=0\nmore".to_owned())
        );
        assert_eq!(fields[1], ("AOE_PEER_NAME".to_owned(), "a=b".to_owned()));
        assert_eq!(fields[2].1.len(), LONGEST_VALUE);
    }

    #[test]
    fn a_journal_that_is_started_again_is_found() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        let mut journal = Journal::at(&path);
        assert!(journal.send(b"A=1\n").is_err());
        for _ in 0..2 {
            let listener = UnixDatagram::bind(&path).unwrap();
            journal.send(b"A=1\n").unwrap();
            let mut bytes = [0; 16];
            assert_eq!(listener.recv(&mut bytes).unwrap(), 4);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_journal_that_is_stuck_is_given_up() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        let _listener = UnixDatagram::bind(&path).unwrap();
        let mut journal = Journal::at(&path);
        let full = (0..10_000).find_map(|_| journal.send(b"A=1\n").err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
