//! How a gateway is at one moment: plain data, from which every picture of it is drawn.
//!
//! Each row is made by the part of the engine that owns its numbers. With several workers each makes a snapshot, and
//! [`Snapshot::merge`] joins them. As JSON this is the document of the observe socket; `docs/status.md` describes every
//! field. A reader ignores fields that it does not know, and takes a missing one for empty. A change that breaks such a
//! reader raises [`VERSION`].

mod merge;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the document.
pub const VERSION: u32 = 1;

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// [`VERSION`] of the gateway that made it.
    pub version: u32,
    /// The gateway itself.
    pub gateway: Gateway,
    /// What an operator should look at, the newest first.
    pub alarms: Vec<Alarm>,
    /// Local Ethernets.
    pub segments: Vec<Segment>,
    /// Other gateways.
    pub peers: Vec<Peer>,
    /// Exports of peers that are presented here.
    pub imports: Vec<Import>,
    /// Targets here that peers may use.
    pub exports: Vec<Export>,
    /// Who uses imports here, and who uses exports from behind a peer; the busiest first. See [`Import::others`].
    pub initiators: Vec<Initiator>,
    /// Every counter by its name, zeroes too.
    pub counters: BTreeMap<String, u64>,
}

/// The gateway itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// The version of the program.
    pub program: String,
    /// Its process.
    pub pid: u32,
    /// When it was made, in Unix time, in seconds.
    pub now: f64,
    /// When the process started, in Unix time, in seconds.
    pub started: f64,
    /// When the configuration was last read, in Unix time, in seconds.
    pub configured: f64,
    /// How often the configuration was changed while it ran.
    pub reloads: u64,
    /// How many workers it has.
    pub workers: u8,
    /// The fingerprint of its key.
    pub fingerprint: String,
    /// Where it listens.
    pub listen: Vec<String>,
    /// The gateway file.
    pub config: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Up,
    /// It works, but not as it could.
    Degraded,
    /// It was not heard yet, and is not missed yet.
    #[default]
    Starting,
    /// It goes: nothing new is taken.
    Leaving,
    /// It does not work.
    Down,
    /// A word of a newer version. No gateway says so of itself.
    #[serde(other)]
    Unknown,
}

/// How something is, why, and since when. A part of every row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// How it is.
    pub state: State,
    /// Why, in the words of the log; empty if there is nothing to say.
    pub why: String,
    /// When it last changed from another state, or for another reason, in Unix time, in seconds.
    pub since: f64,
}

/// What an operator should look at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alarm {
    /// What it is about, such as `peer site-a`.
    pub about: String,
    /// [`State::Down`] or [`State::Degraded`]; why is the line of the log, with cause and cure; since when it is so.
    #[serde(flatten)]
    pub standing: Standing,
}

/// A local Ethernet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Segment {
    /// Its name in the configuration.
    pub name: String,
    /// Whether frames pass.
    #[serde(flatten)]
    pub standing: Standing,
    /// The device it attaches to.
    pub device: String,
    /// The address our frames leave with; empty while it is down.
    pub mac: String,
    /// Its MTU in bytes; 0 while it is down.
    pub mtu: u16,
    /// Frames captured here, and frames sent.
    pub frames: Directions,
    /// Bytes of these frames.
    pub bytes: Directions,
}

/// Two numbers, by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Directions {
    /// What came in.
    #[serde(rename = "in")]
    pub received: u64,
    /// What went out.
    #[serde(rename = "out")]
    pub sent: u64,
}

/// Another gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Its name in the configuration.
    pub name: String,
    /// Whether there is a session.
    #[serde(flatten)]
    pub standing: Standing,
    /// The fingerprint of its key.
    pub fingerprint: String,
    /// The worker whose session this is.
    pub worker: u8,
    /// The session, if there is one.
    pub session: Option<Session>,
    /// The path to it.
    pub path: Path,
}

/// A session with a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// How its keys were agreed, such as `noise`.
    pub handshake: String,
    /// `encrypt` or `authenticate`.
    pub protection: String,
    /// The cipher of its records.
    pub cipher: String,
    /// Whether a pre-shared key was mixed in.
    pub psk: bool,
    /// When its keys were agreed, in Unix time, in seconds.
    pub since: f64,
    /// When they are replaced, in Unix time, in seconds.
    pub rekey_at: f64,
}

/// A path to a peer, and what it did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Path {
    /// The peer's address; empty while it is unknown.
    pub remote: String,
    /// Whether it carries what we need.
    #[serde(flatten)]
    pub standing: Standing,
    /// The round trip, in microseconds; `None` until it was measured.
    pub round_trip_us: Option<u64>,
    /// The longest IP packet it carries, in bytes, as far as is known.
    pub mtu: u16,
    /// Where that is from: `fixed`, `probed`, `searching`, …
    pub mtu_why: String,
    /// Datagram payload of records, in bytes.
    pub bytes: Directions,
    /// Records opened, and records sealed.
    pub records: Directions,
    /// Records that did not arrive at once, as their receiver says.
    pub missed: Directions,
    /// Records that were sent again.
    pub repaired: Directions,
    /// Records that never arrived.
    pub lost: Directions,
}

/// What was carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Requests accepted.
    pub requests: u64,
    /// Requests answered.
    pub answered: u64,
    /// Bytes of sectors read.
    pub read_bytes: u64,
    /// Bytes of sectors written.
    pub written_bytes: u64,
    /// Requests that are not answered yet.
    pub in_flight: u64,
    /// Requests that the initiator sent again.
    pub resent: u64,
    /// Requests refused.
    pub refused: u64,
}

/// How long something took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// Nine of ten took no longer.
    pub p90_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// None took longer.
    pub max_us: u64,
}

/// Where a request spends its time. Parts that this gateway does not see are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Split {
    /// From capture to answer.
    pub total: Option<Latency>,
    /// From capture on the initiator's segment until it was handed to the tunnel.
    pub segment: Option<Latency>,
    /// There and back between the gateways.
    pub tunnel: Option<Latency>,
    /// Waiting at the exit for room at the target.
    pub queue: Option<Latency>,
    /// At the target.
    pub target: Option<Latency>,
}

/// Requests refused for one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refusals {
    /// The reason, as counters name it.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The last one: whose, such as an initiator's MAC.
    pub last_who: String,
    /// The last one: what it was, in the words of the log.
    pub last_what: String,
    /// The last one: when, in Unix time, in seconds.
    pub last: f64,
}

/// An export of a peer that is presented here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    /// Its shelf.slot here.
    pub address: String,
    /// The segment.
    pub segment: String,
    /// Whose export.
    pub peer: String,
    /// Its name there.
    pub export: String,
    /// Whether initiators can use it.
    #[serde(flatten)]
    pub standing: Standing,
    /// `read-only` or `read-write`; empty while the peer has not said.
    pub access: String,
    /// Sectors that one frame carries.
    pub sectors: u8,
    /// Frames in flight that initiators are told they may have.
    pub window: u16,
    /// What was carried.
    pub traffic: Traffic,
    /// Where the time went.
    pub latency: Split,
    /// What was refused, by reason.
    pub refusals: Vec<Refusals>,
    /// Initiators that are summed in `traffic` and not listed.
    pub others: u64,
    /// The worker that serves it.
    pub worker: u8,
}

/// A target here that peers may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// The segment of its target.
    pub segment: String,
    /// The shelf.slot of its target.
    pub target: String,
    /// Whether its target answers and is who it was.
    #[serde(flatten)]
    pub standing: Standing,
    /// The MAC of the target; empty until it was heard.
    pub mac: String,
    /// The disk behind it, as it identifies itself; empty until it was asked.
    pub disk: String,
    /// Its size in bytes; 0 until it was asked.
    pub size_bytes: u64,
    /// Frames it takes at a time.
    pub buffers: u16,
    /// Requests at the target.
    pub at_target: u64,
    /// Requests that wait for it.
    pub waiting: u64,
    /// Who may use it.
    pub allow: Vec<Grant>,
    /// What was carried.
    pub traffic: Traffic,
    /// Where the time went.
    pub latency: Split,
    /// What was refused, by reason.
    pub refusals: Vec<Refusals>,
    /// Initiators that are summed in `traffic` and not listed.
    pub others: u64,
    /// The worker that serves it.
    pub worker: u8,
}

/// What a peer may do with an export.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// The peer.
    pub peer: String,
    /// `read-only` or `read-write`.
    pub access: String,
    /// Initiators of this peer that used it in the last minute.
    pub in_use: u64,
}

/// One initiator's use of one import here, or of one export from behind a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Initiator {
    /// Its MAC.
    pub mac: String,
    /// Whether it is here, or behind a peer.
    pub side: Side,
    /// The peer that has the export, or behind which it is.
    pub peer: String,
    /// The export.
    pub export: String,
    /// The shelf.slot it uses, if it is here.
    pub address: String,
    /// Whether it is at work: it asked something in the last minute.
    #[serde(flatten)]
    pub standing: Standing,
    /// When it last asked something, in Unix time, in seconds.
    pub last: f64,
    /// What was carried.
    pub traffic: Traffic,
    /// From request to answer, as this gateway sees it.
    pub latency: Option<Latency>,
}

/// Where an initiator is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// On a segment of this gateway.
    #[default]
    Here,
    /// On a segment of a peer.
    There,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(about: &str, why: &str, since: f64) -> Alarm {
        let standing = Standing {
            state: State::Down,
            why: why.into(),
            since,
        };
        Alarm {
            about: about.into(),
            standing,
        }
    }

    #[test]
    fn workers_are_joined() {
        let worker = |since: f64, frames: u64| Snapshot {
            alarms: vec![
                alarm("peer a", "silent", since),
                alarm("peer b", "silent", since + 1.0),
            ],
            segments: vec![Segment {
                name: "san".into(),
                frames: Directions {
                    received: frames,
                    sent: 1,
                },
                ..Segment::default()
            }],
            counters: BTreeMap::from([("frames".into(), frames)]),
            ..Snapshot::default()
        };
        let mut all = worker(20.0, 5);
        all.merge(worker(10.0, 7));
        assert_eq!(
            all.alarms,
            [alarm("peer b", "silent", 11.0), alarm("peer a", "silent", 10.0)]
        );
        assert_eq!(all.segments.len(), 1);
        assert_eq!(all.segments[0].frames.received, 12);
        assert_eq!(all.counters["frames"], 12);
    }

    #[test]
    fn a_newer_document_is_read_as_far_as_it_is_known() {
        let text = r#"{"version": 9, "moons": 2, "peers": [{"name": "a", "state": "confused", "why": "?", "since": 1}]}"#;
        let read: Snapshot = serde_json::from_str(text).unwrap();
        assert_eq!(read.version, 9);
        assert_eq!(read.peers[0].standing.state, State::Unknown);
        assert_eq!(read.gateway, Gateway::default());
    }

    #[test]
    fn a_row_has_its_state_at_its_top() {
        let value = serde_json::to_value(alarm("peer a", "silent", 1.0)).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"about": "peer a", "state": "down", "why": "silent", "since": 1.0})
        );
        let back: Alarm = serde_json::from_value(value).unwrap();
        assert_eq!(back, alarm("peer a", "silent", 1.0));
    }
}
