//! Invitations and replies; see `aoe_fuzz_bodies::invitation`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::invitation(data));
