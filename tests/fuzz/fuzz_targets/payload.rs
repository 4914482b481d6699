//! A lying peer; see `aoe_fuzz_bodies::payload`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::payload(data));
