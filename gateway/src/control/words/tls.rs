//! Certificates, authorities and revocation lists.

use super::{Kind, Lines};
use crate::config::Loaded;

pub(super) fn compare(old: &Loaded, new: &Loaded, lines: &mut Lines) {
    let (was, is) = match (&old.core.tls, &new.core.tls) {
        (Some(was), Some(is)) => (was, is),
        (None, Some(_)) => return lines.add(Kind::Appears, "tls: our certificate appears"),
        (Some(_), None) => return lines.add(Kind::Disappears, "tls: our certificate disappears"),
        (None, None) => return,
    };
    if was.chain != is.chain || was.key != is.key {
        lines.add(
            Kind::Setting,
            "tls: another certificate of ours, which peers see from their next handshake on",
        );
    }
    if was.roots != is.roots {
        let text = "tls: other authorities: sessions of certificates that they did not sign end";
        lines.add(Kind::Changes, text);
    }
    if was.crls != is.crls {
        let text = "tls: other revocation lists: sessions of certificates that are on them end";
        lines.add(Kind::Changes, text);
    }
    if was.crl_grace != is.crl_grace {
        let text = format!("tls: crl_grace {:?} becomes {:?}", was.crl_grace, is.crl_grace);
        lines.add(Kind::Setting, text);
    }
}
