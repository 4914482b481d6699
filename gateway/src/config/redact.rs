//! Keeps secrets that were pasted into a configuration out of every message.

use aoe_keys::KeyKind;

/// What a hidden character is shown as.
const HIDDEN: char = '•';

/// The text with every secret key and pre-shared key hidden, character by character, so that columns stay.
///
/// Hidden is everything from the words `aoe-secret-` and `aoe-psk-` to the next quotation mark: a key that was
/// broken by white space or a stray character is still a secret.
pub(super) fn redact(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((start, kind)) = first_secret(rest) {
        let (before, secret) = rest.split_at(start);
        let end = secret.find(['"', '\'', '\n']).unwrap_or(secret.len());
        let (secret, after) = secret.split_at(end);
        let visible = "aoe--".len() + kind.word().len();
        shown.push_str(before);
        shown.extend(
            secret
                .char_indices()
                .map(|(at, c)| if at < visible { c } else { HIDDEN }),
        );
        rest = after;
    }
    shown.push_str(rest);
    shown
}

fn first_secret(text: &str) -> Option<(usize, KeyKind)> {
    text.match_indices("aoe-")
        .find_map(|(start, _)| match KeyKind::claimed_by(text.get(start..)?)? {
            KeyKind::Public => None,
            kind @ (KeyKind::Secret | KeyKind::Psk) => Some((start, kind)),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_nothing_else_is() {
        for (line, shown) in [
            (
                "key = \"aoe-secret-1:AbC\" # mine",
                "key = \"aoe-secret-•••••\" # mine",
            ),
            ("psk = 'aoe-psk-1:A B'", "psk = 'aoe-psk-•••••'"),
            ("aoe-secret-12:AbC", "aoe-secret-••••••"),
            ("aoe-secret-AbC", "aoe-secret-•••"),
            ("key = \"aoe-public-1:AbC\"", "key = \"aoe-public-1:AbC\""),
            ("aoe-public-1:AbC aoe-psk-1:ä", "aoe-public-1:AbC aoe-psk-•••"),
            ("aoe-", "aoe-"),
        ] {
            let redacted = redact(line);
            assert_eq!(redacted, shown, "{line}");
            assert_eq!(redacted.chars().count(), line.chars().count(), "{line}");
        }
    }

    #[test]
    fn a_generated_secret_never_shows() {
        let secret = aoe_keys::SecretKey::generate().unwrap().to_text();
        let (_, body) = secret.split_once(':').unwrap();
        assert!(!redact(&format!("x = '{}'", *secret)).contains(body));
    }
}
