//! What the two parts cost that a gateway spends most on, by themselves, on the machine of the day.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use aoe_common::frame::{ETHERNET_HEADER_LEN, MacAddr, SECTOR_LEN};
use aoe_lab::frames::{Frames, Padding};
use aoe_lab::netns::{Namespace, VethEnd, veth};
use aoe_lab::port::Port;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use nix::time::{ClockId, clock_gettime};

use crate::reference::Reference;

/// Bytes of a write's headers: Ethernet, AoE, ATA.
const HEADERS: usize = 36;
/// Bytes of a record that stay readable: its header.
const READABLE: usize = 16;
/// Frames per `sendmmsg`.
const BATCH: u32 = 64;
/// Records, and batches, of one measurement: each takes about half a millisecond.
const RECORDS: u32 = 256;
const BATCHES: u32 = 4;

/// A key, and a cable at whose other end nobody listens. Fields end in this order.
pub(super) struct Calibration {
    frame_len: usize,
    mac: MacAddr,
    key: LessSafeKey,
    record: Vec<u8>,
    port: Port,
    _ends: [Namespace; 2],
}

impl Calibration {
    /// For frames of so many sectors: as long as those that the goals were set by, if they are the same.
    ///
    /// # Errors
    /// When no cable can be made.
    pub(super) fn open(sectors: u8) -> Result<Self> {
        let (frame_len, record_len) = match Reference::of(sectors) {
            Some(reference) => (reference.frame_len, reference.record_len),
            None => [HEADERS + usize::from(sectors) * SECTOR_LEN; 2].into(),
        };
        let (here, there) = (Namespace::new("cal-a")?, Namespace::new("cal-b")?);
        let end = |namespace| VethEnd {
            namespace,
            name: "eth0",
            mac: None,
        };
        veth(end(&here), end(&there), 9216)?;
        Ok(Calibration {
            frame_len,
            mac: there.facts("eth0")?.mac,
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32])?),
            record: vec![0; record_len],
            port: Port::open(&here, "eth0")?,
            _ends: [here, there],
        })
    }

    /// Thread time of sealing one record, and of sending one frame.
    ///
    /// # Errors
    /// When the cable does not take the frames.
    pub(super) fn measure(&mut self) -> Result<(Duration, Duration)> {
        let begun = thread_time()?;
        for _ in 0..RECORDS {
            self.seal()?;
        }
        let aead = thread_time()?.saturating_sub(begun) / RECORDS;

        let mut sending = Duration::ZERO;
        for _ in 0..BATCHES {
            let mut frames = Frames::new(Padding::None);
            for _ in 0..BATCH {
                let link = (self.mac, self.port.mac());
                let pdu_len = self.frame_len.saturating_sub(ETHERNET_HEADER_LEN);
                frames.push(link.0, link.1, |frame| frame.resize(frame.len() + pdu_len, 0));
            }
            let begun = thread_time()?;
            self.port.send(&mut frames);
            sending += thread_time()?.saturating_sub(begun);
        }
        ensure!(
            self.port.unsent() == 0,
            "the cable does not take frames of {} bytes",
            self.frame_len
        );
        Ok((aead, sending / (BATCHES * BATCH)))
    }

    /// Seals the record in place, by the call that a gateway makes. The nonce is always the same: no real session does
    /// that.
    fn seal(&mut self) -> Result<()> {
        let parts = self.record.split_at_mut_checked(READABLE);
        let (readable, secret) = parts.ok_or_else(|| anyhow!("a record is longer than its header"))?;
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        let _tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*readable), secret)?;
        Ok(())
    }
}

/// What this thread has used so far, the kernel's work for it included.
fn thread_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
