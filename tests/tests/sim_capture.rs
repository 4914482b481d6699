//! Captures: exactly the frames that pass, where they pass, with what became of them; and nothing while nobody captures.

use std::time::Duration;

use aoe_common::config::{Access, ConfigString, ExportId, ImportId, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::Event;
use aoe_common::frame::{AoeCommand, ETHERNET_HEADER_LEN, Frame, MacAddr};
use aoe_common::tap::{Batch, Place, Record, Step, Verdict};
use e2e::sim::craft::{self, Seen};
use e2e::sim::plan::{REAL, SEEN, gateway_mac};
use e2e::sim::{HostId, Pair, Plan, SiteId, World};

const READ_EXT: u8 = 0x24;
const WRITE_EXT: u8 = 0x34;
const IMPORT: Place = Place::Import(ImportId(0));
const EXPORT: Place = Place::Export(ExportId(0));

/// A running pair, and a station on the initiator's LAN whose frames are captured on both sides.
struct Stage {
    world: World,
    pair: Pair,
    station: HostId,
    number: u64,
}

impl Stage {
    fn new(change: impl FnOnce(&mut Plan, Pair)) -> Stage {
        let (mut plan, pair) = Plan::pair(7);
        let station = plan.station(pair.left);
        change(&mut plan, pair);
        let mut world = plan.build();
        world.run_until("the import is up", Duration::from_secs(5), |world| {
            world.events_like(pair.edge, |event| matches!(event, Event::ImportUp { .. })) > 0
        });
        world.run_for(Duration::from_millis(100));
        world.take_heard(station);
        let mut stage = Stage {
            world,
            pair,
            station,
            number: 1 << 60,
        };
        assert_eq!(stage.world.captured(pair.edge), None, "nobody captures");
        let mac = stage.mac();
        stage.world.begin_capture(pair.edge, vec![IMPORT], mac);
        stage.world.begin_capture(pair.exit, vec![EXPORT], mac);
        stage
    }

    fn mac(&self) -> MacAddr {
        self.world.mac(self.station)
    }

    /// A frame of the station to the edge.
    fn frame(&self, argument: &[u8]) -> Vec<u8> {
        let edge = gateway_mac(self.pair.edge, SegmentId(0));
        let pdu = craft::pdu(SEEN, AoeCommand::Ata, 0x8000_0007, argument);
        craft::frame(edge, self.mac(), &pdu)
    }

    /// Sends it; what the station hears, without what all hear.
    fn send(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.world.send_frame(self.station, frame);
        self.world.run_for(Duration::from_millis(50));
        let heard = self.world.take_heard_raw(self.station);
        let mac = self.mac();
        heard
            .into_iter()
            .filter(|frame| Seen::parse(frame).destination == mac)
            .collect()
    }

    /// Hands a request to the exit as if the edge had sealed it.
    fn lie(&mut self, argument: &[u8]) {
        self.number += 1;
        let pdu = craft::pdu(REAL, AoeCommand::Ata, 5, argument);
        let at = (self.number, self.world.clock(self.pair.edge));
        let chunk = craft::request_chunk(0, 7, self.mac(), at, &pdu);
        self.world.lie(self.pair.exit, self.pair.edge, &chunk);
        self.world.run_for(Duration::from_millis(20));
    }

    fn captured(&mut self, site: SiteId) -> Vec<(Record, Vec<u8>)> {
        records(&self.world.captured(site).unwrap())
    }
}

fn records(batch: &Batch) -> Vec<(Record, Vec<u8>)> {
    assert!(batch.dropped().is_empty());
    let frames = batch.iter().map(|(record, bytes)| (*record, bytes.to_vec()));
    frames.collect()
}

fn steps(frames: &[(Record, Vec<u8>)]) -> Vec<Step> {
    frames.iter().map(|(record, _)| record.step).collect()
}

fn request(verdict: Verdict) -> Step {
    Step::Request(verdict)
}

#[test]
fn a_request_and_its_answer_are_captured_wherever_they_pass() {
    let mut stage = Stage::new(|_, _| {});
    let asked = stage.frame(&craft::ata(READ_EXT, 1, 5, &[]));
    let heard = stage.send(&asked);
    let edge = stage.captured(stage.pair.edge);
    assert_eq!(edge.len(), 2, "{edge:?}");
    assert_eq!((edge[0].0.step, &edge[0].1), (request(Verdict::Admitted), &asked));
    assert_eq!(vec![edge[1].1.clone()], heard);
    let Step::Answer {
        took_us: Some(took),
        refused: None,
    } = edge[1].0.step
    else {
        panic!("{edge:?}")
    };
    assert_eq!(took, edge[1].0.at.micros_since(edge[0].0.at));
    let numbers: Vec<_> = edge.iter().map(|(record, _)| record.subject.number).collect();
    assert!(numbers[0].is_some() && numbers[0] == numbers[1], "{numbers:?}");

    let exit = stage.captured(stage.pair.exit);
    let mac = stage.mac();
    let subject = exit[0].0.subject;
    assert_eq!((subject.place, subject.initiator), (EXPORT, Some(mac)));
    assert!(exit.iter().all(|(record, _)| record.subject == subject));
    assert_eq!(subject.number, numbers[0]);
    let [came, sent, answered] = &exit[..] else {
        panic!("{exit:?}")
    };
    assert_eq!(came.0.step, request(Verdict::Admitted));
    assert_eq!(sent.0.step, Step::ToTarget { before: 0 });
    assert!(matches!(answered.0.step, Step::FromTarget { took_us: Some(took) } if took < 50_000));
    // The PDU of the initiator, with its own tag; then as the gateway sends it, and what the target says to that.
    assert!(asked[ETHERNET_HEADER_LEN..].starts_with(&came.1[ETHERNET_HEADER_LEN..]));
    let [came, sent, answered] = [&came.1, &sent.1, &answered.1].map(|bytes| Frame::parse(bytes).unwrap());
    let exit_mac = gateway_mac(stage.pair.exit, SegmentId(0));
    let target = stage.world.mac(stage.pair.target);
    assert_eq!((came.source(), came.destination()), (mac, target));
    assert_eq!((sent.source(), sent.destination()), (exit_mac, target));
    assert_eq!((answered.source(), answered.destination()), (target, exit_mac));

    stage.world.end_capture(stage.pair.edge);
    stage.send(&asked);
    assert_eq!(stage.world.captured(stage.pair.edge), None, "it is over");
    assert!(!stage.captured(stage.pair.exit).is_empty());
}

#[test]
fn a_refused_write_is_captured_with_its_reason_and_goes_no_further() {
    let mut stage = Stage::new(|plan, pair| {
        plan.sites[pair.exit.0].exports[0].allow[0].access = Access::ReadOnly;
    });
    let reason = DropReason::RefusedReadOnly;
    let argument = craft::ata(WRITE_EXT, 1, 5, &[1; 512]);
    let asked = stage.frame(&argument);
    let heard = stage.send(&asked);
    let edge = stage.captured(stage.pair.edge);
    let told = Step::Answer {
        took_us: None,
        refused: Some(reason),
    };
    assert_eq!(steps(&edge), [request(Verdict::Refused(reason)), told]);
    assert_eq!((&edge[0].1, &edge[1].1), (&asked, &heard[0]));
    assert!(stage.captured(stage.pair.exit).is_empty());
    // The exit judges by itself.
    stage.lie(&argument);
    let exit = stage.captured(stage.pair.exit);
    assert_eq!(steps(&exit), [request(Verdict::Refused(reason))]);
}

#[test]
fn an_initiator_that_is_not_listed_is_captured_as_ignored() {
    let mut stage = Stage::new(|plan, pair| {
        let initiator = plan.mac(pair.initiator);
        let allow = &mut plan.sites[pair.exit.0].exports[0].allow[0];
        allow.initiators = Some(vec![initiator]);
        allow.config_string = ConfigString::Read;
    });
    let ignored = Verdict::Ignored(DropReason::RequestInitiatorNotAllowed);
    let argument = craft::ata(READ_EXT, 1, 5, &[]);
    let asked = stage.frame(&argument);
    assert!(stage.send(&asked).is_empty());
    let edge = stage.captured(stage.pair.edge);
    assert_eq!(steps(&edge), [request(ignored)]);
    assert_eq!(edge[0].1, asked);
    stage.lie(&argument);
    let exit = stage.captured(stage.pair.exit);
    assert_eq!(
        steps(&exit),
        [request(ignored)],
        "it is not taken for one that was told"
    );
}
