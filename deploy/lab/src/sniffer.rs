//! An eavesdropper: everything that passes a device, searched for bytes that must not be there.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use aoe_common::frame::ETHERTYPE_AOE;
use aoe_gateway::sys::batch::RecvBatch;
use aoe_gateway::sys::link;
use aoe_gateway::sys::packet::{PacketOptions, PacketSocket};
use aoe_gateway::sys::poll::{Interest, PollSet};

use crate::netns::Namespace;

/// Bytes per packet: veth devices pass on whole segmentation trains of 64 KiB.
const SLOT_LEN: usize = 68 * 1024;
const SLOTS: usize = 32;
/// How often an idle sniffer looks whether it shall stop.
const IDLE: Duration = Duration::from_millis(20);

/// A running sniffer; dropping it stops it.
#[derive(Debug)]
pub struct Sniffer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a sniffer has seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Packets looked at, in both directions; a segmentation train of the kernel counts as one.
    pub packets: u64,
    /// Bytes looked at, link headers included.
    pub bytes: u64,
    /// Packets in which the marker was found.
    pub with_marker: u64,
    /// Frames with EtherType 0x88A2, VLAN-tagged or not.
    pub aoe_frames: u64,
    /// Packets the kernel dropped because the sniffer was too slow: nobody has looked at these.
    pub missed: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    marker: Vec<u8>,
    kept: VecDeque<Vec<u8>>,
    keep: usize,
    /// When the socket was last found empty.
    drained: Option<Instant>,
}

impl Sniffer {
    /// Listens on a device of a namespace, and searches every packet for `marker` at any offset.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub fn start(namespace: &Namespace, device: &str, marker: &[u8]) -> Result<Self> {
        let name = device.to_owned();
        let socket = namespace
            .run(move || {
                let link = link::by_name(&name)?.ok_or_else(|| anyhow!("there is no such device"))?;
                Ok(PacketSocket::open(link.index, PacketOptions::everything())?)
            })
            .with_context(|| format!("listening on {device}"))?;
        let state = State {
            marker: marker.to_vec(),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("sniffer".to_owned())
            .spawn(move || listen(socket, &theirs))?;
        Ok(Sniffer {
            shared,
            thread: Some(thread),
        })
    }

    /// Searches for other bytes from now on.
    pub fn set_marker(&self, marker: &[u8]) {
        self.shared.lock().marker = marker.to_vec();
    }

    /// Keeps copies of packets from now on, the last `count` of them; 0 keeps none.
    pub fn keep(&self, count: usize) {
        let mut state = self.shared.lock();
        state.keep = count;
        state.kept.truncate(count);
    }

    /// The copies kept, oldest first.
    pub fn take_kept(&self) -> Vec<Vec<u8>> {
        self.shared.lock().kept.drain(..).collect()
    }

    /// What it has seen, everything that passed before this call included.
    pub fn seen(&self) -> Seen {
        let asked = Instant::now();
        loop {
            let state = self.shared.lock();
            // An empty socket after the question means that nothing older is left in it.
            if state.drained.is_some_and(|drained| drained > asked)
                || asked.elapsed() > Duration::from_secs(2)
            {
                return state.seen.clone();
            }
            drop(state);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(mut socket: PacketSocket, shared: &Shared) {
    let mut batch = RecvBatch::new(SLOTS, SLOT_LEN);
    let mut poll = PollSet::with_slots(1);
    poll.watch(0, &socket, Interest::Readable);
    while !shared.stop.load(Ordering::Relaxed) {
        let received = socket.recv_batch(&mut batch).unwrap_or(0);
        if received == 0 {
            shared.lock().drained = Some(Instant::now());
            // Whatever ends the wait, the socket is asked next.
            let _ = poll.wait(Some(IDLE));
            continue;
        }
        let missed = u64::from(socket.kernel_drops().unwrap_or(0)) + batch.truncated() as u64;
        let mut state = shared.lock();
        state.seen.missed += missed;
        for packet in batch.iter() {
            state.look_at(packet);
        }
    }
}

impl State {
    fn look_at(&mut self, packet: &[u8]) {
        self.seen.packets += 1;
        self.seen.bytes += packet.len() as u64;
        self.seen.aoe_frames += u64::from(is_aoe(packet));
        self.seen.with_marker += u64::from(contains(packet, &self.marker));
        if self.keep > 0 {
            if self.kept.len() == self.keep {
                self.kept.pop_front();
            }
            self.kept.push_back(packet.to_vec());
        }
    }
}

/// Whether `needle` occurs in `haystack`, at any offset; an empty needle never does.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else {
        return false;
    };
    let mut left = haystack;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        let Some(after) = left.get(at + 1..) else {
            return false;
        };
        if after.starts_with(rest) {
            return true;
        }
        left = after;
    }
    false
}

/// Whether this is an AoE frame, perhaps below VLAN tags.
fn is_aoe(packet: &[u8]) -> bool {
    let mut at = 12;
    loop {
        let Some(&[high, low]) = packet.get(at..at + 2) else {
            return false;
        };
        match u16::from_be_bytes([high, low]) {
            0x8100 | 0x88a8 => at += 4,
            ethertype => return ethertype == ETHERTYPE_AOE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::{VethEnd, veth};

    #[test]
    fn the_marker_is_found_at_any_offset_and_nowhere_else() {
        let marker = b"AAB-marker";
        for offset in 0..40 {
            let mut packet = vec![b'A'; 100];
            packet[offset..offset + marker.len()].copy_from_slice(marker);
            assert!(contains(&packet, marker), "offset {offset}");
            packet[offset + 5] ^= 1;
            assert!(!contains(&packet, marker), "offset {offset}");
        }
        assert!(!contains(b"AAB-marke", marker) && !contains(b"", marker) && !contains(b"abc", b""));
    }

    #[test]
    fn a_packet_with_the_marker_is_counted_and_kept() {
        let (near, far) = (Namespace::new("near").unwrap(), Namespace::new("far").unwrap());
        let end = |namespace, name| VethEnd {
            namespace,
            name,
            mac: None,
        };
        veth(end(&near, "a"), end(&far, "b"), 1500).unwrap();
        near.add_address("a", "198.51.100.1".parse().unwrap(), 24)
            .unwrap();
        far.add_address("b", "198.51.100.2".parse().unwrap(), 24).unwrap();
        let sniffer = Sniffer::start(&far, "b", b"needle").unwrap();
        sniffer.keep(100);
        let socket = near
            .run(|| Ok(std::net::UdpSocket::bind("198.51.100.1:0")?))
            .unwrap();
        // Somebody has to listen, or ICMP errors would quote the marker.
        let _listener = far
            .run(|| Ok(std::net::UdpSocket::bind("198.51.100.2:9")?))
            .unwrap();
        for text in ["hay", "hay needle hay", "needl", "xneedle"] {
            socket.send_to(text.as_bytes(), "198.51.100.2:9").unwrap();
        }
        let seen = sniffer.seen();
        assert_eq!((seen.with_marker, seen.aoe_frames, seen.missed), (2, 0, 0));
        assert!(seen.packets >= 4);
        assert!(
            sniffer
                .take_kept()
                .iter()
                .any(|packet| contains(packet, b"hay needle hay"))
        );
        assert_eq!(sniffer.take_kept().len(), 0);
    }

    #[test]
    fn aoe_is_recognised_below_vlan_tags() {
        let mut frame = vec![0; 60];
        frame[12..14].copy_from_slice(&[0x88, 0xa2]);
        assert!(is_aoe(&frame));
        frame[12..18].copy_from_slice(&[0x81, 0x00, 0, 5, 0x88, 0xa2]);
        assert!(is_aoe(&frame));
        frame[12] = 8;
        assert!(!is_aoe(&frame) && !is_aoe(&frame[..13]));
    }
}
