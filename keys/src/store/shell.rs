//! Paths as a person can paste them into a shell.

use std::path::Path;

/// The path as one word of a command line, which no command takes for an option.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if text.starts_with('-') {
        format!("./{text}")
    } else {
        text.into_owned()
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_stay_as_they_are() {
        assert_eq!(
            quoted(Path::new("/etc/aoe-gateway/site-a.key")),
            "/etc/aoe-gateway/site-a.key"
        );
    }

    #[test]
    fn what_a_shell_would_split_or_expand_is_quoted() {
        assert_eq!(quoted(Path::new("my $HOME/a key")), "'my $HOME/a key'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }

    #[test]
    fn a_leading_dash_is_no_option() {
        assert_eq!(quoted(Path::new("-rf")), "./-rf");
    }
}
