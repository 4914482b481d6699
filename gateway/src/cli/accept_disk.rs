//! `accept-disk`: the operator says that the disk behind an export is the right one.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Exit, Paint, exit_code, report, write_quietly};
use crate::config::{Examined, examine};
use crate::disks::{Disks, Note};

/// How long a running gateway is waited for; it looks every second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Accepts the disk behind `export`; the state directory is `state`, or else the configured one.
pub(super) fn run(config: &Path, export: &str, state: Option<&Path>) -> Exit {
    let Examined { loaded, faults } = examine(config);
    let Some(loaded) = loaded else {
        write_quietly(
            io::stderr(),
            &report::for_people(&faults, &Paint::for_stream(false)),
        );
        return exit_code(&faults);
    };
    let exports = loaded.core.exports.values().map(|known| known.name.as_str());
    if !exports.clone().any(|known| known == export) {
        let known: Vec<_> = exports.collect();
        let known = match known.as_slice() {
            [] => String::from("there is none"),
            some => some.join(", "),
        };
        write_quietly(
            io::stderr(),
            &format!("there is no export {export}; exports: {known}\n"),
        );
        return Exit::Usage;
    }
    let Some(disks) = Disks::new(state.or(loaded.settings.state.as_deref())) else {
        write_quietly(
            io::stderr(),
            "no state directory: set `state` of [gateway], or name the one systemd gave the gateway with --state, such as \
             /var/lib/aoe-gateway/NAME\n",
        );
        return Exit::Config;
    };
    if let Err(error) = disks.write(export, &Note::AcceptNext) {
        let path = disks.path(export);
        write_quietly(io::stderr(), &format!("{}: {error}\n", path.display()));
        return Exit::of_io(&error);
    }
    write_quietly(io::stdout(), &outcome(&disks, export));
    Exit::Ok
}

/// What came of it.
fn outcome(disks: &Disks, export: &str) -> String {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
        if let Ok(Some(Note::Disk(disk))) = disks.read(export) {
            return format!("export {export}: accepted: {disk}\n");
        }
    }
    format!(
        "export {export}: the next disk that answers is accepted; none has so far, or no gateway runs with the state \
         directory of {}\n",
        disks.path(export).display()
    )
}
