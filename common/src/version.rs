//! The version, and whether this is the code that is shipped.

/// What `aoe-gateway --version` says: the version, and after a `+` the features for benches and fuzzing that were compiled
/// in. What is shipped, and what end-to-end tests run, has none.
pub const VERSION: &str = match (cfg!(feature = "bench"), cfg!(feature = "fuzzing")) {
    (false, false) => env!("CARGO_PKG_VERSION"),
    (true, false) => concat!(env!("CARGO_PKG_VERSION"), "+bench"),
    (false, true) => concat!(env!("CARGO_PKG_VERSION"), "+fuzzing"),
    (true, true) => concat!(env!("CARGO_PKG_VERSION"), "+bench.fuzzing"),
};
