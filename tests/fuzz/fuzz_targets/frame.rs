//! Hostile frames; see `aoe_fuzz_bodies::frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::frame(data));
