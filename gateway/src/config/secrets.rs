//! Reads the key and the pre-shared keys the gateway file names.

use std::io;
use std::path::Path;

use aoe_keys::{KeyKind, store};

use super::fault::{Faults, Kind};
use super::gateway_file::GatewayFile;
use super::kept::Reader;
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
            read_one(
                path,
                directory,
                KeyKind::Secret,
                |path| store::read_secret(path),
                (reader, faults),
            )
        }),
        psks: file
            .peers
            .iter()
            .map(|peer| {
                peer.psk.as_ref().and_then(|path| {
                    read_one(
                        path,
                        &peer.directory,
                        KeyKind::Psk,
                        |path| store::read_psk(path),
                        (reader, faults),
                    )
                })
            })
            .collect(),
    }
}

fn read_one<K>(
    path: &Located<String>,
    directory: &Path,
    kind: KeyKind,
    read: impl FnOnce(&Path) -> Result<K, store::StoreError>,
    (reader, faults): (&mut Reader<'_>, &mut Faults),
) -> Option<K> {
    let file = directory.join(&path.value);
    reader.watch(&file);
    match read(&file) {
        Ok(key) => Some(key),
        Err(error) => {
            let instead = advice(&error, kind);
            faults.fault(Kind::Secret, &path.place, error.to_string(), instead);
            None
        }
    }
}

fn advice(error: &store::StoreError, kind: KeyKind) -> String {
    let verb = if kind == KeyKind::Psk { "psk" } else { "generate" };
    match (error, error.mending_command()) {
        // Root looks at the files of a service that has a user of its own; a chown would break that service.
        (store::StoreError::ForeignOwner { owner, us: 0, .. }, Some(command)) => {
            format!("if user {owner} is to run this gateway, check as that user; if not, run: {command}")
        }
        (_, Some(command)) => format!("run: {command}"),
        (store::StoreError::Open { path, source }, None) if source.kind() == io::ErrorKind::NotFound => {
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
        let foreign = |us| store::StoreError::ForeignOwner {
            path: "a.key".into(),
            owner: 995,
            us,
        };
        assert!(
            advice(&foreign(0), KeyKind::Secret)
                .starts_with("if user 995 is to run this gateway, check as that")
        );
        assert!(advice(&foreign(1000), KeyKind::Secret).starts_with("run: chown 1000 "));
    }
}
