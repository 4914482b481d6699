//! `aoe-keys rotate`: another key in the place of the one in use, without an outage.

use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::failure::{Exit, Failure};
use crate::living::rotation::Rotation;
use crate::living::running;
use crate::living::site::{Site, Which};
use crate::living::stage::{Stage, Status};
use crate::streams::{self, Format};

/// How long the running gateway may take to say that it has the key.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long peers that are there take, if nothing is in the way.
const MOMENT: Duration = Duration::from_secs(2);
/// The shortest and the longest time in which an old key is accepted.
const OVERLAP: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(366 * 86_400)];

/// Replace this gateway's key without an outage
///
/// Makes the next key beside the one in use and has the running gateway tell its peers, each by the session that there is.
/// Peers are called by it once all have it, or at a date; the old key stays accepted for a while. `--status` says who has
/// it and what to do next; `--finish` puts it in its place when it is in use. Begun again while an old key is still
/// accepted, it finishes the one before. A command that was interrupted is completed by the next one.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("task"))]
pub(crate) struct Args {
    /// When the next key is used: once all peers have it, or at this moment (2027-01-31T00:00Z) by those that have it
    #[arg(long, value_name = "all|DATE", default_value = "all", conflicts_with = "task")]
    at: String,
    /// For how long the key before it is accepted afterwards: 1s to 366d
    #[arg(long, value_name = "TIME", default_value = "7d", conflicts_with = "task")]
    drop_after: String,
    /// Say where it stands, and change nothing
    #[arg(long, group = "task")]
    status: bool,
    /// Put the next key in the place of the old one, once it is in use
    #[arg(long, group = "task")]
    finish: bool,
    /// Take the next key back, as long as it is not in use
    #[arg(long, group = "task")]
    abort: bool,
    /// Finish or abort although peers may not have heard of it, or no gateway runs
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    which: Which,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let switch = moment(&args.at)?;
    let drop_after = duration(&args.drop_after)?;
    let site = args.which.read()?;
    let Some(key) = &site.key else {
        let why = format!(
            "{} names no `key` in [gateway], so there is none to replace",
            site.config.display()
        );
        return Err(Failure::refused(Exit::Data, why));
    };
    if key.to_string_lossy().starts_with("credential:") {
        return Err(Failure::refused(
            Exit::CannotCreate,
            format!(
                "{} is given to the gateway by systemd, and can be replaced only where it is kept: name a file as \
                 `key` of [gateway], or exchange the credential and tell each peer by hand",
                key.display()
            ),
        ));
    }
    if args.status {
        return say(&Rotation::read(key)?, &site, format);
    }
    let _held = site.hold()?;
    let mut rotation = Rotation::read(key)?;
    if rotation.is_interrupted() {
        rotation.put_in_place()?;
        streams::note(format_args!(
            "An earlier command was interrupted: what it began is done now."
        ));
    }
    for gone in rotation.sweep(Timestamp::now())? {
        streams::note(format_args!(
            "Removed the old key {}: its time is over.",
            gone.fingerprint()
        ));
    }
    if args.finish {
        finish(&mut rotation, &site, args.force)?;
    } else if args.abort {
        abort(&mut rotation, &site, args.force)?;
    } else {
        begin(&mut rotation, &site, switch, drop_after)?;
    }
    running::reload(&site.config).say(&site.config, "this counts");
    if !args.finish && !args.abort {
        wait(&rotation, &site);
    }
    say(&rotation, &site, format)
}

fn begin(rotation: &mut Rotation, site: &Site, switch: String, drop_after: Duration) -> Result<(), Failure> {
    if let Some(next) = rotation.next {
        let stage = Stage::of(rotation, running::status::<Status>(&site.config).as_ref());
        if stage.stage != "switched" {
            let why = format!(
                "the next key {} is not in use yet, so there is no room for another one. {} `aoe-keys rotate --abort` takes \
                 it back.",
                next.fingerprint(),
                stage.todo
            );
            return Err(Failure::refused(Exit::Busy, why));
        }
        finish(rotation, site, false)?;
    }
    if let Some(oldest) = rotation.old[1] {
        let until = rotation
            .drop_at(oldest)
            .map(|at| format!(" until {at:.0}"))
            .unwrap_or_default();
        let why = format!(
            "three keys are accepted already, {} among them{until}: wait until then, or remove the file that ends with \
             .old2 if no peer uses it any more",
            oldest.fingerprint()
        );
        return Err(Failure::refused(Exit::Busy, why));
    }
    let key = rotation.begin(switch, drop_after)?;
    streams::note(format_args!("Made the next key {}.", key.fingerprint()));
    Ok(())
}

fn finish(rotation: &mut Rotation, site: &Site, force: bool) -> Result<(), Failure> {
    let Some(next) = rotation.next else {
        streams::note(format_args!("There is no next key to be put in place."));
        return Ok(());
    };
    let stage = Stage::of(rotation, running::status::<Status>(&site.config).as_ref());
    if stage.stage != "switched" && !force {
        let why = format!(
            "the next key {} is not in use, as far as is known. {} To put it in its place all the same: --force",
            next.fingerprint(),
            stage.todo
        );
        return Err(Failure::refused(Exit::Busy, why));
    }
    let after = rotation.decision(next).and_then(|next| next.drop_after_seconds);
    let after = after.and_then(|seconds| i64::try_from(seconds).ok());
    let from_now = after.and_then(|after| {
        Timestamp::now()
            .checked_add(SignedDuration::from_secs(after))
            .ok()
    });
    let week = || Timestamp::now() + SignedDuration::from_hours(7 * 24);
    let drop_at = stage.current_drops_at().or(from_now).unwrap_or_else(week);
    let was = rotation.current;
    rotation.finish(drop_at)?;
    streams::note(format_args!(
        "The key is {} now; {} is accepted until {drop_at:.0}.",
        next.fingerprint(),
        was.fingerprint()
    ));
    Ok(())
}

fn abort(rotation: &mut Rotation, site: &Site, force: bool) -> Result<(), Failure> {
    let Some(next) = rotation.next else {
        streams::note(format_args!("There is no next key to be taken back."));
        return Ok(());
    };
    let status = running::status::<Status>(&site.config);
    let stage = Stage::of(rotation, status.as_ref()).stage;
    if stage == "switched" && !force {
        let why = format!(
            "the next key {} is in use already: `aoe-keys rotate --finish`, and then another `aoe-keys rotate`, if it must \
             go; to take it back all the same: --force",
            next.fingerprint()
        );
        return Err(Failure::refused(Exit::Busy, why));
    }
    rotation.abort()?;
    streams::note(format_args!("Took the next key {} back.", next.fingerprint()));
    Ok(())
}

/// Gives peers that are there a moment to take the next key, and us one to use it.
fn wait(rotation: &Rotation, site: &Site) {
    let until = Instant::now() + MOMENT;
    while Instant::now() < until {
        let stage = Stage::of(rotation, running::status::<Status>(&site.config).as_ref());
        if !stage.running || stage.stage == "switched" {
            return;
        }
        sleep(Duration::from_millis(100));
    }
}

/// Where it stands. A gateway that runs has a moment to read what is new.
fn say(rotation: &Rotation, site: &Site, format: Format) -> Result<Exit, Failure> {
    let until = Instant::now() + PATIENCE;
    let stage = loop {
        let stage = Stage::of(rotation, running::status::<Status>(&site.config).as_ref());
        if !stage.running || stage.stage != "unknown" || Instant::now() > until {
            break stage;
        }
        sleep(Duration::from_millis(100));
    };
    match format {
        Format::Text => streams::emit(&stage.text())?,
        Format::Json => streams::emit_json(&stage)?,
    }
    Ok(Exit::Good)
}

/// `all`, or a moment that is to come.
fn moment(text: &str) -> Result<String, Failure> {
    if text == "all" {
        return Ok(text.to_owned());
    }
    let refused = |why: String| Failure::refused(Exit::Usage, format!("--at {text}: {why}"));
    let at: Timestamp = text.parse().map_err(|_| {
        refused("write all, or date, time and offset from UTC, such as 2027-01-31T00:00Z".to_owned())
    })?;
    match at > Timestamp::now() {
        true => Ok(format!("{at:.0}")),
        false => Err(refused("this is over; write a moment that is to come".to_owned())),
    }
}

/// A number and its unit.
fn duration(text: &str) -> Result<Duration, Failure> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits).unwrap_or_default() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    let [shortest, longest] = OVERLAP;
    let seconds = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    let found = seconds
        .map(Duration::from_secs)
        .filter(|time| (shortest..=longest).contains(time));
    found.ok_or_else(|| {
        let why = format!("--drop-after {text}: write a number with s, m, h or d, 1s to 366d, such as 7d");
        Failure::refused(Exit::Usage, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_or_refused_with_what_is_allowed() {
        assert_eq!(duration("7d").unwrap(), Duration::from_secs(7 * 86_400));
        assert_eq!(duration("90m").unwrap(), Duration::from_secs(5400));
        for wrong in [
            "",
            "7",
            "d",
            "0s",
            "367d",
            "7 d",
            "-1d",
            "99999999999999999999d",
            "1w",
        ] {
            assert!(
                duration(wrong).unwrap_err().to_string().contains("1s to 366d"),
                "{wrong}"
            );
        }
        assert_eq!(moment("all").unwrap(), "all");
        assert_eq!(moment("2999-01-31T00:00Z").unwrap(), "2999-01-31T00:00:00Z");
        for wrong in ["", "tomorrow", "2999-01-31", "2020-01-01T00:00Z"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
