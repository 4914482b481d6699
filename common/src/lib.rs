//! The pure core of aoe-gateway.
//!
//! Bytes, time and a seed go in; frames, datagrams, events and one deadline come out. Nothing in here owns a
//! socket, a clock, a task, a lock or a file: the `gateway` crate does, and a simulation can.
//!
//! - [`engine`]: one gateway as a state machine; start reading there
//! - [`frame`]: bytes and meaning of AoE frames
//! - `edge`: the gateway next to the initiator, a target in its own right
//! - `exit`: the gateway next to the target, an initiator in its own right
//! - `export`: what both know of an export; `request`: what initiators ask; `policy`: who may do what
//! - `tunnel`: handshakes, sessions, records, packing
//! - [`acl`]: the same judge for those who ask
//! - [`worker`]: several engines in one gateway
//! - [`config`], [`disk`], [`output`], [`event`], [`notes`], [`telemetry`], [`drop_reason`], [`segment`], [`snapshot`], [`steer`], [`table`],
//!   [`tap`], [`time`]: what goes in and comes out
//! - [`version`]: which code this is

#![forbid(unsafe_code)]

pub mod acl;
#[cfg(feature = "bench")]
pub mod bench;
pub mod config;
pub mod disk;
pub mod drop_reason;
pub mod engine;
pub mod event;
pub mod frame;
pub mod history;
pub mod notes;
pub mod output;
pub mod segment;
pub mod snapshot;
pub mod steer;
pub mod table;
pub mod tap;
pub mod telemetry;
pub mod time;
pub mod version;
pub mod worker;

mod allowance;
mod bucket;
mod context;
mod edge;
mod exit;
mod export;
mod pause;
mod policy;
mod quota;
mod random;
mod refusal;
mod request;
mod sizes;
mod spread;
mod standing;
mod stats;
mod tally;
mod throttle;
mod timers;
mod trouble;
mod tunnel;
