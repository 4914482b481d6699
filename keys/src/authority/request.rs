//! A certificate request that was made elsewhere: its key, which has signed it, and the names that it asks for.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use aoe_keys::x509::{self, Label, MAX_CERTIFICATES_LEN, San};
use rcgen::SubjectPublicKeyInfo;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::CaError;

/// What is taken from a request. Whatever else it asks for, such as to be a CA, is not.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) key: SubjectPublicKeyInfo,
    /// DNS names and URIs that it asks for.
    pub(crate) names: Vec<San>,
    /// How many names of other kinds it asks for.
    pub(crate) others: usize,
}

impl Request {
    /// Reads a request from a PEM file, and checks that who made it has the private key.
    pub(crate) fn read(path: &Path) -> Result<Self, CaError> {
        let fault = |why: String| CaError::Request {
            path: path.to_owned(),
            why,
        };
        let mut bytes = Vec::new();
        let longest = MAX_CERTIFICATES_LEN;
        File::open(path)
            .and_then(|file| file.take(longest as u64 + 1).read_to_end(&mut bytes))
            .map_err(|source| CaError::Io {
                path: path.to_owned(),
                source,
            })?;
        if bytes.len() > longest {
            return Err(fault(format!("it is longer than {longest} bytes")));
        }
        let sections = x509::sections(&bytes).map_err(|error| fault(error.to_string()))?;
        let mut requests = sections.iter().filter(|section| section.label == Label::Request);
        let (Some(request), None) = (requests.next(), requests.next()) else {
            return Err(fault(String::from(
                "there is not one certificate request in it; make one: `openssl req -new -key KEY -subj /CN=NAME`",
            )));
        };
        let der = request.der().map_err(|error| fault(error.to_string()))?;
        Self::of(&der).map_err(|why| fault(format!("line {}: {why}", request.line)))
    }

    fn of(der: &[u8]) -> Result<Self, String> {
        let (rest, found) = X509CertificationRequest::from_der(der)
            .map_err(|error| format!("not a certificate request: {error}"))?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the request", rest.len()));
        }
        found.verify_signature().map_err(|error| {
            format!(
                "its signature cannot be verified ({error}), so nothing says that who made it has the key; keys may be \
                 Ed25519, ECDSA on P-256 or P-384, or RSA of 2048 to 8192 bits"
            )
        })?;
        let key = SubjectPublicKeyInfo::from_der(found.certification_request_info.subject_pki.raw)
            .map_err(|error| format!("its key cannot be used: {error}"))?;
        let asked = found.requested_extensions().into_iter().flatten();
        let names = asked.filter_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
        let all: Vec<San> = names.flatten().map(San::of).collect();
        let usable: Vec<San> = all
            .iter()
            .filter_map(|name| name.to_string().parse().ok())
            .collect();
        Ok(Request {
            key,
            others: all.len() - usable.len(),
            names: usable,
        })
    }
}
