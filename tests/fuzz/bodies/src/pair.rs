//! Two gateways wired together, and what is under way between them.

use std::collections::VecDeque;
use std::time::Duration;

use aoe_common::event::Event;
use aoe_common::frame::Frame;
use aoe_common::segment::SegmentState;
use aoe_common::time::Instant;

use crate::friend::Friend;
use crate::station;
use crate::world::{EXPORTS, Emitted, Gateway, IMPORTS, address};

/// Datagrams under way, and frames a target has yet to answer; what comes beyond is lost.
const MOST: usize = 512;
/// A target that answered no question of a gateway about its disk is asked again by then.
const RECOGNISED: Duration = Duration::from_secs(10);

/// Both gateways; their clocks go alike.
pub(crate) struct Pair {
    pub(crate) gateways: [Gateway; 2],
    /// Whom it is for, and the datagram.
    pub(crate) wire: VecDeque<(u8, Vec<u8>)>,
    /// What each gateway's target was asked.
    pub(crate) asked: [VecDeque<Vec<u8>>; 2],
    /// Frames on the segments with initiators, since somebody last took them.
    pub(crate) heard: Vec<(u8, Vec<u8>)>,
    /// A second peer of one of them.
    friend: Option<Friend>,
    /// Which target did not answer at once, and when that was last.
    late: Option<(u8, Instant)>,
    processes: u8,
}

/// Whether a frame is a request.
fn is_question(frame: &[u8]) -> bool {
    frame.get(14).is_some_and(|flags| flags & 8 == 0)
}

impl Pair {
    /// Both at rest, their segments up.
    pub(crate) fn start() -> Pair {
        let now = Instant::from_micros(1);
        let gateways = [0, 1].map(|side| Gateway::start(side, 0, now));
        Pair {
            gateways,
            wire: VecDeque::new(),
            asked: [VecDeque::new(), VecDeque::new()],
            heard: Vec::new(),
            friend: None,
            late: None,
            processes: 0,
        }
    }

    /// With a session, targets known, and imports presented.
    pub(crate) fn established() -> Pair {
        let mut pair = Pair::start();
        pair.act(0, Gateway::call);
        // Paths are proven, targets say who they are, and the edges wait whether somebody else has the address.
        let up = |event: &Event| matches!(event, Event::ImportUp { .. });
        for _ in 0..20 {
            pair.wait(Duration::from_millis(100));
            pair.settle();
            if pair.gateways.iter().all(|gateway| gateway.events.iter().any(up)) {
                break;
            }
        }
        for gateway in &pair.gateways {
            assert!(gateway.events.iter().any(up), "{:?}", gateway.events);
        }
        pair.heard.clear();
        pair
    }

    pub(crate) fn gateway(&mut self, side: u8) -> &mut Gateway {
        &mut self.gateways[usize::from(side)]
    }

    /// Gives a gateway one input and puts what it makes on its ways.
    pub(crate) fn act(&mut self, side: u8, input: impl FnOnce(&mut Gateway) -> Emitted) -> Emitted {
        let before = self.gateway(side).now;
        let emitted = input(self.gateway(side));
        if self.gateway(side).now > before && !self.asked[usize::from(side)].is_empty() {
            self.late = Some((side, self.gateway(side).now));
        }
        self.put_on_its_ways(side, &emitted);
        let now = self.gateway(side).now;
        if let Some(mut friend) = self.friend.take_if(|friend| friend.of == side) {
            // Nothing is lost or late between these two.
            let mut from_us = emitted.friendly.clone();
            let mut from_friend = friend.follow(now);
            for _ in 0..MOST {
                from_us
                    .drain(..)
                    .for_each(|datagram| from_friend.extend(friend.hear(&datagram)));
                for datagram in from_friend.drain(..) {
                    let emitted = self.gateway(side).datagram(friend.address(), &datagram);
                    self.put_on_its_ways(side, &emitted);
                    from_us.extend(emitted.friendly);
                }
                if from_us.is_empty() {
                    break;
                }
            }
            assert!(from_us.is_empty(), "the friend and its peer never fall silent");
            self.friend = Some(friend);
        }
        emitted
    }

    fn put_on_its_ways(&mut self, side: u8, emitted: &Emitted) {
        for datagram in &emitted.datagrams {
            if self.wire.len() < MOST {
                self.wire.push_back((1 - side, datagram.clone()));
            }
        }
        for (segment, frame) in &emitted.frames {
            let asked = &mut self.asked[usize::from(side)];
            if *segment == IMPORTS && is_question(frame) {
                // Who else has the address? Nobody is there to say so.
            } else if *segment == IMPORTS {
                self.heard.push((side, frame.clone()));
            } else if asked.len() < MOST {
                asked.push_back(frame.clone());
            }
        }
    }

    /// Gives gateway `side` a friend.
    ///
    /// # Panics
    /// If its import is not up in time.
    pub(crate) fn befriend(&mut self, side: u8) {
        self.friend = Some(Friend::new(side, self.gateway(side).now));
        self.be_patient(side, Duration::from_secs(10), usize::MAX, Friend::is_up);
    }

    /// The friend of gateway `side` reads a sector, and a healthy target answers.
    ///
    /// # Panics
    /// If it is not served within `patience`, however often it asks.
    pub(crate) fn serve_friend(&mut self, side: u8, patience: Duration) {
        self.act(side, |gateway| gateway.set_segment(EXPORTS, Some(1500)));
        self.ask_as_friend(side, patience, usize::MAX);
    }

    /// As [`serve_friend`](Self::serve_friend), and whatever others asked before, the target serves no more than a few of
    /// these first: those that it was sent, the next one of the other peer, and the gateway's own questions.
    pub(crate) fn serve_friend_in_its_turn(&mut self, side: u8) {
        let now = self.gateway(side).now;
        if self
            .late
            .is_some_and(|(of, at)| of == side && now < at + RECOGNISED)
        {
            // The target was slow to answer, and may have to be recognised first.
            return self.serve_friend(side, Duration::from_secs(30));
        }
        let sent = self.asked[usize::from(side)].len();
        self.ask_as_friend(side, Duration::from_secs(1), sent + 6);
    }

    fn ask_as_friend(&mut self, side: u8, patience: Duration, answers: usize) {
        self.friend.as_mut().unwrap().wants_to_read();
        self.be_patient(side, patience, answers, Friend::was_answered);
    }

    /// Lets the target answer so often, and time pass, until the friend has what it wants. The other peer hears nothing.
    fn be_patient(&mut self, side: u8, patience: Duration, mut answers: usize, has: fn(&Friend) -> bool) {
        let until = self.gateway(side).now + patience;
        let mut time = Duration::ZERO;
        while self.gateway(side).now < until {
            self.act(side, |gateway| gateway.wait(time));
            time = Duration::from_millis(250);
            for _ in 0..MOST {
                if has(self.friend.as_ref().unwrap()) {
                    return;
                }
                if answers == 0 || self.asked[usize::from(side)].is_empty() {
                    break;
                }
                answers -= 1;
                self.answer_oldest(side);
            }
            self.wire.clear();
        }
        let (friend, events) = (
            self.friend.as_ref().unwrap(),
            &self.gateways[usize::from(side)].events,
        );
        panic!(
            "gateway {side} does not serve its friend: {events:?}; the friend: {:?}",
            friend.events()
        );
    }

    /// Brings a datagram to gateway `side`, from the other's address.
    pub(crate) fn deliver(&mut self, side: u8, datagram: &[u8]) -> Emitted {
        self.act(side, |gateway| gateway.datagram(address(1 - side), datagram))
    }

    /// The target of gateway `side` says something, if its segment is up.
    pub(crate) fn target_says(&mut self, side: u8, frame: &[u8]) {
        if self.gateway(side).states[usize::from(EXPORTS.0)] != SegmentState::Down {
            self.act(side, |gateway| gateway.frame(EXPORTS, frame));
        }
    }

    /// Delivers and answers until nothing is under way.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if let Some((side, datagram)) = self.wire.pop_front() {
                self.deliver(side, &datagram);
            } else if let Some(side) = [0, 1]
                .into_iter()
                .find(|side| !self.asked[usize::from(*side)].is_empty())
            {
                self.answer_oldest(side);
            } else {
                return;
            }
        }
        panic!("the two gateways never fall silent");
    }

    /// The target of gateway `side` answers the oldest frame it was sent.
    pub(crate) fn answer_oldest(&mut self, side: u8) {
        let Some(request) = self.asked[usize::from(side)].pop_front() else {
            return;
        };
        assert!(Frame::parse(&request).is_ok());
        self.target_says(side, &station::answer(side, &request));
    }

    /// Lets time pass for both.
    pub(crate) fn wait(&mut self, time: Duration) {
        for side in [0, 1] {
            self.act(side, |gateway| gateway.wait(time));
        }
    }

    /// Lets a gateway's process die and another one start.
    pub(crate) fn restart(&mut self, side: u8) {
        self.processes = self.processes.wrapping_add(1);
        let process = self.processes;
        let gateway = self.gateway(side);
        *gateway = Gateway::start(side, process, gateway.now);
        self.asked[usize::from(side)].clear();
    }
}
