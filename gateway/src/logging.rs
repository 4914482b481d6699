//! The log: lines on stderr, which may be a terminal, the journal, a file, or gone.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, reload};

/// Lines that wait for a slow reader; what comes on top is lost. The data plane never waits for a log.
const WAITING_LINES: usize = 4096;

/// What is logged if nobody says what.
pub const DEFAULT_FILTER: &str = "info";

/// Judges a log filter: a level, or targets with levels.
///
/// # Errors
/// What is wrong with it. A lone word that is no level would be taken as a target by the filter library, and
/// a mistyped level would silence the log.
pub fn parse_filter(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Ok(DEFAULT_FILTER.to_owned());
    }
    for directive in text.split(',').map(str::trim) {
        let level = ["off", "error", "warn", "info", "debug", "trace"]
            .iter()
            .any(|level| level.eq_ignore_ascii_case(directive));
        if !level && !directive.contains(['=', '[', ':']) {
            return Err(format!(
                "`{directive}` is none of off, error, warn, info, debug, trace"
            ));
        }
    }
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// A log that was started. Keep it until the end: dropping it writes what still waits, for at most a second.
#[derive(Debug)]
pub struct Log {
    filter: Filter,
    _writer: WorkerGuard,
}

impl Log {
    /// What is logged.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }
}

/// What is logged, which may change while it runs.
#[derive(Clone)]
pub struct Filter {
    set: Arc<dyn Fn(EnvFilter) + Send + Sync>,
    fixed: Option<String>,
}

impl Filter {
    /// What the command line says, if it does: then nothing else has a say.
    pub fn fixed(&self) -> Option<&str> {
        self.fixed.as_deref()
    }

    /// Logs what a file says, which [`parse_filter`] has passed, unless the command line says something.
    pub fn follow(&self, file: Option<&str>) {
        if self.fixed.is_none() {
            (self.set)(filter(file));
        }
    }
}

impl Filter {
    /// Logs what an operator says, which [`parse_filter`] has passed, until the next [`follow`](Self::follow) changes it.
    pub fn set_live(&self, text: &str) {
        (self.set)(filter(Some(text)));
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter")
            .field("fixed", &self.fixed)
            .finish_non_exhaustive()
    }
}

fn filter(text: Option<&str>) -> EnvFilter {
    let parsed = text.and_then(|text| EnvFilter::try_new(text).ok());
    parsed.unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER))
}

/// Starts the log. `fixed` is what the command line says, which wins over what the file says; [`parse_filter`] has passed
/// both. A second start changes nothing.
pub fn start(fixed: Option<&str>, file: Option<&str>) -> Log {
    let journal = env::var_os("JOURNAL_STREAM").is_some();
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filter = filter(fixed.or(file));
    let (lines, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(Stderr);
    let builder = tracing_subscriber::fmt()
        .with_ansi(colour && !journal)
        .with_target(false)
        // On an error this would write to stderr once more, and panic if that is closed.
        .log_internal_errors(false);
    // The journal has its own clock and takes the level from a prefix (sd-daemon(3)).
    let (started, set) = if journal {
        let builder = builder
            .without_time()
            .with_level(false)
            .with_writer(Lines {
                lines,
                prefix: Prefix::Priority,
            })
            .with_env_filter(filter)
            .with_filter_reloading();
        let set = setter(builder.reload_handle());
        (builder.try_init(), set)
    } else {
        let builder = builder
            .with_writer(Lines {
                lines,
                prefix: Prefix::None,
            })
            .with_env_filter(filter)
            .with_filter_reloading();
        let set = setter(builder.reload_handle());
        (builder.try_init(), set)
    };
    // Only a log that is there already can be in the way.
    drop(started);
    Log {
        filter: Filter {
            set,
            fixed: fixed.map(str::to_owned),
        },
        _writer: guard,
    }
}

fn setter<S: 'static>(handle: reload::Handle<EnvFilter, S>) -> Arc<dyn Fn(EnvFilter) + Send + Sync> {
    Arc::new(move |filter| {
        // It fails only when the log is gone.
        let _ = handle.reload(filter);
    })
}

#[derive(Clone, Copy)]
enum Prefix {
    None,
    Priority,
}

/// Where lines wait until they are written.
struct Lines {
    lines: NonBlocking,
    prefix: Prefix,
}

struct Line<'a> {
    lines: &'a NonBlocking,
    prefix: &'static str,
}

/// Stderr whose faults nobody hears of: a closed log must not end the gateway.
struct Stderr;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            lines: &self.lines,
            prefix: "",
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line {
            lines: &self.lines,
            prefix: match (self.prefix, *event.level()) {
                (Prefix::None, _) => "",
                (Prefix::Priority, Level::ERROR) => "<3>",
                (Prefix::Priority, Level::WARN) => "<4>",
                (Prefix::Priority, Level::INFO) => "<6>",
                (Prefix::Priority, _) => "<7>",
            },
        }
    }
}

impl Write for Line<'_> {
    /// The subscriber hands a whole line over at once, so the prefix comes once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines
            .clone()
            .write_all(&[self.prefix.as_bytes(), line].concat())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output, Stdio};

    use super::*;

    #[test]
    fn levels_and_filters_pass_and_mistyped_levels_do_not() {
        for good in [
            "info",
            "DEBUG",
            "off",
            "warn,aoe_gateway::segment=trace",
            "aoe_common=debug",
        ] {
            assert_eq!(parse_filter(good).unwrap(), good);
        }
        assert_eq!(parse_filter("").unwrap(), "info");
        for bad in ["debg", "verbose", "info,,warn", "aoe_common=loud"] {
            assert!(parse_filter(bad).is_err(), "{bad}");
        }
    }

    /// Logs one line of each level in a process of its own, and gives what it wrote, or whether it lived.
    fn log_elsewhere(environment: &[(&str, &str)], stderr: Stdio) -> Output {
        Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "logging::tests::lines_suit_the_reader_and_no_reader_is_needed",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .env_remove("JOURNAL_STREAM")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
    }

    const CHILD: &str = "AOE_GATEWAY_TEST_LOGS";

    #[test]
    fn lines_suit_the_reader_and_no_reader_is_needed() {
        if env::var_os(CHILD).is_some() {
            let _log = start(Some("debug"), None);
            tracing::error!("one");
            tracing::warn!("two");
            tracing::info!(segment = "san", "three");
            tracing::debug!("four");
            tracing::trace!("five");
            return;
        }
        let lines = |output: Output| -> Vec<String> {
            assert!(output.status.success());
            String::from_utf8(output.stderr)
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect()
        };
        let journal = lines(log_elsewhere(&[("JOURNAL_STREAM", "8:1")], Stdio::piped()));
        assert_eq!(
            journal,
            ["<3>one", "<4>two", "<6>three segment=\"san\"", "<7>four"]
        );

        let plain = lines(log_elsewhere(&[], Stdio::piped()));
        assert_eq!(plain.len(), 4, "{plain:?}");
        assert!(
            plain[1].starts_with("20") && plain[1].ends_with("WARN two"),
            "{plain:?}"
        );
        assert!(!plain.concat().contains('\u{1b}'), "colour without a terminal");

        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert!(
            log_elsewhere(&[], writer.into()).status.success(),
            "a closed log ended the process"
        );
    }
}
