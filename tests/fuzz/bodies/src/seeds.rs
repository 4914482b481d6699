//! Seeds that have a name do to a gateway what their names say, so they are read in the wire's layout of today.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aoe_common::config::OwnKeys;
use aoe_common::drop_reason::DropReason;
use aoe_common::engine::Engine;
use aoe_common::event::{Event, ImportFault, Withdrawn};
use aoe_common::output::Output;
use aoe_common::telemetry::Count;
use aoe_common::time::Instant;
use aoe_keys::SecretKey;

use crate::handshake::fit_mac1;
use crate::payload::play;
use crate::world::{FRIEND, Gateway, PEER, address, config};

/// What came of a seed.
struct Seen {
    gateway: Gateway,
    /// Why the import went down, in order, and `None` when it came up again.
    import: Vec<Option<ImportFault>>,
    /// Requests of initiators that were carried. A seed makes initiators 0 and 1 ask once each.
    carried: u64,
}

impl Seen {
    fn of(seed: &str, side: u8) -> Seen {
        let file = format!("../corpus/payload/{seed}-{side}");
        let data = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert_eq!(data[0], side, "{seed}");
        let played = play(&data, |_, _| {});
        let [first, second] = played.gateways;
        let gateway = if side == 0 { first } else { second };
        let states = gateway.events.iter().filter_map(|event| match event {
            Event::ImportUp { .. } => Some(None),
            Event::ImportDown { why, .. } => Some(Some(why.clone())),
            _ => None,
        });
        Seen {
            // The first time it came up, there was no seed yet.
            import: states.skip_while(Option::is_some).skip(1).collect(),
            carried: gateway.engine.counters().count(Count::RequestsToWire),
            gateway,
        }
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.gateway.engine.counters().dropped(reason)
    }

    fn asked_target(&self) -> u64 {
        self.gateway.engine.counters().count(Count::RequestsToTarget)
    }

    fn events(&self, which: fn(&Event) -> bool) -> usize {
        self.gateway.events.iter().filter(|event| which(event)).count()
    }
}

/// What a seed's name says.
type Says = fn(&Seen) -> bool;

const SEEDS: &[(&str, Says)] = &[
    ("update-gone", |seen| {
        seen.import == [Some(ImportFault::TargetNeverHeard)] && seen.carried == 0
    }),
    ("update-back", |seen| {
        seen.import == [Some(ImportFault::TargetNeverHeard), None] && seen.carried == 2
    }),
    ("update-away", |seen| {
        // Requests are carried, for the exit keeps them.
        seen.import == [Some(ImportFault::TargetAway)] && seen.carried == 2
    }),
    ("update-stopped", |seen| {
        let refused = |event: &Event| matches!(event, Event::WritesRefused { .. });
        seen.import.is_empty() && seen.carried == 2 && seen.events(refused) == 1
    }),
    ("update-listed", |seen| {
        seen.import.is_empty()
            && seen.carried == 1
            && seen.dropped(DropReason::RequestInitiatorNotAllowed) == 1
    }),
    ("update-other", |seen| seen.import.is_empty() && seen.carried == 2),
    ("update-ending", |seen| {
        seen.import == [Some(ImportFault::PeerEnding)] && seen.carried == 2
    }),
    ("update-withdrawn", |seen| {
        seen.import == [Some(ImportFault::Withdrawn(Withdrawn::NotAllowed))] && seen.carried == 0
    }),
    ("inquire", |seen| {
        // It asks twelve times in a second in which eight are answered.
        seen.import.is_empty() && seen.carried == 2 && seen.dropped(DropReason::InquiryTooSoon) == 12 - 8
    }),
    ("update-follows", |seen| {
        seen.import.is_empty() && seen.carried == 2
    }),
    ("update-too-many", |seen| {
        // It says 70 in a second in which 64 are read, some of which were the true peer's.
        seen.dropped(DropReason::UpdateTooSoon) >= 70 - 64
    }),
    ("control", |seen| {
        let lost = |event: &Event| matches!(event, Event::SessionLost { .. });
        seen.events(lost) == 1 && seen.import == [Some(ImportFault::NoSession)] && seen.carried == 0
    }),
    ("request", |seen| seen.asked_target() > 0),
    ("parts", |seen| {
        // A write, which one of the two does not take.
        seen.asked_target() + seen.dropped(DropReason::RefusedReadOnly) > 0
    }),
    ("queue", |seen| seen.asked_target() > 0),
    ("reply", |seen| {
        // The first is the answer, the others say it again.
        seen.gateway.engine.counters().count(Count::RepliesToInitiator) == 1
    }),
    ("refusals", |seen| {
        seen.events(|event| matches!(event, Event::RequestRefused { .. })) > 0
    }),
];

#[test]
fn named_seeds_do_what_their_names_say() {
    for (seed, says) in SEEDS {
        for side in [0, 1] {
            let seen = Seen::of(seed, side);
            for malformed in [DropReason::RecordMalformed, DropReason::MessageMalformed] {
                assert_eq!(seen.dropped(malformed), 0, "{seed}-{side}: {}", malformed.name());
            }
            assert!(
                says(&seen),
                "{seed}-{side}: import {:?}, {} requests carried, {:?}, {:?}",
                seen.import,
                seen.carried,
                seen.gateway.events,
                seen.gateway
                    .engine
                    .counters()
                    .iter()
                    .filter(|(_, n)| *n > 0)
                    .collect::<Vec<_>>()
            );
        }
    }
}

/// Datagrams of the golden vectors (`tests/vectors/wire`), which are today's: each line of bytes continues one, any
/// other ends it.
fn golden(file: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(file).unwrap();
    let mut datagrams = vec![Vec::new()];
    for line in text.lines() {
        let bytes: Result<Vec<u8>, _> = line.split_whitespace().map(byte).collect();
        match bytes {
            Ok(bytes) if !bytes.is_empty() => datagrams.last_mut().unwrap().extend(bytes),
            _ => datagrams.push(Vec::new()),
        }
    }
    datagrams.retain(|datagram| !datagram.is_empty());
    datagrams
}

fn byte(digits: &str) -> Result<u8, std::num::ParseIntError> {
    // Two digits of a number, nothing else that `from_str_radix` would read.
    u8::from_str_radix(if digits.len() == 2 { digits } else { "" }, 16)
}

#[test]
fn datagrams_of_the_golden_vectors_are_those_of_today() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    for vector in fs::read_dir(top.join("tests/vectors/wire")).unwrap() {
        let vector = vector.unwrap().path();
        let name = vector.file_stem().unwrap().to_str().unwrap();
        // Longer than what is worth the fuzzer's time.
        if name == "record-longest" {
            continue;
        }
        let mut seed = vec![1];
        for datagram in golden(&vector) {
            seed.push(0);
            seed.extend_from_slice(&u16::try_from(datagram.len()).unwrap().to_be_bytes());
            seed.extend_from_slice(&datagram);
        }
        let file = top.join("tests/fuzz/corpus/datagram").join(name);
        if std::env::var_os("AOE_MAKE_SEEDS").is_some() {
            fs::write(&file, &seed).unwrap();
        }
        assert!(seed.len() > 40 && fs::read(&file).unwrap() == seed, "{name}");
    }
}

/// What a gateway makes of one datagram that anybody may have sent.
fn stranger_says(datagram: &[u8], side: u8) -> (usize, Gateway) {
    let mut gateway = Gateway::start(side, 0, Instant::from_micros(1));
    let answers = gateway.datagram(address(1 - side), datagram).datagrams.len();
    (answers, gateway)
}

#[test]
fn first_messages_are_what_their_names_say() {
    let right = Gateway::start(0, 0, Instant::from_micros(1))
        .call()
        .datagrams
        .remove(0);
    let mut undecryptable = right.clone();
    undecryptable[60] ^= 1;
    fit_mac1(1, &mut undecryptable);
    let stranger = {
        let mut config = config(FRIEND + 1);
        config.keys = OwnKeys::of(SecretKey::from_bytes([99; 32]));
        let (now, mut out) = (Instant::from_micros(1), Output::default());
        let mut engine = Engine::new(config, [9; 32], now, Duration::from_secs(1_790_000_000));
        let to = aoe_common::output::Path::new(0, address(1));
        engine.set_endpoint(PEER, vec![to], now, &mut out);
        let train = out.trains.iter().next().unwrap();
        train.datagrams().next().unwrap().to_vec()
    };
    let seeds = [
        ("first-message-right", right, None),
        (
            "first-message-stranger",
            stranger,
            Some(DropReason::HandshakeUnknownPeer),
        ),
        (
            "first-message-undecryptable",
            undecryptable,
            Some(DropReason::HandshakeUndecryptable),
        ),
    ];
    for (name, made, drop) in seeds {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../corpus/datagram")
            .join(name);
        if std::env::var_os("AOE_MAKE_SEEDS").is_some() {
            let len = u16::try_from(made.len()).unwrap().to_be_bytes();
            fs::write(&file, [&[1, 0], &len[..], &made[..]].concat()).unwrap();
        }
        let seed = fs::read(&file).unwrap();
        let (answers, gateway) = stranger_says(&seed[4..], seed[0]);
        assert_eq!(answers, usize::from(drop.is_none()), "{name}");
        let dropped = |reason| gateway.engine.counters().dropped(reason);
        assert!(drop.is_none_or(|reason| dropped(reason) == 1), "{name}");
    }
}
