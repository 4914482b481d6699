//! What an invitation and a reply say, before they are sealed: JSON, with every field checked on reading.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::refusal::{Refusal, Result};
use super::words::{Access, is_endpoint, is_name};
use crate::{Psk, PublicKey};

/// Most exports in one invitation.
pub(super) const MOST_OFFERS: usize = 64;
/// Digits of the number of an invitation.
const ID_LEN: usize = 16;

const INVITATION: &str = "aoe-gateway invitation 1";
const REPLY: &str = "aoe-gateway reply 1";

/// The gateway that writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writer {
    /// Its name.
    pub name: String,
    /// Its public key, as text.
    pub key: String,
    /// Where it can be called, if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How many data planes it has: both gateways need the same number.
    pub workers: u16,
}

/// An export that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// Its name.
    pub export: String,
    /// What the invited gateway may do with it.
    pub access: Access,
}

/// What `invite` writes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    format: String,
    /// Its number, 16 hexadecimal digits; it is no secret.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// When it ends.
    pub expires: u64,
    /// Who invites.
    pub from: Writer,
    /// The name of the gateway that is invited.
    pub to: String,
    /// What it may use.
    pub offers: Vec<Offered>,
    psk: String,
    /// The age recipient to which the reply is sealed.
    pub reply_to: String,
}

/// What `accept` answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    format: String,
    /// The number of the invitation.
    pub invitation: String,
    /// When it was made.
    pub made: u64,
    /// Who accepts.
    pub from: Writer,
    /// Who had invited.
    pub to: String,
    /// That the writer had the invitation: HMAC-SHA256 by its psk.
    proof: String,
}

impl Invitation {
    pub(super) fn new(
        id: String,
        (made, expires): (u64, u64),
        from: Writer,
        to: String,
        offers: Vec<Offered>,
        psk: &Psk,
        reply_to: String,
    ) -> Self {
        Invitation {
            format: INVITATION.to_owned(),
            id,
            made,
            expires,
            from,
            to,
            offers,
            psk: psk.to_text().to_string(),
            reply_to,
        }
    }

    /// The text to be sealed.
    pub(super) fn to_text(&self) -> Zeroizing<Vec<u8>> {
        // Strings and numbers always can be written.
        Zeroizing::new(serde_json::to_vec_pretty(self).unwrap_or_default())
    }

    /// Reads what was sealed.
    ///
    /// # Errors
    /// A refusal that says what is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self> {
        let found: Invitation = parse(text, INVITATION, "invitation")?;
        check_id(&found.id)?;
        check_writer(&found.from)?;
        check_name(&found.to)?;
        if found.offers.is_empty() || found.offers.len() > MOST_OFFERS {
            return Err(bad(&format!("it offers {} exports", found.offers.len())));
        }
        for (at, offered) in found.offers.iter().enumerate() {
            check_name(&offered.export)?;
            if found
                .offers
                .iter()
                .take(at)
                .any(|other| other.export == offered.export)
            {
                return Err(bad("it offers one export twice"));
            }
        }
        found.psk()?;
        found
            .reply_to
            .parse::<age::x25519::Recipient>()
            .map_err(|_| bad("it has no address for the reply"))?;
        if found.expires <= found.made {
            return Err(bad("it ends before it begins"));
        }
        Ok(found)
    }

    /// The secret that the pair will share.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn psk(&self) -> Result<Psk> {
        self.psk.parse().map_err(|_| bad("its pre-shared key is none"))
    }

    /// The key of who invites.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn key(&self) -> Result<PublicKey> {
        key(&self.from)
    }
}

impl Drop for Invitation {
    fn drop(&mut self) {
        self.psk.zeroize();
    }
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Reply {
    pub(super) fn new(invitation: String, made: u64, from: Writer, to: String, psk: &Psk) -> Self {
        let mut reply = Reply {
            format: REPLY.to_owned(),
            invitation,
            made,
            from,
            to,
            proof: String::new(),
        };
        reply.proof = hex(hmac::sign(&proof_key(psk), &reply.proven()).as_ref());
        reply
    }

    /// The text to be sealed.
    pub(super) fn to_text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Reads what was sealed.
    ///
    /// # Errors
    /// A refusal that says what is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self> {
        let found: Reply = parse(text, REPLY, "reply")?;
        check_id(&found.invitation)?;
        check_writer(&found.from)?;
        check_name(&found.to)?;
        Ok(found)
    }

    /// The key of who accepts.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn key(&self) -> Result<PublicKey> {
        key(&self.from)
    }

    /// Whether its writer had the invitation with this secret, and everything in it is as that writer wrote it.
    pub(super) fn is_proven(&self, psk: &Psk) -> bool {
        let right = hex(hmac::sign(&proof_key(psk), &self.proven()).as_ref());
        verify_slices_are_equal(right.as_bytes(), self.proof.as_bytes()).is_ok()
    }

    /// What the proof is about: all but itself.
    fn proven(&self) -> Vec<u8> {
        let Reply {
            format,
            invitation,
            made,
            from,
            to,
            proof: _,
        } = self;
        serde_json::to_vec(&(format, invitation, made, from, to)).unwrap_or_default()
    }
}

/// A key for proofs alone, so that the psk itself is used for one thing only.
fn proof_key(psk: &Psk) -> hmac::Key {
    let base = hmac::Key::new(hmac::HMAC_SHA256, psk.expose());
    let derived = hmac::sign(&base, b"aoe-gateway proof of an invitation 1");
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

/// Two digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether it can be the number of an invitation.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[derive(Deserialize)]
struct Format {
    format: String,
}

fn parse<T: for<'a> Deserialize<'a>>(text: &[u8], format: &str, what: &str) -> Result<T> {
    // One of a later version may have other fields, so what it calls itself is looked at first.
    if let Ok(found) = serde_json::from_slice::<Format>(text)
        && found.format != format
    {
        return Err(Refusal::letter(format!(
            "it is sealed as {what}, and says that it is {}; if the other site has a newer version, use that here too",
            super::words::shown(&found.format)
        )));
    }
    serde_json::from_slice(text)
        .map_err(|_| bad("it was not written by aoe-keys, or by another version of it"))
}

fn bad(why: &str) -> Refusal {
    Refusal::letter(format!("what is in it makes no sense: {why}; have it made again"))
}

fn check_id(id: &str) -> Result<()> {
    if is_id(id) {
        Ok(())
    } else {
        Err(bad("it has no number"))
    }
}

fn check_name(name: &str) -> Result<()> {
    match is_name(name) {
        true => Ok(()),
        false => Err(bad("a name in it is none")),
    }
}

fn check_writer(writer: &Writer) -> Result<()> {
    check_name(&writer.name)?;
    key(writer)?;
    match &writer.endpoint {
        Some(endpoint) if !is_endpoint(endpoint) => Err(bad("the endpoint in it is none")),
        _ => Ok(()),
    }
}

fn key(writer: &Writer) -> Result<PublicKey> {
    writer.key.parse().map_err(|_| bad("the key in it is none"))
}
