//! `aoe-keys`: makes, shows and checks the keys of aoe-gateway.
#![forbid(unsafe_code)]

fn main() {}
