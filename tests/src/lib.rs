//! What the tests across crates share. Not production code; nothing depends on it.
//!
//! - [`sim`]: engines under virtual time, a seeded lossy wire, models of both AoE ends, and a naive model of disks
//!   that every answer is compared with. The tests that use it are `tests/sim_*.rs`.

#![forbid(unsafe_code)]

pub mod sim;
