use proptest::prelude::*;

use super::*;
use crate::config::Rates;
use crate::frame::AtaOpcode;
use crate::frame::ata::AtaFlags;
use crate::request::Asked;

const DISK: ExportId = ExportId(0);
const OTHER: ExportId = ExportId(1);
const ALICE: PeerId = PeerId(0);

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

fn owner(export: ExportId, n: u8) -> Owner {
    Owner {
        export,
        peer: ALICE,
        initiator: MacAddr([2, 0, 0, 0, 0, n]),
    }
}

fn iops(rate: u64) -> Limit {
    Limit {
        ceiling: Rates {
            iops: Some(rate),
            bandwidth: None,
        },
        floor: Rates::default(),
    }
}

fn bandwidth(rate: u64) -> Limit {
    Limit {
        ceiling: Rates {
            iops: None,
            bandwidth: Some(rate),
        },
        floor: Rates::default(),
    }
}

fn read(sectors: u8) -> Cost {
    Cost::of(Asked::Ata {
        opcode: AtaOpcode::ReadExt,
        sectors,
        flags: AtaFlags(0),
    })
}

/// How many requests pass in a second of somebody who comes whenever he may.
fn passed(limits: &mut Limits, owner: Owner, cost: Cost, from: u64) -> u64 {
    let (mut now, mut passed) = (from, 0);
    while now < from + 1_000_000 {
        limits.open(at(now));
        match limits.admit(owner, cost, at(now), at(now)) {
            Ok(()) => passed += 1,
            Err(Refused::Shared) => now = limits.due().as_micros().max(now + 1),
            Err(Refused::Own(due)) => now = due.as_micros(),
        }
    }
    passed
}

#[test]
fn each_of_the_four_limits_counts_and_the_smallest_decides() {
    let mut limits = Limits::default();
    let now = at(0);
    assert!(limits.are_none() && !limits.concern(DISK, ALICE));
    for (n, (whom, rate)) in (1u64..).zip([
        (Limited::Export(DISK), 4000),
        (Limited::Peer(ALICE), 3000),
        (Limited::Grant(DISK, ALICE), 2000),
        (Limited::Initiator(DISK, ALICE, owner(DISK, 1).initiator), 1000),
    ]) {
        limits.set_live(whom, Some(iops(rate)), now);
        assert!(limits.concern(DISK, ALICE));
        let passed = passed(&mut limits, owner(DISK, 1), read(1), 10_000_000 * n);
        assert!(passed.abs_diff(rate) * 20 <= rate, "{passed} of {rate}");
    }
    let passed = passed(&mut limits, owner(DISK, 2), read(1), 99_000_000_000);
    assert!(
        passed.abs_diff(2000) <= 100,
        "another initiator has no limit of its own: {passed}"
    );
}

#[test]
fn rates_are_right_to_five_in_a_hundred_over_a_second() {
    for rate in [100, 3000, 100_000] {
        let mut limits = Limits::default();
        limits.set_live(Limited::Peer(ALICE), Some(iops(rate)), at(0));
        let passed = passed(&mut limits, owner(DISK, 1), read(1), 0);
        assert!(passed.abs_diff(rate) * 20 <= rate, "{passed} of {rate}");
    }
    for rate in [1_000_000, 33_333_333, 1_000_000_000] {
        for sectors in [2, 17] {
            let mut limits = Limits::default();
            limits.set_live(Limited::Peer(ALICE), Some(bandwidth(rate)), at(0));
            let passed = passed(&mut limits, owner(DISK, 1), read(sectors), 0) * 512 * u64::from(sectors);
            assert!(
                passed.abs_diff(rate) * 20 <= rate,
                "{passed} of {rate} by {sectors}"
            );
        }
    }
}

#[test]
fn what_one_limit_refuses_is_not_taken_from_another() {
    let mut limits = Limits::default();
    limits.set_live(Limited::Export(DISK), Some(iops(1000)), at(0));
    let own = |n| Limited::Initiator(DISK, ALICE, owner(DISK, n).initiator);
    limits.set_live(own(1), Some(iops(1)), at(0));
    limits.set_live(Limited::Grant(OTHER, ALICE), Some(bandwidth(1000)), at(0));
    limits.set_live(Limited::Peer(ALICE), Some(iops(1000)), at(0));
    assert_eq!(limits.admit(owner(DISK, 1), read(1), at(0), at(0)), Ok(()));
    for _ in 0..100 {
        let refused = limits.admit(owner(DISK, 1), read(1), at(0), at(0));
        assert_eq!(refused, Err(Refused::Own(at(975_000))));
    }
    // 25 of the 26 that the export and the peer let pass at once are left, although another one refused some.
    let also = (0..100).filter(|_| limits.admit(owner(DISK, 2), read(1), at(0), at(0)).is_ok());
    assert_eq!(also.count(), 25);
}

#[test]
fn nobody_passes_before_one_who_waits() {
    let mut limits = Limits::default();
    limits.set_live(Limited::Peer(ALICE), Some(bandwidth(1_000_000)), at(0));
    while limits.admit(owner(DISK, 1), read(16), at(0), at(0)).is_ok() {}
    assert_eq!(
        limits.waits_for(owner(OTHER, 2)).collect::<Vec<_>>(),
        [Limited::Peer(ALICE)]
    );
    let due = limits.due();
    let before = at(due.as_micros() - 1);
    assert_eq!(
        limits.admit(owner(OTHER, 2), read(1), before, before),
        Err(Refused::Shared),
        "there is enough for one sector, but not for who came before"
    );
    limits.open(before);
    assert_eq!(
        limits.admit(owner(OTHER, 2), read(1), before, before),
        Err(Refused::Shared)
    );
    limits.open(due);
    assert_eq!(limits.admit(owner(DISK, 1), read(16), at(0), due), Ok(()));
    let row = limits.row(Limited::Peer(ALICE), 3).unwrap();
    assert_eq!((row.delayed, row.waiting, row.from.as_str()), (1, 3, "live"));
    assert!(row.wait.unwrap().max_us >= due.as_micros());
}

#[test]
fn a_live_limit_stands_for_that_of_the_file_until_it_is_cleared_or_what_it_is_about_goes() {
    let mut limits = Limits::default();
    let (export, grant) = (Limited::Export(DISK), Limited::Grant(DISK, ALICE));
    limits.set_export(DISK, iops(5), at(0));
    limits.set_live(export, Some(iops(7)), at(0));
    limits.set_export(DISK, iops(6), at(0));
    assert_eq!(limits.in_force(export), iops(7), "a reload does not change it");
    assert_eq!(limits.row(export, 0).unwrap().from, "live");
    limits.set_live(export, None, at(0));
    assert_eq!(limits.in_force(export), iops(6));
    assert_eq!(limits.row(export, 0).unwrap().from, "file");
    limits.set_live(grant, Some(iops(7)), at(0));
    limits.forget_grant((DISK, ALICE));
    assert!(limits.live(grant).is_none() && limits.row(grant, 0).is_none());
    limits.set_export(DISK, Limit::default(), at(0));
    assert!(limits.are_none());
    limits.set_live(Limited::Peer(ALICE), Some(iops(8)), at(0));
    limits.forget_peer(ALICE);
    assert!(limits.are_none() && limits.all_live().next().is_none());
}

#[test]
fn a_peer_has_a_part_of_its_limit_by_each_worker() {
    let mut limits = Limits::default();
    let whole = iops(900);
    limits.set_peer(ALICE, PeerLimit { whole, among: 3 }, at(0));
    assert_eq!(limits.row(Limited::Peer(ALICE), 0).unwrap().iops, Some(300));
    limits.set_live(Limited::Peer(ALICE), Some(iops(90)), at(0));
    assert_eq!(limits.row(Limited::Peer(ALICE), 0).unwrap().iops, Some(30));
    limits.set_peer(ALICE, PeerLimit { whole, among: 2 }, at(0));
    assert_eq!(limits.row(Limited::Peer(ALICE), 0).unwrap().iops, Some(45));
}

#[test]
fn initiators_that_a_limit_is_for_are_remembered_while_it_matters() {
    let mut limits = Limits::default();
    limits.set_grant((DISK, ALICE), Limit::default(), iops(1000), at(0));
    assert!(limits.concern(DISK, ALICE) && !limits.concern(OTHER, ALICE));
    for n in 0..100_000u32 {
        let [_, a, b, c] = n.to_be_bytes();
        let initiator = MacAddr([2, 0, 0, a, b, c]);
        let owner = Owner {
            initiator,
            ..owner(DISK, 0)
        };
        let now = at(u64::from(n) * 100);
        assert_eq!(limits.admit(owner, read(1), now, now), Ok(()));
    }
    assert!(limits.accounts.len() <= 2 * MANY, "{}", limits.accounts.len());
    limits.set_grant((DISK, ALICE), Limit::default(), Limit::default(), at(0));
    assert!(limits.are_none());
}

proptest! {
    /// Whatever is asked, and whatever refuses, each limit lets pass what it would let pass alone, at the most: its rate, and
    /// what it lets pass at once.
    #[test]
    fn no_limit_is_exceeded(
        rates in prop::collection::vec(1u64..3000, 4),
        asked in prop::collection::vec((0u16..2, 0u8..3, 0u64..3000), 1..400),
    ) {
        let mut limits = Limits::default();
        let mut own: BTreeMap<Limited, u64> = BTreeMap::new();
        for (whom, rate) in [
            (Limited::Export(DISK), rates[0]),
            (Limited::Peer(ALICE), rates[1]),
            (Limited::Grant(OTHER, ALICE), rates[2]),
            (Limited::Initiator(DISK, ALICE, owner(DISK, 1).initiator), rates[3]),
        ] {
            limits.set_live(whom, Some(iops(rate)), at(0));
            own.insert(whom, rate);
        }
        let (mut now, mut passed) = (0, BTreeMap::<Limited, u64>::new());
        for (export, n, wait) in asked {
            now += wait;
            limits.open(at(now));
            let owner = owner(ExportId(export), n);
            if limits.admit(owner, read(1), at(now), at(now)).is_ok() {
                for whom in owner.all() {
                    *passed.entry(whom).or_default() += 1;
                }
            }
            for (whom, rate) in &own {
                let most = rate * (now + 25_000) / 1_000_000 + 1;
                prop_assert!(passed.get(whom).copied().unwrap_or(0) <= most, "{whom:?}");
            }
        }
    }
}
