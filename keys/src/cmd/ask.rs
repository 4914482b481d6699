//! Questions to the person at the terminal, and secrets that come by file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;

use aoe_keys::pairing::{Kind, Refusal};
use aoe_keys::store;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Longest answer and longest file of a passphrase, in bytes.
const LONGEST: u64 = 4096;
/// What Ctrl-C gives while it does not end the program.
const INTERRUPT: char = '\u{3}';

/// Whether somebody is there to answer.
pub(crate) fn is_somebody_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line; an empty one means `default`, if there is one.
pub(crate) fn line(question: &str, default: Option<&str>) -> Result<String, Failure> {
    let mut terminal = terminal()?;
    let hint = default.map_or(String::new(), |default| format!(" [{default}]"));
    loop {
        let answer = prompt(&mut terminal, &format!("{question}{hint}: "))?;
        match (answer.trim(), default) {
            ("", Some(default)) => return Ok(default.to_owned()),
            ("", None) => {}
            (answer, _) => return Ok(answer.to_owned()),
        }
    }
}

/// Asks for a passphrase, which is not shown; twice, if it is a new one.
pub(crate) fn passphrase(question: &str, twice: bool) -> Result<Zeroizing<String>, Failure> {
    let mut terminal = terminal()?;
    let found = hidden(&mut terminal, &format!("{question}: "))?;
    if twice && *hidden(&mut terminal, "The same again: ")? != *found {
        return Err(refused("the two passphrases differ; nothing was done"));
    }
    Ok(found)
}

/// A passphrase from a file of ours, or from a pipe: its first line.
pub(crate) fn passphrase_of(path: &Path) -> Result<Zeroizing<String>, Failure> {
    secret_text(path, |text| text.lines().next().unwrap_or_default().to_owned())
}

/// Part of the text of a file that holds a secret.
pub(crate) fn secret_text(
    path: &Path,
    part: impl FnOnce(&str) -> String,
) -> Result<Zeroizing<String>, Failure> {
    let cannot = |error: io::Error| {
        Failure::Pairing(Refusal::new(
            Kind::NoInput,
            format!("cannot read {}: {error}", path.display()),
        ))
    };
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_file() {
        store::check_mode(path).map_err(Failure::Input)?;
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).map_err(cannot)?;
    Ok(Zeroizing::new(part(&text)))
}

fn terminal() -> Result<File, Failure> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| refused("there is no terminal to ask at"))
}

fn prompt(terminal: &mut File, words: &str) -> Result<Zeroizing<String>, Failure> {
    let mut answer = Zeroizing::new(String::new());
    let mut ask = || {
        terminal.write_all(words.as_bytes())?;
        BufReader::new(Read::by_ref(terminal).take(LONGEST)).read_line(&mut answer)
    };
    match ask() {
        Ok(0) | Err(_) => Err(refused("no answer; nothing was done")),
        Ok(_) => Ok(answer),
    }
}

/// The terminal shows nothing meanwhile, and Ctrl-C gives up instead of leaving it so.
fn hidden(terminal: &mut File, words: &str) -> Result<Zeroizing<String>, Failure> {
    let before = tcgetattr(&*terminal)
        .map_err(|_| refused("the terminal cannot hide what is typed; use --passphrase-file"))?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
    let cannot = |_| refused("the terminal cannot hide what is typed; use --passphrase-file");
    tcsetattr(&*terminal, SetArg::TCSAFLUSH, &silent).map_err(cannot)?;
    let answer = prompt(terminal, words);
    let after = tcsetattr(&*terminal, SetArg::TCSAFLUSH, &before);
    // The line that was typed was not shown to end.
    let _ = terminal.write_all(b"\n");
    after.map_err(cannot)?;
    let answer = answer?;
    if answer.contains(INTERRUPT) {
        return Err(refused("given up; nothing was done"));
    }
    Ok(Zeroizing::new(answer.trim_end_matches(['\n', '\r']).to_owned()))
}

fn refused(words: &str) -> Failure {
    Failure::Pairing(Refusal::new(Kind::Usage, words))
}
