//! How peers are at one moment.

use std::cmp::Ordering;
use std::time::Duration;

use aoe_keys::PublicKey;

use super::Links;
use crate::config::Switch;
use crate::snapshot::{self, Key, KeyStage, Keys, Peer};
use crate::standing::Moment;
use crate::tunnel::keyring::{Held, Stage};
use crate::tunnel::link::Link;

impl Links {
    /// A row for each peer.
    pub(crate) fn rows(&self, moment: &Moment) -> Vec<Peer> {
        self.links.values().map(|link| link.row(moment)).collect()
    }

    /// Our own static keys.
    pub(crate) fn key_rows(&self) -> Keys {
        let keys = &self.us.keys;
        let used = keys.in_use();
        let row = |held: &Held| Key {
            fingerprint: held.public.fingerprint().to_string(),
            stage: match held.stage {
                _ if held.is_revoked => KeyStage::Revoked,
                _ if held.is_dropped => KeyStage::Dropped,
                _ if Some(held.public) == used => KeyStage::InUse,
                Stage::Next => KeyStage::Next,
                Stage::Current | Stage::Old => KeyStage::Old,
            },
            drop_at: held.drop_at.map(|at| at.as_secs_f64()),
        };
        let (switch, switch_at) = match keys.switch() {
            None => ("", None),
            Some(Switch::All) => ("all", None),
            Some(Switch::At(at)) => ("at", Some(at.as_secs_f64())),
        };
        Keys {
            own: keys.held().iter().map(row).collect(),
            switch: switch.to_owned(),
            switch_at,
            switched: keys.switched().map(|at| at.as_secs_f64()),
            without: self.without_newest(),
            revoked: self.us.revoked.len() as u64,
        }
    }
}

impl Link {
    fn row(&self, moment: &Moment) -> Peer {
        let (told, refused) = (self.key_talk.told, self.key_talk.refused_there);
        Peer {
            name: self.name(),
            standing: self.standing(moment),
            fingerprint: self.identity.trust.fingerprint(),
            keys: self.key_rows(),
            has_key: told
                .map(|told| told.key.fingerprint().to_string())
                .unwrap_or_default(),
            has_key_since: told.map(|told| told.since.as_secs_f64()),
            keys_refused: refused.map(|why| why.words().to_owned()).unwrap_or_default(),
            session: self.session_row(moment),
            path: self.path_row(moment),
            ..Peer::default()
        }
    }

    /// Its static keys. What is newer than the one that it uses comes next.
    fn key_rows(&self) -> Vec<Key> {
        let Some(trust) = self.identity.trust.as_key() else {
            return Vec::new();
        };
        let row = |(place, key): (usize, &PublicKey)| Key {
            fingerprint: key.fingerprint().to_string(),
            stage: match place.cmp(&trust.in_use) {
                _ if !self.identity.accepts(key) => KeyStage::Revoked,
                Ordering::Less => KeyStage::Next,
                Ordering::Equal => KeyStage::InUse,
                Ordering::Greater => KeyStage::Old,
            },
            drop_at: None,
        };
        trust.keys.iter().enumerate().map(row).collect()
    }

    fn session_row(&self, moment: &Moment) -> Option<snapshot::Session> {
        let session = self.sessions.current.as_ref()?;
        Some(snapshot::Session {
            handshake: session.transport.name().to_owned(),
            protection: session.protection.to_string(),
            cipher: session.cipher.to_string(),
            psk: session.has_psk,
            post_quantum: session.assurance.kind.name().to_owned(),
            our_key: print(session.keys.map(|keys| keys.ours)),
            peer_key: print(session.keys.map(|keys| keys.theirs)),
            since: moment.unix(session.since()),
            rekey_at: moment.unix(session.rekey_at()),
        })
    }

    fn path_row(&self, moment: &Moment) -> snapshot::Path {
        let round_trip = self.path.clock.round_trip();
        let micros = |time: Duration| u64::try_from(time.as_micros()).ok();
        snapshot::Path {
            remote: self
                .path
                .address
                .map(|path| path.remote.to_string())
                .unwrap_or_default(),
            standing: self.path_standing(moment),
            round_trip_us: round_trip.and_then(|round_trip| micros(round_trip.usual())),
            jitter_us: round_trip.and_then(|round_trip| micros(round_trip.variation())),
            mtu: self.path.mtu.get(),
            mtu_why: self.path.mtu.source().to_owned(),
            bytes: self.path.counts.bytes,
            records: self.path.counts.records,
            missed: self.path.counts.missed,
            repaired: self.path.counts.repaired,
            lost: self.path.counts.lost,
            reordered: self.path.counts.reordered,
        }
    }
}

/// A fingerprint for people; empty if there is no key.
fn print(key: Option<PublicKey>) -> String {
    key.map(|key| key.fingerprint().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aoe_keys::Psk;

    use super::*;
    use crate::config::{Endpoint, PathMtu};
    use crate::drop_reason::DropReason;
    use crate::snapshot::{Directions, State};
    use crate::tunnel::links::two::{FIRST, Side, carry, config, pair_with, run, way_to};

    /// The one row of this side, by a wall clock that shows what its own clock shows.
    fn row(side: &Side) -> Peer {
        let moment = Moment {
            now: side.now,
            wall: Duration::from_micros(side.now.as_micros()),
        };
        side.links.rows(&moment).remove(0)
    }

    #[test]
    fn a_peer_says_why_there_is_no_session_and_since_when() {
        let mut one = Side::new(1, vec![config(2)]);
        let starting = row(&one);
        assert_eq!(
            (starting.name.as_str(), starting.standing.state),
            ("site-2", State::Starting)
        );
        assert!(starting.session.is_none() && starting.path.remote.is_empty());
        one.call(FIRST, 2);
        for _ in 0..20 {
            one.pass_time(Duration::from_secs(1));
        }
        let silent = row(&one);
        assert_eq!(silent.standing.state, State::Down);
        assert!(
            silent.standing.why.starts_with("no answer from site-2"),
            "{silent:?}"
        );
        assert!(silent.standing.since > 5.0 && silent.standing.since < 20.0);
        // A cause that is known is not hidden by silence, nor is the moment.
        let mut other = Side::new(2, vec![config(1)]);
        other.change(|config| config.trust.set_psk(Some(Psk::from_bytes([1; 32]))), 1);
        one.take_sent();
        one.pass_time(Duration::from_secs(6));
        assert_eq!(carry(&mut one, &mut other), [DropReason::HandshakeUndecryptable]);
        let refused = row(&one);
        assert!(refused.standing.why.contains("compare the psk"), "{refused:?}");
        for _ in 0..20 {
            one.pass_time(Duration::from_secs(1));
        }
        assert_eq!(row(&one).standing, refused.standing);
    }

    #[test]
    fn a_peer_that_has_to_call_is_missed_after_nine_seconds() {
        let mut one = Side::new(1, vec![config(2)]);
        one.change(|config| config.endpoint = Endpoint::Unknown, 2);
        let began = row(&one).standing.since;
        one.pass_time(Duration::from_secs(8));
        assert_eq!(row(&one).standing.state, State::Starting);
        one.pass_time(Duration::from_secs(20));
        let missed = row(&one).standing;
        assert_eq!((missed.state, missed.since), (State::Down, began + 9.0));
        assert!(missed.why.contains("it has not called"), "{missed:?}");
    }

    #[test]
    fn a_session_and_its_path_are_told_and_numbers_outlive_the_keys() {
        let (mut one, mut other) = pair_with(|config| config.trust.set_psk(Some(Psk::from_bytes([1; 32]))));
        run(&mut one, &mut other, Duration::from_secs(5));
        let up = row(&one);
        assert_eq!((up.standing.state, up.standing.why.as_str()), (State::Up, ""));
        let session = up.session.unwrap();
        assert_eq!(
            (
                session.handshake.as_str(),
                session.protection.as_str(),
                session.psk
            ),
            ("noise", "encrypt", true)
        );
        assert_eq!((session.cipher.as_str(), session.since), ("aes-256-gcm", 5.0));
        assert_eq!(session.rekey_at, 125.0);
        assert_eq!(
            (up.path.remote.as_str(), up.path.standing.state),
            ("192.0.2.2:1", State::Up)
        );
        assert_eq!((up.path.mtu, up.path.mtu_why.as_str()), (1280, "fixed"));
        assert!(up.path.round_trip_us.is_some() && up.path.jitter_us.is_some());
        let there = row(&other).path;
        let turned = |numbers: Directions| (numbers.sent, numbers.received);
        assert_eq!(
            turned(up.path.records),
            (there.records.received, there.records.sent)
        );
        assert_eq!(turned(up.path.bytes), (there.bytes.received, there.bytes.sent));
        assert!(up.path.records.sent >= 2 && up.path.bytes.sent > 1280 - 28);
        run(&mut one, &mut other, Duration::from_secs(130));
        let later = row(&one);
        assert!(later.session.unwrap().since > 100.0, "it has new keys");
        assert!(later.path.records.sent > up.path.records.sent);
        assert_eq!(later.standing.since, up.standing.since, "it was up all the time");
        other.with(|links, cx| links.close_all(cx));
        carry(&mut one, &mut other);
        let lost = row(&one);
        assert_eq!(
            lost.standing.why,
            "session with site-2 is lost: the peer was shut down"
        );
        assert_eq!(lost.session, None);
        let last = later.path.records.received + 1;
        assert_eq!(lost.path.records.received, last, "the last one said so");
    }

    #[test]
    fn records_that_are_lost_are_counted_at_both_ends() {
        let (mut one, mut other) = pair_with(|_| ());
        run(&mut one, &mut other, Duration::from_secs(2));
        let before = row(&other).path;
        // Of three records the second is lost; the third makes that known.
        for n in 0..3 {
            one.with(|links, cx| links.send_update(FIRST, &[n], cx));
            let sent = one.take_sent();
            for datagram in sent.iter().filter(|_| n != 1) {
                other.take(1, datagram).unwrap();
            }
        }
        run(&mut one, &mut other, Duration::from_secs(1));
        let (ours, theirs) = (row(&one).path, row(&other).path);
        assert_eq!((ours.missed.sent, ours.repaired.sent, ours.lost.sent), (1, 1, 0));
        let more = |after: Directions, before: Directions| after.received - before.received;
        assert_eq!(more(theirs.missed, before.missed), 1);
        assert_eq!(more(theirs.repaired, before.repaired), 1);
        assert_eq!(more(theirs.lost, before.lost), 0);
    }

    #[test]
    fn a_path_says_what_it_is_not_good_for() {
        let (mut one, mut other) = pair_with(|config| config.path_mtu = PathMtu::Auto);
        run(&mut one, &mut other, Duration::from_secs(30));
        let whole = row(&one).path;
        assert_eq!((whole.mtu, whole.mtu_why.as_str()), (9216, "probed"));
        // The device takes no more than 1500 bytes any more.
        one.with(|links, cx| {
            let place = (&mut *cx.telemetry, &mut *cx.timers);
            links.handle_refused(way_to(2), 1501 - 28, cx.now, place);
        });
        one.most = 1500 - 28;
        assert_eq!(row(&one).path.mtu_why, "searching");
        run(&mut one, &mut other, Duration::from_secs(30));
        let lowered = row(&one).path;
        assert_eq!((lowered.mtu, lowered.standing.state), (1500, State::Degraded));
        assert!(
            lowered
                .standing
                .why
                .starts_with("path MTU is 1500 and was 9216: "),
            "{lowered:?}"
        );
        run(&mut one, &mut other, Duration::from_secs(700));
        assert_eq!(
            row(&one).path.standing.state,
            State::Up,
            "that is how this path is"
        );
    }
}
