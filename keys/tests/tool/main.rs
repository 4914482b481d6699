//! The real `aoe-keys` binary, run in directories of its own.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the tools of tests fail by panicking, as tests do"
)]

mod bench;
mod ca;
mod documented;
mod exit_codes;
mod files;
mod json;
mod kinds;
mod living;
mod pairing;
mod pipes;
mod secrecy;
mod verifier;
