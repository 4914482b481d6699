//! What the tests across crates share. Not production code; nothing depends on it.
//!
//! - [`sim`]: engines under virtual time, a seeded lossy wire, models of both AoE ends, and a naive model of disks
//!   that every answer is compared with. The tests that use it are `tests/sim_*.rs`.
//! - [`stage`]: what end-to-end stories stand on, with real processes in network namespaces: `tests/e2e_*.rs`;
//!   [`station`]: a host that says whatever it likes.
//! - [`trial`], [`load`]: real gateways around the real vblade, and verified I/O that goes on while a test does harm.
//! - [`tmux`]: a terminal for programs that need one; [`svg`]: pictures of it for the documentation.
//! - [`browser`]: a real browser, for pages.
//! - [`hostile`]: a peer that has its keys and lies.
//! - [`linux`]: the same with a real Linux kernel as initiator: `tests/kernel_*.rs`.

#![forbid(unsafe_code)]

pub mod browser;
pub mod hostile;
pub mod linux;
pub mod load;
pub mod sim;
pub mod stage;
pub mod station;
pub mod svg;
pub mod tmux;
pub mod trial;
pub mod web;
