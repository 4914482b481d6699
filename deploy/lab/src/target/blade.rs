//! One disk at one shelf.slot.

use aoe_common::frame::{
    Address, AoeCommand, AoeError, Ata, AtaHeader, AtaOpcode, Flags, Frame, Header, MacAddr, Pdu, Query,
    QueryCommand, QueryHeader, SECTOR_LEN, Tag,
};

use crate::frames::{Frames, sectors_per_frame};

use super::smart::{self, SMART};
use super::{Backing, BladeAccess, TargetCounters};

/// Status register: device ready.
const STATUS_READY: u8 = 0x40;
/// Status register: device ready, error.
const STATUS_ERROR: u8 = 0x41;
/// Error register: command aborted.
const ABORTED: u8 = 0x04;
/// Error register: no such sector.
const NOT_FOUND: u8 = 0x10;
/// Error register: uncorrectable data.
const UNCORRECTABLE: u8 = 0x40;

/// What a blade says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BladeSettings {
    /// Whether it takes writes.
    pub access: BladeAccess,
    /// Frames it says it can queue (BufCnt).
    pub buffer_count: u16,
    /// Sectors per frame it offers at most; it never offers more than the MTU carries.
    pub sectors_limit: u8,
    /// Serial number of IDENTIFY, at most 20 ASCII characters.
    pub serial: String,
    /// The config string at the start.
    pub config_string: Vec<u8>,
}

impl Default for BladeSettings {
    fn default() -> Self {
        BladeSettings {
            access: BladeAccess::ReadWrite,
            buffer_count: 16,
            sectors_limit: u8::MAX,
            serial: "LAB0001".to_owned(),
            config_string: Vec::new(),
        }
    }
}

/// One disk at one shelf.slot.
#[derive(Debug)]
pub struct Blade {
    address: Address,
    backing: Backing,
    settings: BladeSettings,
    scratch: Vec<u8>,
    /// Writes in the order they were applied, if somebody wants to know.
    journal: Option<Vec<(u64, Vec<u8>)>>,
}

impl Blade {
    /// A blade at `address` with the sectors of `backing`.
    pub fn new(address: Address, backing: Backing, settings: BladeSettings) -> Self {
        Blade {
            address,
            backing,
            settings,
            scratch: Vec::new(),
            journal: None,
        }
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Frames it says it can queue.
    pub fn buffer_count(&self) -> u16 {
        self.settings.buffer_count
    }

    /// Its sectors.
    pub fn backing(&self) -> &Backing {
        &self.backing
    }

    /// Its sectors, to be changed behind the back of its initiators.
    pub fn backing_mut(&mut self) -> &mut Backing {
        &mut self.backing
    }

    /// What it says about itself.
    pub fn settings(&self) -> &BladeSettings {
        &self.settings
    }

    /// What it says about itself, to be changed while it runs.
    pub fn settings_mut(&mut self) -> &mut BladeSettings {
        &mut self.settings
    }

    /// From now on notes every write.
    pub(super) fn keep_journal(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// The writes since the last call: first sector and data.
    pub(super) fn take_journal(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Sends the unsolicited response of a starting target: broadcast, tag 0.
    pub(super) fn advertise(&self, mac: MacAddr, mtu: u32, out: &mut Frames) {
        let header = Header {
            version: 1,
            flags: Flags::RESPONSE,
            error: 0,
            address: self.address,
            command: AoeCommand::Query,
            tag: Tag(0),
        };
        let query = self.query_header(mtu, QueryCommand::Read);
        out.push_query(
            (MacAddr::BROADCAST, mac),
            &header,
            &query,
            &self.settings.config_string,
        );
    }

    /// Answers a request that is addressed to this blade, or to all.
    pub(super) fn answer(
        &mut self,
        frame: &Frame<'_>,
        pdu: &Pdu<'_>,
        (mac, mtu): (MacAddr, u32),
        out: &mut Frames,
        counters: &mut TargetCounters,
    ) {
        let link = (frame.source(), mac);
        let request = Header {
            address: self.address,
            ..pdu.header()
        };
        let before = out.len();
        let outcome = match pdu.command() {
            AoeCommand::Query => self.answer_query(link, &request, pdu, mtu, out),
            AoeCommand::Ata => self.answer_ata(link, &request, pdu, mtu, out, counters),
            _ => Err(AoeError::BadCommand),
        };
        if let Err(error) = outcome {
            let header = request.error_response(error);
            out.push(link.0, link.1, |buf| {
                buf.extend_from_slice(&header.to_bytes());
                buf.extend_from_slice(pdu.argument().get(..12).unwrap_or_default());
            });
        }
        counters.replies += (out.len() - before) as u64;
    }

    fn answer_query(
        &mut self,
        link: (MacAddr, MacAddr),
        request: &Header,
        pdu: &Pdu<'_>,
        mtu: u32,
        out: &mut Frames,
    ) -> Result<(), AoeError> {
        let asked = Query::parse(pdu.argument()).map_err(|_| AoeError::BadArgument)?;
        let mut header = request.response();
        let ours = &mut self.settings.config_string;
        match asked.command() {
            QueryCommand::Read => {}
            // A mismatch is answered by silence.
            QueryCommand::Test if asked.string() != ours.as_slice() => return Ok(()),
            QueryCommand::Prefix if !ours.starts_with(asked.string()) => return Ok(()),
            QueryCommand::Test | QueryCommand::Prefix => {}
            QueryCommand::SetIfEmpty if !ours.is_empty() && ours.as_slice() != asked.string() => {
                header = request.error_response(AoeError::ConfigStringSet);
            }
            QueryCommand::SetIfEmpty | QueryCommand::ForceSet => *ours = asked.string().to_vec(),
            QueryCommand::Unknown(_) => return Err(AoeError::BadArgument),
        }
        let answer = self.query_header(mtu, asked.command());
        out.push_query(link, &header, &answer, &self.settings.config_string);
        Ok(())
    }

    fn answer_ata(
        &mut self,
        link: (MacAddr, MacAddr),
        request: &Header,
        pdu: &Pdu<'_>,
        mtu: u32,
        out: &mut Frames,
        counters: &mut TargetCounters,
    ) -> Result<(), AoeError> {
        let ata = Ata::parse(pdu.argument()).map_err(|_| AoeError::BadArgument)?;
        // vblade executes a write to e65535.255 once per blade; nobody wants that.
        if pdu.address().is_broadcast() && ata.command() != AtaOpcode::Identify {
            return Ok(());
        }
        let sectors = ata.sectors();
        let len = usize::from(sectors) * SECTOR_LEN;
        let wide = ata.command().is_extended();
        let lba = if wide {
            wide_lba(ata.lba_bytes())
        } else {
            wide_lba(ata.lba_bytes()) & 0x0fff_ffff
        };
        let is_transfer = ata.command().is_read() || ata.command().is_write();
        if is_transfer && sectors > self.offered_sectors(mtu) {
            return Err(AoeError::BadArgument);
        }
        let beyond = lba
            .checked_add(u64::from(sectors))
            .is_none_or(|end| end > self.backing.sectors());
        self.scratch.clear();
        let outcome = match ata.command() {
            AtaOpcode::Identify if sectors != 1 => return Err(AoeError::BadArgument),
            AtaOpcode::Identify => {
                self.scratch
                    .extend_from_slice(&identify(self.backing.sectors(), &self.settings.serial));
                Ok(0)
            }
            AtaOpcode::Write | AtaOpcode::WriteExt if self.settings.access == BladeAccess::ReadOnly => {
                Err(ABORTED)
            }
            _ if is_transfer && beyond => Err(NOT_FOUND),
            AtaOpcode::Read | AtaOpcode::ReadExt => {
                counters.sectors_read += u64::from(sectors);
                self.backing
                    .read(lba, len, &mut self.scratch)
                    .map(|()| 0)
                    .map_err(|_| UNCORRECTABLE)
            }
            AtaOpcode::Write | AtaOpcode::WriteExt => {
                let data = ata.data().get(..len).ok_or(AoeError::BadArgument)?;
                counters.sectors_written += u64::from(sectors);
                if let Some(journal) = &mut self.journal {
                    journal.push((lba, data.to_vec()));
                }
                self.backing
                    .write(lba, data)
                    .map(|()| 0)
                    .map_err(|_| UNCORRECTABLE)
            }
            AtaOpcode::Flush | AtaOpcode::FlushExt => self.backing.flush().map(|()| 0).map_err(|_| ABORTED),
            // Sector count 0xFF: active or idle.
            AtaOpcode::CheckPower => Ok(0xff),
            AtaOpcode::Other(SMART) if smart::asks_for_data(&ata) => {
                self.scratch.extend_from_slice(&smart::smart_data());
                Ok(0)
            }
            AtaOpcode::Other(_) => Err(ABORTED),
        };
        let asked = AtaHeader {
            reserved: [0; 2],
            ..ata.header()
        };
        let answer = match outcome {
            Ok(left) => AtaHeader {
                error_feature: 0,
                sectors: left,
                command_status: STATUS_READY,
                ..asked
            },
            Err(error) => {
                counters.refused += 1;
                AtaHeader {
                    error_feature: error,
                    command_status: STATUS_ERROR,
                    ..asked
                }
            }
        };
        out.push_ata(link, &request.response(), &answer, &self.scratch);
        Ok(())
    }

    fn query_header(&self, mtu: u32, command: QueryCommand) -> QueryHeader {
        QueryHeader {
            buffer_count: self.settings.buffer_count,
            firmware: 1,
            sectors: self.offered_sectors(mtu),
            version: 1,
            command,
        }
    }

    fn offered_sectors(&self, mtu: u32) -> u8 {
        sectors_per_frame(mtu).min(self.settings.sectors_limit)
    }
}

fn wide_lba([l0, l1, l2, l3, l4, l5]: [u8; 6]) -> u64 {
    u64::from_le_bytes([l0, l1, l2, l3, l4, l5, 0, 0])
}

/// The 512 bytes of IDENTIFY DEVICE (ATA-6): size in both widths, serial number and model.
fn identify(sectors: u64, serial: &str) -> [u8; SECTOR_LEN] {
    let mut words = [0u16; SECTOR_LEN / 2];
    let mut put = |at: usize, value: u16| {
        if let Some(word) = words.get_mut(at) {
            *word = value;
        }
    };
    put(47, 0x8000);
    put(49, 0x0200);
    put(50, 0x4000);
    // LBA48, flush cache, flush cache ext: supported, and enabled.
    put(83, 0x7400);
    put(84, 0x4000);
    put(86, 0x3400);
    put(87, 0x4000);
    put(93, 0x400b);
    let word = |value: u64, index: u32| u16::try_from(value >> (16 * index) & 0xffff).unwrap_or(u16::MAX);
    let narrow = sectors.min(0x0fff_ffff);
    for index in 0..2 {
        put(60 + index as usize, word(narrow, index));
    }
    for index in 0..4 {
        put(100 + index as usize, word(sectors, index));
    }
    let mut text = |at: usize, len: usize, text: &str| {
        let padded = text.bytes().chain(std::iter::repeat(b' ')).take(len);
        let (high, low): (Vec<_>, Vec<_>) = padded.enumerate().partition(|(index, _)| index % 2 == 0);
        for (index, ((_, high), (_, low))) in high.into_iter().zip(low).enumerate() {
            put(at + index, u16::from_be_bytes([high, low]));
        }
    };
    text(10, 20, serial);
    text(23, 8, "1");
    text(27, 40, "aoe-lab embedded target");

    let mut bytes = [0; SECTOR_LEN];
    for (pair, word) in bytes.chunks_exact_mut(2).zip(words) {
        pair.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
