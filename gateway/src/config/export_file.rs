//! One file of the exports directory as written.

use std::path::Path;
use std::time::Duration;

use aoe_common::config::{
    Access, ConfigString, ExportSafety, ExtraCommand, LbaRange, Limit, OnConflict, OnTargetTimeout, Permit,
    TargetOrder, Until,
};
use aoe_common::frame::{Address, MacAddr};

use super::fault::Faults;
use super::gateway_file::parse_toml;
use super::limit;
use super::section::Section;
use super::shape::{ALLOW, EXPORT_FILE};
use super::source::{Located, Place};
use super::value;
use super::{grants, net};

/// The file.
#[derive(Debug)]
pub(super) struct ExportFile {
    /// The beginning of the file.
    pub(super) place: Place,
    pub(super) name: Option<Located<String>>,
    pub(super) segment: Option<Located<String>>,
    pub(super) target: Option<Located<Address>>,
    pub(super) target_mac: Option<Located<MacAddr>>,
    pub(super) target_timeout: Option<Duration>,
    pub(super) on_target_timeout: Option<OnTargetTimeout>,
    pub(super) on_conflict: Option<OnConflict>,
    pub(super) order: Option<TargetOrder>,
    pub(super) target_retry: Option<Duration>,
    pub(super) sync: Option<bool>,
    pub(super) limit: Option<Located<Limit>>,
    pub(super) allow: Vec<AllowEntry>,
}

impl ExportFile {
    /// What to do when the target is not what it should be: as written, else as it is by default.
    pub(super) fn safety(&self) -> ExportSafety {
        let default = ExportSafety::default();
        ExportSafety {
            target_timeout: self.target_timeout.unwrap_or(default.target_timeout),
            on_target_timeout: self.on_target_timeout.unwrap_or(default.on_target_timeout),
            on_conflict: self.on_conflict.unwrap_or(default.on_conflict),
            order: self.order.unwrap_or(default.order),
            target_retry: self.target_retry.unwrap_or(default.target_retry),
            sync: self.sync.unwrap_or(default.sync),
        }
    }
}

/// `[[allow]]`.
#[derive(Debug)]
pub(super) struct AllowEntry {
    /// The heading.
    pub(super) place: Place,
    pub(super) peer: Option<Located<String>>,
    pub(super) access: Option<Located<Access>>,
    pub(super) initiators: Option<Vec<Located<MacAddr>>>,
    pub(super) config_string: Option<Located<ConfigString>>,
    pub(super) lba: Option<Vec<Located<LbaRange>>>,
    pub(super) commands: Option<Vec<Located<ExtraCommand>>>,
    pub(super) reserve: Option<Located<Permit>>,
    pub(super) mac_mask: Option<Located<Permit>>,
    pub(super) until: Option<Located<Until>>,
    pub(super) limit: Option<Located<Limit>>,
    pub(super) initiator_limit: Option<Located<Limit>>,
}

/// Reads the text of an export file. `None` if it is not TOML.
pub(super) fn parse(path: &Path, text: &str, faults: &mut Faults) -> Option<ExportFile> {
    let place = Place {
        source: faults.add_source(path, text),
        span: 0..0,
        field: String::new(),
    };
    let table = parse_toml(text, &place, faults)?;
    let file = Section::open(&table, &EXPORT_FILE, place.clone(), faults);
    let timeout = |text: &str| value::duration(text, Duration::from_secs(1), Duration::from_secs(600));
    let retry = |text: &str| value::duration(text, Duration::from_millis(10), Duration::from_secs(2));
    // Nothing acts on a description yet; it is for whoever reads the file, and still must be one.
    file.optional("description", faults, value::description);
    Some(ExportFile {
        name: file.required("name", faults, value::name),
        segment: file.required("segment", faults, value::name),
        target: file.required("target", faults, net::address),
        target_mac: file.optional("target_mac", faults, net::mac),
        target_timeout: file
            .optional("target_timeout", faults, timeout)
            .map(|time| time.value),
        on_target_timeout: file
            .optional("on_target_timeout", faults, |text| {
                value::word(text, &["silent", "error"])
            })
            .map(|word| word.value),
        on_conflict: file
            .optional("on_conflict", faults, |text| {
                value::word(text, &["alarm", "stop"])
            })
            .map(|word| word.value),
        order: file
            .optional("order", faults, |text| value::word(text, &["any", "fifo"]))
            .map(|word| word.value),
        target_retry: file
            .optional("target_retry", faults, retry)
            .map(|time| time.value),
        sync: file.flag("sync", faults).map(|sync| sync.value),
        limit: limit::read(&file, "limit", faults),
        allow: file
            .sections("allow", &ALLOW, faults)
            .iter()
            .map(|section| read_allow(section, faults))
            .collect(),
        place,
    })
}

fn read_allow(section: &Section<'_, '_>, faults: &mut Faults) -> AllowEntry {
    let permit = |text: &str| value::word(text, &["refused", "allowed"]);
    AllowEntry {
        place: section.place().clone(),
        peer: section.required("peer", faults, value::name),
        access: section.required("access", faults, |text| {
            value::word(text, &["read-only", "read-write"])
        }),
        initiators: section.list("initiators", faults, net::mac),
        config_string: section.optional("config_string", faults, |text| {
            value::word(text, &["read", "set"])
        }),
        lba: section.list("lba", faults, grants::lba),
        commands: section.list("commands", faults, grants::command),
        reserve: section.optional("reserve", faults, permit),
        mac_mask: section.optional("mac_mask", faults, permit),
        until: section.optional("until", faults, grants::until),
        limit: limit::read(section, "limit", faults),
        initiator_limit: limit::read(section, "initiator_limit", faults),
    }
}
