//! What the files of a configuration say as they are written: keys with their values and places, and the files themselves.
//!
//! For those who explain where a value comes from. Whether it is right is another question, which
//! [`examine`](super::examine) answers.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::files;
use super::kept::locate;
use super::peer_file;
use super::settings;
use super::source::Source;

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The file.
    pub(crate) file: PathBuf,
    /// Its line, from 1.
    pub(crate) line: usize,
    /// The table it stands in, such as `gateway` or `import`; empty at the top of a file.
    pub(crate) table: String,
    /// Which of the tables of this name, from 0.
    pub(crate) index: usize,
    /// The key.
    pub(crate) key: String,
    /// The value as text, without quotation marks.
    pub(crate) value: String,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhatFile {
    /// Nobody but the gateway may read it.
    Secret,
    /// Anybody may read it, and nobody but its owner may change it.
    Public,
    /// A directory of such files.
    Directory,
}

/// The values of a gateway file, and then those of each of its peer files and export files. A file that cannot be read, or is no TOML in
/// part, gives what it can.
pub(crate) fn written(config: &Path) -> Vec<Written> {
    let mut all = values(config);
    let (peers, exports) = (files_in("peers", config, &all), files_in("exports", config, &all));
    for file in peers {
        all.extend(values_of_peer(&file));
    }
    for file in exports {
        all.extend(values(&file));
    }
    all
}

/// The files of a configuration and the directories that hold them.
pub(crate) fn files_of(config: &Path) -> Vec<(PathBuf, WhatFile)> {
    let directory = settings::directory(config);
    let gateway = values(config);
    let named = |table: &str, key: &str| {
        let (table, key) = (table.to_owned(), key.to_owned());
        let directory = directory.clone();
        let written = gateway
            .iter()
            .filter(move |written| (&written.table, &written.key) == (&table, &key));
        written
            .map(move |written| directory.join(&written.value))
            .collect::<Vec<_>>()
    };
    let mut all = vec![
        (directory.clone(), WhatFile::Directory),
        (
            directory.join(config.file_name().unwrap_or_default()),
            WhatFile::Public,
        ),
    ];
    let peers = files_in("peers", config, &gateway);
    // Credentials that only the service has are left out.
    let secrets = [("gateway", "key"), ("peer", "psk")];
    let secrets = secrets
        .iter()
        .flat_map(|key| secrets_in(&gateway, &directory, key));
    let secrets = secrets.chain(peers.iter().flat_map(|file| psks_of(file)));
    all.extend(secrets.map(|path| (path, WhatFile::Secret)));
    let directories = ["peers", "exports"].map(|key| named("gateway", key));
    let directories = directories.into_iter().flatten();
    all.extend(directories.map(|path| (path, WhatFile::Directory)));
    let exports = files_in("exports", config, &gateway);
    all.extend(
        peers
            .into_iter()
            .chain(exports)
            .map(|path| (path, WhatFile::Public)),
    );
    let state = named("gateway", "state").into_iter().filter(|path| path.exists());
    all.extend(state.map(|path| (path, WhatFile::Directory)));
    all
}

/// The files of the directory that a key of `[gateway]` names.
fn files_in(key: &str, config: &Path, gateway: &[Written]) -> Vec<PathBuf> {
    let written = gateway
        .iter()
        .find(|written| written.table == "gateway" && written.key == key);
    let Some(written) = written else {
        return Vec::new();
    };
    let directory = settings::directory(config).join(&written.value);
    let mut found = files::toml_files(&directory).unwrap_or_default();
    found.truncate(files::MOST_FILES);
    found
}

/// The secrets that a peer file names.
fn psks_of(file: &Path) -> Vec<PathBuf> {
    let directory = settings::directory(file);
    secrets_in(&values(file), &directory, &("peer", "psk"))
}

/// The secrets that a key of a table names.
fn secrets_in(all: &[Written], directory: &Path, key: &(&str, &str)) -> Vec<PathBuf> {
    all.iter()
        .filter(|written| (written.table.as_str(), written.key.as_str()) == *key)
        .filter_map(|written| locate(directory, &written.value).ok())
        .collect()
}

/// The values of a peer file, and what its name implies: that of the peer, and whose its imports are.
fn values_of_peer(file: &Path) -> Vec<Written> {
    let all = values(file);
    let mut whole = Vec::new();
    let mut last = None;
    for written in all {
        let table = (written.table.clone(), written.index);
        let implied = match written.table.as_str() {
            "peer" => Some("name"),
            "import" => Some("peer"),
            _ => None,
        };
        if let Some(key) = implied.filter(|_| last.as_ref() != Some(&table)) {
            whole.push(Written {
                key: key.to_owned(),
                value: peer_file::stem(file),
                ..written.clone()
            });
        }
        last = Some(table);
        whole.push(written);
    }
    whole
}

/// The values of one file.
fn values(file: &Path) -> Vec<Written> {
    let Ok(text) = files::read_text(file) else {
        return Vec::new();
    };
    let (table, _) = DeTable::parse_recoverable(&text);
    let source = Source::new(file, &text);
    let mut all = Vec::new();
    take("", 0, table.get_ref(), &source, &mut all);
    all
}

/// The values of a table, and of the tables in it.
fn take(name: &str, index: usize, table: &DeTable<'_>, source: &Source, all: &mut Vec<Written>) {
    for (key, value) in table {
        match value.get_ref() {
            DeValue::Table(inner) if name.is_empty() => take(key.get_ref(), 0, inner, source, all),
            DeValue::Array(items)
                if items
                    .iter()
                    .any(|item| matches!(item.get_ref(), DeValue::Table(_))) =>
            {
                for (index, item) in items.iter().enumerate() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        take(key.get_ref(), index, inner, source, all);
                    }
                }
            }
            other => all.push(Written {
                file: source.path().to_owned(),
                line: source.line(key.span().start),
                table: name.to_owned(),
                index,
                key: key.get_ref().to_string(),
                value: text_of(other),
            }),
        }
    }
}

/// A value in one line.
fn text_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| text_of(item.get_ref())).collect();
            items.join(", ")
        }
        DeValue::Table(table) => {
            let pairs = table.iter();
            let pairs: Vec<_> = pairs
                .map(|(key, value)| format!("{} = {}", key.get_ref(), text_of(value.get_ref())))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("gateway.toml");
        let text = "[gateway]\nname = 'a'\nexports = 'e'\nkey = \"a.key\"\nlisten = ['1:1', '2:2']\n\n[[import]]\nwindow = 64\n[[import]]\n\
                    window = 128\nlimit = { iops = 5 }\n";
        std::fs::write(&config, text).unwrap();
        std::fs::create_dir(dir.path().join("e")).unwrap();
        let export = dir.path().join("e/b.toml");
        std::fs::write(&export, "sync = true\n[[allow]]\npeer = 'x'\n").unwrap();
        let found = written(&config);
        let of = |key: &str| -> Vec<_> {
            let them = found.iter().filter(|written| written.key == key);
            them.map(|written| {
                (
                    written.line,
                    written.table.as_str(),
                    written.index,
                    written.value.as_str(),
                )
            })
            .collect()
        };
        assert_eq!(of("window"), [(8, "import", 0, "64"), (10, "import", 1, "128")]);
        assert_eq!(of("listen"), [(5, "gateway", 0, "1:1, 2:2")]);
        assert_eq!(of("limit"), [(11, "import", 1, "{ iops = 5 }")]);
        assert_eq!(of("sync"), [(1, "", 0, "true")]);
        assert_eq!(of("peer"), [(3, "allow", 0, "x")]);
        assert!(found.iter().any(|written| written.file == export));
        let files: Vec<_> = files_of(&config);
        let what = |name: &str| {
            let it = files.iter().find(|(path, _)| path.ends_with(name));
            it.map(|(_, what)| *what)
        };
        assert_eq!(what("a.key"), Some(WhatFile::Secret));
        assert_eq!(what("e"), Some(WhatFile::Directory));
        assert_eq!(what("e/b.toml"), Some(WhatFile::Public));
        assert_eq!(what("gateway.toml"), Some(WhatFile::Public));
    }

    #[test]
    fn a_peer_file_says_whose_its_values_are() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("gateway.toml");
        std::fs::write(&config, "[gateway]\npeers = 'p'\n[[peer]]\nname = 'a'\n").unwrap();
        std::fs::create_dir(dir.path().join("p")).unwrap();
        let text = "[peer]\npsk = 'b.psk'\n[[import]]\nas = 'e1.1'\n[[import]]\nas = 'e1.2'\nwindow = 2\n";
        std::fs::write(dir.path().join("p/b.toml"), text).unwrap();
        let found = written(&config);
        let of = |table: &str, key: &str| -> Vec<_> {
            let them = found
                .iter()
                .filter(|written| (written.table.as_str(), written.key.as_str()) == (table, key));
            them.map(|written| (written.index, written.value.as_str()))
                .collect()
        };
        assert_eq!(of("peer", "name"), [(0, "a"), (0, "b")]);
        assert_eq!(of("import", "peer"), [(0, "b"), (1, "b")]);
        let files = files_of(&config);
        let what = |name: &str| {
            let it = files.iter().find(|(path, _)| path.ends_with(name));
            it.map(|(_, what)| *what)
        };
        assert_eq!(what("p"), Some(WhatFile::Directory));
        assert_eq!(what("p/b.toml"), Some(WhatFile::Public));
        assert_eq!(what("p/b.psk"), Some(WhatFile::Secret));
    }

    #[test]
    fn what_is_broken_gives_what_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("gateway.toml");
        assert!(written(&config).is_empty());
        std::fs::write(&config, "[gateway]\nname = 'a'\nwindow = [[\n").unwrap();
        assert!(written(&config).iter().any(|written| written.key == "name"));
    }
}
