//! Files of certificates and their keys; see `aoe_fuzz_bodies::certificate`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::certificate(data));
