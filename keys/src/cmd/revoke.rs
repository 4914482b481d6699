//! `aoe-keys revoke`: a key is not trusted any more.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aoe_keys::{AnyKey, PublicKey, store};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};
use crate::living::revocations::{LONGEST_WHY, Revocation, Revocations, What};
use crate::living::running::{self, Told};
use crate::living::site::{Site, Which};
use crate::living::state::learnt;
use crate::streams::{self, Format};

/// How long the running gateway may take to say that it knows.
const PATIENCE: Duration = Duration::from_secs(5);

/// Stop trusting a key, now and for good
///
/// Adds it to the gateway's revoked.toml and has the running gateway read that: within a second its sessions end, and what
/// they have queued is dropped. Given a name, all keys of that peer are revoked: those of the configuration and those it
/// told us since. To trust a key again, remove its entry from the file by hand.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("task").required(true))]
pub(crate) struct Args {
    /// A public key, the fingerprint of a key of a peer, the name of a peer, or a file with a certificate or public key
    #[arg(value_name = "KEY|NAME|CERT", group = "task")]
    what: Option<String>,
    /// Show what is revoked
    #[arg(long, group = "task", conflicts_with = "why")]
    list: bool,
    /// Why, for readers of the file, the log and the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    which: Which,
}

#[derive(Serialize)]
struct Report<'a> {
    file: String,
    /// What was added now.
    added: &'a [Revocation],
    /// What was there before.
    already: &'a [Revocation],
    /// `true`: the running gateway has it; `false`: it has not said so; `null`: none runs.
    in_force: Option<bool>,
}

/// What is of interest of `aoe-gateway status --json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    gateway: Gateway,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Gateway {
    state: String,
    revoked: Vec<Revocation>,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let site = args.which.read()?;
    if args.list {
        return list(&site, format);
    }
    let why = args.why.unwrap_or_default();
    if why.chars().count() > LONGEST_WHY || why.chars().any(char::is_control) {
        return Err(Failure::refused(
            Exit::Usage,
            format!("--why is one line of at most {LONGEST_WHY} characters"),
        ));
    }
    let _held = site.hold()?;
    let known = Revocations::read(&site.revoked)?;
    let meant = meant(args.what.as_deref().unwrap_or_default(), &site)?;
    let (mut added, mut already) = (Vec::new(), Vec::new());
    for (name, what) in meant {
        match known.find(what) {
            Some(entry) => already.push(entry.clone()),
            None => added.push(Revocation {
                what: what.to_string(),
                name,
                when: format!("{:.0}", Timestamp::now()),
                why: why.clone(),
            }),
        }
    }
    if !added.is_empty() {
        known.add(&site.revoked, &site.config, &added)?;
    }
    for entry in &already {
        streams::note(format_args!(
            "{} was revoked already ({}).",
            shown(entry),
            entry.when
        ));
    }
    for entry in &added {
        streams::note(format_args!(
            "Revoked {} in {}.",
            shown(entry),
            site.revoked.display()
        ));
    }
    let in_force = tell(&site.config, &added, &already);
    if format == Format::Json {
        streams::emit_json(&Report {
            file: site.revoked.display().to_string(),
            added: &added,
            already: &already,
            in_force,
        })?;
    }
    Ok(match in_force {
        Some(false) => Exit::Unavailable,
        _ => Exit::Good,
    })
}

/// Has the running gateway read the file, and asks until it has; `None` if none runs.
fn tell(config: &Path, added: &[Revocation], already: &[Revocation]) -> Option<bool> {
    let told = running::reload(config);
    told.say(config, "this counts");
    if matches!(told, Told::NotRunning | Told::NoProgram) {
        return None;
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let status: Status = running::status(config).unwrap_or_default();
        let has = |entry: &Revocation| {
            status
                .gateway
                .revoked
                .iter()
                .any(|known| known.what == entry.what)
        };
        if added.iter().chain(already).all(has) {
            streams::note(format_args!(
                "The running gateway trusts it no more: its sessions have ended."
            ));
            return Some(true);
        }
        if Instant::now() > until {
            streams::note(format_args!(
                "The running gateway has not said that it knows: look at its log, and at `aoe-gateway status`."
            ));
            return Some(false);
        }
        sleep(Duration::from_millis(100));
    }
}

/// Everything that is meant by a word, with the name of the peer it belongs to.
fn meant(word: &str, site: &Site) -> Result<Vec<(String, What)>, Failure> {
    let mut known: Vec<(String, PublicKey)> = site
        .peers
        .iter()
        .map(|peer| (peer.name.clone(), peer.key))
        .collect();
    let status: Status = running::status(&site.config).unwrap_or_default();
    let of_unit = std::env::var_os("STATE_DIRECTORY").map(Into::into);
    let said = (!status.gateway.state.is_empty()).then(|| status.gateway.state.into());
    if let Some(state) = said.or(site.state.clone()).or(of_unit) {
        for (name, key) in learnt(&state) {
            if !known.iter().any(|(_, other)| *other == key) {
                known.push((name, key));
            }
        }
    }
    let owner = |key: &PublicKey| {
        let named = known.iter().find(|(_, other)| other == key);
        named.map(|(name, _)| name.clone()).unwrap_or_default()
    };
    if let Ok(what) = word.parse::<What>() {
        let name = match &what {
            What::Key(key) => owner(key),
            What::Certificate(_) => String::new(),
        };
        return Ok(vec![(name, what)]);
    }
    let of_name: Vec<_> = known
        .iter()
        .filter(|(name, key)| name == word || key.fingerprint().to_string() == word)
        .map(|(name, key)| (name.clone(), What::Key(*key)))
        .collect();
    if !of_name.is_empty() {
        return Ok(of_name);
    }
    let file = Path::new(word);
    if file.is_file() {
        return in_file(file, owner);
    }
    let names: Vec<_> = site.peers.iter().map(|peer| peer.name.as_str()).collect();
    Err(Failure::refused(
        Exit::Data,
        format!(
            "{word:?} is no key, no fingerprint of a peer's key, no peer and no file; {} knows by a key: {}",
            site.name,
            names.join(", ")
        ),
    ))
}

/// The key of the first certificate of a file, which is the one that the others are for; or a public key.
fn in_file(file: &Path, owner: impl Fn(&PublicKey) -> String) -> Result<Vec<(String, What)>, Failure> {
    if let Ok(AnyKey::Public(key)) = store::read_any(file) {
        return Ok(vec![(owner(&key), What::Key(key))]);
    }
    let certificates = store::read_certificates(file).map_err(Failure::Input)?;
    let name = |certificate: &aoe_keys::x509::Certificate| certificate.names.first().map(ToString::to_string);
    let first = certificates.first().map(|certificate| {
        let what = What::Certificate(certificate.spki);
        (name(certificate).unwrap_or_default(), what)
    });
    Ok(first.into_iter().collect())
}

/// An entry in one line.
fn shown(entry: &Revocation) -> String {
    let what = match entry.what.parse() {
        Ok(What::Key(key)) => format!("the key {}", key.fingerprint()),
        Ok(What::Certificate(_)) | Err(_) => entry.what.clone(),
    };
    match entry.name.is_empty() {
        true => what,
        false => format!("{what} of {}", entry.name),
    }
}

fn list(site: &Site, format: Format) -> Result<Exit, Failure> {
    let known = Revocations::read(&site.revoked)?;
    if format == Format::Json {
        streams::emit_json(&known.list)?;
        return Ok(Exit::Good);
    }
    let mut text = String::new();
    for entry in &known.list {
        let Revocation { when, why, .. } = entry;
        let when = if when.is_empty() { "-" } else { when };
        let why = if why.is_empty() { "" } else { &format!(": {why}") };
        text.push_str(&format!("{when}  {}{why}\n", shown(entry)));
    }
    if known.list.is_empty() {
        streams::note(format_args!("Nothing is revoked in {}.", site.revoked.display()));
    }
    streams::emit(&text)?;
    Ok(Exit::Good)
}
