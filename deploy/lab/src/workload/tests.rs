use super::*;
use crate::netns::{Namespace, VethEnd, veth};
use crate::target::server::TargetServer;
use crate::target::{Backing, Blade, BladeSettings, Target};
use crate::vblade::{Vblade, make_image};

const E7_3: Address = Address { shelf: 7, slot: 3 };
const SECTORS: usize = 16 * 1024;

fn cable(mtu: u32) -> (Namespace, Namespace) {
    let (ini, tgt) = (Namespace::new("ini").unwrap(), Namespace::new("tgt").unwrap());
    let end = |namespace, name| VethEnd {
        namespace,
        name,
        mac: None,
    };
    veth(end(&ini, "eth0"), end(&tgt, "eth0"), mtu).unwrap();
    (ini, tgt)
}

fn ram() -> Target {
    let mut target = Target::new(aoe_common::frame::MacAddr::ZERO, 0);
    target.add(Blade::new(E7_3, Backing::ram(SECTORS), BladeSettings::default()));
    target
}

/// Writes everything, mixes reads and writes, reads everything back.
fn exercise(initiator: &mut Initiator) {
    let facts = initiator.disk(E7_3, Duration::from_secs(5)).unwrap().facts();
    assert_eq!(facts.sectors, SECTORS as u64);
    let mut ledger = Ledger::new(0, SECTORS, 77, Fresh::Zero);
    let bytes = (SECTORS * 512) as u64;
    let workloads = [
        Workload {
            mix: Mix::Write,
            limit: Limit::Bytes(bytes),
            ..Workload::default()
        },
        Workload {
            order: Order::Random,
            mix: Mix::ReadPercent(70),
            block_sectors: 8,
            depth: 32,
            limit: Limit::Bytes(bytes / 4),
            ..Workload::default()
        },
        Workload::read_back(&ledger, 64, 8),
    ];
    for workload in workloads {
        let figures = workload.run(initiator, E7_3, &mut ledger).unwrap();
        assert!(figures.is_clean(), "{workload:?}: {figures:?}");
        // Some may be sent twice: a machine under load is later than the driver's timeout allows.
        assert!(figures.retransmits < figures.frames / 100, "{figures:?}");
        assert!(figures.bytes >= bytes / 4 && figures.latency(50.0) <= figures.latency(99.0));
    }
}

#[test]
fn a_ram_target_over_a_cable_at_both_mtus() {
    for mtu in [1500, 9000] {
        let (ini, tgt) = cable(mtu);
        let server = TargetServer::start(&tgt, "eth0", ram()).unwrap();
        let mut initiator = Initiator::open(&ini, "eth0", Duration::ZERO).unwrap();
        exercise(&mut initiator);
        assert_eq!(
            initiator.driver().sectors_per_frame(E7_3),
            Some(if mtu == 1500 { 2 } else { 17 })
        );
        assert_eq!(server.lock().counters().overflows, 0);
    }
}

#[test]
fn a_ramp_is_verified_and_not_counted() {
    let (ini, tgt) = cable(1500);
    let server = TargetServer::start(&tgt, "eth0", ram()).unwrap();
    let mut initiator = Initiator::open(&ini, "eth0", Duration::ZERO).unwrap();
    initiator.disk(E7_3, Duration::from_secs(5)).unwrap();
    let mut ledger = Ledger::new(0, SECTORS, 9, Fresh::Zero);
    let reads = Workload {
        block_sectors: 2,
        limit: Limit::Bytes(64 << 10),
        ..Workload::default()
    };
    let asked = |server: &TargetServer| server.lock().counters().requests;
    let (before, mut at_begin) = (asked(&server), 0);
    let figures = reads
        .run_after(
            Duration::from_millis(50),
            || at_begin = asked(&server),
            &mut initiator,
            E7_3,
            &mut ledger,
        )
        .unwrap();
    let (ramp, counted) = (at_begin - before, asked(&server) - at_begin);
    assert!(figures.is_clean() && ramp > 0, "{figures:?}");
    // What was in flight when the ramp was over counts where it was answered.
    let in_flight = reads.depth as u64;
    assert!(
        figures.bytes >= 64 << 10 && figures.bytes <= (64 << 10) + in_flight * 1024,
        "{figures:?}"
    );
    assert_eq!(figures.requests, figures.bytes / 1024);
    assert!(figures.frames <= counted + in_flight, "{counted} of {figures:?}");

    // What is wrong is wrong in the ramp too.
    let wrong = server
        .lock()
        .blade_mut(E7_3)
        .unwrap()
        .backing_mut()
        .write(0, &[0xee; 512]);
    wrong.unwrap();
    let stopped = Workload {
        limit: Limit::Bytes(0),
        ..reads
    };
    let figures = stopped
        .run_after(
            Duration::from_millis(50),
            || {},
            &mut initiator,
            E7_3,
            &mut ledger,
        )
        .unwrap();
    assert!(figures.bad_sectors > 0, "{figures:?}");
}

#[test]
fn a_file_target_holds_what_was_written_and_a_tampered_sector_is_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len((SECTORS * 512) as u64).unwrap();
    let (ini, tgt) = cable(1500);
    let mut target = Target::new(aoe_common::frame::MacAddr::ZERO, 0);
    target.add(Blade::new(
        E7_3,
        Backing::file(file.path()).unwrap(),
        BladeSettings::default(),
    ));
    let server = TargetServer::start(&tgt, "eth0", target).unwrap();
    let mut initiator = Initiator::open(&ini, "eth0", Duration::ZERO).unwrap();
    exercise(&mut initiator);

    let mut ledger = Ledger::new(1000, 128, 5, Fresh::Unknown);
    let limit = Limit::Bytes(128 * 512);
    let write = Workload {
        mix: Mix::Write,
        block_sectors: 32,
        limit,
        ..Workload::default()
    };
    assert!(write.run(&mut initiator, E7_3, &mut ledger).unwrap().is_clean());
    server
        .lock()
        .blade_mut(E7_3)
        .unwrap()
        .backing_mut()
        .write(1001, &[0xee; 512])
        .unwrap();
    let read = Workload::read_back(&ledger, 32, 4)
        .run(&mut initiator, E7_3, &mut ledger)
        .unwrap();
    assert_eq!((read.bad_sectors, read.complaints[0].lba), (1, 1001));
}

#[test]
fn a_cable_pulled_for_a_moment_costs_time_and_no_sector() {
    let (ini, tgt) = cable(1500);
    let _server = TargetServer::start(&tgt, "eth0", ram()).unwrap();
    let mut initiator = Initiator::open(&ini, "eth0", Duration::ZERO).unwrap();
    initiator.disk(E7_3, Duration::from_secs(5)).unwrap();
    let mut ledger = Ledger::new(0, SECTORS, 3, Fresh::Zero);
    // Enough round trips that the driver's timeout has come down from sixteen seconds.
    let settle = Workload {
        block_sectors: 2,
        limit: Limit::Bytes(4 << 20),
        ..Workload::default()
    };
    assert!(settle.run(&mut initiator, E7_3, &mut ledger).unwrap().is_clean());

    let puller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        tgt.set_down("eth0").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        tgt.set_up("eth0").unwrap();
        tgt
    });
    let load = Workload {
        mix: Mix::Write,
        limit: Limit::Time(Duration::from_secs(1)),
        ..Workload::default()
    };
    let figures = load.run(&mut initiator, E7_3, &mut ledger).unwrap();
    puller.join().unwrap();
    assert!(figures.is_clean() && figures.retransmits > 0, "{figures:?}");
    let read = Workload::read_back(&ledger, 64, 4)
        .run(&mut initiator, E7_3, &mut ledger)
        .unwrap();
    assert!(read.is_clean(), "{read:?}");
}

#[test]
fn the_real_vblade_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    make_image(&image, SECTORS as u64).unwrap();
    let (ini, tgt) = cable(1500);
    let _vblade = Vblade::new(E7_3, &image).start(&tgt, "eth0", None).unwrap();
    let mut initiator = Initiator::open(&ini, "eth0", Duration::ZERO).unwrap();
    exercise(&mut initiator);
    let found = initiator.discover(Duration::from_millis(100));
    assert_eq!(
        (found.len(), found[0].address, found[0].buffer_count),
        (1, E7_3, 16)
    );
}
