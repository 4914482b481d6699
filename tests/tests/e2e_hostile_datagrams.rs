//! Whatever arrives on the UDP port that the peer has not just sealed changes nothing, kills nothing, and is counted
//! under a name: damaged, repeated, held back, cut, made up, of every size.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_common::drop_reason::DropReason;
use aoe_common::output::{Path, Train};
use aoe_gateway::sys::buffers::Buffers;
use aoe_gateway::wire::UdpWire;
use aoe_lab::gateway::Transport;
use aoe_lab::random::Random;
use aoe_lab::relay::{LONGEST_DATAGRAM, Side};
use aoe_lab::topology::{Between, WorldPlan};
use e2e::load::{self, Load};
use e2e::stage::{Counted, eventually, play};
use e2e::trial::{Trial, pause};

const SIDES: [Side; 2] = [Side::A, Side::B];
/// Sizes around everything that has a length: headers, handshake messages, records, devices, UDP itself.
const SIZES: [usize; 26] = [
    100,
    103,
    104,
    105,
    159,
    176,
    161,
    255,
    256,
    1199,
    1200,
    1201,
    1251,
    1252,
    1253,
    1472,
    1473,
    9187,
    9188,
    9189,
    16_438,
    16_439,
    32_768,
    65_000,
    LONGEST_DATAGRAM - 1,
    LONGEST_DATAGRAM,
];
/// First bytes: every type there is, and some that there are not.
const TYPES: [u8; 9] = [0, 1, 2, 3, 4, 5, 63, 64, 255];

/// Where a datagram comes from.
#[derive(Clone, Copy, Debug)]
enum From {
    /// The peer's address.
    Peer,
    /// One that the gateway has never seen.
    Elsewhere,
}

#[test]
fn a_path_that_damages_repeats_and_reorders_datagrams_changes_no_byte() {
    story(|trial, load, _| {
        trial.relay()?.impair(
            "duplicate=10%,reorder=5%,reorder-by=3ms,corrupt=0.5%,truncate=0.5%"
                .parse()
                .context("the impairment")?,
        );
        load.go_on(500)?;
        trial.relay()?.impair(aoe_lab::impairment::Impairment::default());
        for side in SIDES {
            let counted = trial.counted(side)?;
            for name in ["record_replayed", "record_forged"] {
                ensure!(counted.of(name) > 0, "{side:?} has counted no {name}");
            }
        }
        load.go_on(50)
    });
}

#[test]
fn recorded_datagrams_sent_again_change_nothing() {
    story(|trial, load, start| {
        for (side, start) in SIDES.into_iter().zip(start) {
            // The handshake and the first records, and those of a moment ago.
            trial.relay()?.record(side, 256);
            load.go_on(100)?;
            let recent = trial.relay()?.recorded(side);
            let of_types = |types: [u8; 3]| {
                let those = start
                    .iter()
                    .filter(|datagram| datagram.first().is_some_and(|first| types.contains(first)));
                those.count()
            };
            // Of Noise, then of TLS: its hello and cookie, and flights each way.
            let (first_message, answers) = (of_types([1, 5, 7]), of_types([2, 6, 8]));
            ensure!(first_message + answers > 0, "the handshake was recorded");
            let all: Vec<&[u8]> = start.iter().take(256).chain(&recent).map(Vec::as_slice).collect();
            trial.say(format_args!("{} datagrams again towards {side:?}", all.len()));
            for from in [From::Peer, From::Elsewhere] {
                throw(trial, side, from, &all)?;
                // To the side that has made them.
                throw(trial, side.other(), from, &all)?;
            }
            let counted = trial.counted(side)?;
            ensure!(counted.of("record_replayed") >= 256, "{counted:?}");
            let replayed = counted.of("handshake_replayed") + counted.of("handshake_cookie_sent");
            // A hello is answered as often as it comes, and a flight of before begins a handshake that nobody goes on with.
            let is_counted = Transport::of_environment()? == Transport::Noise;
            ensure!(!is_counted || first_message == 0 || replayed > 0, "{counted:?}");
            ensure!(
                answers == 0 || counted.of("handshake_unsolicited") > 0,
                "{counted:?}"
            );
            ensure!(trial.counted(side.other())?.of("record_unknown_session") > 0);
            load.go_on(50)?;
        }
        Ok(())
    });
}

#[test]
fn made_up_datagrams_of_every_size_change_nothing() {
    story(|trial, load, _| {
        let mut random = Random::new(5);
        for side in SIDES {
            trial.relay()?.record(side, 1);
            load.go_on(20)?;
            let record = trial
                .relay()?
                .recorded(side)
                .pop()
                .context("nothing was recorded")?;
            let mut all = Vec::new();
            for size in (0..=64).chain(SIZES) {
                for kind in TYPES {
                    let mut datagram = noise(&mut random, size);
                    if let Some(first) = datagram.first_mut() {
                        *first = kind;
                    }
                    all.push(datagram);
                }
                // As near to a record as one gets without the key: its first bytes, up to the type, up to the number
                // of the session, and up to most of the counter.
                for head in [4, 8, 12] {
                    let mut datagram = noise(&mut random, size);
                    let head = size.min(head);
                    datagram[..head].copy_from_slice(&record[..head]);
                    all.push(datagram);
                }
            }
            // A real record, cut at every length, and longer than it was.
            for len in (0..record.len()).step_by(7) {
                all.push(record[..len].to_vec());
            }
            all.push([record.as_slice(), &[0]].concat());
            let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
            trial.say(format_args!("{} made-up datagrams towards {side:?}", all.len()));
            for from in [From::Peer, From::Elsewhere] {
                throw(trial, side, from, &all)?;
            }
            let counted = trial.counted(side)?;
            for name in [
                "datagram_too_short",
                "datagram_too_long",
                "datagram_unknown_type",
                "handshake_bad_mac",
                "handshake_unsolicited",
                "record_unknown_session",
                "record_forged",
            ] {
                ensure!(
                    counted.of(name) > 0,
                    "{side:?} has counted no {name}: {counted:?}"
                );
            }
            load.go_on(50)?;
        }
        Ok(())
    });
}

#[test]
fn aggregates_of_odd_strides_are_taken_apart_and_change_nothing() {
    story(|trial, load, _| {
        let mut random = Random::new(6);
        for side in SIDES {
            trial.relay()?.record(side, 512);
            load.go_on(100)?;
            let gateway = trial.site(side).config.listen[0];
            // Another port of the relay, which the gateway takes for its peer.
            let peer = trial.site(side).config.peers[0]
                .endpoint
                .clone()
                .context("no endpoint")?;
            let mut from: SocketAddr = peer.parse()?;
            from.set_port(0);
            let mut wire = trial
                .world
                .ground
                .wan
                .run(move || Ok(UdpWire::bind(from, Buffers::DATA_PLANE)?))?;
            let before = refused(&trial.counted(side)?);
            let mut sent = 0;
            for stride in [1, 3, 7, 15, 16, 17, 31, 33, 333, 1199, 1251, 1253, 1471] {
                for count in [2, 3, 40] {
                    // The last datagram of a train may be shorter.
                    let mut bytes = noise(&mut random, stride * count - stride / 2);
                    bytes.chunks_mut(stride).for_each(|datagram| datagram[0] = 4);
                    sent += send(&mut wire, gateway, stride, &bytes)?;
                }
            }
            // Records of equal length that were all opened before.
            let recorded = trial.relay()?.recorded(side);
            let len = recorded
                .iter()
                .map(Vec::len)
                .max()
                .context("nothing was recorded")?;
            let same: Vec<_> = recorded
                .into_iter()
                .filter(|record| record.len() == len)
                .collect();
            for train in same.chunks(30) {
                sent += send(&mut wire, gateway, len, &train.concat())?;
            }
            trial.say(format_args!(
                "{sent} datagrams in trains towards {side:?}, {:?}",
                wire.segmentation_offload()
            ));
            eventually(
                "every datagram of every train is counted",
                Duration::from_secs(10),
                || Ok(refused(&trial.counted(side)?) - before >= sent),
            )?;
            ensure!(trial.counted(side)?.of("record_replayed") >= same.len() as u64);
            load.go_on(50)?;
        }
        Ok(())
    });
}

/// Load on a pair with a relay between; `harm` is done to it, and afterwards everything must be as if it had not
/// been: no byte wrong, nobody moved or lost, the processes the same. `harm` gets what was recorded from the start
/// towards A and towards B.
fn story(harm: impl FnOnce(&mut Trial, &Load, [Vec<Vec<u8>>; 2]) -> Result<()>) {
    play(|stage| {
        let plan = WorldPlan {
            between: Between::Relay,
            ..WorldPlan::default()
        };
        let mut trial = Trial::start(stage, plan, |world| {
            for side in SIDES {
                world
                    .ground
                    .relay
                    .iter()
                    .for_each(|relay| relay.record(side, 10_000));
            }
        })?;
        let start = [trial.relay()?.recorded(Side::A), trial.relay()?.recorded(Side::B)];
        let load = trial.load(load::mixed())?;
        harm(&mut trial, &load, start)?;
        for side in SIDES {
            for line in ["moved to another address", "is lost", "is down"] {
                ensure!(trial.logged(side, line)? == 0, "{side:?} says {line:?}");
            }
        }
        trial.finish(load).map(drop)
    });
}

/// Sends datagrams to a gateway, and waits until it has counted all of them as refused.
fn throw(trial: &mut Trial, side: Side, from: From, datagrams: &[&[u8]]) -> Result<()> {
    let before = refused(&trial.counted(side)?);
    let mut bytes = 0;
    for datagram in datagrams {
        match from {
            From::Peer => trial.relay()?.inject(side, datagram)?,
            From::Elsewhere => trial.relay()?.inject_from_elsewhere(side, datagram)?,
        }
        bytes += datagram.len() + 500;
        if bytes > 200_000 {
            // Not a flood: nothing may be lost for lack of room.
            bytes = 0;
            pause(2);
        }
    }
    let what = format!("{side:?} counts {} datagrams from {from:?}", datagrams.len());
    // A first message of the start may be new to a gateway that was not there yet when it passed, or be answered by a
    // refusal; so are the hellos and flights of TLS.
    let may_be_new = |datagram: &&&[u8]| datagram.first().is_some_and(|kind| [1, 5, 7].contains(kind));
    let expected = datagrams.len() - datagrams.iter().filter(may_be_new).count();
    eventually(&what, Duration::from_secs(10), || {
        Ok(refused(&trial.counted(side)?) - before >= expected as u64)
    })?;
    trial.both_run()
}

/// Sends one train, and says of how many datagrams.
fn send(wire: &mut UdpWire, gateway: SocketAddr, stride: usize, bytes: &[u8]) -> Result<u64> {
    let train = Train {
        path: Path::new(0, gateway),
        stride,
        bytes,
    };
    let outcome = wire.send(train);
    ensure!(outcome.failed == 0, "{outcome:?}");
    pause(1);
    Ok(outcome.sent as u64)
}

/// Datagrams refused so far, for whatever reason.
fn refused(counted: &Counted) -> u64 {
    let about_datagrams = |name: &&str| {
        ["datagram_", "handshake_", "record_"]
            .iter()
            .any(|room| name.starts_with(room))
    };
    let names = DropReason::ALL.iter().map(|reason| reason.name());
    names.filter(about_datagrams).map(|name| counted.of(name)).sum()
}

fn noise(random: &mut Random, len: usize) -> Vec<u8> {
    (0..len.div_ceil(8))
        .flat_map(|_| random.next_u64().to_le_bytes())
        .take(len)
        .collect()
}
