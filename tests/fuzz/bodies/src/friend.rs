//! A second peer of a gateway, which behaves: whatever the first one and strangers do, it is served.

use std::net::SocketAddr;
use std::time::Duration;

use aoe_common::event::Event;
use aoe_common::frame::Tag;
use aoe_common::time::Instant;

use crate::station::{ata_request, initiator_mac, is_ata_success, who};
use crate::world::{Emitted, FRIEND, Gateway, IMPORT, IMPORTS, address, own_mac};

const READ: u8 = 0x24;
/// As the Linux driver does at first, roughly.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A gateway with an import of what `of` exports, and an initiator behind it.
pub(crate) struct Friend {
    /// Whose friend it is.
    pub(crate) of: u8,
    gateway: Gateway,
    /// Not yet on its way.
    first: Vec<Vec<u8>>,
    tag: Tag,
    ask_at: Instant,
    answered: bool,
}

impl Friend {
    /// It calls its peer.
    pub(crate) fn new(of: u8, now: Instant) -> Friend {
        let mut gateway = Gateway::start(FRIEND + of, 0, now);
        let first = gateway.call().datagrams;
        Friend {
            of,
            gateway,
            first,
            tag: Tag(0),
            ask_at: Instant::NEVER,
            answered: true,
        }
    }

    /// Where it lives.
    pub(crate) fn address(&self) -> SocketAddr {
        address(FRIEND + self.of)
    }

    /// Whether its import is presented.
    pub(crate) fn is_up(&self) -> bool {
        let last = self.gateway.events.iter().rev();
        last.clone().find_map(|event| match event {
            Event::ImportUp { .. } => Some(true),
            Event::ImportDown { .. } => Some(false),
            _ => None,
        }) == Some(true)
    }

    /// From now on its initiator asks for a sector, again and again.
    pub(crate) fn wants_to_read(&mut self) {
        self.tag = Tag(self.tag.0 + 1);
        self.answered = false;
        self.ask_at = self.gateway.now;
    }

    /// Whether its initiator heard of success.
    pub(crate) fn was_answered(&self) -> bool {
        self.answered
    }

    /// What it has to say of late.
    pub(crate) fn events(&self) -> impl std::fmt::Debug {
        &self.gateway.events
    }

    /// Lets its time pass. Datagrams for its peer.
    pub(crate) fn follow(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let time = now.saturating_since(self.gateway.now);
        let mut datagrams = std::mem::take(&mut self.first);
        if time > Duration::ZERO {
            let emitted = self.gateway.wait(time);
            datagrams.extend(self.look_at(emitted));
        }
        if !self.answered && self.ask_at <= now {
            self.ask_at = now + ASK_AGAIN;
            let way = (initiator_mac(0), own_mac(FRIEND + self.of, IMPORTS));
            let request = ata_request(way, IMPORT, self.tag, READ, 1, 7);
            let emitted = self.gateway.frame(IMPORTS, &request);
            datagrams.extend(self.look_at(emitted));
        }
        datagrams
    }

    /// It is brought a datagram of its peer. Datagrams in return.
    pub(crate) fn hear(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let emitted = self.gateway.datagram(address(self.of), datagram);
        self.look_at(emitted)
    }

    fn look_at(&mut self, emitted: Emitted) -> Vec<Vec<u8>> {
        for (_, frame) in &emitted.frames {
            self.answered |= is_ata_success(frame) && who(frame).is_some_and(|(_, _, tag)| tag == self.tag);
        }
        emitted.datagrams
    }
}
