//! Two sites on one machine: the parts that the demonstration, the end-to-end tests and the benches are built of.
//!
//! - [`start`], [`terminal`]: how the programs `aoe-lab` and `aoe-bench` begin, end and speak
//! - [`isolation`], [`netns`]: namespaces that leave nothing behind, processes inside them
//! - [`target`], [`initiator`]: the two AoE ends, as models without sockets and as loops on a device
//! - [`port`], [`frames`], [`clock`], [`random`]: what both are made of
//! - [`workload`]: verified reads and writes with figures
//! - [`sniffer`], [`relay`], [`impairment`]: what an eavesdropper sees, what a bad path or an attacker does
//! - [`gateway`], [`vblade`], [`topology`]: the real programs and the standard two-site world
//! - [`guest`]: a host with a real Linux kernel and its AoE driver
//!
//! Nothing in here is part of the gateway binary.

pub mod clock;
pub mod frames;
pub mod gateway;
pub mod guest;
pub mod impairment;
pub mod initiator;
pub mod isolation;
pub mod netns;
pub mod port;
pub mod random;
pub mod relay;
pub mod sniffer;
pub mod start;
pub mod target;
pub mod terminal;
pub mod topology;
pub mod vblade;
pub mod workload;
