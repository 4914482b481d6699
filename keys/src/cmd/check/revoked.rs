//! What is said of `revoked.toml`.

use aoe_keys::{PublicKey, SpkiHash};
use serde::Deserialize;

use super::report::Report;

/// The file, as far as it is looked at here.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    revoked: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    what: String,
    name: Option<String>,
}

/// Looks at its entries.
pub(super) fn look(report: &mut Report, text: &str) {
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => return report.fault(error.to_string().trim_end().replace('\n', "\n    "), None),
    };
    report.note(format!("it revokes {} keys", file.revoked.len()));
    for (number, entry) in (1..).zip(&file.revoked) {
        let what = &entry.what;
        let good = what.parse::<PublicKey>().is_ok() || what.parse::<SpkiHash>().is_ok();
        if !good {
            let name = entry.name.as_deref().unwrap_or("no name");
            report.fault(
                format!(
                    "entry {number} ({}): `what` is neither a public key (aoe-public-1:…) nor the hash of the key of a \
                     certificate (spki-sha256:…)",
                    name.escape_debug()
                ),
                None,
            );
        }
    }
}
