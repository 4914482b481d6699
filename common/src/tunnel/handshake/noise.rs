//! The Noise protocol as `snow` does it, with ephemeral keys from our seed.

use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::{Builder, HandshakeState};
use zeroize::Zeroize;

use super::Identity;
use crate::random::Random;

/// Bound into every handshake: a recording of another protocol is worth nothing here.
const PROLOGUE: &[u8] = b"aoe-gateway noise 1";
const PATTERN: &str = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";

/// A handshake of ours, either side of it.
pub(super) fn builder<'a>(identity: &Identity<'a>, random: &mut Random) -> Option<Builder<'a>> {
    let resolver = SeededResolver { seed: random.bytes() };
    Builder::with_resolver(PATTERN.parse().ok()?, Box::new(resolver))
        .local_private_key(identity.secret.expose())
        .ok()?
        .prologue(PROLOGUE)
        .ok()
}

/// Appends a message with this payload, `len` bytes of it.
pub(super) fn append(
    noise: &mut HandshakeState,
    payload: &[u8],
    len: usize,
    message: &mut Vec<u8>,
) -> Option<()> {
    let start = message.len();
    message.resize(start + len, 0);
    let written = noise.write_message(payload, message.get_mut(start..)?).ok()?;
    (written == len).then_some(())
}

/// snow's own primitives, with ephemeral keys from our seed.
struct SeededResolver {
    seed: [u8; 32],
}

struct SeededRandom(Random);

impl snow::types::Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        for chunk in dest.chunks_mut(32) {
            let bytes: [u8; 32] = self.0.bytes();
            chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
        }
        Ok(())
    }
}

impl CryptoResolver for SeededResolver {
    fn resolve_rng(&self) -> Option<Box<dyn snow::types::Random>> {
        Some(Box::new(SeededRandom(Random::new(self.seed))))
    }

    fn resolve_dh(&self, choice: &snow::params::DHChoice) -> Option<Box<dyn snow::types::Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &snow::params::HashChoice) -> Option<Box<dyn snow::types::Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &snow::params::CipherChoice) -> Option<Box<dyn snow::types::Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

impl Drop for SeededResolver {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}
