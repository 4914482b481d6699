use super::sizes::CANDIDATES;
use super::*;

/// A path and what is known of it.
struct Path {
    carries: u16,
    found: PathMtu,
    now: Instant,
    pings: u64,
    sent: Vec<u16>,
}

impl Path {
    fn new(carries: u16) -> Path {
        Path::of(Setting::Auto, carries)
    }

    fn of(setting: Setting, carries: u16) -> Path {
        let now = Instant::from_micros(5_000_000);
        Path {
            carries,
            found: PathMtu::new(setting, now),
            now,
            pings: 0,
            sent: Vec::new(),
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.found.deadline() <= end {
            self.now = self.now.max(self.found.deadline());
            let Some(mtu) = self.found.probe(None, self.now) else {
                continue;
            };
            self.sent.push(mtu);
            self.found.probed(self.pings);
            if mtu <= self.carries {
                self.found.answered(self.pings, self.now);
            } else if self.carries > 0 {
                // Short pings are answered.
                self.found.answered(u64::MAX, self.now);
            }
            self.pings += 1;
        }
        self.now = end;
    }
}

#[test]
fn every_path_is_found_within_as_many_probes() {
    for carries in (576..=9216).step_by(4) {
        let mut path = Path::new(carries);
        assert!(!path.found.is_proven() && path.found.get() == LEAST);
        path.run_for(Duration::from_secs(30));
        let best = CANDIDATES.iter().rfind(|mtu| **mtu <= carries);
        assert_eq!(Some(&path.found.get()), best, "{carries}: {:?}", path.sent);
        assert!(
            path.found.is_proven() && path.sent.len() <= 20,
            "{carries}: {:?}",
            path.sent
        );
    }
}

#[test]
fn a_path_that_is_too_small_is_named_and_tried_again() {
    for setting in [Setting::Auto, Setting::Fixed(1400)] {
        let least = if setting == Setting::Auto { 576 } else { 1400 };
        let mut path = Path::of(setting, least - 1);
        path.run_for(Duration::from_secs(20));
        assert!(!path.found.is_proven());
        assert_eq!(
            (path.found.too_small(), path.found.news(path.now)),
            (Some(least), None)
        );
        path.carries = least;
        path.run_for(Duration::from_secs(30));
        assert!(path.found.is_proven() && path.found.too_small().is_none());
        assert!(path.found.news(path.now).is_some_and(|(mtu, _)| mtu == least));
        assert_eq!(path.found.news(path.now), None);
    }
}

#[test]
fn where_nothing_is_answered_nothing_is_said() {
    let mut path = Path::new(0);
    path.run_for(Duration::from_secs(100));
    assert_eq!((path.found.news(path.now), path.found.is_proven()), (None, false));
    let mut path = Path::new(1500);
    path.run_for(Duration::from_secs(20));
    assert!(path.found.news(path.now).is_some());
    // The peer is called again, and silent.
    path.carries = 0;
    path.found.moved(path.now);
    path.run_for(Duration::from_secs(100));
    assert!(path.found.is_proven(), "nothing says that it is about length");
    assert_eq!(path.found.news(path.now), None);
}

#[test]
fn more_is_tried_after_ten_minutes_only() {
    let mut path = Path::new(1500);
    path.run_for(Duration::from_secs(50));
    let sent = path.sent.len();
    path.carries = 9000;
    path.run_for(Duration::from_secs(540));
    assert_eq!((path.found.get(), path.sent.len()), (1500, sent));
    path.run_for(Duration::from_secs(50));
    assert_eq!(path.found.get(), 9000);
}

#[test]
fn a_path_that_shrinks_is_noticed_and_searched_again() {
    let mut path = Path::new(9000);
    path.run_for(Duration::from_secs(20));
    let told = path.found.news(path.now);
    assert_eq!(told, Some((9000, "probes of that size are answered")));
    assert_eq!(path.found.news(path.now), None);
    // Loss alone changes nothing.
    path.found.doubt(path.now);
    path.run_for(Duration::from_secs(5));
    assert_eq!(path.found.get(), 9000);
    path.carries = 1400;
    path.found.doubt(path.now);
    path.run_for(Duration::from_secs(4));
    assert!(path.found.get() <= 1400 && path.found.is_proven());
    path.run_for(Duration::from_secs(50));
    assert_eq!(path.found.get(), 1400);
    let told = path.found.news(path.now);
    assert_eq!(told, Some((1400, "longer packets do not arrive any more")));
}

#[test]
fn what_the_device_refuses_is_not_tried_again_and_lowers_at_once() {
    let mut path = Path::new(9216);
    path.run_for(Duration::from_secs(5));
    assert_eq!(path.found.get(), 9216);
    assert_eq!(path.found.refused(9216, path.now), Refused::Lowered);
    assert_eq!(path.found.get(), LEAST);
    path.carries = 9000;
    path.sent.clear();
    path.run_for(Duration::from_secs(5));
    assert!(path.found.get() == 9000 && !path.sent.contains(&9216));
    assert_eq!(
        path.found.refused(9100, path.now),
        Refused::Probe,
        "more than we use"
    );
    assert_eq!(path.found.refused(576, path.now), Refused::Fixed);
    assert_eq!(path.found.refused(1000, path.now), Refused::Lowered);
    path.carries = 999;
    path.run_for(Duration::from_secs(50));
    assert_eq!(path.found.get(), 768);
}

#[test]
fn a_fixed_mtu_is_what_it_is() {
    let mut path = Path::of(Setting::Fixed(1400), 1500);
    assert_eq!(path.found.get(), 1400);
    path.run_for(Duration::from_secs(1000));
    assert_eq!((path.found.get(), path.found.is_proven()), (1400, true));
    assert!(path.sent.iter().all(|mtu| *mtu == 1400) && path.sent.len() == 1);
    assert!(path.found.refused(1400, path.now) == Refused::Fixed && path.found.news(path.now).is_none());
}
