//! Handshakes with a third party on the path; see `aoe_fuzz_bodies::handshake`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::handshake(data));
