//! Where the rules of exports are written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::export_file::ExportFile;
use super::fault::Faults;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The file, as named by the operator or by the file that led to it.
    pub(crate) file: PathBuf,
    /// The line, from 1.
    pub(crate) line: usize,
}

/// The `[[allow]]` of all exports.
#[derive(Debug, Default)]
pub(crate) struct RulePlaces(BTreeMap<String, Export>);

#[derive(Debug)]
struct Export {
    file: PathBuf,
    /// In the order of the file.
    allow: Vec<Spot>,
}

impl RulePlaces {
    pub(super) fn of(files: &[ExportFile], faults: &Faults) -> RulePlaces {
        let written = files.iter().filter_map(|file| {
            let allow = file.allow.iter().filter_map(|entry| faults.spot(&entry.place));
            let export = Export {
                file: faults.spot(&file.place)?.file,
                allow: allow.collect(),
            };
            Some((file.name.as_ref()?.value.clone(), export))
        });
        RulePlaces(written.collect())
    }

    /// The file of an export.
    pub(crate) fn file(&self, export: &str) -> PathBuf {
        self.0
            .get(export)
            .map(|export| export.file.clone())
            .unwrap_or_default()
    }

    /// Where a rule of an export is, by its place in the file.
    pub(crate) fn rule(&self, export: &str, at: usize) -> Option<&Spot> {
        self.0.get(export)?.allow.get(at)
    }
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
