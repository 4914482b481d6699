//! Words for the person who started a program. A stream whose reader has gone away is no reason to fail.

use std::io::{Write, stderr, stdout};

/// A text on standard output, at once.
pub fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line on standard error.
pub fn complain(message: &str) {
    let _ = writeln!(stderr(), "{message}");
}
