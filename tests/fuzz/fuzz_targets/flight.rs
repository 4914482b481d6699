//! Flights of TLS between two gateways; see `aoe_fuzz_bodies::flight`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aoe_fuzz_bodies::flight(data));
