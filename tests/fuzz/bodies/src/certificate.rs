//! Files of certificates, of their keys and of revocation lists: whatever they say, they are read or refused.

use aoe_keys::x509::{self, Certificate, Crl, MOST_NAMES, MOST_SECTIONS, X509Fault};

/// Reads the input as a PEM file of certificates and of a key, and as one certificate in DER.
///
/// # Panics
/// If a fault points outside of the text or says nothing, if what is shown would move a terminal, if more is kept than
/// allowed, or if two readings differ.
pub fn certificate(data: &[u8]) {
    let read = x509::certificates(data);
    judge(data, read.as_ref().err());
    for found in read.iter().flatten() {
        shown(found);
    }
    assert!(read.as_ref().map_or(0, Vec::len) <= MOST_SECTIONS);
    let key = x509::private_key(data);
    judge(data, key.as_ref().err());
    if let Ok(found) = Certificate::from_der(data.to_vec()) {
        shown(&found);
        let again = Certificate::from_der(found.der().clone()).expect("what was read is read again");
        assert_eq!((&again.names, again.spki), (&found.names, found.spki));
    }
}

/// Reads the input as a PEM file of revocation lists, and as one in DER.
///
/// # Panics
/// As [`certificate`].
pub fn crl(data: &[u8]) {
    let read = x509::crls(data);
    judge(data, read.as_ref().err());
    let whole = Crl::from_der(data.to_vec());
    for list in read.iter().flatten().chain(&whole) {
        plain(&list.issuer);
        // Each entry has at least a serial and a date.
        assert!(list.revoked <= list.der().len() / 16, "more entries than bytes");
    }
}

fn shown(found: &Certificate) {
    for text in [&found.subject, &found.issuer, &found.serial] {
        plain(text);
    }
    assert!(found.names.len() <= MOST_NAMES);
    found.names.iter().for_each(|name| plain(&name.to_string()));
    // Both are asked of every certificate that there is.
    let _ = (found.may_call(), found.may_serve());
}

fn plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?} moves a terminal");
    assert!(
        text.chars().count() <= 1024,
        "{} characters",
        text.chars().count()
    );
}

fn judge(data: &[u8], fault: Option<&X509Fault>) {
    let Some(fault) = fault else { return };
    let said = fault.to_string();
    assert!(
        !said.is_empty() && said.len() < 2048,
        "{} bytes of words",
        said.len()
    );
    plain(&said);
    let line = said.strip_prefix("line ").and_then(|rest| rest.split(':').next());
    if let Some(line) = line.and_then(|line| line.parse::<usize>().ok()) {
        let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
        assert!((1..=lines).contains(&line), "line {line} of {lines}");
    }
}
