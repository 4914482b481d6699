//! Keys of a gateway that is configured, and may be running: what its files say, and what it says itself.

pub(crate) mod changes;
pub(crate) mod revocations;
pub(crate) mod rotation;
pub(crate) mod running;
pub(crate) mod site;
pub(crate) mod stage;
pub(crate) mod state;
