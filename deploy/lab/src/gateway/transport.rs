//! Which transport the gateways of the lab speak: one parameter for all stories.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Binaries;

/// The environment variable that says it: `noise`, which is the default, or `tls`.
pub const VARIABLE: &str = "AOE_TRANSPORT";

/// How the gateways of the lab agree on keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// By static keys.
    #[default]
    Noise,
    /// By certificates of a CA of the lab.
    Tls,
}

impl Transport {
    /// What the environment says.
    ///
    /// # Errors
    /// When it says something else.
    pub fn of_environment() -> Result<Transport> {
        match std::env::var(VARIABLE).ok().as_deref() {
            None | Some("" | "noise") => Ok(Transport::Noise),
            Some("tls") => Ok(Transport::Tls),
            Some(other) => bail!("{VARIABLE} is {other:?}; set it to noise or tls"),
        }
    }

    /// What the log of a gateway says of somebody who is none of its peers.
    pub fn of_strangers(self) -> &'static str {
        match self {
            Transport::Noise => "which no [[peer]] has",
            Transport::Tls => "not exactly one [[peer]] with transport = \"tls\" has",
        }
    }

    /// Its name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Noise => "noise",
            Transport::Tls => "tls",
        }
    }
}

/// Puts a certificate for the site `name` into its directory, with its key and what is needed to judge those of others.
/// The CA is in the directory beside it, and the first site makes it. A site that has a certificate keeps it.
pub(super) fn certify(dir: &Path, binaries: &Binaries, name: &str) -> Result<()> {
    let ca = dir
        .parent()
        .context("a site has a directory around it")?
        .join("lab-ca");
    let ca_dir = ca.to_str().context("the path of the lab is no text")?;
    if !ca.exists() {
        binaries.keys(dir, &["ca", "init", "--dir", ca_dir, "--name", "The lab"])?;
    }
    if dir.join(format!("{name}.crt")).exists() {
        return Ok(());
    }
    binaries.keys(dir, &["ca", "issue", name, "--dir", ca_dir, "--again"])?;
    for file in ["ca.crt", "ca.crl"] {
        fs::copy(ca.join(file), dir.join(file)).with_context(|| format!("copying {file} of the CA"))?;
    }
    Ok(())
}
