//! Properties of key text: every key survives, and no slip of the hand gets through.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the tools of tests fail by panicking, as tests do"
)]

use aoe_keys::{AnyKey, KEY_LEN, KeyKind, Psk, PublicKey, SecretKey};
use proptest::prelude::*;

proptest! {
    #[test]
    fn secrets_survive_being_written_and_read(bytes in key_bytes()) {
        let secret: SecretKey = SecretKey::from_bytes(bytes).to_text().parse().unwrap();
        let psk: Psk = Psk::from_bytes(bytes).to_text().parse().unwrap();

        prop_assert_eq!(secret.expose(), &bytes);
        prop_assert_eq!(psk.expose(), &bytes);
    }

    #[test]
    fn public_keys_survive_being_written_and_read(bytes in key_bytes()) {
        let public = SecretKey::from_bytes(bytes).public();

        prop_assert_eq!(public.to_string().parse::<PublicKey>().unwrap(), public);
    }

    #[test]
    fn any_one_mistyped_character_is_refused(text in key_text(), at in any::<prop::sample::Index>(), typed in any::<char>()) {
        let mistyped = replaced(&text, at.index(text.len()), typed);
        prop_assume!(mistyped != text);

        prop_assert!(mistyped.parse::<AnyKey>().is_err(), "{}", mistyped);
    }

    #[test]
    fn any_one_mistyped_letter_of_the_alphabet_is_refused(
        text in key_text(), at in any::<prop::sample::Index>(), typed in "[A-Za-z0-9_-]"
    ) {
        let mistyped = replaced(&text, at.index(text.len()), typed.chars().next().unwrap());
        prop_assume!(mistyped != text);

        prop_assert!(mistyped.parse::<AnyKey>().is_err(), "{}", mistyped);
    }

    #[test]
    fn a_lost_a_doubled_and_two_swapped_characters_are_refused(text in key_text(), at in any::<prop::sample::Index>()) {
        let at = at.index(text.len() - 1);
        let (lost, doubled) = (format!("{}{}", &text[..at], &text[at + 1..]), format!("{}{}", &text[..=at], &text[at..]));
        let (left, right) = (&text[at..=at], &text[at + 1..at + 2]);
        let swapped = format!("{}{right}{left}{}", &text[..at], &text[at + 2..]);

        prop_assert!(lost.parse::<AnyKey>().is_err());
        prop_assert!(doubled.parse::<AnyKey>().is_err());
        prop_assert!(swapped == text || swapped.parse::<AnyKey>().is_err());
    }

    #[test]
    fn a_key_is_of_one_kind_only(text in key_text(), as_kind in kind()) {
        let (_, body) = text.split_once(':').unwrap();
        let relabelled = format!("{}{body}", as_kind.prefix());

        prop_assert_eq!(relabelled.parse::<AnyKey>().is_ok(), relabelled == text);
    }

    #[test]
    fn no_text_brings_the_reader_down(text in any::<String>(), version in any::<u64>(), body in any::<String>()) {
        for text in [text, format!("aoe-public-{version}:{body}"), format!("aoe-psk-1:{body}")] {
            prop_assert!(text.parse::<AnyKey>().is_err());
        }
    }

    #[test]
    fn a_refusal_repeats_nothing_of_the_secret(bytes in key_bytes(), at in 13_usize..61) {
        let text = SecretKey::from_bytes(bytes).to_text();
        let mistyped = replaced(&text, at, '!');
        let refusals = [
            mistyped.parse::<SecretKey>().unwrap_err().to_string(),
            text.parse::<PublicKey>().unwrap_err().to_string(),
            text.parse::<Psk>().unwrap_err().to_string(),
        ];

        for part in text.as_bytes()[13..].chunks(8) {
            let part = std::str::from_utf8(part).unwrap();
            prop_assert!(refusals.iter().all(|refusal| !refusal.contains(part)), "{refusals:?}");
        }
    }
}

/// Every single substitution in one key of each kind, without chance.
#[test]
fn all_single_substitutions_are_refused() {
    let alphabet = || (b' '..=b'~').map(char::from);
    for text in KeyKind::ALL.map(|kind| text_of(kind, [0x5a; KEY_LEN])) {
        for at in 0..text.len() {
            for typed in alphabet() {
                let mistyped = replaced(&text, at, typed);
                assert_eq!(mistyped.parse::<AnyKey>().is_ok(), mistyped == text, "{mistyped}");
            }
        }
    }
}

/// Zero is no key, and has its own tests.
fn key_bytes() -> impl Strategy<Value = [u8; KEY_LEN]> {
    any::<[u8; KEY_LEN]>().prop_filter("zero", |bytes| *bytes != [0; KEY_LEN])
}

fn kind() -> impl Strategy<Value = KeyKind> {
    prop::sample::select(KeyKind::ALL.to_vec())
}

fn key_text() -> impl Strategy<Value = String> {
    (kind(), key_bytes()).prop_map(|(kind, bytes)| text_of(kind, bytes))
}

fn text_of(kind: KeyKind, bytes: [u8; KEY_LEN]) -> String {
    match kind {
        KeyKind::Public => SecretKey::from_bytes(bytes).public().to_string(),
        KeyKind::Secret => SecretKey::from_bytes(bytes).to_text().to_string(),
        KeyKind::Psk => Psk::from_bytes(bytes).to_text().to_string(),
    }
}

fn replaced(text: &str, at: usize, typed: char) -> String {
    format!("{}{typed}{}", &text[..at], &text[at + 1..])
}
