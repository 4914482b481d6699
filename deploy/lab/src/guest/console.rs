//! The guest's second serial port: orders in, what came of them out.
//!
//! One order is one line of shell. Its output comes back line by line behind `| `, at the end comes `= CODE`. What
//! executes it is `init.sh`, which says `ready` first.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How often it looks at the clock while nothing comes.
const GLANCE: Duration = Duration::from_millis(100);

/// Gives orders to a guest, one at a time.
#[derive(Debug)]
pub struct Console {
    stream: BufReader<UnixStream>,
    /// The beginning of a line whose end is still to come.
    partial: Vec<u8>,
    order: String,
    said: Vec<String>,
    /// The code of the order, once it has ended.
    code: Option<i32>,
}

/// One line of the guest's.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Ready,
    Said(String),
    Ended(i32),
}

impl Console {
    /// Connects to the socket, which QEMU makes.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn open(socket: &Path, until: Instant) -> Result<Self> {
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < until => thread::sleep(GLANCE),
                Err(error) => return Err(error).with_context(|| format!("opening {}", socket.display())),
            }
        };
        Self::over(stream)
    }

    fn over(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(GLANCE))?;
        Ok(Console {
            stream: BufReader::new(stream),
            partial: Vec::new(),
            order: String::new(),
            said: Vec::new(),
            code: Some(0),
        })
    }

    /// Waits until the guest takes orders.
    ///
    /// # Errors
    /// When it does not in time, or ends.
    pub fn await_greeting(&mut self, until: Instant) -> Result<()> {
        let line = self.next_line(until)?;
        ensure!(line == Line::Ready, "the guest began with {line:?}");
        Ok(())
    }

    /// Gives an order.
    ///
    /// # Errors
    /// When it has more than one line, when the one before has not ended, or when the guest is gone.
    pub fn begin(&mut self, order: &str) -> Result<()> {
        ensure!(!order.contains('\n'), "an order is one line: {order:?}");
        ensure!(self.code.is_some(), "the guest is still at: {}", self.order);
        order.clone_into(&mut self.order);
        self.said.clear();
        self.code = None;
        writeln!(self.stream.get_mut(), "{order}").context("the guest is gone")
    }

    /// Waits for a line of the order's output that contains `pattern`, from its beginning on.
    ///
    /// # Errors
    /// When the order or the guest ends first, or not in time.
    pub fn wait_for(&mut self, pattern: &str, until: Instant) -> Result<String> {
        let mut looked_at = 0;
        loop {
            let mut new = self.said.iter().skip(looked_at);
            if let Some(line) = new.find(|line| line.contains(pattern)) {
                return Ok(line.clone());
            }
            looked_at = self.said.len();
            if let Some(code) = self.code {
                bail!("it ended with code {code} before it said {pattern:?}");
            }
            self.listen(until)?;
        }
    }

    /// Waits for the order's end and returns its exit code.
    ///
    /// # Errors
    /// When the guest ends first, or not in time.
    pub fn finish(&mut self, until: Instant) -> Result<i32> {
        loop {
            if let Some(code) = self.code {
                return Ok(code);
            }
            self.listen(until)?;
        }
    }

    /// The last order.
    pub fn order(&self) -> &str {
        &self.order
    }

    /// What the last order has said so far.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    fn listen(&mut self, until: Instant) -> Result<()> {
        match self.next_line(until)? {
            Line::Said(line) => self.said.push(line),
            Line::Ended(code) => self.code = Some(code),
            Line::Ready => bail!("the guest began anew"),
        }
        Ok(())
    }

    fn next_line(&mut self, until: Instant) -> Result<Line> {
        loop {
            // What was read before a timeout stays in `partial`.
            match self.stream.read_until(b'\n', &mut self.partial) {
                Ok(_) if self.partial.ends_with(b"\n") => break,
                Ok(_) => bail!("the guest is gone"),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    ensure!(Instant::now() < until, "the guest said nothing in time");
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the guest is gone"),
            }
        }
        let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
        self.partial.clear();
        Line::parse(&line).with_context(|| format!("the guest said {line:?}"))
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        match line.split_at_checked(2) {
            Some(("| ", said)) => Some(Line::Said(said.to_owned())),
            Some(("= ", code)) => code.parse().ok().map(Line::Ended),
            _ if line == "|" => Some(Line::Said(String::new())),
            _ if line == "ready" => Some(Line::Ready),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn soon() -> Instant {
        Instant::now() + SOON
    }

    /// A console, and what a guest would have: the other end.
    fn pair() -> (Console, BufReader<UnixStream>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Console::over(ours).unwrap(), BufReader::new(theirs))
    }

    #[test]
    fn an_order_is_a_line_and_its_end_a_code() {
        let (mut console, mut guest) = pair();
        guest.get_mut().write_all(b"ready\n").unwrap();
        console.await_greeting(soon()).unwrap();

        console.begin("false; echo hello").unwrap();
        let mut order = String::new();
        guest.read_line(&mut order).unwrap();
        assert_eq!(order, "false; echo hello\n");
        guest.get_mut().write_all(b"| STEP one\n|\n| ST").unwrap();
        assert_eq!(console.wait_for("one", soon()).unwrap(), "STEP one");
        assert!(console.begin("another").is_err(), "the first has not ended");
        guest.get_mut().write_all(b"EP two\n= 7\n").unwrap();
        assert_eq!(console.wait_for("two", soon()).unwrap(), "STEP two");
        assert_eq!(console.finish(soon()).unwrap(), 7);
        assert_eq!(console.said(), ["STEP one", "", "STEP two"]);
        console.begin("another").unwrap();
    }

    #[test]
    fn nothing_is_waited_for_that_cannot_come() {
        let (mut console, mut guest) = pair();
        console.begin("exit 3").unwrap();
        guest.get_mut().write_all(b"| something\n= 3\n").unwrap();
        let error = console.wait_for("anything else", soon()).unwrap_err().to_string();
        assert!(error.contains("code 3"), "{error}");

        console.begin("sleep 1000").unwrap();
        let error = console.finish(Instant::now()).unwrap_err().to_string();
        assert!(error.contains("in time"), "{error}");
        drop(guest);
        let error = console.finish(soon()).unwrap_err().to_string();
        assert!(error.contains("gone"), "{error}");
    }

    #[test]
    fn what_is_no_line_of_the_protocol_is_shown() {
        let (mut console, mut guest) = pair();
        console.begin("true").unwrap();
        guest.get_mut().write_all(b"sh: syntax error\n").unwrap();
        let error = console.finish(soon()).unwrap_err().to_string();
        assert!(error.contains("syntax error"), "{error}");
        assert!(console.begin("two\nlines").is_err());
    }
}
