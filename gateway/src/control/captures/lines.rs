//! What goes over the control socket for a capture: a wish, and then one line of JSON for each frame.

use serde::{Deserialize, Serialize};

/// What somebody wants to capture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Exports by their names.
    pub(crate) exports: Vec<String>,
    /// Imports: `e107.3`, or `PEER/EXPORT`.
    pub(crate) imports: Vec<String>,
    /// All exports and imports.
    pub(crate) all: bool,
    /// Only of this peer.
    pub(crate) peer: Option<String>,
    /// Only of the initiator with this MAC.
    pub(crate) initiator: Option<String>,
    /// Ends after so many frames.
    pub(crate) count: Option<u64>,
    /// Most bytes of a frame; 0: all of it.
    pub(crate) snaplen: usize,
    /// Ends after so many seconds; without it after [`USUAL`](super::USUAL).
    pub(crate) seconds: Option<u64>,
}

/// A capture that is about to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Begun {
    /// Its number, as `status` lists it.
    pub(crate) id: u64,
    /// What is captured; frames name them by their place here.
    pub(crate) interfaces: Vec<Interface>,
    /// Most bytes of a frame; 0: all of it.
    pub(crate) snaplen: usize,
    /// When it ends at the latest, in seconds from now.
    pub(crate) seconds: u64,
}

/// What is captured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Interface {
    /// Such as `export backup`.
    pub(crate) name: String,
    /// What is behind it.
    pub(crate) description: String,
}

/// A line behind the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// A frame.
    Frame(Frame),
    /// Something that happened to the capture.
    Note(String),
    /// No more follows.
    End(End),
}

/// A frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Frame {
    /// What it belongs to, by its place in the answer.
    pub(crate) interface: u32,
    /// When, in microseconds since 1970.
    pub(crate) unix_us: u64,
    /// `in` or `out`.
    pub(crate) direction: Direction,
    /// The peer that has the export, or behind which the initiator is.
    pub(crate) peer: String,
    /// The initiator's MAC; empty if nobody waits for it any more.
    pub(crate) initiator: String,
    /// `request`, `to-target`, `from-target` or `answer`.
    pub(crate) step: String,
    /// Of a request `admitted`, `refused` or `ignored`, of an answer of the gateway's own `refused`; else empty.
    pub(crate) verdict: String,
    /// Why it was refused or ignored, as counters name it; else empty.
    pub(crate) reason: String,
    /// The number of the request between the gateways, if it has one.
    pub(crate) number: Option<u64>,
    /// How long an answer took, in microseconds.
    pub(crate) took_us: Option<u64>,
    /// All of that in words.
    pub(crate) text: String,
    /// How long it was, in bytes.
    pub(crate) length: usize,
    /// The bytes of it that were captured, as Base64.
    pub(crate) bytes: String,
}

/// Which way a frame went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    /// It came in.
    #[default]
    In,
    /// It went out.
    Out,
}

/// How a capture ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct End {
    /// Why, in words.
    pub(crate) reason: String,
    /// Whether it was cut off: not by who asked, nor by a limit that was set.
    pub(crate) cut: bool,
    /// Frames that were handed over.
    pub(crate) frames: u64,
    /// Frames for which there was no room, for each interface.
    pub(crate) dropped: Vec<u64>,
}

impl Frame {
    /// Whose it is and what became of it, as a capture file has it.
    pub(crate) fn comment(&self) -> String {
        let initiator = match self.initiator.as_str() {
            "" => String::new(),
            mac => format!(", initiator {mac}"),
        };
        format!("peer {}{initiator}: {}", self.peer, self.text)
    }
}
