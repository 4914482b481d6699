//! Checked configuration: what [`Engine::new`](crate::engine::Engine::new) takes.
//!
//! The gateway crate reads files and reports faults; by the time a value has one of these types, every
//! reference is an id that exists and every number is within its bounds.

mod certificate_fault;
mod diff;
mod grant;
mod limit;
mod own;
mod parts;
mod revoked;
mod tls;
mod trust;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::frame::{Address, MacAddr};
use crate::table::{Table, ids};
pub use crate::tunnel::TlsFault;
use crate::worker::Worker;
pub use certificate_fault::CertificateFault;
pub(crate) use certificate_fault::certificate_names;
pub use diff::{Change, NeedsRestart, OutOfIds, Step, diff};
pub use grant::{
    Brings, Commands, ExtraCommand, LbaRange, MOST_INITIATORS, MOST_INITIATORS_OF_PEER, MOST_RANGES,
    MOST_RULES, Permit, Until,
};
pub use limit::{FloorAboveCeiling, Limit, LimitChange, Limited, PeerLimit, Rates, RatesChange};
pub use own::{MOST_KEYS, NextKey, OldKey, OwnKeys, Switch};
pub use revoked::{Revoked, SPKI_HASH_LEN};
pub use tls::{TlsConfig, TlsKey};
pub use trust::{CertificateName, CertificateTrust, KeyTrust, Told, Trust};

ids! {
    /// A segment.
    pub SegmentId,
    /// A peer.
    pub PeerId,
    /// An export; also its number on the wire.
    pub ExportId,
    /// An import; also its number on the wire.
    pub ImportId,
}

/// One gateway, whole.
#[derive(Debug)]
pub struct GatewayConfig {
    /// Our own name, for logs.
    pub name: String,
    /// Our static keys.
    pub keys: OwnKeys,
    /// Keys that are not trusted any more.
    pub revoked: Revoked,
    /// What we prove ourselves by to peers that are known by certificates; `None`: there is none, and no such peer.
    pub tls: Option<Arc<TlsConfig>>,
    /// Local Ethernets we attach to.
    pub segments: Table<SegmentId, SegmentConfig>,
    /// Gateways we talk to.
    pub peers: Table<PeerId, PeerConfig>,
    /// Targets on our segments that peers may use.
    pub exports: Table<ExportId, ExportConfig>,
    /// Exports of peers that we present on our segments.
    pub imports: Table<ImportId, ImportConfig>,
    /// Settings of every tunnel.
    pub tunnel: TunnelConfig,
}

/// A local Ethernet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentConfig {
    /// The name other parts of the configuration use.
    pub name: String,
}

/// Another gateway.
#[derive(Debug)]
pub struct PeerConfig {
    /// The name other parts of the configuration use.
    pub name: String,
    /// How it proves who it is.
    pub trust: Trust,
    /// Whether we can call it.
    pub endpoint: Endpoint,
    /// Whether it is spoken to at its endpoint only, wherever its records come from.
    pub endpoint_pinned: bool,
    /// Accepted modes, in order of preference; never empty.
    pub protection: Vec<Protection>,
    /// The longest IP packet sent to this peer.
    pub path_mtu: PathMtu,
    /// What it may have of all our exports together.
    pub limit: PeerLimit,
}

/// The longest IP packet that the path to a peer carries, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMtu {
    /// Found by probing (RFC 8899); 1280 until more is confirmed.
    Auto,
    /// This, 1280 to 9216.
    Fixed(u16),
}

impl fmt::Display for PathMtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathMtu::Auto => f.write_str("auto"),
            PathMtu::Fixed(mtu) => mtu.fmt(f),
        }
    }
}

/// Whether we know where a peer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The peer must call us.
    Unknown,
    /// The gateway resolves a name and hands it in by
    /// [`Engine::set_endpoint`](crate::engine::Engine::set_endpoint).
    Known,
}

/// How a session protects its records. There is no mode without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// The payload is encrypted and authenticated.
    Encrypt,
    /// The payload is readable on the path; every byte is authenticated and replay-proof.
    Authenticate,
}

/// The cipher of a session's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cipher {
    /// AES-256-GCM: the fast one where the CPU has AES instructions.
    Aes256Gcm,
    /// ChaCha20-Poly1305: the fast one elsewhere.
    ChaCha20Poly1305,
}

/// Whether the keys of sessions with a peer are to withstand a quantum computer, by ML-KEM-768.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostQuantum {
    /// They are not: nothing is offered or answered.
    Off,
    /// They do as soon as they can; frames pass meanwhile.
    #[default]
    Prefer,
    /// No frame passes by keys that do not.
    Require,
}

/// Settings of every tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// Ciphers this machine offers, best first; never empty.
    pub ciphers: Vec<Cipher>,
    /// Age at which a session is replaced: 5 to 120 s. A session is refused 60 s after that.
    pub rekey_after: Duration,
    /// A path idle for this long is probed: 1 to 25 s.
    pub keepalive: Duration,
    /// A request older than this is not sent to a target any more: 100 ms to 10 s.
    pub max_age: Duration,
    /// Which of the gateway's workers this is; peers must have as many.
    pub worker: Worker,
}

impl Default for TunnelConfig {
    fn default() -> Self {
        TunnelConfig {
            ciphers: vec![Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305],
            rekey_after: Duration::from_secs(120),
            keepalive: Duration::from_secs(5),
            max_age: Duration::from_secs(1),
            worker: Worker::default(),
        }
    }
}

/// A target on one of our segments, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportConfig {
    /// The name peers ask for, at most 64 bytes.
    pub name: String,
    /// Where the target lives.
    pub segment: SegmentId,
    /// Its real address there.
    pub target: Address,
    /// If set, only this MAC is believed to be the target.
    pub target_mac: Option<MacAddr>,
    /// What to do when the target is not what it should be.
    pub safety: ExportSafety,
    /// What all its users together may have.
    pub limit: Limit,
    /// Who may use it. What no block allows is refused.
    pub allow: Vec<Allow>,
}

/// What to do with requests when the target is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportSafety {
    /// Requests to a silent target are kept this long: 1 to 600 s.
    pub target_timeout: Duration,
    /// What they get after that.
    pub on_target_timeout: OnTargetTimeout,
    /// What happens to writes when another disk answers for the target, or two do.
    pub on_conflict: OnConflict,
    /// In which order the target works.
    pub order: TargetOrder,
    /// How soon a request that is not answered is sent to the target again, at the earliest: 10 ms to 2 s.
    pub target_retry: Duration,
    /// Whether writes are stored before they are answered, whatever initiators ask for: the flag of asynchronous writes
    /// is cleared.
    pub sync: bool,
}

impl Default for ExportSafety {
    fn default() -> Self {
        ExportSafety {
            target_timeout: Duration::from_secs(60),
            on_target_timeout: OnTargetTimeout::Silent,
            on_conflict: OnConflict::Stop,
            order: TargetOrder::Any,
            target_retry: Duration::from_millis(50),
            sync: false,
        }
    }
}

/// In which order a target works on what it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetOrder {
    /// As it came: what was sent later is done later.
    Fifo,
    /// As it likes, overlapping requests too.
    #[default]
    Any,
}

/// What an initiator is told of a target that has been silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnTargetTimeout {
    /// Nothing: it tries for as long as it likes, the Linux driver for three minutes.
    Silent,
    /// An ATA error: the I/O fails at once, and the device stays.
    Error,
}

/// What to do when an address may be that of two disks. It is logged in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnConflict {
    /// Nothing else.
    Alarm,
    /// Writes are refused while it lasts.
    #[default]
    Stop,
}

/// One permission on an export. A peer may have several: what one of them allows is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// The peer it is for.
    pub peer: PeerId,
    /// Reading only, or writing as well.
    pub access: Access,
    /// If set, only these initiators behind that peer; at most 64.
    pub initiators: Option<Vec<MacAddr>>,
    /// Whether the target's config string may be changed.
    pub config_string: ConfigString,
    /// Sectors that may be read and, where `access` says so, written; at most 16 runs. `None`: all.
    pub lba: Option<Vec<LbaRange>>,
    /// ATA commands that pass besides those that initiators need for a disk.
    pub commands: Commands,
    /// Whether AoE command 3 passes: Reserve/Release.
    pub reserve: Permit,
    /// Whether AoE command 2 passes: the MAC mask list.
    pub mac_mask: Permit,
    /// When it ends; `None`: never.
    pub until: Option<Until>,
    /// What the peer may have of this export.
    pub limit: Limit,
    /// What each initiator behind the peer may have of this export.
    pub initiator_limit: Limit,
}

/// What a peer may do with an export's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Reads, IDENTIFY and the harmless rest.
    ReadOnly,
    /// Writes as well.
    ReadWrite,
}

/// What a peer may do with a target's config string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigString {
    /// Read and test it.
    Read,
    /// Set and force-set it as well.
    Set,
}

/// An export of a peer, presented on one of our segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportConfig {
    /// Whose export.
    pub peer: PeerId,
    /// Its name there.
    pub export: String,
    /// Where we present it.
    pub segment: SegmentId,
    /// The address initiators see there; unique on that segment.
    pub address: Address,
    /// Buffer count advertised to initiators: 2 to 1024 frames.
    pub window: u16,
    /// What happens when somebody else on that segment answers for the address.
    pub on_conflict: OnConflict,
}

/// A word of the configuration that is none of the words allowed there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{found}\" is not one of {allowed}")]
pub struct UnknownWord {
    found: String,
    allowed: &'static str,
}

macro_rules! words {
    ($type:ty, $($variant:path => $word:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok($variant),)+
                    _ => Err(UnknownWord {
                        found: text.chars().take(64).collect(),
                        allowed: concat!($("\"", $word, "\" "),+),
                    }),
                }
            }
        }
    };
}

words!(Protection, Protection::Encrypt => "encrypt", Protection::Authenticate => "authenticate");
words!(Cipher, Cipher::Aes256Gcm => "aes-256-gcm", Cipher::ChaCha20Poly1305 => "chacha20-poly1305");
words!(Access, Access::ReadOnly => "read-only", Access::ReadWrite => "read-write");
words!(OnTargetTimeout, OnTargetTimeout::Silent => "silent", OnTargetTimeout::Error => "error");
words!(OnConflict, OnConflict::Alarm => "alarm", OnConflict::Stop => "stop");
words!(TargetOrder, TargetOrder::Any => "any", TargetOrder::Fifo => "fifo");
words!(ConfigString, ConfigString::Read => "read", ConfigString::Set => "set");
words!(
    PostQuantum, PostQuantum::Off => "off", PostQuantum::Prefer => "prefer", PostQuantum::Require => "require"
);
words!(Permit, Permit::Refused => "refused", Permit::Allowed => "allowed");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_round_trip_and_others_are_refused() {
        for word in ["encrypt", "authenticate"] {
            assert_eq!(word.parse::<Protection>().unwrap().to_string(), word);
        }
        assert_eq!("read-write".parse::<Access>().unwrap(), Access::ReadWrite);
        let fault = "readonly".parse::<Access>().unwrap_err();
        assert!(fault.to_string().contains("\"read-only\""), "{fault}");
    }
}
