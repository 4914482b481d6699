//! Keys of `[gateway]` that the core needs not know: each is read, bounded and given its default here, in one place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aoe_common::worker::MOST_WORKERS;

use super::fault::Faults;
use super::section::Section;
use super::value;

/// How long a gateway looks for more work before it sleeps, if its file does not say: about as long as waking up takes.
/// Measured, see `docs/decisions/0013-workers.md`.
const BUSY_POLL: Duration = Duration::from_micros(50);

/// What the parts of the gateway outside the core are told. Paths are usable as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the data plane looks for more work before it sleeps; zero: it sleeps at once.
    pub busy_poll: Duration,
    /// Where it is remembered which disk each export has.
    pub state: Option<PathBuf>,
    /// How many workers share the exports and imports: 1 to 16.
    pub workers: u8,
}

/// Reads them; `directory` is that of the file.
pub(super) fn read(section: &Section<'_, '_>, directory: &Path, faults: &mut Faults) -> Settings {
    let path = |key, faults: &mut Faults| {
        let written = section.optional(key, faults, value::path);
        written.map(|path| directory.join(path.value))
    };
    let workers = section.number("workers", faults, 1..=u16::from(MOST_WORKERS));
    Settings {
        busy_poll: section
            .optional("busy_poll", faults, value::busy_poll)
            .map_or(BUSY_POLL, |time| time.value),
        state: path("state", faults),
        workers: workers.map_or(1, |asked| u8::try_from(asked.value).unwrap_or(MOST_WORKERS)),
    }
}
