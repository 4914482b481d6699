//! The primitives that we use, held against the vectors of project Wycheproof: what is right works, and what is almost
//! right is refused.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::kem::{DecapsulationKey, ML_KEM_768};
use wycheproof::{TestResult, aead, mlkem, xdh};

/// The key size of both ciphers, and the nonce and tag sizes of records, in bits.
const KEY_BITS: usize = 256;
const NONCE_BITS: usize = 96;
const TAG_BITS: usize = 128;

/// Seals and opens as a record is sealed and opened; how many vectors there were.
fn cipher(name: aead::TestName, algorithm: &'static Algorithm) -> usize {
    let set = aead::TestSet::load(name).unwrap();
    let ours = set.test_groups.iter().filter(|group| {
        (group.key_size, group.nonce_size, group.tag_size) == (KEY_BITS, NONCE_BITS, TAG_BITS)
    });
    let mut tried = 0;
    for test in ours.flat_map(|group| &group.tests) {
        let key = || LessSafeKey::new(UnboundKey::new(algorithm, &test.key).unwrap());
        let nonce = || Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
        let mut sealed = [test.ct.as_slice(), test.tag.as_slice()].concat();
        let opened = key().open_in_place(nonce(), Aad::from(test.aad.as_slice()), &mut sealed);
        let is_valid = test.result == TestResult::Valid;
        assert_eq!(
            opened.ok().as_deref(),
            is_valid.then_some(test.pt.as_slice()),
            "{} {}: {}",
            algorithm_name(name),
            test.tc_id,
            test.comment
        );
        if is_valid {
            let mut text = test.pt.to_vec();
            let tag = key()
                .seal_in_place_separate_tag(nonce(), Aad::from(test.aad.as_slice()), &mut text)
                .unwrap();
            assert_eq!(
                (text.as_slice(), tag.as_ref()),
                (test.ct.as_slice(), test.tag.as_slice()),
                "{}",
                test.tc_id
            );
        }
        tried += 1;
    }
    tried
}

fn algorithm_name(name: aead::TestName) -> &'static str {
    match name {
        aead::TestName::AesGcm => "AES-256-GCM",
        _ => "ChaCha20-Poly1305",
    }
}

#[test]
fn both_ciphers_open_what_is_right_and_nothing_else() {
    assert!(cipher(aead::TestName::AesGcm, &AES_256_GCM) > 50);
    assert!(cipher(aead::TestName::ChaCha20Poly1305, &CHACHA20_POLY1305) > 200);
}

#[test]
fn x25519_gives_what_it_must_and_points_of_small_order_give_zero() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut tried = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Ok(private), Ok(public)) = (
            test.private_key.to_vec().try_into(),
            test.public_key.to_vec().try_into(),
        ) else {
            continue;
        };
        let shared = x25519_dalek::x25519(private, public);
        assert_eq!(
            shared.as_slice(),
            test.shared_secret.as_slice(),
            "{}: {}",
            test.tc_id,
            test.comment
        );
        tried += 1;
    }
    assert!(tried > 400);
}

#[test]
fn ml_kem_768_decapsulates_what_it_must_and_refuses_keys_and_texts_that_are_none() {
    let mut decapsulated = 0;
    let set = mlkem::TestSet::load(mlkem::TestName::MlKem768SemiExpandedDecaps).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Some(key), Some(text)) = (&test.decaps_key, &test.ct) else {
            continue;
        };
        let secret = DecapsulationKey::new(&ML_KEM_768, key)
            .ok()
            .and_then(|key| key.decapsulate(text.as_slice().into()).ok());
        match test.result {
            TestResult::Valid => {
                let secret = secret.unwrap_or_else(|| panic!("{}: {}", test.tc_id, test.comment));
                if let Some(expected) = &test.shared_secret {
                    assert_eq!(
                        secret.as_ref(),
                        expected.as_slice(),
                        "{}: {}",
                        test.tc_id,
                        test.comment
                    );
                }
                decapsulated += 1;
            }
            TestResult::Invalid => assert!(secret.is_none(), "{}: {}", test.tc_id, test.comment),
            TestResult::Acceptable => {}
        }
    }
    assert!(decapsulated > 0);
}
