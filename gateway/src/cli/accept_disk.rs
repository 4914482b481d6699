//! `accept-disk`: the operator says that the disk behind an export is the right one. A gateway that runs is told; if none
//! does, it is noted in its state directory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::steer::{self, Common};
use super::{Exit, Paint, exit_code, report, write_quietly};
use crate::config::{Examined, examine};
use crate::control::protocol::{Answer, Done, Outcome, Request};
use crate::disks::{Disks, Note};

/// How long a running gateway is waited for that is told by its state directory; it looks every second.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to accept.
#[derive(Args, Debug)]
#[group(id = "which", required = true)]
pub(super) struct Which {
    /// The export
    #[arg(value_name = "EXPORT")]
    name: Option<String>,
    /// The same
    #[arg(long = "export", value_name = "NAME", hide = true)]
    option: Option<String>,
}

/// Which disk is accepted, and how.
#[derive(Args, Debug)]
pub(super) struct How {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
    /// Write it into this state directory and ask no gateway: for one that does not run, or runs without its control socket
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Accepts it.
pub(super) fn run(how: &How) -> Exit {
    let Which { name, option } = &how.which;
    let Some(export) = name.as_ref().or(option.as_ref()) else {
        return Exit::Usage;
    };
    if how.state.is_none() {
        let request = Request::AcceptDisk {
            export: export.clone(),
        };
        match steer::hear(&how.common, &request) {
            Ok(answer) => return steer::print(&how.common, &answer),
            Err(unheard) if steer::is_absent(&unheard) => {}
            Err(unheard) => return steer::complain(&how.common, &unheard),
        }
    }
    match note(&how.common.config.config, export, how.state.as_deref()) {
        Ok(said) if how.common.json => {
            let done = Done {
                about: format!("export {export}"),
                said: vec![said],
                survives_restart: true,
                ..Done::default()
            };
            steer::print(&how.common, &Answer::of_verb(Outcome::Changed, done))
        }
        Ok(said) => {
            write_quietly(io::stdout(), &format!("export {export}: {said}\n"));
            Exit::Ok
        }
        Err((exit, text)) if how.common.json => {
            steer::print(&how.common, &Answer::refused(text.trim_end()));
            exit
        }
        Err((exit, text)) => {
            write_quietly(io::stderr(), &text);
            exit
        }
    }
}

/// Notes it in the state directory `state`, or else the configured one; what came of it.
fn note(config: &Path, export: &str, state: Option<&Path>) -> Result<String, (Exit, String)> {
    let Examined { loaded, faults } = examine(config);
    let Some(loaded) = loaded else {
        let text = report::for_people(&faults, &Paint::for_stream(false));
        return Err((exit_code(&faults), text));
    };
    let exports = loaded.core.exports.values().map(|known| known.name.as_str());
    if !exports.clone().any(|known| known == export) {
        let known: Vec<_> = exports.collect();
        let known = match known.as_slice() {
            [] => String::from("there is none"),
            some => some.join(", "),
        };
        return Err((
            Exit::Usage,
            format!("there is no export {export}; exports: {known}\n"),
        ));
    }
    let Some(disks) = Disks::new(state.or(loaded.settings.state.as_deref())) else {
        let text = "no state directory: set `state` of [gateway], or name the one systemd gave the gateway with --state, \
                    such as /var/lib/aoe-gateway/NAME\n";
        return Err((Exit::Config, text.to_owned()));
    };
    if let Err(error) = disks.write(export, &Note::AcceptNext) {
        let path = disks.path(export);
        return Err((Exit::of_io(&error), format!("{}: {error}\n", path.display())));
    }
    Ok(outcome(&disks, export))
}

/// What came of it.
fn outcome(disks: &Disks, export: &str) -> String {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
        if let Ok(Some(Note::Disk(disk))) = disks.read(export) {
            return format!("accepted: {disk}");
        }
    }
    format!(
        "the next disk that answers is accepted; none has so far, or no gateway runs with the state directory of {}",
        disks.path(export).display()
    )
}
