//! What can go wrong when a key is made.

/// The operating system gave no randomness, so there is no key.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness: {0}")]
pub struct GenerateError(#[from] getrandom::Error);
