//! What the fuzz targets do with their input, as plain functions.
//!
//! A body takes any bytes and panics if the code under test breaks a promise; whatever else it sees is fine. The
//! same function runs under libFuzzer (`fuzz_targets/`) and, on the stable compiler, over the files of
//! `corpus/<name>/` in the normal test run (`tests/replay.rs`).
//!
//! To add one: a module here with a function of the target's name, its line in [`TARGETS`], a file of that name in
//! `fuzz_targets/` with its `[[bin]]`, and at least one file in `corpus/<name>/`. The replay test says what is
//! missing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a body reports by panicking"
)]

mod certificate;
mod config;
mod datagram;
mod engine;
mod flight;
mod frame;
mod friend;
mod handshake;
mod input;
mod invitation;
mod pair;
mod payload;
#[cfg(test)]
mod seeds;
mod station;
mod work;
mod world;

pub use certificate::{certificate, crl};
pub use config::config;
pub use datagram::datagram;
pub use engine::engine;
pub use flight::flight;
pub use frame::frame;
pub use handshake::handshake;
pub use invitation::invitation;
pub use payload::payload;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its corpus and of its file in `fuzz_targets/`.
    pub name: &'static str,
    /// What it does with its input.
    pub body: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident),+) => {
        /// Every target, by name.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), body: $name }),+];
    };
}

targets!(
    certificate,
    config,
    crl,
    datagram,
    engine,
    flight,
    frame,
    handshake,
    invitation,
    payload
);
