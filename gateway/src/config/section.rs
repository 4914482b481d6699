//! Reads one TOML table key by key, and goes on after every fault.

use std::ops::RangeInclusive;

use aoe_common::config::PathMtu;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::fault::{Faults, Kind};
use super::shape::Shape;
use super::source::{Located, Place};
use super::suggest::nearest;
use super::value::{Refusal, quote};

/// Most tables under one repeated heading: far more than anybody has, and few enough to be numbered by a `u16`.
pub(super) const MOST_SECTIONS: usize = 4096;

/// A table of a file, held against its shape.
#[derive(Debug)]
pub(super) struct Section<'t, 'i> {
    table: &'t DeTable<'i>,
    shape: &'static Shape,
    /// The heading; for a whole file its very beginning.
    place: Place,
}

impl<'t, 'i> Section<'t, 'i> {
    /// Takes a table and reports every key in it that its shape does not know.
    pub(super) fn open(
        table: &'t DeTable<'i>,
        shape: &'static Shape,
        place: Place,
        faults: &mut Faults,
    ) -> Section<'t, 'i> {
        let section = Section { table, shape, place };
        for (key, _) in table {
            section.refuse_unknown(key, faults);
        }
        section
    }

    /// Where the section starts.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// A table that must be there, such as `[gateway]`.
    pub(super) fn required_section(
        &self,
        key: &'static str,
        shape: &'static Shape,
        faults: &mut Faults,
    ) -> Option<Section<'t, 'i>> {
        if self.value(key).is_none() {
            self.report_missing(key, faults);
        }
        self.optional_section(key, shape, faults)
    }

    /// A table that may be absent, such as `[audit]` or `limit = { … }`.
    pub(super) fn optional_section(
        &self,
        key: &'static str,
        shape: &'static Shape,
        faults: &mut Faults,
    ) -> Option<Section<'t, 'i>> {
        let (value, place) = self.value(key)?;
        match value {
            DeValue::Table(table) => Some(Section::open(table, shape, place, faults)),
            other => {
                self.report_type(key, other, &place, faults);
                None
            }
        }
    }

    /// The tables of a repeated heading, such as `[[peer]]`, in the order of the file.
    pub(super) fn sections(
        &self,
        key: &'static str,
        shape: &'static Shape,
        faults: &mut Faults,
    ) -> Vec<Section<'t, 'i>> {
        let Some((value, place)) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value else {
            self.report_type(key, value, &place, faults);
            return Vec::new();
        };
        if let Some(first_too_many) = items.get(MOST_SECTIONS) {
            let place = Place {
                span: first_too_many.span(),
                ..place.clone()
            };
            let found = format!("there are {} of [[{key}]]", items.len());
            faults.fault(
                Kind::BadValue,
                &place,
                found,
                format!("write at most {MOST_SECTIONS}"),
            );
        }
        let mut sections = Vec::new();
        for (index, item) in items.iter().take(MOST_SECTIONS).enumerate() {
            let place = Place {
                span: item.span(),
                field: format!("{}[{index}]", place.field),
                ..place
            };
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section::open(table, shape, place, faults)),
                other => self.report_type(key, other, &place, faults),
            }
        }
        sections
    }

    /// A string that may be absent, made into a value.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<Located<T>> {
        let (value, place) = self.value(key)?;
        match value {
            DeValue::String(text) => admit(parse(text), place, faults),
            other => {
                self.report_type(key, other, &place, faults);
                None
            }
        }
    }

    /// A string that must be there, made into a value.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<Located<T>> {
        if self.value(key).is_none() {
            self.report_missing(key, faults);
        }
        self.optional(key, faults, parse)
    }

    /// A list of strings that may be absent but not empty. Items that will not do are left out.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        faults: &mut Faults,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<Vec<Located<T>>> {
        let (value, place) = self.value(key)?;
        let DeValue::Array(items) = value else {
            self.report_type(key, value, &place, faults);
            return None;
        };
        if items.is_empty() {
            let example = self.shape.example(key);
            faults.fault(
                Kind::BadValue,
                &place,
                "the list is empty",
                format!("write it as in {example}"),
            );
        }
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = Place {
                span: item.span(),
                field: format!("{}[{index}]", place.field),
                ..place
            };
            match item.get_ref() {
                DeValue::String(text) => values.extend(admit(parse(text), place, faults)),
                other => self.report_type(key, other, &place, faults),
            }
        }
        Some(values)
    }

    /// A list of strings that must be there.
    pub(super) fn required_list<T>(
        &self,
        key: &'static str,
        faults: &mut Faults,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<Vec<Located<T>>> {
        if self.value(key).is_none() {
            self.report_missing(key, faults);
        }
        self.list(key, faults, parse)
    }

    /// A whole number between two bounds that may be absent.
    pub(super) fn number(
        &self,
        key: &'static str,
        faults: &mut Faults,
        bounds: RangeInclusive<u16>,
    ) -> Option<Located<u16>> {
        let (value, place) = self.value(key)?;
        let DeValue::Integer(number) = value else {
            self.report_type(key, value, &place, faults);
            return None;
        };
        match u16::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) if bounds.contains(&value) => Some(Located { value, place }),
            _ => {
                let found = format!("{} is out of bounds", clip(number.as_str()));
                let instead = format!("write a number from {} to {}", bounds.start(), bounds.end());
                faults.fault(Kind::BadValue, &place, found, instead);
                None
            }
        }
    }

    /// How many a second, a whole number from 1 to `most`, that may be absent.
    pub(super) fn rate(&self, key: &'static str, faults: &mut Faults, most: u64) -> Option<Located<u64>> {
        let (value, place) = self.value(key)?;
        let DeValue::Integer(number) = value else {
            self.report_type(key, value, &place, faults);
            return None;
        };
        let (found, instead) = match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) if (1..=most).contains(&value) => return Some(Located { value, place }),
            Ok(0) => (
                "nothing would pass".to_owned(),
                "write at least 1, or leave it out; `aoe-gateway pause` stops an export".to_owned(),
            ),
            _ => (
                format!("{} is out of bounds", clip(number.as_str())),
                format!("write a number from 1 to {most}"),
            ),
        };
        faults.fault(Kind::BadValue, &place, found, instead);
        None
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str, faults: &mut Faults) -> Option<Located<bool>> {
        let (value, place) = self.value(key)?;
        let DeValue::Boolean(flag) = value else {
            self.report_type(key, value, &place, faults);
            return None;
        };
        Some(Located { value: *flag, place })
    }

    /// `"auto"` or a number within these bounds.
    pub(super) fn path_mtu(
        &self,
        key: &'static str,
        faults: &mut Faults,
        bounds: RangeInclusive<u16>,
    ) -> Option<Located<PathMtu>> {
        let (value, place) = self.value(key)?;
        let found = match value {
            DeValue::String(text) if &**text == "auto" => {
                let value = PathMtu::Auto;
                return Some(Located { value, place });
            }
            DeValue::String(text) => format!("{} is no path MTU", quote(text)),
            DeValue::Integer(number) => match u16::from_str_radix(number.as_str(), number.radix()) {
                Ok(mtu) if bounds.contains(&mtu) => {
                    let value = PathMtu::Fixed(mtu);
                    return Some(Located { value, place });
                }
                _ => format!("{} is out of bounds", clip(number.as_str())),
            },
            other => {
                self.report_type(key, other, &place, faults);
                return None;
            }
        };
        let (least, most) = (bounds.start(), bounds.end());
        let instead = format!("write \"auto\", or a number from {least} to {most}");
        faults.fault(Kind::BadValue, &place, found, instead);
        None
    }

    /// Whether the key is there at all, right or wrong.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    fn value(&self, key: &'static str) -> Option<(&'t DeValue<'i>, Place)> {
        let value = self.table.get(key)?;
        Some((value.get_ref(), self.place_of(key, value.span())))
    }

    fn place_of(&self, key: &str, span: std::ops::Range<usize>) -> Place {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let key = if !key.is_empty() && key.len() <= 64 && key.chars().all(bare) {
            key.to_owned()
        } else {
            quote(key)
        };
        let field = if self.place.field.is_empty() {
            key
        } else {
            format!("{}.{key}", self.place.field)
        };
        Place {
            source: self.place.source,
            span,
            field,
        }
    }

    fn refuse_unknown(&self, key: &Spanned<DeString<'i>>, faults: &mut Faults) {
        let name: &str = key.get_ref();
        let known = || self.shape.keys.iter().map(|key| key.name);
        if known().any(|known| known == name) {
            return;
        }
        let elsewhere = self
            .shape
            .elsewhere
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, hint)| *hint);
        let instead = match (elsewhere, nearest(name, known())) {
            (Some(hint), _) => hint.to_owned(),
            (None, Some(meant)) => format!("did you mean `{meant}`?"),
            (None, None) => {
                let list = known()
                    .map(|key| format!("`{key}`"))
                    .collect::<Vec<_>>()
                    .join(", ");
                format!("{} may have {list}", self.shape.heading)
            }
        };
        let place = self.place_of(name, key.span());
        faults.fault(
            Kind::UnknownKey,
            &place,
            format!("{} has no key {}", self.shape.heading, quote(name)),
            instead,
        );
    }

    fn report_missing(&self, key: &'static str, faults: &mut Faults) {
        let place = self.place_of(key, self.place.span.clone());
        let found = format!("{} has no `{key}`", self.shape.heading);
        faults.fault(
            Kind::MissingKey,
            &place,
            found,
            format!("add {}", self.shape.example(key)),
        );
    }

    fn report_type(&self, key: &'static str, value: &DeValue<'_>, place: &Place, faults: &mut Faults) {
        let found = format!("{} is not what belongs here", describe(value));
        faults.fault(
            Kind::WrongType,
            place,
            found,
            format!("write it as in {}", self.shape.example(key)),
        );
    }
}

fn admit<T>(parsed: Result<T, Refusal>, place: Place, faults: &mut Faults) -> Option<Located<T>> {
    match parsed {
        Ok(value) => Some(Located { value, place }),
        Err(refusal) => {
            faults.fault(Kind::BadValue, &place, refusal.found, refusal.instead);
            None
        }
    }
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string {}", quote(text)),
        DeValue::Integer(number) => format!("the number {}", clip(number.as_str())),
        DeValue::Float(number) => format!("the number {}", clip(number.as_str())),
        DeValue::Boolean(value) => format!("the word {value}"),
        DeValue::Datetime(_) => String::from("a date"),
        DeValue::Array(_) => String::from("a list"),
        DeValue::Table(_) => String::from("a table"),
    }
}

/// A number may have a million digits.
fn clip(digits: &str) -> String {
    digits.chars().take(24).collect()
}

#[cfg(test)]
mod tests;
