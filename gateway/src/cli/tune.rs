//! `tune --explain`: every setting that makes a gateway fast or slow, what it is now and where that is from.

mod knobs;

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::Path;

use aoe_common::snapshot::{Limit, Snapshot};
use serde::Serialize;

use self::knobs::{KNOBS, Knob};
use super::paint::Paint;
use super::{Exit, client, report, words, write_quietly};
use crate::config::{Written, examine, written};

/// Columns of text.
const WIDTH: usize = 100;

/// One setting in force.
#[derive(Debug, Serialize)]
struct Setting {
    /// The key.
    key: &'static str,
    /// Of what: `gateway`, `import e107.3 of site-b`, `export backup`, …
    of: String,
    value: String,
    default: &'static str,
    unit: &'static str,
    /// The file and line it is from; `default`, or `live`: set while the gateway runs.
    from: String,
    effect: &'static str,
    /// The figure in the document of `status --json` that shows it.
    shown_by: &'static str,
}

/// Explains the settings of the gateway file `config`, and of the gateway that runs with it.
pub(super) fn run(config: &Path, json: bool) -> Exit {
    let examined = examine(config);
    if examined.loaded.is_none() {
        let paint = Paint::for_stream(io::stderr().is_terminal());
        write_quietly(io::stderr(), &report::for_people(&examined.faults, &paint));
        return super::exit_code(&examined.faults);
    }
    let snapshot = client::observe(config).ok().map(|document| document.snapshot);
    let mut settings = in_files(&written(config));
    settings.extend(snapshot.iter().flat_map(live));
    let stale = snapshot
        .as_ref()
        .is_some_and(|snapshot| is_newer(config, snapshot));
    let text = match json {
        true => serde_json::to_string_pretty(&settings).unwrap_or_default() + "\n",
        false => for_people(&settings, stale, &Paint::for_stream(io::stdout().is_terminal())),
    };
    write_quietly(io::stdout(), &text);
    Exit::Ok
}

/// Whether the file was changed since the gateway read it.
fn is_newer(config: &Path, snapshot: &Snapshot) -> bool {
    let changed = std::fs::metadata(config).and_then(|data| data.modified());
    let changed = changed
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    changed.is_some_and(|time| time.as_secs_f64() > snapshot.gateway.configured + 1.0)
}

/// The settings of each table that can have them, as they are written or by default.
fn in_files(written: &[Written]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for knob in KNOBS {
        for (of, them) in tables(written, knob.table) {
            let found = them.iter().find(|written| written.key == knob.key);
            let (value, from) = match found {
                Some(written) => (
                    written.value.clone(),
                    format!("{}:{}", written.file.display(), written.line),
                ),
                // What has no default is not there unless it is written.
                None if knob.default.is_empty() => continue,
                None => (knob.default.to_owned(), "default".to_owned()),
            };
            settings.push(setting(knob, of, value, from));
        }
    }
    settings
}

fn setting(knob: &Knob, of: String, value: String, from: String) -> Setting {
    Setting {
        key: knob.key,
        of,
        value,
        default: knob.default,
        unit: knob.unit,
        from,
        effect: knob.effect,
        shown_by: knob.shown_by,
    }
}

/// The tables of this name: what each is, for people, and what is written in it.
fn tables<'a>(written: &'a [Written], table: &str) -> Vec<(String, Vec<&'a Written>)> {
    let mut tables: Vec<(String, Vec<&Written>)> = Vec::new();
    let mut last = None;
    for one in written
        .iter()
        .filter(|one| one.table == table && is_named(one, written))
    {
        let place = (&one.file, one.index);
        if last != Some(place) {
            tables.push((String::new(), Vec::new()));
            last = Some(place);
        }
        if let Some((_, them)) = tables.last_mut() {
            them.push(one);
        }
    }
    for (of, them) in &mut tables {
        *of = name(table, them, written);
    }
    tables
}

/// The top of a gateway file is no export.
fn is_named(one: &Written, written: &[Written]) -> bool {
    let is_gateway = |other: &Written| other.file == one.file && other.table == "gateway";
    !one.table.is_empty() || !written.iter().any(is_gateway)
}

/// What a table is.
fn name(table: &str, them: &[&Written], written: &[Written]) -> String {
    let value = |key: &str| {
        let found = them.iter().find(|written| written.key == key);
        found.map_or("?", |written| written.value.as_str())
    };
    match table {
        "import" => format!("import {} of {}", value("as"), value("peer")),
        "peer" => format!("peer {}", value("name")),
        "allow" => {
            let file = them.first().map(|one| &one.file);
            let export = written
                .iter()
                .find(|one| Some(&one.file) == file && one.table.is_empty() && one.key == "name");
            let export = export.map_or("?", |one| one.value.as_str());
            format!("export {export} for {}", value("peer"))
        }
        "" => format!("export {}", value("name")),
        other => other.to_owned(),
    }
}

/// What was set while the gateway runs.
fn live(snapshot: &Snapshot) -> Vec<Setting> {
    let peers = snapshot
        .peers
        .iter()
        .map(|peer| (format!("peer {}", peer.name), &peer.limit));
    let exports = snapshot.exports.iter().flat_map(|export| {
        let theirs = export.allow.iter();
        let theirs = theirs.map(|grant| (format!("export {} for {}", export.name, grant.peer), &grant.limit));
        std::iter::once((format!("export {}", export.name), &export.limit)).chain(theirs)
    });
    let all = peers.chain(exports);
    let live = all.filter_map(|(of, limit)| Some((of, limit.as_ref().filter(|limit| limit.from == "live")?)));
    let knob = KNOBS.iter().find(|knob| knob.key == "limit");
    live.filter_map(|(of, limit)| Some(setting(knob?, of, limit_text(limit), "live".to_owned())))
        .collect()
}

fn limit_text(limit: &Limit) -> String {
    let parts = [
        ("iops", limit.iops),
        ("bandwidth", limit.bandwidth),
        ("floor_iops", limit.floor_iops),
        ("floor_bandwidth", limit.floor_bandwidth),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key} = {}", value?)));
    format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
}

fn for_people(settings: &[Setting], stale: bool, paint: &Paint) -> String {
    let mut text = String::new();
    let Paint {
        title,
        faint,
        warning,
        ..
    } = paint;
    // Writing to a string does not fail.
    if stale {
        let _ = writeln!(
            text,
            "{warning}The file was changed after the gateway read it: aoe-gateway check --diff shows what a reload changes.{warning:#}\n"
        );
    }
    let mut last = "";
    for setting in settings {
        if setting.key != last {
            last = setting.key;
            let unit = if setting.unit.is_empty() {
                String::new()
            } else {
                format!(", {}", setting.unit)
            };
            let default = if setting.default.is_empty() {
                "none"
            } else {
                setting.default
            };
            let _ = writeln!(text, "{title}{}{title:#}{unit}; default {default}", setting.key);
            for line in words::wrap(setting.effect, WIDTH - 4) {
                let _ = writeln!(text, "    {line}");
            }
            let _ = writeln!(
                text,
                "    {faint}status --json shows it in {}{faint:#}",
                setting.shown_by
            );
        }
        let (of, value) = (words::plain(&setting.of), words::plain(&setting.value));
        let _ = writeln!(
            text,
            "  {of} = {value}  {faint}({}){faint:#}",
            words::plain(&setting.from)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "[gateway]\nname = \"a\"\nexports = \"e\"\nbusy_poll = \"100us\"\n[[import]]\npeer = \"b\"\nas = \"e1.1\"\n\
                           window = 128\n[[import]]\npeer = \"b\"\nas = \"e1.2\"\n";
    const EXPORT: &str = "name = \"disk\"\nsync = true\n[[allow]]\npeer = \"b\"\n";

    fn explained() -> Vec<Setting> {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("gateway.toml");
        std::fs::write(&config, GATEWAY).unwrap();
        std::fs::create_dir(dir.path().join("e")).unwrap();
        std::fs::write(dir.path().join("e/disk.toml"), EXPORT).unwrap();
        in_files(&written(&config))
    }

    #[test]
    fn settings_are_as_written_or_as_by_default_and_say_where_they_are_from() {
        let settings = explained();
        let of = |key: &str, of: &str| {
            let found = settings
                .iter()
                .find(|setting| setting.key == key && setting.of == of);
            let found = found.unwrap_or_else(|| panic!("{key} of {of}: {settings:?}"));
            let from = found.from.rsplit('/').next().unwrap().to_owned();
            (found.value.clone(), from)
        };
        let pair = |value: &str, from: &str| (value.to_owned(), from.to_owned());
        assert_eq!(of("busy_poll", "gateway"), pair("100us", "gateway.toml:4"));
        assert_eq!(of("max_age", "gateway"), pair("1s", "default"));
        assert_eq!(of("window", "import e1.1 of b"), pair("128", "gateway.toml:8"));
        assert_eq!(of("window", "import e1.2 of b"), pair("64", "default"));
        assert_eq!(of("sync", "export disk"), pair("true", "disk.toml:2"));
        assert_eq!(of("order", "export disk"), pair("any", "default"));
        assert!(
            !settings.iter().any(|setting| setting.of.contains('?')),
            "{settings:?}"
        );
        let text = for_people(&settings, true, &Paint::default());
        assert!(text.starts_with("The file was changed"), "{text}");
        assert!(text.contains("  import e1.1 of b = 128  ("), "{text}");
    }

    #[test]
    fn the_page_on_tuning_has_a_row_for_each_with_the_same_words() {
        let page = include_str!("../../../docs/tuning.md");
        let (_, page) = page.split_once("## Every setting").unwrap();
        let (page, _) = page.split_once("\n## ").unwrap();
        for Knob {
            key,
            default,
            unit,
            effect,
            shown_by,
            ..
        } in KNOBS
        {
            let default = if default.is_empty() { "none" } else { default };
            let row = format!("| `{key}` | {unit} | {default} | {effect} | {shown_by} |");
            assert!(page.contains(&row), "docs/tuning.md lacks:\n{row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, KNOBS.len());
    }
}
