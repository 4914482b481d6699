//! The pure core of aoe-gateway.
//!
//! Bytes, time and a seed go in; frames, datagrams, events and one deadline come out. Nothing in here owns a
//! socket, a clock, a task, a lock or a file: the `gateway` crate does, and a simulation can.
//!
//! - [`engine`]: one gateway as a state machine; start reading there
//! - [`frame`]: bytes and meaning of AoE frames
//! - [`policy`]: who may do what
//! - [`edge`]: the gateway next to the initiator, a target in its own right
//! - [`exit`]: the gateway next to the target, an initiator in its own right
//! - [`tunnel`]: handshake, sessions, records, packing
//! - [`config`], [`output`], [`event`], [`drop_reason`], [`time`]: what goes in and comes out

pub mod config;
pub mod frame;
pub mod output;
pub mod time;
