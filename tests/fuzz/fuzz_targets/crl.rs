//! Files of revocation lists; see `aoe_fuzz_bodies::crl`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::crl(data));
