//! What a gateway has learnt of the keys of its peers, as it keeps it in its state directory.

use std::fs;
use std::path::Path;

use aoe_keys::PublicKey;
use serde::Deserialize;

/// The file.
const FILE: &str = "peer-keys.toml";

#[derive(Deserialize)]
struct Contents {
    #[serde(default)]
    peer: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    keys: Vec<String>,
}

/// The keys that peers said they have, with their names. Nothing, if there is no file or it is of no use: the gateway says
/// so itself.
pub(crate) fn learnt(state: &Path) -> Vec<(String, PublicKey)> {
    let Ok(text) = fs::read_to_string(state.join(FILE)) else {
        return Vec::new();
    };
    let contents: Contents = toml::from_str(&text).unwrap_or(Contents { peer: Vec::new() });
    let keys = |entry: Entry| {
        let Entry { name, keys } = entry;
        let keys = keys.into_iter().filter_map(|key| key.parse().ok());
        keys.map(move |key| (name.clone(), key)).collect::<Vec<_>>()
    };
    contents.peer.into_iter().flat_map(keys).collect()
}
