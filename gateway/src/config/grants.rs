//! Words of `[[allow]]` made into what it grants: runs of sectors, commands by name, an end.

use aoe_common::config::{ExtraCommand, LbaRange, Until};
use jiff::Timestamp;

use super::suggest::nearest;
use super::value::{Parsed, quote, refuse};

/// A run of sectors: `0-1023`, the last included, or `4096-` to the end of the disk.
pub(crate) fn lba(text: &str) -> Parsed<LbaRange> {
    const INSTEAD: &str = "write the first and the last sector of 512 bytes, such as \"0-1023\", or \"4096-\" to the end of the disk";
    let Some((first, last)) = text.split_once('-') else {
        return match number(text) {
            Some(sector) => refuse(
                format!("{} does not say where it ends", quote(text)),
                format!(
                    "write \"{sector}-{sector}\" for one sector, or \"{sector}-\" to the end of the disk"
                ),
            ),
            None => refuse(format!("{} is no run of sectors", quote(text)), INSTEAD),
        };
    };
    let last = match last {
        "" => Some(LbaRange::LAST),
        last => number(last),
    };
    let (Some(first), Some(last)) = (number(first), last) else {
        return refuse(format!("{} is no run of sectors", quote(text)), INSTEAD);
    };
    match LbaRange::new(first, last) {
        Some(range) => Ok(range),
        None if first > last => refuse(
            format!("{} is empty: it ends before it begins", quote(text)),
            format!("write \"{last}-{first}\", or what is meant"),
        ),
        None => refuse(
            format!("{} is more than ATA can address", quote(text)),
            format!("the last sector is at most {}", LbaRange::LAST),
        ),
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Commands that are known and never granted, and why.
const NEVER: &[(&[&str], &str)] = &[
    (
        &[
            "trim",
            "data-set-management",
            "write-zeros",
            "zero-ext",
            "write-uncorrectable",
            "write-long",
            "read-long",
        ],
        "it changes sectors that the command itself does not name, so neither `lba` nor the order of writes could be kept",
    ),
    (
        &[
            "security-set-password",
            "security-unlock",
            "security-erase",
            "security-erase-prepare",
            "security-erase-unit",
            "security-freeze-lock",
            "security-disable-password",
            "sanitize",
            "format-track",
        ],
        "it erases the disk or locks it, for everybody",
    ),
    (
        &[
            "download-microcode",
            "download-firmware",
            "write-buffer",
            "smart-write-log",
            "write-log-ext",
        ],
        "it writes what is no sector of the disk: its firmware, its buffer or its logs",
    ),
    (
        &[
            "set-max",
            "set-max-ext",
            "device-configuration",
            "accessible-max",
            "set-features",
            "initialize-device-parameters",
            "set-multiple",
        ],
        "it changes the size or the working of the disk, for everybody",
    ),
    (
        &[
            "packet",
            "trusted-send",
            "trusted-receive",
            "sleep",
            "standby",
            "idle",
            "device-reset",
            "nop",
        ],
        "it carries commands of its own, or stops the disk until it is reset",
    ),
];

/// Words that mean many commands.
const CLASSES: &[&str] = &[
    "all",
    "any",
    "smart",
    "security",
    "power",
    "diagnostic",
    "vendor",
    "dangerous",
    "read",
    "hpa",
    "log",
    "*",
];

/// The name of one ATA command.
pub(crate) fn command(text: &str) -> Parsed<ExtraCommand> {
    if let Some(command) = ExtraCommand::named(text) {
        return Ok(command);
    }
    let plain = text.strip_prefix("dangerous:").unwrap_or(text);
    if let Some(harmless) = ExtraCommand::named(plain) {
        return refuse(
            format!("{} changes nothing, so it is not called dangerous", quote(text)),
            format!("write \"{harmless}\""),
        );
    }
    if let Some(code) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return refuse(
            format!(
                "{} is a code, and a code alone does not say what is done",
                quote(text)
            ),
            named_by(code),
        );
    }
    if CLASSES.contains(&plain) {
        return refuse(
            format!("{} means many commands", quote(text)),
            format!("name each command by itself: {}", all_names()),
        );
    }
    if let Some((_, why)) = NEVER.iter().find(|(names, _)| names.contains(&plain)) {
        return refuse(format!("{} cannot be granted: {why}", quote(text)), "remove it");
    }
    let always = [
        "identify",
        "read",
        "read-ext",
        "write",
        "write-ext",
        "flush",
        "flush-ext",
        "check-power",
    ];
    if always.contains(&plain) {
        return refuse(
            format!("{} needs no grant by name", quote(text)),
            "remove it: `access` says whether an initiator may write, and the rest always passes",
        );
    }
    let names = || ExtraCommand::ALL.iter().map(|command| command.name());
    if let Some(dangerous) = names().find(|name| name.strip_prefix("dangerous:") == Some(plain)) {
        return refuse(
            format!(
                "{} changes how the disk is, for everybody who uses it",
                quote(text)
            ),
            format!("if that is meant, write \"{dangerous}\""),
        );
    }
    refuse(
        format!("{} is no command that can be granted", quote(text)),
        match nearest(text, names()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("write one of {}", all_names()),
        },
    )
}

/// What to write in place of a code.
fn named_by(code: &str) -> String {
    let names: Vec<String> = u8::from_str_radix(code, 16)
        .map(|code| {
            let those = ExtraCommand::ALL
                .iter()
                .filter(|command| command.code().0 == code);
            those.map(|command| format!("\"{command}\"")).collect()
        })
        .unwrap_or_default();
    match names.as_slice() {
        [] => format!("write a name: {}", all_names()),
        names => format!("write the name of what is meant: {}", names.join(", ")),
    }
}

fn all_names() -> String {
    let names: Vec<String> = ExtraCommand::ALL
        .iter()
        .map(|command| format!("\"{command}\""))
        .collect();
    names.join(", ")
}

/// A moment, with its offset from UTC.
pub(crate) fn until(text: &str) -> Parsed<Until> {
    const INSTEAD: &str =
        "write date, time and offset from UTC, such as \"2027-01-31T00:00Z\" or \"2027-01-31T00:00+01:00\"";
    match text.parse::<Timestamp>() {
        Ok(moment) => match u64::try_from(moment.as_second()) {
            Ok(seconds) => Ok(Until(seconds)),
            Err(_) => refuse(format!("{} is before 1970", quote(text)), INSTEAD),
        },
        Err(_) if text.parse::<jiff::civil::DateTime>().is_ok() => refuse(
            format!("{} does not say of which time zone it is", quote(text)),
            format!(
                "write \"{}Z\" for UTC, or an offset such as \"+01:00\" at the end",
                whole(text)
            ),
        ),
        Err(_) => refuse(format!("{} is no date and time", quote(text)), INSTEAD),
    }
}

/// A date has a time of day as well.
fn whole(text: &str) -> String {
    match text.contains(['T', 't', ' ']) {
        true => text.to_owned(),
        false => format!("{text}T00:00"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_sectors_have_two_ends() {
        for (text, first, last) in [
            ("0-1023", 0, 1023),
            ("7-7", 7, 7),
            ("4096-", 4096, LbaRange::LAST),
            ("0-281474976710655", 0, LbaRange::LAST),
        ] {
            let range = lba(text).unwrap();
            assert_eq!((range.first(), range.last()), (first, last), "{text}");
        }
        for (bad, said) in [
            ("", "no run"),
            ("-", "no run"),
            ("-5", "no run"),
            ("5", "does not say where it ends"),
            ("9-5", "is empty"),
            ("0-281474976710656", "more than ATA"),
            ("0x10-0x20", "no run"),
            ("0 - 5", "no run"),
            ("+1-5", "no run"),
            ("1-99999999999999999999999", "no run"),
        ] {
            let refusal = lba(bad).unwrap_err();
            assert!(refusal.found.contains(said), "{bad}: {refusal:?}");
        }
    }

    #[test]
    fn commands_are_granted_by_their_own_names_only() {
        for known in ExtraCommand::ALL {
            assert_eq!(command(known.name()).unwrap(), *known);
        }
        for (bad, found, instead) in [
            ("0xB0", "is a code", "\"smart-read-data\""),
            ("0x99", "is a code", "write a name"),
            ("smart", "means many commands", "\"smart-read-data\""),
            ("dangerous:all", "means many commands", "name each"),
            (
                "smart-enable",
                "changes how the disk is",
                "write \"dangerous:smart-enable\"",
            ),
            ("trim", "cannot be granted", "remove it"),
            (
                "dangerous:security-erase-unit",
                "cannot be granted: it erases",
                "remove it",
            ),
            (
                "dangerous:smart-read-data",
                "not called dangerous",
                "write \"smart-read-data\"",
            ),
            ("write", "needs no grant", "`access`"),
            (
                "smart-read-dta",
                "is no command",
                "did you mean \"smart-read-data\"?",
            ),
            (
                "Smart-Read-Data",
                "is no command",
                "did you mean \"smart-read-data\"?",
            ),
            ("", "is no command", "write one of"),
        ] {
            let refusal = command(bad).unwrap_err();
            assert!(
                refusal.found.contains(found) && refusal.instead.contains(instead),
                "{bad}: {refusal:?}"
            );
        }
    }

    #[test]
    fn an_end_has_a_time_zone() {
        for text in [
            "2027-01-31T00:00Z",
            "2027-01-31T00:00:00Z",
            "2027-01-31T01:00+01:00",
            "2027-01-31 00:00Z",
        ] {
            assert_eq!(until(text).unwrap(), Until(1_801_353_600), "{text}");
        }
        for (bad, instead) in [
            ("2027-01-31", "write \"2027-01-31T00:00Z\""),
            ("2027-01-31T00:00", "write \"2027-01-31T00:00Z\""),
            ("31.1.2027", "write date, time and offset"),
            ("1969-12-31T00:00Z", "write date, time and offset"),
            ("", "write date"),
        ] {
            let refusal = until(bad).unwrap_err();
            assert!(refusal.instead.contains(instead), "{bad}: {refusal:?}");
        }
    }
}
