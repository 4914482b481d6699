//! Imports that come, change and go, and exports that are withdrawn, while other imports carry load.

mod rows;

use std::time::Duration;

use aoe_common::config::{Access, ImportConfig, OnConflict, SegmentId};
use aoe_common::drop_reason::DropReason;
use aoe_common::event::{Event, ImportFault, Level, Withdrawn};
use aoe_common::frame::{Address, AoeCommand, MacAddr, QueryCommand};
use aoe_common::telemetry::Count;
use aoe_lab::target::BladeSettings;
use e2e::sim::craft::{self, Seen};
use e2e::sim::plan::gateway_mac;
use e2e::sim::seeds::for_each_seed;
use e2e::sim::wire::Weather;
use e2e::sim::{HostId, Load, Plan, SiteId, World};

/// Where the two disks are, and where initiators see them.
const REAL: [Address; 2] = [at(1, 1), at(1, 2)];
const SEEN: [Address; 2] = [at(10, 1), at(10, 2)];
/// The longest that a request of an import takes that nothing is done to.
const LONGEST: Duration = Duration::from_millis(30);

const fn at(shelf: u16, slot: u8) -> Address {
    Address { shelf, slot }
}

/// A site that imports the disks of another one.
struct Story {
    world: World,
    edge: SiteId,
    exit: SiteId,
    initiator: HostId,
    /// Sends what a test says, and hears what the edge says.
    station: HostId,
    target: HostId,
    /// What it may import.
    imports: [ImportConfig; 2],
}

impl Story {
    /// With an import of the first disk, and perhaps of the second.
    fn new(seed: u64, weather: Weather, second: bool) -> Story {
        let mut plan = Plan::new(seed);
        plan.weather = weather;
        let [left, right] = [plan.lan(1500), plan.lan(1500)];
        let (edge, exit) = (plan.site(&[left]), plan.site(&[right]));
        plan.introduce(edge, exit);
        let target = plan.target(right);
        for (name, real, seen) in [("one", REAL[0], SEEN[0]), ("two", REAL[1], SEEN[1])] {
            plan.blade(target, real, BladeSettings::default());
            plan.export(exit, name, right, real, edge, Access::ReadWrite);
            plan.import(edge, exit, name, left, seen);
        }
        let imports: [ImportConfig; 2] = plan.sites[edge.0].imports.clone().try_into().unwrap();
        if !second {
            plan.sites[edge.0].imports.truncate(1);
        }
        let (initiator, station) = (plan.initiator(left), plan.station(left));
        let mut story = Story {
            world: plan.build(),
            edge,
            exit,
            initiator,
            station,
            target,
            imports,
        };
        let most = if second { 2 } else { 1 };
        for seen in &SEEN[..most] {
            story.world.open(initiator, *seen);
        }
        story.world.take_heard(story.station);
        story
    }

    fn calm(second: bool) -> Story {
        Story::new(1, Weather::calm(Duration::from_millis(1)), second)
    }

    fn load(&mut self, disk: usize, operations: u64) {
        let load = Load::new(self.initiator, SEEN[disk], (self.target, REAL[disk]));
        self.world.start_load(load.operations(operations));
    }

    /// The imports of the edge are these from now on.
    fn reload(&mut self, imports: Vec<ImportConfig>) {
        self.world.reload(self.edge, |plan| plan.imports = imports);
    }

    /// Waits until the edge has said so of the second import, for the n-th time.
    fn wait_for_up(&mut self, times: usize, limit: Duration) -> Duration {
        let edge = self.edge;
        let up = |event: &Event| matches!(event, Event::ImportUp { address, .. } if *address == SEEN[1]);
        self.world
            .run_until("it is up", limit, |world| world.events_like(edge, up) == times)
    }

    /// The faults of the second import that the edge has logged.
    fn faults(&self) -> Vec<(Level, ImportFault)> {
        let fault = |event: &Event| match event {
            Event::ImportDown { address, why, .. } if *address == SEEN[1] => {
                Some((event.level(), why.clone()))
            }
            _ => None,
        };
        self.world.events(self.edge).filter_map(fault).collect()
    }

    /// A read of the second disk by the station.
    fn read_second(&mut self, tag: u32) {
        let pdu = craft::pdu(SEEN[1], AoeCommand::Ata, tag, &craft::ata(0x24, 1, 0, &[]));
        let frame = craft::frame(
            gateway_mac(self.edge, SegmentId(0)),
            self.world.mac(self.station),
            &pdu,
        );
        self.world.send_frame(self.station, &frame);
    }

    /// A discovery by the station.
    fn discover(&mut self) {
        let query = craft::query(QueryCommand::Read, b"");
        let pdu = craft::pdu(Address::BROADCAST, AoeCommand::Query, 9, &query);
        let frame = craft::frame(MacAddr::BROADCAST, self.world.mac(self.station), &pdu);
        self.world.send_frame(self.station, &frame);
    }

    /// What the edge has said of the second import since the last call, in 50 ms.
    fn heard(&mut self) -> Vec<Seen> {
        self.world.run_for(Duration::from_millis(50));
        let heard = self.world.take_heard(self.station);
        let own = gateway_mac(self.edge, SegmentId(0));
        let of_second = |seen: &Seen| {
            seen.source == own && seen.header.flags.is_response() && seen.header.address == SEEN[1]
        };
        heard.into_iter().filter(of_second).collect()
    }

    /// What the exit would say of the second disk: it is offered.
    fn offer(&mut self, serial: u32, export: u16) {
        let mut entry = export.to_be_bytes().to_vec();
        // It answers and may be written; firmware, 16 buffers, two sectors a frame, which disk is not known.
        entry.extend_from_slice(&[3, 0, 1, 0, 16, 2, 2]);
        entry.extend_from_slice(&[0; 16]);
        entry.push(3);
        entry.extend_from_slice(b"two\0\0\0");
        self.update(serial, 2, &entry);
    }

    /// What the exit would say of the second disk: it is withdrawn.
    fn withdraw(&mut self, serial: u32, export: u16, why: u8) {
        let [high, low] = export.to_be_bytes();
        self.update(serial, 1, &[high, low, 64, why]);
    }

    fn update(&mut self, serial: u32, exports: u8, entry: &[u8]) {
        let mut update = serial.to_be_bytes().to_vec();
        update.extend_from_slice(&[0, 0, exports]);
        update.extend_from_slice(entry);
        self.world.lie(self.edge, self.exit, &craft::chunk(5, &update));
    }

    /// Lets the load of the first disk end. Nothing that happened to the second import was noticed there.
    fn finish_undisturbed(mut self) {
        self.world.finish_loads(Duration::from_secs(60));
        let longest = self.world.latencies().into_iter().max().unwrap();
        assert!(longest < LONGEST, "{longest:?}");
        assert_eq!(
            self.world.count(self.edge, Count::Handshakes),
            2,
            "the first session, and that with post-quantum keys right after it"
        );
        let of_first = |event: &Event| {
            matches!(event, Event::ImportUp { address, .. } | Event::ImportDown { address, .. }
                if *address == SEEN[0])
        };
        assert_eq!(self.world.events_like(self.edge, of_first), 1);
        self.world.verify_disks();
    }
}

#[test]
fn an_import_that_is_added_is_up_at_once_and_others_do_not_notice() {
    let mut story = Story::calm(false);
    story.load(0, 2000);
    story.world.run_for(Duration::from_millis(100));
    story.reload(story.imports.to_vec());
    // A round trip for the question to the exit, then 100 ms for that to the segment.
    let took = story.wait_for_up(1, Duration::from_secs(1));
    assert!(took < Duration::from_millis(125), "{took:?}");
    assert_eq!(story.heard().len(), 1, "it says that it is there");
    assert_eq!(story.faults(), []);
    story.world.open(story.initiator, SEEN[1]);
    story.load(1, 300);
    story.finish_undisturbed();
}

#[test]
fn an_import_that_is_added_comes_up_through_any_weather() {
    for_each_seed(12, |seed| {
        let weather = Weather {
            loss: 0.3,
            ..Weather::rough(Duration::from_millis(5))
        };
        let mut story = Story::new(seed, weather, false);
        story.reload(story.imports.to_vec());
        story.wait_for_up(1, Duration::from_secs(15));
        // It is never said not to be offered, because it was told before the import was there.
        let faults = story.faults();
        assert!(
            !faults
                .iter()
                .any(|(_, fault)| matches!(fault, ImportFault::NotOffered { .. })),
            "{faults:?}"
        );
    });
}

#[test]
fn an_import_that_nobody_offers_is_named_once_the_peer_was_asked() {
    let mut story = Story::calm(false);
    let mut wrong = story.imports[1].clone();
    wrong.export = "three".to_owned();
    let imports = vec![story.imports[0].clone(), wrong];
    story.reload(imports);
    assert_eq!(story.faults(), []);
    story.world.run_for(Duration::from_secs(3));
    let not_offered = ImportFault::NotOffered { others: Some(2) };
    assert_eq!(story.faults(), [(Level::Warn, not_offered)]);
    let missed = |event: &Event| matches!(event, Event::ExportMissed { export, .. } if export == "three");
    assert_eq!(story.world.events_like(story.exit, missed), 1);
    // Nobody asks forever.
    let sealed = story.world.count(story.edge, Count::RecordsSealed);
    story.world.run_for(Duration::from_secs(60));
    let sealed = story.world.count(story.edge, Count::RecordsSealed) - sealed;
    assert!(sealed < 60, "{sealed} records in a minute");
}

#[test]
fn an_import_that_is_removed_is_silent_at_once() {
    let mut story = Story::calm(true);
    story.load(0, 2000);
    story.read_second(1);
    assert_eq!(story.heard().len(), 1, "it works");
    // One answer is on its way when it is removed.
    story.read_second(2);
    story.world.run_for(Duration::from_micros(1500));
    story.reload(vec![story.imports[0].clone()]);
    story.world.run_for(Duration::from_millis(5));
    assert_eq!(story.world.dropped(story.edge, DropReason::ReplyUnknown), 1);
    story.read_second(3);
    story.discover();
    assert_eq!(story.heard(), []);
    assert_eq!(
        story.world.dropped(story.edge, DropReason::RequestUnknownAddress),
        1
    );
    assert_eq!(story.faults(), [(Level::Info, ImportFault::Removed)]);
    assert_eq!(story.world.snapshot(story.edge).alarms, []);
    // And again: it knows nothing of what it was asked before.
    story.reload(story.imports.to_vec());
    story.wait_for_up(2, Duration::from_secs(1));
    story.read_second(4);
    assert_eq!(story.heard().len(), 2, "it says that it is there, and answers");
    story.finish_undisturbed();
}

#[test]
fn troubles_of_an_import_go_with_it() {
    let mut story = Story::calm(true);
    let pdu = craft::pdu(SEEN[1], AoeCommand::Ata, 1, &craft::ata(0xb0, 1, 0, &[]));
    let frame = craft::frame(
        gateway_mac(story.edge, SegmentId(0)),
        story.world.mac(story.station),
        &pdu,
    );
    story.world.send_frame(story.station, &frame);
    story.world.run_for(Duration::from_millis(10));
    let alarms = story.world.snapshot(story.edge).alarms;
    assert!(
        alarms.iter().any(|alarm| alarm.about == "import e10.2"),
        "{alarms:?}"
    );
    story.reload(vec![story.imports[0].clone()]);
    assert_eq!(story.world.snapshot(story.edge).alarms, []);
    story.world.run_for(Duration::from_secs(10));
    let at_exit = |event: &Event| matches!(event, Event::RequestRefused { .. });
    assert_eq!(
        story.world.events_like(story.exit, at_exit),
        0,
        "nothing more is said about it"
    );
}

#[test]
fn another_window_is_told_to_initiators_and_nothing_is_lost() {
    let mut story = Story::calm(true);
    story.load(0, 1000);
    story.load(1, 1000);
    story.world.run_for(Duration::from_millis(50));
    story.heard();
    let mut imports = story.imports.to_vec();
    for window in [8u16, 1024, 4] {
        imports[1].window = window;
        imports[1].on_conflict = OnConflict::Alarm;
        story.reload(imports.clone());
        let told = story.heard();
        assert_eq!(told.len(), 1);
        let argument = told[0].argument.first_chunk::<2>().unwrap();
        assert_eq!(u16::from_be_bytes(*argument), window);
    }
    assert_eq!(story.faults(), []);
    story.finish_undisturbed();
}

#[test]
fn an_export_that_is_withdrawn_is_silent_until_it_is_offered_again() {
    for (why, reason) in [(1, Withdrawn::NotExported), (2, Withdrawn::NotAllowed)] {
        let mut story = Story::calm(true);
        story.load(0, 2000);
        story.heard();
        story.withdraw(1000, 1, why);
        let fault = (Level::Warn, ImportFault::Withdrawn(reason));
        assert_eq!(story.faults(), std::slice::from_ref(&fault));
        let before = story.world.dropped(story.edge, DropReason::RequestImportDown);
        story.read_second(1);
        story.discover();
        assert_eq!(story.heard(), [], "an error would be for good");
        let dropped = story.world.dropped(story.edge, DropReason::RequestImportDown);
        assert_eq!(dropped - before, 2);
        // Another number is another export, and what is withdrawn twice is not there.
        story.withdraw(1001, 1, why);
        story.withdraw(1002, 7, why);
        story.offer(1003, 7);
        story.withdraw(1004, 1, why);
        story.wait_for_up(2, Duration::from_millis(150));
        story.discover();
        assert_eq!(story.heard().len(), 2, "it says that it is there, and answers");
        assert_eq!(story.faults(), [fault]);
        story.finish_undisturbed();
    }
}
