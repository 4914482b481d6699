//! Hostile datagrams; see `aoe_fuzz_bodies::datagram`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::datagram(data));
