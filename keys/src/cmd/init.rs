//! `aoe-keys init`: the directory of a new gateway.

use std::fs;
use std::path::PathBuf;

use aoe_keys::pairing::{self, Attachment, Disk, Kind, Plan, Refusal};
use serde::Serialize;

use super::ask;
use crate::failure::{Exit, Failure};
use crate::streams::{self, Format};

/// Where gateways listen, unless they are told otherwise.
const LISTEN: &str = "0.0.0.0:34978";

/// Make the directory of a new gateway: its key, and a gateway.toml that has no peer yet
///
/// Asks for what is missing, if it runs on a terminal. What is there is never overwritten.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The directory; made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// What other gateways call this one, such as site-a
    #[arg(long)]
    name: Option<String>,
    /// The interface with the AoE segment
    #[arg(long, conflicts_with = "tap")]
    nic: Option<String>,
    /// A TAP device to make instead
    #[arg(long)]
    tap: Option<String>,
    /// Where peers call by UDP, ADDR:PORT; may be given several times
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<String>,
    /// What the segment is called
    #[arg(long, default_value = "san")]
    segment: String,
    /// Where the gateway keeps what it learns
    #[arg(long, value_name = "DIR")]
    state: Option<String>,
}

#[derive(Serialize)]
struct Report {
    config: String,
    key_file: String,
    key: String,
    fingerprint: String,
    finished: bool,
    next: String,
}

pub(crate) fn run(args: Args, format: Format) -> Result<Exit, Failure> {
    let dir = args.dir.clone();
    let plan = plan(args)?;
    let made = pairing::init(&Disk::new(), &dir, &plan)?;
    let shown = dir.display();
    let next = format!(
        "aoe-keys invite OTHER-SITE --dir {shown} --offer backup=e7.3:read-write --endpoint HOST:PORT --out OTHER-SITE.invite"
    );
    match format {
        Format::Text => streams::emit(&format!(
            "{}{}, {}.\n\
             The key of {}: {}\n\
             Next, where the disk is: {next}\n\
             Then, at the other site:  aoe-keys accept FILE --dir {shown} --segment {} --out REPLY\n",
            if made.finished {
                "Finished what an earlier run had begun: "
            } else {
                "Made "
            },
            made.config.display(),
            made.key_file.display(),
            plan.name,
            made.key.fingerprint(),
            plan.segment,
        ))?,
        Format::Json => streams::emit_json(&Report {
            config: made.config.display().to_string(),
            key_file: made.key_file.display().to_string(),
            key: made.key.to_string(),
            fingerprint: made.key.fingerprint().to_string(),
            finished: made.finished,
            next,
        })?,
    }
    Ok(Exit::Good)
}

/// What was said on the command line, and what is said when asked.
fn plan(mut args: Args) -> Result<Plan, Failure> {
    let mut missing = Vec::new();
    if args.name.is_none() {
        missing.push("--name");
    }
    if args.nic.is_none() && args.tap.is_none() {
        missing.push("--nic");
    }
    if args.listen.is_empty() {
        missing.push("--listen");
    }
    if !missing.is_empty() && !ask::is_somebody_there() {
        let words = format!("say {}; on a terminal this asks", missing.join(", "));
        return Err(Failure::Pairing(Refusal::new(Kind::Usage, words)));
    }
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if args.name.is_none() {
        args.name = Some(ask::line(
            "What is this gateway called",
            Some(host.trim()).filter(|host| !host.is_empty()),
        )?);
    }
    if args.nic.is_none() && args.tap.is_none() {
        streams::note(format_args!("Interfaces here:\n{}", nics()));
        args.nic = Some(ask::line("Which one has the AoE segment", None)?);
    }
    if args.listen.is_empty() {
        args.listen
            .push(ask::line("Where do peers call (UDP)", Some(LISTEN))?);
    }
    Ok(Plan {
        name: args.name.unwrap_or_default(),
        listen: args.listen,
        segment: args.segment,
        attachment: match (args.nic, args.tap) {
            (Some(nic), _) => Attachment::Nic(nic),
            (None, tap) => Attachment::Tap(tap.unwrap_or_default()),
        },
        state: args.state,
    })
}

/// One line for each interface that could have a segment.
fn nics() -> String {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut lines: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let of = |file: &str| {
                let text = fs::read_to_string(entry.path().join(file)).unwrap_or_default();
                text.trim().to_owned()
            };
            // 1 is Ethernet.
            (of("type") == "1").then(|| {
                format!(
                    "  {name:<15} {}  {}, MTU {}",
                    of("address"),
                    of("operstate"),
                    of("mtu")
                )
            })
        })
        .collect();
    lines.sort();
    lines.join("\n")
}
