//! `[tls]`: our certificate, its key, whom we believe; and the files that these lead to.

mod endings;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aoe_common::config::{CertificateFault, CertificateName, TlsConfig, TlsFault, TlsKey};
use aoe_keys::store::{self, Purpose, StoreError};
use aoe_keys::x509::{Certificate, Crl, PrivateKey, San};

use super::fault::{Faults, Kind};
use super::kept::{Reader, locate};
use super::section::Section;
use super::source::{Located, Place};
use super::value::{self, Refusal, quote};
use crate::clock::unix_time;

/// The longest time for which a stale revocation list counts.
const LONGEST_GRACE: Duration = Duration::from_secs(30 * 86_400);

/// `[tls]`, as written.
#[derive(Debug)]
pub(super) struct TlsEntry {
    /// The heading.
    pub(super) place: Place,
    certificate: Option<Located<String>>,
    key: Option<Located<String>>,
    ca: Option<Located<String>>,
    crl: Vec<Located<String>>,
    crl_grace: Duration,
}

/// How keys are agreed on with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Noise,
    Tls,
}

/// What the files of `[tls]` hold.
#[derive(Debug)]
pub(super) struct TlsFiles {
    /// What the engine takes.
    pub(super) config: Arc<TlsConfig>,
    /// The names in our own certificate.
    pub(super) names: Vec<CertificateName>,
}

/// Reads the section.
pub(super) fn read(section: &Section<'_, '_>, faults: &mut Faults) -> TlsEntry {
    let grace = |text: &str| value::duration(text, Duration::ZERO, LONGEST_GRACE);
    TlsEntry {
        place: section.place().clone(),
        certificate: section.required("certificate", faults, value::file),
        key: section.required("key", faults, value::file),
        ca: section.required("ca", faults, value::file),
        crl: section.list("crl", faults, value::file).unwrap_or_default(),
        crl_grace: section
            .optional("crl_grace", faults, grace)
            .map_or(Duration::ZERO, |grace| grace.value),
    }
}

/// `transport` of a peer.
pub(super) fn transport(text: &str) -> Result<Transport, Refusal> {
    value::word(text, &["noise", "tls"])
}

impl FromStr for Transport {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "noise" => Ok(Transport::Noise),
            "tls" => Ok(Transport::Tls),
            _ => Err(()),
        }
    }
}

/// `certificate_name` of a peer.
pub(super) fn certificate_name(text: &str) -> Result<CertificateName, Refusal> {
    match text.parse() {
        Ok(San::Dns(name)) => Ok(CertificateName::dns(&name)),
        Ok(San::Uri(uri)) => Ok(CertificateName::uri(&uri)),
        Ok(_) => value::refuse(
            format!("{} is a name of another kind", quote(text)),
            "write \"dns:…\" or a URI",
        ),
        Err(error) => value::refuse(
            format!("{} is no name in a certificate", quote(text)),
            error.to_string(),
        ),
    }
}

impl TlsEntry {
    /// Reads the files, and reports what is wrong with them at the line that names each.
    pub(super) fn open(
        &self,
        directory: &Path,
        reader: &mut Reader<'_>,
        faults: &mut Faults,
    ) -> Option<TlsFiles> {
        let mut open = Open {
            directory,
            reader,
            faults,
        };
        let (certificates, lists, private_key) = readers(open.reader.purpose());
        let chain = self.certificate.as_ref();
        let chain = chain.and_then(|path| open.read(path, "certificates", certificates));
        let key = self.key.as_ref();
        let key = key.and_then(|path| open.read(path, "a private key", private_key));
        let roots = self.ca.as_ref();
        let roots = roots.and_then(|path| open.read(path, "certificates", certificates));
        let lists = self.crl.iter().map(|path| {
            let lists = open.read(path, "a revocation list", lists);
            lists.map(|lists| (path, lists))
        });
        let lists: Option<Vec<_>> = lists.collect();
        let now = unix_time().as_secs();
        endings::of_certificates(
            &self.certificate,
            chain.as_deref(),
            &endings::CERTIFICATE,
            reader,
            faults,
        );
        endings::of_certificates(&self.ca, roots.as_deref(), &endings::CA, reader, faults);
        for (path, lists) in lists.iter().flatten() {
            endings::of_lists(path, lists, self.crl_grace, reader, faults);
        }
        if let (Some(path), Some(roots)) = (&self.ca, &roots) {
            judge_roots(path, roots, faults);
        }
        if let (Some(path), Some(leaf)) = (&self.certificate, chain.as_ref().and_then(|chain| chain.first()))
        {
            judge_leaf(path, leaf, faults);
        }
        let (chain, key, roots, lists) = (chain?, key?, roots?, lists?);
        if let (Some(leaf), Some(path)) = (chain.first(), &self.key)
            && leaf.spki != key.spki
        {
            let found = format!(
                "this is the key of another certificate than {}",
                quote(&leaf.subject)
            );
            let instead = "name the key that was made with the certificate; `aoe-keys check FILE` shows the key's hash of both";
            faults.fault(Kind::Conflict, &path.place, found, instead);
            return None;
        }
        let issuers: Vec<&Certificate> = roots.iter().chain(&chain).collect();
        for (path, lists) in &lists {
            judge_lists(path, lists, &issuers, (self.crl_grace, now), faults);
        }
        let config = TlsConfig {
            chain: chain.iter().map(|one| one.der().clone()).collect(),
            key: TlsKey::new(key.der().clone_key()),
            roots: roots.iter().map(|one| one.der().clone()).collect(),
            crls: lists
                .iter()
                .flat_map(|(_, lists)| lists.iter().map(|list| list.der().clone()))
                .collect(),
            crl_grace: self.crl_grace,
        };
        self.judge(&config, now, faults)?;
        let names = chain.first().map(names).unwrap_or_default();
        Some(TlsFiles {
            config: Arc::new(config),
            names,
        })
    }

    /// What the core says of all together.
    fn judge(&self, config: &TlsConfig, now: u64, faults: &mut Faults) -> Option<()> {
        let place = self.certificate.as_ref().map_or(&self.place, |path| &path.place);
        let found = match config.judge(now) {
            Ok(found) => found,
            Err(fault) => {
                let place = match &fault {
                    TlsFault::Key(_) | TlsFault::KeyMismatch => self.key.as_ref().map(|path| &path.place),
                    TlsFault::Authority(_) => self.ca.as_ref().map(|path| &path.place),
                    TlsFault::NoCertificate | TlsFault::NoAuthority => None,
                };
                let place = place.unwrap_or(&self.place);
                let instead = "name files that `aoe-keys check` finds nothing wrong with";
                faults.fault(Kind::Secret, place, fault.to_string(), instead);
                return None;
            }
        };
        // What is wrong only at times is no reason not to start: peers by Noise need no certificate, and a new file
        // counts as soon as it is there.
        if let Some(why) = found.into_iter().flatten().next() {
            let instead = match &why {
                CertificateFault::Expired(_) => "renew it, such as with `aoe-keys ca renew`",
                CertificateFault::NotYetValid(_) => "compare this machine's clock",
                CertificateFault::UnknownIssuer => {
                    "a peer that believes the same `ca` refuses it; append the certificates between to `certificate`, or \
                     see which authority signed it"
                }
                CertificateFault::StaleList | CertificateFault::NoList => {
                    "fetch the newest lists of all authorities, such as with `aoe-keys ca revoke` on the side of the CA"
                }
                _ => "have another one issued",
            };
            faults.warn(place, format!("our certificate {why}"), instead);
        }
        Some(())
    }
}

type ReadFile<T> = fn(&Path) -> Result<T, StoreError>;

/// How certificates, revocation lists and keys are read, to use them or only to look at them.
fn readers(
    purpose: Purpose,
) -> (
    ReadFile<Vec<Certificate>>,
    ReadFile<Vec<Crl>>,
    ReadFile<PrivateKey>,
) {
    match purpose {
        Purpose::Use => (
            |path| store::read_certificates(path),
            |path| store::read_crls(path),
            |path| store::read_certificate_key(path),
        ),
        Purpose::Look => (
            |path| store::look_at_certificates(path),
            |path| store::look_at_crls(path),
            |path| store::look_at_certificate_key(path),
        ),
    }
}

struct Open<'a, 'r> {
    directory: &'a Path,
    reader: &'a mut Reader<'r>,
    faults: &'a mut Faults,
}

impl Open<'_, '_> {
    fn read<T>(
        &mut self,
        path: &Located<String>,
        what: &str,
        read: impl FnOnce(&Path) -> Result<T, StoreError>,
    ) -> Option<T> {
        let file = match locate(self.directory, &path.value) {
            Ok(file) => file,
            Err(fault) if self.reader.purpose() == Purpose::Look => {
                let found = format!(
                    "`{}` is a credential of the service, and cannot be looked at from here",
                    path.value
                );
                self.faults.warn(&path.place, found, fault.to_string());
                return None;
            }
            Err(fault) => {
                let instead = "run the gateway by its unit, or name a file";
                self.faults
                    .fault(Kind::Secret, &path.place, fault.to_string(), instead);
                return None;
            }
        };
        self.reader.watch(&file);
        match read(&file) {
            Ok(found) => Some(found),
            Err(error) => {
                let instead = match error.mending_command() {
                    Some(command) => format!("run: {command}"),
                    None => format!("name a file in PEM that holds {what}"),
                };
                self.faults
                    .fault(Kind::Secret, &path.place, error.to_string(), instead);
                None
            }
        }
    }
}

/// The names of a certificate that a peer can know it by.
fn names(certificate: &Certificate) -> Vec<CertificateName> {
    let names = certificate.names.iter().filter_map(|name| match name {
        San::Dns(name) => Some(CertificateName::dns(name)),
        San::Uri(uri) => Some(CertificateName::uri(uri)),
        _ => None,
    });
    names.collect()
}

fn judge_roots(path: &Located<String>, roots: &[Certificate], faults: &mut Faults) {
    for root in roots
        .iter()
        .filter(|root| !root.is_ca || !root.signs_certificates)
    {
        let found = format!(
            "the certificate {} is not that of an authority: it may not sign others",
            quote(&root.subject)
        );
        let instead = "name the file of the CA's own certificate; one that `aoe-keys ca init` makes may sign";
        faults.fault(Kind::BadValue, &path.place, found, instead);
    }
}

fn judge_leaf(path: &Located<String>, leaf: &Certificate, faults: &mut Faults) {
    let subject = quote(&leaf.subject);
    let mut fault = |found: String, instead: &str| faults.fault(Kind::BadValue, &path.place, found, instead);
    if leaf.is_ca {
        fault(
            format!("the first certificate in this file, {subject}, is that of an authority"),
            "put the gateway's own certificate first, then those between it and the root",
        );
        return;
    }
    if names(leaf).is_empty() {
        fault(
            format!("the certificate {subject} has no name by which a peer could know it"),
            "have one issued with a DNS name or a URI as its subject alternative name; a common name does not count",
        );
    }
    let lacks = match (leaf.may_call(), leaf.may_serve()) {
        (true, true) => return,
        (false, true) => "clientAuth, so it cannot call",
        (true, false) => "serverAuth, so it cannot be called",
        (false, false) => "neither clientAuth nor serverAuth",
    };
    fault(
        format!("the extended key usage of the certificate {subject} has no {lacks}")
            .replace("no neither", "neither"),
        "have one issued with both: either side may call, to begin or to renew a session",
    );
}

fn judge_lists(
    path: &Located<String>,
    lists: &[Crl],
    issuers: &[&Certificate],
    (grace, now): (Duration, u64),
    faults: &mut Faults,
) {
    for list in lists {
        if !issuers.iter().any(|issuer| issuer.subject == list.issuer) {
            faults.warn(
                &path.place,
                format!(
                    "this revocation list is of {}, which is no authority in `ca` or `certificate`",
                    quote(&list.issuer)
                ),
                "it counts only for certificates of that authority; name the list of the one that signs your peers'",
            );
        }
        let ends = list
            .next_update
            .and_then(|at| u64::try_from(at).ok())
            .unwrap_or(0);
        if now >= ends.saturating_add(grace.as_secs()) {
            faults.warn(
                &path.place,
                format!(
                    "the revocation list of {} is stale: {}",
                    quote(&list.issuer),
                    "no peer with a certificate of it gets a session"
                ),
                "fetch the new one; or set `crl_grace` for as long as that cannot be done",
            );
        }
    }
}
