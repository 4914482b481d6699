//! Key types of aoe-gateway: what they are, how they are written as text, and how they are kept in files.
//!
//! | room | what lives there |
//! |---|---|
//! | [`PublicKey`] | X25519 public key: the identity of a gateway |
//! | [`SecretKey`], [`Psk`] | what must stay private: zeroed when dropped, never shown by `Debug` |
//! | [`KeyKind`], [`KeyTextError`] | the text form, and what can be wrong with it |
//! | [`Fingerprint`] | the short form people read to each other |
//! | [`SpkiHash`] | what names the key of a certificate |
//! | [`AnyKey`] | a key whose kind only its text tells |
//! | [`expiry`] | how near the end of something is |
//! | `store` (feature `files`) | key files: modes, owners, atomic replacement |
//! | `x509` (feature `files`) | certificates, their keys, revocation lists: what they say |
//! | `pairing` (feature `pairing`) | two gateways become peers by one sealed file each way |
//!
//! # Key text
//! ```text
//! aoe-public-1:SGVyZSBhcmUgMzIga2V5IGJ5dGVzIGFuZCA0IG9mIGNoZWNrc3Vt
//! └──┬───────┘ └──────────────────────┬──────────────────────────┘
//!  kind and     base64url without padding of 36 bytes:
//!  version      32 of key, 4 of SHA-256(kind, version, colon, key)
//! ```
//! The kind makes a secret pasted where a public key belongs an error instead of a leak, and the checksum
//! covers it, so a key cannot be relabelled by hand.
//!
//! # Features
//! Without features the crate is types and text only, with no files and no randomness. `files` adds key
//! generation and `store`; `pairing` adds `pairing`; `cli` adds what the `aoe-keys` binary needs.
#![forbid(unsafe_code)]

mod any;
mod encoding;
pub mod expiry;
mod fingerprint;
mod psk;
mod public;
mod secret;
mod secret_bytes;
mod spki;
mod text_error;

#[cfg(feature = "files")]
mod generate;
#[cfg(feature = "pairing")]
pub mod pairing;
#[cfg(feature = "files")]
pub mod store;
#[cfg(feature = "files")]
pub mod x509;

pub use any::AnyKey;
pub use encoding::{KEY_LEN, KeyKind};
pub use fingerprint::Fingerprint;
#[cfg(feature = "files")]
pub use generate::GenerateError;
pub use psk::Psk;
pub use public::PublicKey;
pub use secret::SecretKey;
pub use spki::{SpkiHash, SpkiTextError};
pub use text_error::KeyTextError;
