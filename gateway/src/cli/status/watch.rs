//! `--watch`: the page again every second, with rates between two documents.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use aoe_common::snapshot::Snapshot;

use super::amounts::Amounts;
use super::{draw, room};
use crate::cli::paint::Paint;
use crate::cli::{Exit, client, write_quietly};

const PERIOD: Duration = Duration::from_secs(1);

/// Shows it until nobody reads it.
pub(super) fn run(config: &Path) -> Exit {
    watch(config, &mut io::stdout(), io::stdout().is_terminal())
}

/// A gateway that is not there at the start ends it; one that goes away later may come back.
fn watch(config: &Path, out: &mut impl Write, is_terminal: bool) -> Exit {
    let paint = Paint::for_stream(is_terminal);
    let mut before: Option<Snapshot> = None;
    let mut first = true;
    loop {
        let begun = Instant::now();
        let text = match client::observe(config) {
            Ok(document) => {
                let amounts = Amounts::between(&document.snapshot, before.as_ref());
                let text = draw(&document, before.as_ref(), amounts, paint, room());
                before = Some(document.snapshot);
                text
            }
            Err(unheard) if first => {
                let paint = Paint::for_stream(io::stderr().is_terminal());
                write_quietly(io::stderr(), &unheard.text(&paint));
                return unheard.exit();
            }
            Err(unheard) => unheard.text(&paint),
        };
        let frame = if is_terminal {
            screen(&text, height(), first)
        } else {
            text + "\n"
        };
        let written = out.write_all(frame.as_bytes()).and_then(|()| out.flush());
        if written.is_err() {
            return Exit::Ok;
        }
        first = false;
        thread::sleep(PERIOD.saturating_sub(begun.elapsed()));
    }
}

/// Lines of the terminal.
fn height() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(usize::MAX, |(_, lines)| usize::from(lines.0))
}

/// Text over what stands on the screen: from the top, each line cleared behind its end, the rest of the screen too. So
/// nothing flickers. Lines that are longer than the terminal is wide are cut by it; what is below its end is counted.
fn screen(text: &str, height: usize, first: bool) -> String {
    const TOP: &str = "\u{1b}[H";
    const CLEAR: &str = "\u{1b}[2J";
    const CLEAR_LINE: &str = "\u{1b}[K";
    const CLEAR_BELOW: &str = "\u{1b}[J";
    const NO_WRAP: &str = "\u{1b}[?7l";
    const WRAP: &str = "\u{1b}[?7h";
    let mut out = String::from(NO_WRAP);
    if first {
        out.push_str(CLEAR);
    }
    out.push_str(TOP);
    let total = text.lines().count();
    // The last line of the screen stays free for the cursor.
    let fits = height.saturating_sub(1);
    let shown = if total <= fits {
        total
    } else {
        fits.saturating_sub(1)
    };
    for line in text.lines().take(shown) {
        out.push_str(line);
        out.push_str(CLEAR_LINE);
        out.push_str("\r\n");
    }
    if shown < total {
        out.push_str(&format!("… {} lines more{CLEAR_LINE}\r\n", total - shown));
    }
    out.push_str(CLEAR_BELOW);
    out.push_str(WRAP);
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::cli::status::samples;

    /// A reader that goes away when it has read so many pages.
    struct Reader {
        pages: Vec<String>,
        patience: usize,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.pages.len() == self.patience {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.pages.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_shows_rates_survives_the_gateway_and_ends_with_its_reader() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("gateway.toml");
        let text = "[gateway]\nobserve = \"o.sock\"\ncontrol = \"c.sock\"\n";
        std::fs::write(&config, text).unwrap();
        let listener = UnixListener::bind(dir.path().join("o.sock")).unwrap();
        let server = thread::spawn(move || {
            let mut snapshot = samples::typical();
            for _ in 0..2 {
                let (guest, _) = listener.accept().unwrap();
                serde_json::to_writer(guest, &snapshot).unwrap();
                snapshot.gateway.now += 1.0;
                snapshot.exports[0].traffic.requests += 4321;
            }
        });
        let mut reader = Reader {
            pages: Vec::new(),
            patience: 3,
        };
        assert_eq!(watch(&config, &mut reader, false), Exit::Ok);
        server.join().unwrap();
        let [first, second, gone] = reader.pages.try_into().unwrap();
        assert!(first.contains("req/s") && !first.contains("4 321"), "{first}");
        assert!(second.contains("4 321") && second.ends_with("\n\n"), "{second}");
        assert!(gone.contains("no gateway runs with"), "{gone}");
    }

    #[test]
    fn a_screen_is_renewed_without_being_cleared_first() {
        let again = screen("a\nb\n", 24, false);
        assert_eq!(
            again,
            "\u{1b}[?7l\u{1b}[Ha\u{1b}[K\r\nb\u{1b}[K\r\n\u{1b}[J\u{1b}[?7h"
        );
        assert!(screen("a\n", 24, true).contains("\u{1b}[2J"));
    }

    #[test]
    fn a_page_longer_than_the_screen_does_not_scroll_it() {
        let page: String = (0..100).map(|n| format!("{n}\n")).collect();
        let frame = screen(&page, 10, false);
        assert_eq!(frame.matches('\n').count(), 9);
        assert!(frame.contains("7\u{1b}[K\r\n… 92 lines more"), "{frame:?}");
        for height in 0..4 {
            assert!(screen(&page, height, false).matches('\n').count() <= height.max(1));
        }
        assert_eq!(screen(&page, usize::MAX, false).matches('\n').count(), 100);
    }
}
