//! Keys of peers that have changed since they were written down.

use super::fault::Faults;
use super::gateway_file::GatewayFile;
use super::value::quote;
use crate::disks::Disks;
use crate::key_memory::Memory;

/// Says of each peer that uses another key by now which one that is, if its gateway keeps what it learns where we can see
/// it.
pub(super) fn warn(file: &GatewayFile, faults: &mut Faults) {
    let state = file
        .gateway
        .as_ref()
        .and_then(|entry| entry.settings.state.as_deref());
    let Some(memory) = Disks::new(state).and_then(|disks| Memory::look(disks.directory())) else {
        return;
    };
    for peer in &file.peers {
        let (Some(name), Some(key)) = (&peer.name, &peer.key) else {
            continue;
        };
        let said = memory
            .said(&name.value)
            .filter(|said| said.configured == key.value);
        if let Some(used) = said.and_then(|said| said.keys.get(said.in_use))
            && *used != key.value
        {
            faults.warn(
                &key.place,
                format!(
                    "{} has another key by now, as it told this gateway",
                    quote(&name.value)
                ),
                format!(
                    "write key = \"{used}\", so that nothing depends on what is kept in the state directory"
                ),
            );
        }
    }
}
