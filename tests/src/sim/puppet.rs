//! A pair whose both ends are stations: the test itself is initiator and target, and says what it wants.

use std::time::Duration;

use aoe_common::config::{ExportConfig, SegmentId};
use aoe_common::event::Event;
use aoe_common::frame::{
    Address, AoeCommand, Flags, Header, MacAddr, QueryCommand, QueryHeader, SECTOR_LEN, Tag,
};

use super::craft::{self, Seen};
use super::host::HostId;
use super::lan::LanId;
use super::plan::{Plan, REAL, SEEN, gateway_mac};
use super::site::SiteId;
use super::world::World;

/// Bits of the tags of the exit's own questions.
const ASKS_WHO: u32 = 0xc000_0000;

/// A running pair without hosts, with stations in their places.
pub struct Puppets {
    /// The simulation.
    pub world: World,
    /// The site on the left.
    pub edge: SiteId,
    /// The site on the right.
    pub exit: SiteId,
    /// On the initiator's LAN.
    pub left: HostId,
    /// On the target's LAN: plays the target at [`REAL`].
    pub right: HostId,
    /// On the target's LAN as well: somebody else.
    pub other: HostId,
}

impl Puppets {
    /// Builds the pair, lets the puppet target announce itself with these numbers, and waits for the import.
    pub fn new(seed: u64, buffer_count: u16, sectors: u8) -> Self {
        Puppets::on(seed, [1500, 1500], buffer_count, sectors)
    }

    /// The same on LANs of these MTUs.
    pub fn on(seed: u64, mtus: [u16; 2], buffer_count: u16, sectors: u8) -> Self {
        Puppets::start(Plan::gateways_on(seed, mtus), buffer_count, sectors)
    }

    /// The pair of [`Puppets::new`], 16 buffers and two sectors, with a change of its export.
    pub fn changed(seed: u64, change: impl FnOnce(&mut ExportConfig)) -> Self {
        let mut made = Plan::gateways_on(seed, [1500, 1500]);
        let exit = made.1[1];
        change(&mut made.0.sites[exit.0].exports[0]);
        Puppets::start(made, 16, 2)
    }

    fn start(
        (mut plan, [edge, exit], lans): (Plan, [SiteId; 2], [LanId; 2]),
        buffer_count: u16,
        sectors: u8,
    ) -> Self {
        let left = plan.station(lans[0]);
        let [right, other] = [(); 2].map(|()| plan.station(lans[1]));
        let mut puppets = Puppets {
            world: plan.build(),
            edge,
            exit,
            left,
            right,
            other,
        };
        puppets.announce(right, buffer_count, sectors);
        puppets
            .world
            .run_until("the import is up", Duration::from_secs(5), |world| {
                world.events_like(edge, |event| matches!(event, Event::ImportUp { .. })) > 0
            });
        // The puppet never says which disk it is; after a second it is used all the same.
        puppets.world.run_for(Duration::from_millis(1100));
        puppets.world.take_heard(left);
        puppets.world.take_heard(right);
        puppets
    }

    /// A Config response from a station on the right, as an announcement.
    pub fn announce(&mut self, from: HostId, buffer_count: u16, sectors: u8) {
        let header = Header {
            flags: Flags::RESPONSE,
            ..craft::request(REAL, AoeCommand::Query, 0)
        };
        let query = QueryHeader {
            buffer_count,
            firmware: 1,
            sectors,
            version: 1,
            command: QueryCommand::Read,
        };
        let mut pdu = header.to_bytes().to_vec();
        pdu.extend_from_slice(&query.to_bytes(0));
        let frame = craft::frame(MacAddr::BROADCAST, self.world.mac(from), &pdu);
        self.world.send_frame(from, &frame);
        self.world.run_for(Duration::from_micros(100));
    }

    /// Sends a request from a station on the left.
    pub fn request(
        &mut self,
        from: HostId,
        address: Address,
        command: AoeCommand,
        tag: u32,
        argument: &[u8],
    ) {
        let edge = gateway_mac(self.edge, SegmentId(0));
        let pdu = craft::pdu(address, command, tag, argument);
        let frame = craft::frame(edge, self.world.mac(from), &pdu);
        self.world.send_frame(from, &frame);
    }

    /// Sends a read of one sector from the station on the left.
    pub fn read(&mut self, tag: u32, lba: u64) {
        let argument = craft::ata(0x24, 1, lba, &[]);
        self.request(self.left, SEEN, AoeCommand::Ata, tag, &argument);
    }

    /// ATA requests the target's LAN has heard since the last call, after 20 ms.
    pub fn at_target(&mut self) -> Vec<Seen> {
        self.world.run_for(Duration::from_millis(20));
        let heard = self.world.take_heard(self.right);
        let request = |seen: &Seen| {
            let asks_who = seen.header.tag.0 & ASKS_WHO == ASKS_WHO;
            seen.header.command == AoeCommand::Ata && !seen.header.flags.is_response() && !asks_who
        };
        heard.into_iter().filter(request).collect()
    }

    /// ATA responses the initiator's LAN has heard since the last call, after 20 ms.
    pub fn at_initiator(&mut self) -> Vec<Seen> {
        self.world.run_for(Duration::from_millis(20));
        let heard = self.world.take_heard(self.left);
        let response =
            |seen: &Seen| seen.header.command == AoeCommand::Ata && seen.header.flags.is_response();
        heard.into_iter().filter(response).collect()
    }

    /// The response to a read that the puppet target has heard: one sector full of `byte`.
    pub fn answer_to(&self, request: &Seen, byte: u8) -> Vec<u8> {
        let mut pdu = request.header.response().to_bytes().to_vec();
        pdu.extend_from_slice(&craft::ata(0x40, 0, 0, &[byte; SECTOR_LEN]));
        // Status where the command was.
        pdu[13] = 0x40;
        pdu
    }

    /// Sends a PDU from a station on the right to the exit.
    pub fn respond(&mut self, from: HostId, pdu: &[u8]) {
        let exit = gateway_mac(self.exit, SegmentId(0));
        let frame = craft::frame(exit, self.world.mac(from), pdu);
        self.world.send_frame(from, &frame);
    }

    /// The tag of a request, as a number.
    pub fn tag(seen: &Seen) -> u32 {
        let Tag(tag) = seen.header.tag;
        tag
    }
}
