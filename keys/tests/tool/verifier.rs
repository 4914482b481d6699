//! rustls, as a gateway would use it.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;

use crate::bench::Bench;

/// Whether rustls lets a client in with the certificates of `file`: they lead to `ca`, and no list of `crl` has any of them.
pub(crate) fn accepts(bench: &Bench, ca: &str, crl: &str, file: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(bench.path(ca)).unwrap())
        .unwrap();
    let lists: Vec<_> = CertificateRevocationListDer::pem_file_iter(bench.path(crl))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls(lists)
        .enforce_revocation_expiration()
        .build()
        .unwrap();
    let chain: Vec<_> = CertificateDer::pem_file_iter(bench.path(file))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let (leaf, above) = chain.split_first().unwrap();
    verifier.verify_client_cert(leaf, above, UnixTime::now()).is_ok()
}
