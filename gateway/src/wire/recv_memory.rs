//! Memory that sockets fill with datagrams, and how aggregates are taken apart.

use std::fmt;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};

use quinn_udp::RecvMeta;

/// Where a datagram came from, and to which address of ours it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its sender.
    pub remote: SocketAddr,
    /// The address it was sent to, if the kernel says so and it is an address of one machine.
    pub local: Option<IpAddr>,
}

/// Buffers for one batch of receives, allocated once.
pub struct RecvMemory {
    memory: Box<[u8]>,
    metas: [RecvMeta; RecvMemory::SLOTS],
}

impl RecvMemory {
    /// Messages per batch. Each may be an aggregate of 64 datagrams, so this is also the bound on the work of
    /// one turn; all slots together are one mebibyte.
    pub const SLOTS: usize = 16;

    /// Bytes per message: the longest that UDP and its receive offload can hand over fits.
    pub const SLOT_LEN: usize = 1 << 16;

    /// Lends the slots to `receive`, which says how many it filled.
    pub(super) fn fill<E>(
        &mut self,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let mut slots = self.memory.chunks_exact_mut(Self::SLOT_LEN);
        let mut slices: [_; Self::SLOTS] =
            std::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
        receive(&mut slices, &mut self.metas)
    }

    /// Hands out the datagrams of the first `messages` slots, in the order they came.
    pub(super) fn datagrams(&mut self, messages: usize, mut each: impl FnMut(Origin, &mut [u8])) {
        let slots = self.memory.chunks_exact_mut(Self::SLOT_LEN);
        for (slot, meta) in slots.zip(&self.metas).take(messages) {
            let whole = slot.get_mut(..meta.len).unwrap_or_default();
            let origin = Origin {
                remote: meta.addr,
                local: meta.dst_ip.filter(|address| is_of_one_machine(*address)),
            };
            if whole.is_empty() {
                // An empty datagram is one too, and has no length to divide by.
                each(origin, whole);
                continue;
            }
            let stride = if meta.stride == 0 {
                whole.len()
            } else {
                meta.stride
            };
            for datagram in whole.chunks_mut(stride) {
                each(origin, datagram);
            }
        }
    }
}

/// Whether something can be sent from this address. The broadcast address of a network cannot be told from others here;
/// the kernel refuses it when it is used.
fn is_of_one_machine(address: IpAddr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && address != IpAddr::from([255; 4])
}

impl Default for RecvMemory {
    fn default() -> Self {
        RecvMemory {
            memory: vec![0; Self::SLOTS * Self::SLOT_LEN].into_boxed_slice(),
            metas: [RecvMeta::default(); Self::SLOTS],
        }
    }
}

/// Nothing of what was received: records do not belong into logs.
impl fmt::Debug for RecvMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMemory").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out for one message of this length and stride, as lengths.
    fn lens(len: usize, stride: usize) -> Vec<usize> {
        let mut memory = RecvMemory::default();
        let filled = memory.fill(|_, metas| {
            metas[0].len = len;
            metas[0].stride = stride;
            Ok::<_, ()>(1)
        });
        let mut lens = Vec::new();
        memory.datagrams(filled.unwrap(), |_, datagram| lens.push(datagram.len()));
        lens
    }

    #[test]
    fn aggregates_are_split_by_stride_and_odd_metadata_does_no_harm() {
        assert_eq!(lens(0, 0), [0]);
        assert_eq!(lens(1, 1), [1]);
        assert_eq!(lens(100, 100), [100]);
        assert_eq!(lens(250, 100), [100, 100, 50]);
        assert_eq!(lens(65507, 65507), [65507]);
        assert_eq!(lens(10, 0), [10]);
        assert_eq!(lens(10, 1000), [10]);
        // Longer than the slot cannot be; if it were, nothing would be made up.
        assert_eq!(lens(1 << 20, 1000), [0]);
    }
}
