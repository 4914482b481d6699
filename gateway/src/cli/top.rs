//! `top`: what happens now in a running gateway, drawn from its documents and from nothing else.
//!
//! [`app`] is the model: documents and keys go in, what is to be shown comes out, without terminal and clock. [`draw`]
//! draws it on a screen of any size, and [`mod@run`] joins both to a terminal.

mod alarms;
mod app;
mod between;
mod changes;
mod column;
mod detail;
mod draw;
mod exports;
mod help;
mod history;
mod imports;
mod initiators;
mod keys;
pub(super) mod limits;
mod peers;
mod picture;
mod row;
mod run;
mod terminal;
mod text;
mod theme;
mod value;
mod view;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use clap::Args;

use self::app::App;
use super::paint::Paint;
use super::{Exit, client, write_quietly};

/// How it is shown.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct How {
    /// Seconds between two looks at the gateway: 0.2 to 60
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
}

/// More often there is no new document, and less often nobody waits for one.
fn interval(text: &str) -> Result<Duration, String> {
    const ALLOWED: std::ops::RangeInclusive<f64> = 0.2..=60.0;
    let seconds = text.trim().parse::<f64>().ok();
    seconds
        .filter(|seconds| ALLOWED.contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "seconds from 0.2 to 60 are allowed".to_owned())
}

/// Shows the gateway that runs with `config`.
pub(super) fn run(config: &Path, how: How) -> Exit {
    if let Err(missing) = terminal::suitable() {
        let config = config.display();
        let cure =
            format!("for a file, a pipe or a simple terminal: aoe-gateway status --watch --config {config}");
        write_quietly(io::stderr(), &format!("{missing}\n{cure}\n"));
        return Exit::Usage;
    }
    let document = match client::observe(config) {
        Ok(document) => document,
        Err(unheard) => {
            let paint = Paint::for_stream(io::stderr().is_terminal());
            write_quietly(io::stderr(), &unheard.text(&paint));
            return unheard.exit();
        }
    };
    let Some(app) = App::new(document) else {
        return Exit::OsError;
    };
    match run::run(config, how.interval, app) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            write_quietly(io::stderr(), &format!("the terminal: {error}\n"));
            Exit::of_io(&error)
        }
    }
}

#[cfg(test)]
mod interval_tests {
    use super::*;

    #[test]
    fn an_interval_is_no_shorter_than_a_document_is_old_and_no_longer_than_a_minute() {
        for (text, millis) in [("1", 1000), (" 0.2", 200), ("60", 60_000)] {
            assert_eq!(interval(text), Ok(Duration::from_millis(millis)));
        }
        for text in ["", "0", "0.1", "61", "-1", "nan", "inf", "1s"] {
            assert!(
                interval(text).is_err_and(|says| says.contains("0.2 to 60")),
                "{text}"
            );
        }
    }
}
