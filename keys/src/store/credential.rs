//! `credential:NAME` in place of a path: a file that systemd hands to a service.

use std::path::{Path, PathBuf};

/// What stands before the name.
pub const PREFIX: &str = "credential:";
/// The variable that names the directory of a service's credentials.
pub const VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// The longest name of a file, in bytes.
const LONGEST: usize = 255;

/// Why a credential cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// The name is none that systemd takes.
    #[error(
        "`{PREFIX}{}` names no credential: a name has visible ASCII characters other than `/` and `:`, and is neither `.` \
         nor `..`", .name.escape_debug()
    )]
    Name {
        /// The name.
        name: String,
    },
    /// This process has no credentials.
    #[error(
        "`{PREFIX}{name}` is nowhere: {VARIABLE} is not set, which systemd does for a service with credentials"
    )]
    NoDirectory {
        /// The name.
        name: String,
    },
}

/// The name of a credential, if the text means one and not a path.
///
/// # Errors
/// [`CredentialFault::Name`].
pub fn name(text: &str) -> Result<Option<&str>, CredentialFault> {
    let Some(name) = text.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    let good = (1..=LONGEST).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"/:".contains(&byte));
    if good {
        Ok(Some(name))
    } else {
        Err(CredentialFault::Name {
            name: name.chars().take(LONGEST).collect(),
        })
    }
}

/// The directory of this process's credentials, if it has any.
pub fn directory() -> Option<PathBuf> {
    let directory = std::env::var_os(VARIABLE).map(PathBuf::from);
    directory.filter(|directory| directory.is_absolute())
}

/// Where a file is that a configuration in `directory` names by a path or as a credential.
///
/// # Errors
/// [`CredentialFault`]: it is a credential with no right name, or there are none.
pub fn locate(directory: &Path, text: &str, credentials: Option<&Path>) -> Result<PathBuf, CredentialFault> {
    let Some(name) = name(text)? else {
        return Ok(directory.join(text));
    };
    let credentials = credentials.ok_or_else(|| CredentialFault::NoDirectory {
        name: name.to_owned(),
    })?;
    Ok(credentials.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_relative_to_the_configuration_and_a_credential_to_its_directory() {
        let of = |text| locate(Path::new("/etc/gw"), text, Some(Path::new("/run/credentials/u")));
        assert_eq!(of("a.key"), Ok("/etc/gw/a.key".into()));
        assert_eq!(of("/k/a.key"), Ok("/k/a.key".into()));
        assert_eq!(of("credential:a.key"), Ok("/run/credentials/u/a.key".into()));
        assert_eq!(of("./credential:a.key"), Ok("/etc/gw/./credential:a.key".into()));
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a:b",
            "a b",
            "\u{e4}",
            "a\n",
            &"x".repeat(256),
        ] {
            let text = format!("credential:{bad}");
            let fault = locate(Path::new("/e"), &text, Some(Path::new("/run/c"))).unwrap_err();
            assert!(matches!(fault, CredentialFault::Name { .. }), "{bad:?}");
            assert!(!fault.to_string().contains('\n'));
        }
    }

    #[test]
    fn without_credentials_the_variable_is_told() {
        let fault = locate(Path::new("/e"), "credential:x", None).unwrap_err();
        assert_eq!(fault, CredentialFault::NoDirectory { name: "x".into() });
        assert!(fault.to_string().contains("CREDENTIALS_DIRECTORY is not set"));
    }
}
