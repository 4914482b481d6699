//! The Noise protocol as `snow` does it, with ephemeral keys of ours, and secrets that are erased.

#[cfg(test)]
mod official;

use aoe_keys::SecretKey;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::{Builder, HandshakeState};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use super::Local;
use crate::random::Secret;

/// Bound into every handshake: a recording of another protocol is worth nothing here.
const PROLOGUE: &[u8] = b"aoe-gateway noise 1";
const PATTERN: &str = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";

/// A handshake of ours, either side of it, with this ephemeral key.
pub(super) fn builder<'a>(local: &Local<'a>, ephemeral: Secret) -> Option<Builder<'a>> {
    with_prologue(local.secret, PROLOGUE, ephemeral)
}

/// The same with another prologue.
fn with_prologue<'a>(secret: &'a SecretKey, prologue: &'a [u8], ephemeral: Secret) -> Option<Builder<'a>> {
    Builder::with_resolver(PATTERN.parse().ok()?, Box::new(Resolver { ephemeral }))
        .local_private_key(secret.expose())
        .ok()?
        .prologue(prologue)
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

/// snow's own primitives, but for what would leave a key in memory that was given back.
struct Resolver {
    ephemeral: Secret,
}

/// Gives the one ephemeral key that a handshake makes.
struct Once(Option<Secret>);

impl snow::types::Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let key = self.0.take().filter(|key| key.len() == dest.len());
        dest.copy_from_slice(key.ok_or(snow::Error::Rng)?.as_slice());
        Ok(())
    }
}

/// X25519 whose secret is erased when dropped; snow's own is not.
#[derive(Default)]
struct Curve {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl Curve {
    fn derive_public(&mut self) {
        self.public = x25519(*self.secret, X25519_BASEPOINT_BYTES);
    }
}

impl snow::types::Dh for Curve {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        self.secret
            .iter_mut()
            .zip(secret)
            .for_each(|(to, from)| *to = *from);
        self.derive_public();
    }

    fn generate(&mut self, random: &mut dyn snow::types::Random) -> Result<(), snow::Error> {
        random.try_fill_bytes(self.secret.as_mut_slice())?;
        self.derive_public();
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_slice()
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let public = public.first_chunk().ok_or(snow::Error::Dh)?;
        let shared = Zeroizing::new(x25519(*self.secret, *public));
        let out = out.first_chunk_mut::<32>().ok_or(snow::Error::Dh)?;
        out.copy_from_slice(shared.as_slice());
        Ok(())
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn snow::types::Random>> {
        Some(Box::new(Once(Some(self.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn snow::types::Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::<Curve>::default()),
            _ => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn snow::types::Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn snow::types::Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}
