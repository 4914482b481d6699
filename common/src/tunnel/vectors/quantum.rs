//! The exchange of a post-quantum secret, with a fixed key of ML-KEM.

use super::handshakes::agreed_by;
use super::{Vector, bytes};
use crate::tunnel::quantum::Offer;

#[test]
fn an_exchange_gives_the_secret_of_the_file_by_its_key_in_its_session_and_with_its_psk() {
    let vector = Vector::read("post-quantum-exchange");
    let [offer, answer] = &vector.datagrams[..] else {
        panic!("an offer and an answer")
    };
    let (agreed, psk) = agreed_by(vector.get("session-of"));
    for side in &agreed {
        assert_eq!(side.assurance.exchange, Some(vector.key("session")));
    }
    let key = bytes(vector.get("decapsulation-key"));
    let offer = Offer::known(&key, &offer.bytes);
    let secret = offer.open(psk.as_ref(), vector.key("session"), &answer.bytes);
    let secret = secret.unwrap();
    assert_eq!(*secret.expose(), vector.key("secret"));
    assert_eq!(secret.name.to_vec(), bytes(vector.get("secret-name")));
    let another = offer.open(None, vector.key("session"), &answer.bytes).unwrap();
    assert_ne!(another.name, secret.name);
}
