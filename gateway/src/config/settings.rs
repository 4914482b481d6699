//! Keys of `[gateway]` that the core needs not know: each is read, bounded, given its default and compared here, in one
//! place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aoe_common::worker::MOST_WORKERS;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Faults;
use super::section::Section;
use super::value::{self, Parsed, Refusal};
use crate::audit::AuditTo;
use crate::driver::Tuning;
use crate::logging::{DEFAULT_FILTER, parse_filter};
use crate::sys::batch::RecvBatch;
use crate::sys::buffers::Buffers;

/// The names of the sockets in their default directory.
const OBSERVE: &str = "observe.sock";
const CONTROL: &str = "control.sock";

/// How long a gateway looks for more work before it sleeps, if its file does not say: about as long as waking up takes.
/// Measured, see `docs/decisions/0013-workers.md`.
const BUSY_POLL: Duration = Duration::from_micros(50);

/// Frames taken from a segment at a time, if its file does not say, and at most.
#[allow(clippy::cast_possible_truncation, reason = "it is 64")]
const BATCH: u8 = RecvBatch::SLOTS as u8;
const MOST_BATCH: u16 = BATCH as u16;

/// A group of users of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
}

/// What the parts of the gateway outside the core are told. Paths are usable as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the data plane looks for more work before it sleeps; zero: it sleeps at once.
    pub busy_poll: Duration,
    /// Frames taken from a segment at a time: 1 to 64.
    pub batch: u8,
    /// Bytes of buffer of each socket, in each direction: 256 kB to 256 MB.
    pub socket_buffer: usize,
    /// Where it is remembered which disk each export has.
    pub state: Option<PathBuf>,
    /// How many workers share the exports and imports: 1 to 16.
    pub workers: u8,
    /// Where programs that only look connect.
    pub observe: PathBuf,
    /// Where programs that change things connect.
    pub control: PathBuf,
    /// The group whose members may connect there too.
    pub control_group: Option<Group>,
    /// What to log, if the command line does not say.
    pub log: Option<String>,
    /// Where the audit log goes, if there is one.
    pub audit: Option<AuditTo>,
    /// The file of the gateway's own key.
    pub key: PathBuf,
}

impl Settings {
    /// How data planes work.
    pub fn tuning(&self) -> Tuning {
        Tuning {
            busy_poll: self.busy_poll,
            batch: self.batch,
        }
    }

    /// Buffers of sockets.
    pub fn buffers(&self) -> Buffers {
        Buffers::both(self.socket_buffer)
    }

    /// The keys that differ and that only a restart changes; the others as key, old and new value, in words.
    pub fn compare(&self, new: &Settings) -> (Vec<&'static str>, Vec<(&'static str, String, String)>) {
        let Settings {
            busy_poll,
            batch,
            socket_buffer,
            state,
            workers,
            observe,
            control,
            control_group,
            log,
            audit,
            // Another key is a difference of the core, and the same one in another file is none.
            key: _,
        } = new;
        let fixed = [
            ("workers", self.workers == *workers),
            ("batch", self.batch == *batch),
            ("socket_buffer", self.socket_buffer == *socket_buffer),
            ("state", self.state == *state),
            ("observe", self.observe == *observe),
            ("control", self.control == *control),
            ("control_group", self.control_group == *control_group),
        ];
        let spin = |time: &Duration| match time.is_zero() {
            true => String::from("off"),
            false => format!("{}us", time.as_micros()),
        };
        let said = |log: &Option<String>| log.clone().unwrap_or_else(|| DEFAULT_FILTER.to_owned());
        let taken_down = |to: &Option<AuditTo>| match to {
            None => String::from("off"),
            Some(AuditTo::File(path)) => path.display().to_string(),
            Some(AuditTo::Journal) => String::from("journal"),
        };
        let live = [
            ("busy_poll", spin(&self.busy_poll), spin(busy_poll)),
            ("log", said(&self.log), said(log)),
            ("audit", taken_down(&self.audit), taken_down(audit)),
        ];
        let fixed = fixed.into_iter().filter(|(_, same)| !same);
        let live = live.into_iter().filter(|(_, was, is)| was != is);
        (fixed.map(|(key, _)| key).collect(), live.collect())
    }
}

/// The directory that paths in a file are relative to, by its whole path: so a path is the same, however its file is named.
pub(super) fn directory(file: &Path) -> PathBuf {
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    whole.parent().map(Path::to_owned).unwrap_or_default()
}

/// Where the sockets of a gateway of this name are, if its file does not say.
fn socket(gateway: &str, which: &str) -> PathBuf {
    Path::new("/run/aoe-gateway").join(gateway).join(which)
}

/// Reads them; `directory` is [that of the file](directory).
pub(super) fn read(section: &Section<'_, '_>, name: &str, directory: &Path, faults: &mut Faults) -> Settings {
    let path = |key, faults: &mut Faults| {
        let written = section.optional(key, faults, value::path);
        written.map(|path| directory.join(path.value))
    };
    let batch = section.number("batch", faults, 1..=MOST_BATCH);
    let workers = section.number("workers", faults, 1..=u16::from(MOST_WORKERS));
    Settings {
        busy_poll: section
            .optional("busy_poll", faults, value::busy_poll)
            .map_or(BUSY_POLL, |time| time.value),
        batch: batch
            .and_then(|batch| u8::try_from(batch.value).ok())
            .unwrap_or(BATCH),
        socket_buffer: section
            .optional("socket_buffer", faults, value::socket_buffer)
            .map_or(Buffers::DATA_PLANE.recv, |size| size.value),
        state: path("state", faults),
        workers: workers.map_or(1, |asked| u8::try_from(asked.value).unwrap_or(MOST_WORKERS)),
        observe: path("observe", faults).unwrap_or_else(|| socket(name, OBSERVE)),
        control: path("control", faults).unwrap_or_else(|| socket(name, CONTROL)),
        control_group: section
            .optional("control_group", faults, value::group)
            .map(|group| group.value),
        log: section.optional("log", faults, log).map(|filter| filter.value),
        // It has a section of its own.
        audit: None,
        key: path("key", &mut Faults::default()).unwrap_or_default(),
    }
}

/// A filter, as `--log-level` takes it.
fn log(text: &str) -> Parsed<String> {
    parse_filter(text).map_err(|found| Refusal {
        found,
        instead: String::from(
            "write what --log-level takes, such as \"info\" or \"info,aoe_gateway::segment=debug\"",
        ),
    })
}

/// Where the sockets of a gateway are according to the text of its file, which may have faults elsewhere: first the one
/// to observe it by, then the one to control it by. `None` for one that cannot be told.
pub(super) fn sockets(text: &str, directory: &Path) -> (Option<PathBuf>, Option<PathBuf>) {
    let (table, _) = DeTable::parse_recoverable(text);
    let Some(DeValue::Table(gateway)) = table.get_ref().get("gateway").map(Spanned::get_ref) else {
        return (None, None);
    };
    let word = |key: &str| match gateway.get(key)?.get_ref() {
        DeValue::String(text) => Some(text.as_ref()),
        _ => None,
    };
    let of = |key, default| {
        if gateway.contains_key(key) {
            let path = value::path(word(key)?).ok()?;
            return Some(directory.join(path));
        }
        let name = value::name(word("name")?).ok()?;
        Some(socket(&name, default))
    };
    (of("observe", OBSERVE), of("control", CONTROL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_of_a_file_are_found_whatever_else_is_wrong_with_it() {
        let found = |text| {
            let (observe, control) = sockets(text, Path::new("/etc/a"));
            let shown = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
            (shown(observe), shown(control))
        };
        let some = |text: &str| Some(text.to_owned());
        let by_name = (
            some("/run/aoe-gateway/site-a/observe.sock"),
            some("/run/aoe-gateway/site-a/control.sock"),
        );
        assert_eq!(found("[gateway]\nname = 'site-a'"), by_name);
        assert_eq!(
            found("[gateway]\nname = 'site-a'\nlisten = [\n[[peer]]\nx"),
            by_name
        );
        let written = "[gateway]\nobserve = 'o.sock'\nlisen = 5\ncontrol = '/x/c.sock'\n";
        assert_eq!(found(written), (some("/etc/a/o.sock"), some("/x/c.sock")));
        assert_eq!(found("[gateway]\nname = 'a/b'\nobserve = 5"), (None, None));
        assert_eq!(found("gateway = 1"), (None, None));
        assert_eq!(found("\0["), (None, None));
    }
}
