//! Whether a segment is attached: one small state machine per segment.
//!
//! ```text
//!                  link works                 port opened
//!   Absent ───────────────────────▶ Waiting ───────────────▶ Attached
//!     ▲  ◀───────────────────────    ▲  │ ▲                   │    │
//!     │       link does not          └──┘ └───────────────────┘    │
//!     │                             refused        port lost       │
//!     └────────────────────────────────────────────────────────────┘
//!                              link down or gone
//! ```
//!
//! A TAP device is ours to make, so it is never absent: it waits to be made (again).

use std::fmt;
use std::time::Duration;

use aoe_common::frame::MacAddr;
use aoe_common::segment::SegmentState;
use aoe_common::time::Instant;

use super::Backoff;
use crate::sys::link::{Link, LinkKind, LinkState, Master};

/// What a segment attaches to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// A network card. Frames leave with its own address.
    Nic,
    /// A TAP device. Frames leave with this address, not with the device's.
    Tap(MacAddr),
}

/// One segment's attachment.
#[derive(Debug)]
pub struct Attachment {
    flavor: Flavor,
    state: State,
    backoff: Backoff,
}

#[derive(Debug)]
enum State {
    /// With what is in the way, once the device was looked at.
    Absent(Option<Obstacle>),
    Waiting {
        until: Instant,
    },
    Attached {
        index: u32,
        announced: SegmentState,
        since: Instant,
    },
}

/// Why a device cannot be attached to as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no device of that name.
    Missing,
    /// It is switched off.
    Down,
    /// It has no cable, or its peer is down.
    NoCarrier,
    /// It is no Ethernet device; the number is the kernel's for its kind (`ARPHRD_*`).
    NotEthernet(u16),
    /// It is a port of another device, which takes its frames before any socket of ours sees them, or which spreads
    /// frames over several ports.
    Port(Master),
    /// This kind of device never gives us AoE frames.
    Unfit(String),
    /// It was deleted, and another one has its name.
    Replaced,
}

/// Drivers of masters that leave frames of other protocols than their own to the port.
const HARMLESS_MASTERS: [&str; 2] = ["vrf", "batadv"];
/// Drivers of devices that look like Ethernet and are none: macvtap and ipvtap give frames to a program (`tap_handle_frame`
/// in `drivers/net/tap.c`), ipvlan and VRF carry IP only.
const UNFIT: [&str; 4] = ["macvtap", "ipvtap", "ipvlan", "vrf"];

/// What keeps a device from giving us its frames, although it works.
fn deaf(link: &Link) -> Option<Obstacle> {
    if let Some(driver) = &link.driver
        && UNFIT.contains(&driver.as_str())
    {
        return Some(Obstacle::Unfit(driver.clone()));
    }
    let master = link.master.as_ref()?;
    let harmless = HARMLESS_MASTERS.contains(&master.driver.as_str());
    (!harmless).then(|| Obstacle::Port(master.clone()))
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Missing => f.write_str("there is no such device"),
            Obstacle::Down => f.write_str("the device is switched off"),
            Obstacle::NoCarrier => f.write_str("the device has no carrier"),
            Obstacle::NotEthernet(kind) => {
                write!(
                    f,
                    "the device is not Ethernet (it is ARPHRD {kind}): name another one"
                )
            }
            Obstacle::Port(Master { name, driver }) => match driver.as_str() {
                "bridge" => write!(
                    f,
                    "the device is a port of bridge {name}, which takes its frames: attach to the bridge itself \
                     (nic = \"{name}\"), or to a veth or TAP port of it"
                ),
                "openvswitch" => write!(
                    f,
                    "the device is a port of an Open vSwitch ({name}), which takes its frames: attach to an internal \
                     port of that switch"
                ),
                _ => write!(
                    f,
                    "the device is a port of {driver} {name}, whose frames come by any of its ports: attach to that one \
                     (nic = \"{name}\")"
                ),
            },
            Obstacle::Unfit(driver) => write!(
                f,
                "a {driver} device gets no AoE frames: attach to the device below it, or to a macvlan or veth"
            ),
            Obstacle::Replaced => f.write_str("the device was replaced by another one of the same name"),
        }
    }
}

/// What has to happen after an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Rest,
    /// Say that the segment waits for its device.
    Await(Obstacle),
    /// Take the port away from the data plane; the segment is down.
    Detach(Obstacle),
    /// Keep the port and tell the engine what is true now.
    Announce(SegmentState),
}

/// A segment is stable, and its next failure starts with a short wait again, after this long.
const STABLE: Duration = Duration::from_secs(10);

impl Attachment {
    /// A segment that was never looked at.
    pub fn new(flavor: Flavor, now: Instant) -> Self {
        let state = match flavor {
            Flavor::Nic => State::Absent(None),
            Flavor::Tap(_) => State::Waiting { until: now },
        };
        Attachment {
            flavor,
            state,
            backoff: Backoff::default(),
        }
    }

    /// When the port should be opened; `None` if it is open or cannot be.
    pub fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Absent(_) | State::Attached { .. } => None,
        }
    }

    /// How a device with these properties would serve this segment: its index, and what to tell the engine.
    ///
    /// # Errors
    /// What is in the way. A TAP device that is switched off is ours all the same, and no obstacle.
    pub fn judge(&self, link: Option<&Link>) -> Result<(u32, SegmentState), Obstacle> {
        let link = link.ok_or(Obstacle::Missing)?;
        if self.flavor == Flavor::Nic
            && let Some(obstacle) = deaf(link)
        {
            return Err(obstacle);
        }
        let mtu = u16::try_from(link.mtu).unwrap_or(u16::MAX);
        let state = match (self.flavor, link.kind, link.state) {
            (_, LinkKind::Other(kind), _) => return Err(Obstacle::NotEthernet(kind)),
            (Flavor::Nic, LinkKind::Ethernet, LinkState::Down) => return Err(Obstacle::Down),
            (Flavor::Nic, LinkKind::Ethernet, LinkState::NoCarrier) => return Err(Obstacle::NoCarrier),
            (Flavor::Nic, LinkKind::Ethernet, LinkState::Up) => SegmentState::Up { mac: link.mac, mtu },
            (Flavor::Tap(_), LinkKind::Ethernet, LinkState::Down) => SegmentState::Down,
            // The kernel reports the carrier of a new TAP device late, but it always has one while we hold it.
            (Flavor::Tap(mac), LinkKind::Ethernet, LinkState::NoCarrier | LinkState::Up) => {
                SegmentState::Up { mac, mtu }
            }
        };
        Ok((link.index, state))
    }

    /// Takes in what the kernel says of the device now.
    pub fn observe(&mut self, link: Option<&Link>, now: Instant) -> Step {
        let view = self.judge(link);
        match (&mut self.state, view) {
            (
                State::Attached {
                    index: ours,
                    announced,
                    ..
                },
                Ok((index, state)),
            ) if *ours == index => {
                if *announced == state {
                    return Step::Rest;
                }
                *announced = state;
                Step::Announce(state)
            }
            (State::Attached { .. }, Ok(_)) => self.retreat(Obstacle::Replaced, now),
            (State::Attached { .. }, Err(obstacle)) => self.retreat(obstacle, now),
            (State::Absent(_), Ok(_)) => {
                self.state = State::Waiting { until: now };
                Step::Rest
            }
            (State::Absent(known), Err(obstacle)) => {
                if known.as_ref() == Some(&obstacle) {
                    return Step::Rest;
                }
                *known = Some(obstacle.clone());
                Step::Await(obstacle)
            }
            (State::Waiting { .. }, Err(obstacle)) if self.flavor == Flavor::Nic => {
                self.state = State::Absent(Some(obstacle.clone()));
                Step::Await(obstacle)
            }
            (State::Waiting { .. }, _) => Step::Rest,
        }
    }

    /// The port is open; the data plane has it, with this state.
    pub fn opened(&mut self, index: u32, announced: SegmentState, now: Instant) {
        self.state = State::Attached {
            index,
            announced,
            since: now,
        };
    }

    /// The port could not be opened. Returns how long until the next attempt.
    pub fn refused(&mut self, now: Instant) -> Duration {
        let wait = self.backoff.step();
        self.state = State::Waiting { until: now + wait };
        wait
    }

    /// The data plane gave the port up after an error. Returns how long until the next attempt, or nothing if
    /// the port was taken away from it already.
    pub fn lost(&mut self, now: Instant) -> Option<Duration> {
        let State::Attached { .. } = self.state else {
            return None;
        };
        self.forgive_if_stable(now);
        Some(self.refused(now))
    }

    /// The port is of no more use.
    fn retreat(&mut self, obstacle: Obstacle, now: Instant) -> Step {
        self.forgive_if_stable(now);
        self.state = match (self.flavor, &obstacle) {
            (Flavor::Nic, Obstacle::Replaced) => State::Waiting { until: now },
            (Flavor::Nic, _) => State::Absent(Some(obstacle.clone())),
            (Flavor::Tap(_), _) => State::Waiting {
                until: now + self.backoff.step(),
            },
        };
        Step::Detach(obstacle)
    }

    fn forgive_if_stable(&mut self, now: Instant) {
        if let State::Attached { since, .. } = self.state
            && now.saturating_since(since) >= STABLE
        {
            self.backoff = Backoff::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const CARD: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    const WORKING: Link = Link {
        index: 7,
        name: String::new(),
        mac: CARD,
        mtu: 1500,
        kind: LinkKind::Ethernet,
        driver: None,
        state: LinkState::Up,
        master: None,
        tun: None,
    };

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    /// Observes, and opens what is due.
    fn attach(attachment: &mut Attachment, link: &Link, now: Instant) -> SegmentState {
        assert_eq!(attachment.observe(Some(link), now), Step::Rest);
        assert!(attachment.due().is_some_and(|due| due <= now));
        let (index, state) = attachment.judge(Some(link)).unwrap();
        attachment.opened(index, state, now);
        assert_eq!(attachment.due(), None);
        state
    }

    #[test]
    fn a_card_is_attached_when_it_works_and_follows_its_changes() {
        let mut nic = Attachment::new(Flavor::Nic, at(0));
        assert_eq!(nic.observe(None, at(1)), Step::Await(Obstacle::Missing));
        assert_eq!(nic.observe(None, at(1)), Step::Rest);
        let off = Link {
            state: LinkState::Down,
            ..WORKING
        };
        assert_eq!(nic.observe(Some(&off), at(2)), Step::Await(Obstacle::Down));
        assert_eq!(nic.observe(Some(&off), at(3)), Step::Rest);
        let state = attach(&mut nic, &WORKING, at(4));
        assert_eq!(state, SegmentState::Up { mac: CARD, mtu: 1500 });
        assert_eq!(nic.observe(Some(&WORKING), at(5)), Step::Rest);
        let jumbo = Link { mtu: 9000, ..WORKING };
        let announced = SegmentState::Up { mac: CARD, mtu: 9000 };
        assert_eq!(nic.observe(Some(&jumbo), at(6)), Step::Announce(announced));
        assert_eq!(nic.observe(Some(&jumbo), at(7)), Step::Rest);
        let unplugged = Link {
            state: LinkState::NoCarrier,
            ..jumbo.clone()
        };
        assert_eq!(
            nic.observe(Some(&unplugged), at(8)),
            Step::Detach(Obstacle::NoCarrier)
        );
        assert_eq!(nic.due(), None);
        attach(&mut nic, &jumbo, at(9));
        assert_eq!(nic.observe(None, at(10)), Step::Detach(Obstacle::Missing));
    }

    #[test]
    fn a_card_replaced_under_its_name_is_attached_again_at_once() {
        let mut nic = Attachment::new(Flavor::Nic, at(0));
        attach(&mut nic, &WORKING, at(0));
        let other = Link { index: 8, ..WORKING };
        assert_eq!(nic.observe(Some(&other), at(1)), Step::Detach(Obstacle::Replaced));
        assert_eq!(nic.due(), Some(at(1)));
        attach(&mut nic, &other, at(1));
    }

    #[test]
    fn what_is_not_ethernet_is_never_attached() {
        let mut nic = Attachment::new(Flavor::Nic, at(0));
        let loopback = Link {
            kind: LinkKind::Other(772),
            ..WORKING
        };
        assert_eq!(
            nic.observe(Some(&loopback), at(1)),
            Step::Await(Obstacle::NotEthernet(772))
        );
        assert_eq!(nic.due(), None);
    }

    #[test]
    fn a_port_of_a_bridge_is_not_attached_until_it_is_free() {
        let port_of = |name: &str, driver: &str| Link {
            master: Some(Master {
                name: name.to_owned(),
                driver: driver.to_owned(),
            }),
            ..WORKING
        };
        let bridged = port_of("br0", "bridge");
        let obstacle = || Obstacle::Port(bridged.master.clone().unwrap());
        assert!(obstacle().to_string().contains("nic = \"br0\""));
        let mut nic = Attachment::new(Flavor::Nic, at(0));
        assert_eq!(nic.observe(Some(&bridged), at(0)), Step::Await(obstacle()));
        assert_eq!(nic.due(), None);
        attach(&mut nic, &WORKING, at(1));
        assert_eq!(nic.observe(Some(&bridged), at(2)), Step::Detach(obstacle()));
        assert_eq!(nic.observe(Some(&bridged), at(3)), Step::Rest);
        for harmless in ["vrf", "batadv"] {
            attach(&mut nic, &port_of("master", harmless), at(4));
            nic.observe(None, at(5));
        }
        for harmful in ["bond", "team", "openvswitch", "hsr"] {
            assert!(nic.judge(Some(&port_of("master", harmful))).is_err(), "{harmful}");
        }
        let macvtap = Link {
            driver: Some("macvtap".to_owned()),
            ..WORKING
        };
        assert_eq!(
            nic.judge(Some(&macvtap)),
            Err(Obstacle::Unfit("macvtap".to_owned()))
        );
        // Frames of a TAP device come from its file, whatever the host does with it.
        let tap = Attachment::new(Flavor::Tap(OWN), at(0));
        assert!(tap.judge(Some(&bridged)).is_ok());
    }

    #[test]
    fn attempts_back_off_to_five_seconds_and_a_stable_time_forgives() {
        let mut nic = Attachment::new(Flavor::Nic, at(0));
        nic.observe(Some(&WORKING), at(0));
        let waits: Vec<_> = (0..8).map(|_| nic.refused(at(0)).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(nic.due(), Some(at(5000)));
        let (index, state) = nic.judge(Some(&WORKING)).unwrap();
        nic.opened(index, state, at(5000));
        assert_eq!(nic.lost(at(6000)), Some(Duration::from_secs(5)));
        nic.opened(index, state, at(11_000));
        assert_eq!(nic.lost(at(21_000)), Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_waiting_card_that_vanishes_is_not_tried() {
        let mut nic = Attachment::new(Flavor::Nic, at(0));
        attach(&mut nic, &WORKING, at(0));
        assert!(nic.lost(at(1)).is_some());
        assert_eq!(nic.observe(None, at(2)), Step::Await(Obstacle::Missing));
        assert_eq!(nic.due(), None);
        // The data plane's news may come after the kernel's.
        assert_eq!(nic.lost(at(3)), None);
        assert_eq!(nic.due(), None);
    }

    #[test]
    fn a_tap_is_made_without_a_device_keeps_its_port_while_off_and_is_made_again() {
        let mut tap = Attachment::new(Flavor::Tap(OWN), at(0));
        assert_eq!(tap.observe(None, at(0)), Step::Rest);
        assert_eq!(tap.due(), Some(at(0)));
        let fresh = Link {
            state: LinkState::NoCarrier,
            ..WORKING
        };
        let (index, state) = tap.judge(Some(&fresh)).unwrap();
        assert_eq!(state, SegmentState::Up { mac: OWN, mtu: 1500 });
        tap.opened(index, state, at(0));
        assert_eq!(tap.observe(Some(&WORKING), at(1)), Step::Rest);
        let off = Link {
            state: LinkState::Down,
            ..WORKING
        };
        assert_eq!(tap.observe(Some(&off), at(2)), Step::Announce(SegmentState::Down));
        assert_eq!(tap.observe(Some(&WORKING), at(3)), Step::Announce(state));
        assert_eq!(tap.observe(None, at(4)), Step::Detach(Obstacle::Missing));
        assert_eq!(tap.due(), Some(at(104)));
        assert_eq!(tap.observe(None, at(5)), Step::Rest);
    }
}
