use super::*;

const HOST: usize = 1;

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// A read that was asked for at `micros` and took one microsecond.
fn read(disk: &mut Registers, lba: u64, data: &[u8], micros: u64) -> Result<(), Complaint> {
    let asked = disk.moment(HOST, at(micros));
    disk.judge(lba, data, asked, at(micros + 1))
}

#[test]
fn what_two_hosts_do_at_the_same_moment_has_no_order() {
    const OTHER: usize = 2;
    for (host, begun, is_ordered) in [(HOST, 20, true), (OTHER, 20, false), (OTHER, 21, true)] {
        let mut disk = Registers::new(7, 4).followed();
        let (first, one) = disk.compose(HOST, 1, 1, at(10));
        disk.applied(1, &one, at(15)).unwrap();
        disk.acknowledged(first, at(20)).unwrap();
        let (second, two) = disk.compose(host, 1, 1, at(begun));
        disk.applied(1, &two, at(30)).unwrap();
        disk.applied(1, &one, at(31)).unwrap();
        let lost = disk.acknowledged(second, at(40)).is_err();
        assert_eq!(lost, is_ordered, "{host} at {begun}");
    }
}

#[test]
fn concurrent_versions_may_be_seen_and_older_ones_not() {
    let mut disk = Registers::new(7, 4);
    let (first, one) = disk.compose(HOST, 1, 1, at(10));
    disk.acknowledged(first, at(20)).unwrap();
    let (_, two) = disk.compose(HOST, 1, 1, at(30));
    for data in [&one, &two] {
        assert_eq!(read(&mut disk, 1, data, 31), Ok(()), "the second is under way");
    }
    assert!(
        read(&mut disk, 1, &one, 33).is_err(),
        "the second was seen: the first is gone"
    );
    assert!(read(&mut disk, 1, &[0; SECTOR_LEN], 25).is_err());
}

#[test]
fn a_lost_acknowledged_write_is_noticed() {
    let mut disk = Registers::new(7, 4);
    let (first, _) = disk.compose(HOST, 0, 1, at(10));
    assert_eq!(read(&mut disk, 0, &[0; SECTOR_LEN], 11), Ok(()));
    disk.acknowledged(first, at(20)).unwrap();
    assert!(read(&mut disk, 0, &[0; SECTOR_LEN], 21).is_err());
}

#[test]
fn each_of_the_three_violations_is_noticed_at_once() {
    // Version 1 is written, acknowledged, and followed by version 2.
    let start = || {
        let mut disk = Registers::new(7, 4).followed();
        let (first, one) = disk.compose(HOST, 1, 2, at(10));
        disk.applied(1, &one, at(15)).unwrap();
        disk.acknowledged(first, at(20)).unwrap();
        let (second, two) = disk.compose(HOST, 2, 1, at(30));
        (disk, one, second, two)
    };
    // All is well, and a copy of version 1 may arrive until version 2 is acknowledged.
    let (mut disk, one, second, two) = start();
    disk.applied(1, &one, at(31)).unwrap();
    disk.applied(2, &two, at(32)).unwrap();
    disk.acknowledged(second, at(40)).unwrap();
    read(&mut disk, 2, &two, 41).unwrap();

    // A write applied at the target after a newer acknowledged one.
    let complaint = disk.applied(1, &one, at(43)).unwrap_err();
    assert!(
        complaint.lba == 2 && complaint.what.contains("after version 2"),
        "{complaint}"
    );
    // A read older than the newest acknowledged write.
    let complaint = read(&mut disk, 2, &one[SECTOR_LEN..], 44).unwrap_err();
    assert!(
        complaint.what.contains("holds version 1, but version 2"),
        "{complaint}"
    );

    // An acknowledged write that never arrived.
    let (mut disk, .., second, _) = start();
    let complaint = disk.acknowledged(second, at(40)).unwrap_err();
    assert!(complaint.what.contains("version 2 came after it"), "{complaint}");

    // One that did, and was overwritten by a late copy before its acknowledgement.
    let (mut disk, one, second, two) = start();
    disk.applied(2, &two, at(32)).unwrap();
    disk.applied(1, &one, at(33)).unwrap();
    assert!(disk.acknowledged(second, at(40)).is_err());

    // One that was overwritten by a write of the same time is not lost.
    let (mut disk, _, second, two) = start();
    let (third, three) = disk.compose(HOST, 2, 1, at(31));
    disk.applied(2, &two, at(32)).unwrap();
    disk.applied(2, &three, at(33)).unwrap();
    disk.acknowledged(second, at(40)).unwrap();
    disk.acknowledged(third, at(41)).unwrap();
}

#[test]
fn foreign_misplaced_damaged_and_refused_bytes_are_noticed() {
    let (mut disk, mut other) = (Registers::new(7, 4), Registers::new(8, 4));
    let (refused, mine) = disk.compose(HOST, 1, 1, at(10));
    let (_, theirs) = other.compose(HOST, 1, 1, at(10));
    let judge = |disk: &mut Registers, lba, data: &[u8]| read(disk, lba, data, 11);
    assert_eq!(judge(&mut disk, 1, &mine), Ok(()));
    assert!(judge(&mut disk, 1, &theirs).is_err());
    assert!(judge(&mut disk, 2, &mine).is_err());
    assert!(judge(&mut disk, 1, &mine[..500]).is_err());
    let mut damaged = mine.clone();
    damaged[511] ^= 1;
    assert!(judge(&mut disk, 1, &damaged).is_err());
    disk.refused(refused);
    assert!(judge(&mut disk, 1, &mine).is_err());
}
