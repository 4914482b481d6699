//! Reads the key and the pre-shared keys the gateway file names.

use std::io;
use std::path::Path;

use aoe_common::config::OwnKeys;
use aoe_keys::store::credential::{self, CredentialFault};
use aoe_keys::store::{self, Purpose, StoreError};
use aoe_keys::{KEY_LEN, KeyKind, Psk, SecretKey};

use super::fault::{Faults, Kind};
use super::gateway_file::GatewayFile;
use super::kept::{Reader, locate};
use super::own_keys;
use super::resolve::Secrets;
use super::source::Located;

/// Reads every secret and reports each that cannot be used, at the line that names its file.
pub(super) fn read(
    file: &GatewayFile,
    directory: &Path,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> Secrets {
    let key = file.gateway.as_ref().and_then(|gateway| gateway.key.as_ref());
    Secrets {
        own: key.and_then(|path| {
            let current = read_one::<SecretKey>(path, directory, reader, faults)?;
            Some(match locate(directory, &path.value) {
                Ok(file) => own_keys::read(current, &file, &path.place, (reader, faults)),
                Err(_) => OwnKeys::of(current),
            })
        }),
        psks: file
            .peers
            .iter()
            .map(|peer| {
                // There is none with TLS, and one that is written is reported elsewhere.
                let path = peer.psk.as_ref().filter(|_| !peer.is_by_tls());
                path.and_then(|path| read_one::<Psk>(path, &peer.directory, reader, faults))
            })
            .collect(),
        tls: file
            .tls
            .as_ref()
            .and_then(|tls| tls.open(directory, reader, faults)),
    }
}

/// A secret that is kept in a file.
trait Kept: Sized {
    const KIND: KeyKind;
    /// Reads it to use it, or only to look at it.
    fn read(path: &Path, purpose: Purpose) -> Result<Self, StoreError>;
    /// What stands for one that cannot be looked at. Nobody runs with it.
    fn stand_in() -> Self;
}

impl Kept for SecretKey {
    const KIND: KeyKind = KeyKind::Secret;

    fn read(path: &Path, purpose: Purpose) -> Result<Self, StoreError> {
        match purpose {
            Purpose::Use => store::read_secret(path),
            Purpose::Look => store::look_at_secret(path),
        }
    }

    fn stand_in() -> Self {
        SecretKey::from_bytes([1; KEY_LEN])
    }
}

impl Kept for Psk {
    const KIND: KeyKind = KeyKind::Psk;

    fn read(path: &Path, purpose: Purpose) -> Result<Self, StoreError> {
        match purpose {
            Purpose::Use => store::read_psk(path),
            Purpose::Look => store::look_at_psk(path),
        }
    }

    fn stand_in() -> Self {
        Psk::from_bytes([1; KEY_LEN])
    }
}

fn read_one<K: Kept>(
    path: &Located<String>,
    directory: &Path,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> Option<K> {
    let file = match locate(directory, &path.value) {
        Ok(file) => file,
        Err(fault) => return unseen(K::KIND, path, &fault, (reader, faults)).then(K::stand_in),
    };
    reader.watch(&file);
    match K::read(&file, reader.purpose()) {
        Ok(key) => Some(key),
        Err(error) => {
            let instead = advice(&error, K::KIND, &path.value);
            faults.fault(Kind::Secret, &path.place, error.to_string(), instead);
            None
        }
    }
}

/// Says that there are no credentials here. Who only looks is told that, and goes on with something else.
fn unseen(
    kind: KeyKind,
    path: &Located<String>,
    fault: &CredentialFault,
    (reader, faults): (&mut Reader<'_>, &mut Faults),
) -> bool {
    let looks = reader.purpose() == Purpose::Look;
    if looks {
        reader.did_not_see(kind, &path.value);
        faults.warn(
            &path.place,
            format!("`{}` is a credential of the service, and cannot be looked at from here", path.value),
            "to look at it too: systemd-run --wait --pipe -p LoadCredential=NAME:PATH aoe-gateway check --config FILE, with \
             the LoadCredential of the unit",
        );
    } else {
        let instead = "add LoadCredential=NAME:PATH to the unit of the gateway, or write the path of a file";
        faults.fault(Kind::Secret, &path.place, fault.to_string(), instead);
    }
    looks
}

fn advice(error: &StoreError, kind: KeyKind, written: &str) -> String {
    let verb = if kind == KeyKind::Psk { "psk" } else { "generate" };
    match (error, error.mending_command()) {
        // Root looks at the files of a service that has a user of its own; a chown would break that service.
        (StoreError::ForeignOwner { owner, us: 0, .. }, Some(command)) => {
            format!("if user {owner} is to run this gateway, check as that user; if not, run: {command}")
        }
        (_, Some(command)) => format!("run: {command}"),
        (StoreError::Open { source, .. }, None)
            if source.kind() == io::ErrorKind::NotFound && written.starts_with(credential::PREFIX) =>
        {
            format!(
                "add LoadCredential={}:PATH to the unit of the gateway",
                written.trim_start_matches(credential::PREFIX)
            )
        }
        (StoreError::Open { path, source }, None) if source.kind() == io::ErrorKind::NotFound => {
            format!("make it: aoe-keys {verb} --out {}", path.display())
        }
        (_, None) => format!("name a file that holds {}", kind.with_article()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_not_told_to_take_the_key_of_a_service_away() {
        let foreign = |us| StoreError::ForeignOwner {
            path: "a.key".into(),
            owner: 995,
            us,
        };
        assert!(
            advice(&foreign(0), KeyKind::Secret, "a.key")
                .starts_with("if user 995 is to run this gateway, check as that")
        );
        assert!(advice(&foreign(1000), KeyKind::Secret, "a.key").starts_with("run: chown 1000 "));
    }
}
