//! A way that is open.

use aoe_common::frame::Address;
use aoe_lab::netns::Process;
use aoe_lab::topology::Gateways;

use super::address::{IMPORT, TARGET};

/// What keeps a way open; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where the initiator finds the first disk.
    pub(crate) address: Address,
    _processes: Vec<Process>,
    _gateways: Option<Gateways>,
}

impl Running {
    /// A plain L2 way: the target keeps its address.
    pub(super) fn layer_two(processes: Vec<Process>) -> Self {
        Running {
            address: TARGET,
            _processes: processes,
            _gateways: None,
        }
    }

    /// A way through our own gateways, which present the disks elsewhere.
    pub(super) fn by_gateways(gateways: Gateways) -> Self {
        Running {
            address: IMPORT,
            _processes: Vec::new(),
            _gateways: Some(gateways),
        }
    }
}
