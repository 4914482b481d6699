//! The log: lines on stderr, which may be a terminal, the journal, a file, or gone.

mod format;
pub(crate) mod id;
mod structured;

use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

pub use self::format::LogFormat;
use self::format::stderr_is_journal;
use self::structured::{Form, Structured, ToJournal};
use crate::journal::{Journal, SOCKET};

/// Lines that wait for a slow reader; what comes on top is lost. The data plane never waits for a log.
const WAITING_LINES: usize = 4096;

/// Fields of ours whose values are in the words of the line already.
const IN_WORDS: [&str; 9] = [
    "id",
    "mark",
    "peer",
    "export",
    "import",
    "segment",
    "initiator",
    "station",
    "reason",
];

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
pub fn start(fixed: Option<&str>, file: Option<&str>, format: LogFormat) -> Log {
    let stderr_is_journal = stderr_is_journal();
    let (filter, handle) = reload::Layer::new(filter(fixed.or(file)));
    let (layer, guard) = match format.settled(stderr_is_journal) {
        LogFormat::Auto | LogFormat::Text => {
            let (lines, guard) = behind_a_queue(Stderr);
            (text(lines, stderr_is_journal), guard)
        }
        LogFormat::Json => {
            let (lines, guard) = behind_a_queue(Stderr);
            let form = Form::Json;
            (Structured { lines, form }.boxed(), guard)
        }
        LogFormat::Journald => {
            let (lines, guard) = behind_a_queue(ToJournal {
                journal: Journal::at(SOCKET),
                stderr: Stderr,
            });
            let form = Form::Journal;
            (Structured { lines, form }.boxed(), guard)
        }
    };
    // Only a log that is there already can be in the way.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
    Log {
        filter: Filter {
            set: Arc::new(move |filter| {
                // It fails only when the log is gone.
                let _ = handle.reload(filter);
            }),
            fixed: fixed.map(str::to_owned),
        },
        _writer: guard,
    }
}

/// A writer that nobody waits for: a thread of its own writes, and what finds no room in its queue is lost.
fn behind_a_queue(writer: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(writer)
}

/// What is below all that is logged.
type Below = Layered<reload::Layer<EnvFilter, Registry>, Registry>;

/// Lines for people. What is in their words already is left out of their fields.
fn text(lines: NonBlocking, to_journal: bool) -> Box<dyn Layer<Below> + Send + Sync> {
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let fields = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if IN_WORDS.contains(&name) => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    });
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(fields)
        .with_ansi(colour && !to_journal)
        .with_target(false)
        // On an error this would write to stderr once more, and panic if that is closed.
        .log_internal_errors(false);
    if to_journal {
        let prefix = Prefix::Priority;
        // The journal has its own clock and takes the level from a prefix (sd-daemon(3)).
        let layer = layer.without_time().with_level(false);
        layer.with_writer(Lines { lines, prefix }).boxed()
    } else {
        let prefix = Prefix::None;
        layer.with_writer(Lines { lines, prefix }).boxed()
    }
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
    use std::collections::BTreeSet;
    use std::fs::{self, File};
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Path, PathBuf};
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
    const FORMAT: &str = "AOE_GATEWAY_TEST_FORMAT";

    /// The ids in the table of `docs/log.md`.
    fn documented() -> BTreeSet<&'static str> {
        let rows = include_str!("../../../docs/log.md").lines();
        let rows = rows.filter(|line| line.starts_with("| `"));
        let names = rows.filter_map(|row| row.split('`').nth(1));
        // Fields have a table too.
        names
            .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect()
    }

    /// All sources of this crate.
    fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
        let entries = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let of = |path: PathBuf| match path.is_dir() {
            true => sources(&path),
            false => vec![(path.clone(), fs::read_to_string(&path).unwrap())],
        };
        entries.flat_map(of).collect()
    }

    #[test]
    fn every_line_has_an_id_that_the_page_about_the_log_lists_and_no_other() {
        let mut nameless = Vec::new();
        for (path, text) in sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
            // What tests log needs no id.
            let text = text.split("#[cfg(test)]").next().unwrap();
            for level in ["error", "warn", "info", "debug"] {
                for (_, rest) in text
                    .match_indices(&format!("tracing::{level}!("))
                    .map(|(at, found)| text.split_at(at + found.len()))
                {
                    if !rest.trim_start().starts_with("id = id::") {
                        let shown: String = rest.chars().take(50).collect();
                        nameless.push(format!("{}: {shown}", path.display()));
                    }
                }
            }
        }
        assert!(
            nameless.is_empty(),
            "write `id = id::…` first, see logging/id.rs and docs/log.md: {nameless:#?}"
        );
        let documented = documented();
        let ours: BTreeSet<_> = id::ALL.iter().copied().collect();
        assert_eq!(ours.len(), id::ALL.len(), "an id is there twice");
        let missing: Vec<_> = ours.difference(&documented).collect();
        assert!(missing.is_empty(), "not in the table of docs/log.md: {missing:?}");
        let events = concat!(
            include_str!("../../../common/src/event/facts.rs"),
            include_str!("../../../common/src/event/keys.rs")
        );
        let of_no_line = documented
            .iter()
            .filter(|id| !ours.contains(*id) && !events.contains(&format!("new(\"{id}\")")));
        let of_no_line: Vec<_> = of_no_line.collect();
        assert!(
            of_no_line.is_empty(),
            "in docs/log.md, and no line has it: {of_no_line:?}"
        );
    }

    #[test]
    fn lines_suit_the_reader_and_no_reader_is_needed() {
        if env::var_os(CHILD).is_some() {
            let format = LogFormat::parse(&env::var(FORMAT).unwrap_or_default()).unwrap();
            let _log = start(Some("debug"), None, format);
            tracing::error!("one");
            tracing::warn!(id = "x", peer = "site-a", "two");
            tracing::info!(depth = 3, "three");
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
        // systemd says which file the journal's stderr is.
        let (mut reader, writer) = io::pipe().unwrap();
        let writer = File::from(OwnedFd::from(writer));
        let found = writer.metadata().unwrap();
        let stream = format!("{}:{}", found.dev(), found.ino());
        let environment = [("JOURNAL_STREAM", stream.as_str()), (FORMAT, "text")];
        assert!(log_elsewhere(&environment, writer.into()).status.success());
        let mut journal = String::new();
        reader.read_to_string(&mut journal).unwrap();
        let journal: Vec<_> = journal.lines().collect();
        assert_eq!(journal, ["<3>one", "<4>two", "<6>three depth=3", "<7>four"]);

        let json = lines(log_elsewhere(&[(FORMAT, "json")], Stdio::piped()));
        let second: serde_json::Value = serde_json::from_str(&json[1]).unwrap();
        assert_eq!(
            (second["id"].as_str(), second["peer"].as_str()),
            (Some("x"), Some("site-a"))
        );

        // One that inherits the variable and has another stderr is not in the journal.
        let plain = lines(log_elsewhere(&[("JOURNAL_STREAM", "8:1")], Stdio::piped()));
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
