//! Two engines under any order of events; see `aoe_fuzz_bodies::engine`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::engine(data));
