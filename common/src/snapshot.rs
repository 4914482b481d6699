//! How a gateway is at one moment: plain data, from which every picture of it is drawn.
//!
//! Each row is made by the part of the engine that owns its numbers. With several workers each makes a snapshot, and
//! [`Snapshot::merge`] joins them. As JSON this is the document of the observe socket; `docs/status.md` describes every
//! field. A reader ignores fields that it does not know, and takes a missing one for empty. A change that breaks such a
//! reader raises [`VERSION`].

mod disks;
mod keys;
mod latency;
mod merge;
mod peers;
mod usage;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::disks::{Export, Grant, Import, Initiator, Side};
pub use self::keys::{Key, KeyStage, Keys, Revocation};
pub use self::latency::{BUCKET_BOUNDS_US, Buckets, Latency};
pub use self::peers::{Path, Peer, Session};
pub use self::usage::{Limit, Refusals, Size, Split, Traffic};

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
    /// Our own static keys.
    pub keys: Keys,
    /// Local Ethernets.
    pub segments: Vec<Segment>,
    /// UDP sockets of the gateway, of each worker.
    pub sockets: Vec<Socket>,
    /// Other gateways.
    pub peers: Vec<Peer>,
    /// Exports of peers that are presented here.
    pub imports: Vec<Import>,
    /// Targets here that peers may use.
    pub exports: Vec<Export>,
    /// Who uses imports here, and who uses exports from behind a peer; the busiest first. See [`Import::others`].
    pub initiators: Vec<Initiator>,
    /// Who captures frames.
    pub captures: Vec<Capture>,
    /// What ends by itself, such as certificates; the nearest end first.
    pub expiring: Vec<Expiring>,
    /// What became of what in the last hour, the newest first; as many as are kept.
    pub changes: Vec<StateChange>,
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
    /// Where it keeps what it learns; empty: nowhere.
    pub state: String,
    /// Keys that it does not trust any more.
    pub revoked: Vec<Revocation>,
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
    /// An operator stopped it for a while: requests wait.
    Paused,
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

/// A pause that an operator asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paused {
    /// Who, such as `user 0, process 4711`.
    pub by: String,
    /// When it began, in Unix time, in seconds.
    pub since: f64,
    /// When it ends by itself, in Unix time, in seconds.
    pub resumes: f64,
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

/// A change of how something is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateChange {
    /// What it is about, such as `export backup`.
    pub about: String,
    /// When, in Unix time, in seconds.
    pub at: f64,
    /// How it was before.
    pub was: State,
    /// How it is from then on.
    pub is: State,
    /// Why, in the words of the log.
    pub why: String,
}

/// Something that ends by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expiring {
    /// What kind of thing it is, such as `certificate`.
    pub what: String,
    /// Which.
    pub name: String,
    /// When it ends, in Unix time, in seconds.
    pub not_after: f64,
    /// How near that is: `far`, `month`, `week`, `day`, `over`.
    pub within: String,
    /// What happens then and what to do, in the words of the log; empty while it is far.
    pub why: String,
}

/// A capture that runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capture {
    /// Its number.
    pub id: u64,
    /// What is captured, such as `export backup of initiator 02:00:00:00:00:01`.
    pub what: String,
    /// By whom, such as `user 0, process 1234`.
    pub by: String,
    /// Since when, in Unix time, in seconds.
    pub since: f64,
    /// When it ends at the latest, in Unix time, in seconds.
    pub until: f64,
    /// Frames that were handed over.
    pub frames: u64,
    /// Frames for which there was no room.
    pub dropped: u64,
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

/// A UDP socket of one worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Socket {
    /// Where it listens.
    pub address: String,
    /// The worker.
    pub worker: u8,
    /// Bytes of queue towards us.
    pub receive_buffer: Granted,
    /// Bytes of queue towards the network.
    pub send_buffer: Granted,
    /// Whether the kernel hands over several datagrams at once.
    pub receive_offload: bool,
    /// Whether the kernel takes several datagrams at once.
    pub send_offload: bool,
    /// Datagrams that the kernel dropped because the buffer was full.
    pub dropped: u64,
}

/// What was asked of the kernel, and what it gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Granted {
    /// What was asked for.
    pub asked: u64,
    /// What was given.
    pub granted: u64,
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
