//! The edges of the gateway: everything that touches the operating system.
//!
//! The pure core ([`aoe_common`]) decides; this crate moves bytes. Its rooms:
//!
//! - [`config`], [`cli`], [`logging`]: what the operator wrote and reads.
//! - `control`: what a running gateway is asked by programs of this host: how it is, and to change.
//! - `http`: what others look at; `metrics`: a snapshot as text for Prometheus.
//! - [`daemon`]: the order in which things start and end.
//! - [`driver`]: the one data-plane loop; it has no opinions about frames.
//! - [`segment`]: a local Ethernet, by packet socket or TAP device, and the watch over it.
//! - [`wire`]: the UDP side; [`resolver`] finds where peers live.
//! - [`sys`]: safe functions over system calls; the only home of `unsafe`.
//! - [`workers`]: what each of several data planes has for itself.
//! - [`hardening`]: keeps keys inside the process.
//! - [`audit`]: who did what, taken down for good; `journal`: the journal of systemd.
//! - [`disks`]: which disk each export has, in files.
//! - `key_memory`: what is remembered of keys, in a file.
//! - `watching`: files that count as soon as they change.
//! - `expiring`: what ends by itself, and when to say so.
//! - [`clock`]: the only place that asks what time it is.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
mod control;
pub mod daemon;
pub mod disks;
pub mod driver;
pub mod hardening;
pub mod logging;
pub mod resolver;
pub mod segment;
pub mod sys;
pub mod wire;
pub mod workers;

mod expiring;
mod http;
mod journal;
mod key_memory;
mod listening;
mod metrics;
mod pcapng;
mod watchdog;
mod watching;
