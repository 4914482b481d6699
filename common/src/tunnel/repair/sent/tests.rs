use super::*;
use crate::config::PeerId;
use crate::output::Records;

#[test]
fn reports_cost_work_by_what_was_sent_and_not_by_what_they_say() {
    let (mut repair, mut trains) = (Sent::default(), TrainBatch::default());
    let path = Path::new(0, "192.0.2.1:1".parse().unwrap());
    let keep = |repair: &mut Sent, first, trains: &mut TrainBatch| {
        let records = Records {
            peer: PeerId(0),
            receiver: 7,
            first,
            sealed_at: Instant::default(),
            is_probe: false,
        };
        let sent = SentTrain {
            records,
            stride: 10,
            bytes: vec![0; 640],
        };
        repair.keep(sent, Instant::default(), trains);
    };
    let ask = |repair: &mut Sent, trains: &mut TrainBatch, micros| {
        let mut report = Report::new(7, 1 << 20, 0);
        report.add(0, 1 << 20);
        let clock = &mut PeerClock::default();
        let way = Some((path, 1000));
        repair
            .handle_report(&report, clock, way, Instant::from_micros(micros), trains)
            .records
    };
    keep(&mut repair, 0, &mut trains);
    keep(&mut repair, 64, &mut trains);
    let most = (FIRST_LOOKS + 128 * LOOKS) as u64;
    let sent: u64 = (1..10_000).map(|at| ask(&mut repair, &mut trains, at)).sum();
    // By then the bytes are used up as well.
    assert!(sent <= most && repair.looks == 0, "{sent}");
    keep(&mut repair, 128, &mut trains);
    assert!(repair.looks == 64 * LOOKS);
}
