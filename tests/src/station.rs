//! A host on a segment that says whatever it likes: raw frames, any source address, and eyes for everything.
//!
//! Frames are made and read here by offsets of the AoE specification, not by the product's own codec, so that a
//! mistake there does not hide itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use aoe_common::frame::{Address, ETHERTYPE_AOE, MacAddr};
use aoe_gateway::sys::batch::RecvBatch;
use aoe_gateway::sys::link;
use aoe_gateway::sys::packet::{PacketOptions, PacketSocket, Promiscuous};
use aoe_gateway::sys::poll::{Interest, PollSet};
use aoe_lab::netns::Namespace;
use aoe_lab::topology::PATIENCE;

/// ATA commands by their code (ATA-6 table 10), as stories use them.
pub mod ata {
    /// READ SECTORS EXT.
    pub const READ_EXT: u8 = 0x24;
    /// WRITE SECTORS.
    pub const WRITE: u8 = 0x30;
    /// WRITE SECTORS EXT.
    pub const WRITE_EXT: u8 = 0x34;
    /// IDENTIFY DEVICE.
    pub const IDENTIFY: u8 = 0xec;
}

/// A raw socket on one device, and the tags it has used.
#[derive(Debug)]
pub struct Station {
    socket: PacketSocket,
    poll: PollSet,
    batch: RecvBatch,
    mac: MacAddr,
    last_tag: u32,
}

/// An AoE request to be sent, without its tag.
#[derive(Clone, Debug)]
pub struct Request {
    /// Ethernet destination.
    pub destination: MacAddr,
    /// Ethernet source; `None`: the device's own.
    pub source: Option<MacAddr>,
    /// Who is asked.
    pub address: Address,
    /// AoE command.
    pub command: u8,
    /// Everything after the AoE header.
    pub argument: Vec<u8>,
}

/// A frame that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard(pub Vec<u8>);

impl Request {
    /// An ATA request (command 0) with 48-bit address; `data` goes with it, and the W flag is set if there is any.
    pub fn ata(to: MacAddr, address: Address, opcode: u8, lba: u64, sectors: u8, data: &[u8]) -> Self {
        let flags = 0x40 | u8::from(!data.is_empty());
        let mut argument = vec![flags, 0, sectors, opcode];
        argument.extend_from_slice(&lba.to_le_bytes()[..6]);
        argument.extend_from_slice(&[0; 2]);
        argument.extend_from_slice(data);
        Request::other(to, address, 0, argument)
    }

    /// A Config request (command 1), broadcast on Ethernet as everybody sends it.
    pub fn config(address: Address, sub_command: u8, string: &[u8]) -> Self {
        let mut argument = vec![0, 0, 0, 0, 0, 0x10 | sub_command];
        argument.extend_from_slice(&u16::try_from(string.len()).unwrap_or(u16::MAX).to_be_bytes());
        argument.extend_from_slice(string);
        Request::other(MacAddr::BROADCAST, address, 1, argument)
    }

    /// A request of any command.
    pub fn other(to: MacAddr, address: Address, command: u8, argument: Vec<u8>) -> Self {
        Request {
            destination: to,
            source: None,
            address,
            command,
            argument,
        }
    }

    /// The same request from another host.
    pub fn from(self, source: MacAddr) -> Self {
        Request {
            source: Some(source),
            ..self
        }
    }

    /// The frame on the wire, not padded, as hosts hand it to veth and TAP devices.
    pub fn frame(&self, own: MacAddr, tag: u32) -> Vec<u8> {
        let mut frame = self.destination.0.to_vec();
        frame.extend_from_slice(&self.source.unwrap_or(own).0);
        frame.extend_from_slice(&ETHERTYPE_AOE.to_be_bytes());
        frame.extend_from_slice(&[0x10, 0]);
        frame.extend_from_slice(&self.address.shelf.to_be_bytes());
        frame.extend_from_slice(&[self.address.slot, self.command]);
        frame.extend_from_slice(&tag.to_be_bytes());
        frame.extend_from_slice(&self.argument);
        frame
    }
}

impl Station {
    /// Opens a device that is there already. It sees every AoE frame that arrives there, for whomever.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn open(namespace: &Namespace, device: &str) -> Result<Self> {
        let name = device.to_owned();
        let (mac, socket) = namespace
            .run(move || {
                let link = link::by_name(&name)?.ok_or_else(|| anyhow!("there is no such device"))?;
                let options = PacketOptions {
                    promiscuous: Promiscuous::On,
                    ..PacketOptions::ethertype(ETHERTYPE_AOE)
                };
                Ok((link.mac, PacketSocket::open(link.index, options)?))
            })
            .with_context(|| format!("opening {device}"))?;
        let mut poll = PollSet::with_slots(1);
        poll.watch(0, &socket, Interest::Readable);
        Ok(Station {
            socket,
            poll,
            batch: RecvBatch::default(),
            mac,
            // Bit 31 says that a user's tool asks, not a driver.
            last_tag: 0x8000_0000,
        })
    }

    /// The device's address.
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the device does not take them.
    pub fn send_raw(&mut self, frame: &[u8]) -> Result<()> {
        let outcome = self.socket.send_batch(std::iter::once(frame));
        ensure!(
            outcome.sent == 1,
            "the device did not take a frame of {} bytes",
            frame.len()
        );
        Ok(())
    }

    /// Sends a request with a new tag, and returns the tag.
    ///
    /// # Errors
    /// As [`Station::send_raw`].
    pub fn send(&mut self, request: &Request) -> Result<u32> {
        self.last_tag += 1;
        let frame = request.frame(self.mac, self.last_tag);
        self.send_raw(&frame)?;
        Ok(self.last_tag)
    }

    /// Sends a request and returns its answer.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn ask(&mut self, request: &Request) -> Result<Heard> {
        self.ask_after(request).map(|(_, answer)| answer)
    }

    /// Sends a request and returns what else was heard until its answer came, and the answer.
    ///
    /// A gateway and a target take one frame after the other, so an answer to anything sent earlier on the same way
    /// would have come before.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub fn ask_after(&mut self, request: &Request) -> Result<(Vec<Heard>, Heard)> {
        let tag = self.send(request)?;
        let mut others = Vec::new();
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "no answer to {request:?}; heard {others:?}");
            let mut answer = None;
            for heard in self.hear(left) {
                if heard.tag() == tag && heard.is_response() {
                    answer = Some(heard);
                } else {
                    others.push(heard);
                }
            }
            if let Some(answer) = answer {
                return Ok((others, answer));
            }
        }
    }

    /// Waits for a response that `wanted` accepts; others are passed over.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn wait_for(&mut self, what: &str, mut wanted: impl FnMut(&Heard) -> bool) -> Result<Heard> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "never heard {what}");
            if let Some(heard) = self.hear(left).into_iter().find(&mut wanted) {
                return Ok(heard);
            }
        }
    }

    /// Waits for frames, at most for `limit`, and returns those that have arrived.
    pub fn hear(&mut self, limit: Duration) -> Vec<Heard> {
        // Whatever ends the wait, the socket is asked next.
        let _ = self.poll.wait(Some(limit));
        match self.socket.recv_batch(&mut self.batch) {
            Ok(_) => self.batch.iter().map(|frame| Heard(frame.to_vec())).collect(),
            Err(_) => Vec::new(),
        }
    }
}

impl Heard {
    /// Ethernet destination.
    pub fn destination(&self) -> MacAddr {
        MacAddr(self.bytes(0))
    }

    /// Ethernet source.
    pub fn source(&self) -> MacAddr {
        MacAddr(self.bytes(6))
    }

    /// Version and flags: 0x18 is a response, 0x1c one with an error.
    pub fn version_flags(&self) -> u8 {
        self.at(14)
    }

    /// Whether the R flag is set.
    pub fn is_response(&self) -> bool {
        self.version_flags() & 0x08 != 0
    }

    /// AoE error code.
    pub fn aoe_error(&self) -> u8 {
        self.at(15)
    }

    /// Who it is about.
    pub fn address(&self) -> Address {
        Address {
            shelf: u16::from_be_bytes(self.bytes(16)),
            slot: self.at(18),
        }
    }

    /// AoE command.
    pub fn command(&self) -> u8 {
        self.at(19)
    }

    /// The tag.
    pub fn tag(&self) -> u32 {
        u32::from_be_bytes(self.bytes(20))
    }

    /// ATA command of a request, status of a response.
    pub fn ata_status(&self) -> u8 {
        self.at(27)
    }

    /// ATA error register.
    pub fn ata_error(&self) -> u8 {
        self.at(25)
    }

    /// ATA: what follows the registers, padding included.
    pub fn ata_data(&self) -> &[u8] {
        self.from(36)
    }

    /// Config: how many frames the target queues.
    pub fn buffer_count(&self) -> u16 {
        u16::from_be_bytes(self.bytes(24))
    }

    /// Config: sectors per frame.
    pub fn sectors(&self) -> u8 {
        self.at(28)
    }

    /// Config: the string.
    pub fn config_string(&self) -> &[u8] {
        let len = usize::from(u16::from_be_bytes(self.bytes(30)));
        self.0.get(32..32 + len).unwrap_or_default()
    }

    /// Everything from `offset` on, Ethernet header counted.
    pub fn from(&self, offset: usize) -> &[u8] {
        self.0.get(offset..).unwrap_or_default()
    }

    /// A byte; 0 beyond the end.
    pub fn at(&self, offset: usize) -> u8 {
        self.0.get(offset).copied().unwrap_or(0)
    }

    fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        std::array::from_fn(|index| self.at(offset + index))
    }
}
