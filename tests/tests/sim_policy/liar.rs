//! A peer whose gateway was patched sends whatever it likes. What reaches the target is what its grants say, and a naive
//! reading of them is the judge.

use super::stage::*;
use aoe_common::config::{Access, Allow, LbaRange, PeerId};
use aoe_common::frame::{AoeCommand, MacAddr};
use aoe_lab::random::Random;
use e2e::sim::craft;
use e2e::sim::plan::REAL;
use e2e::sim::seeds::for_each_seed;

/// Sectors that lies are about: few, so that they often meet a bound.
const SECTORS: u64 = 24;
/// Lies of one peer.
const LIES: usize = 150;

/// What a lie asks for.
struct Lie {
    export: u16,
    initiator: MacAddr,
    opcode: u8,
    lba: u64,
    sectors: u8,
}

impl Lie {
    fn new(random: &mut Random, known: [MacAddr; 2]) -> Lie {
        let opcode = match random.below(4) {
            0 => WRITE_EXT,
            1 => READ_EXT,
            2 => ALLOWED[random.below(ALLOWED.len() as u64) as usize],
            _ => random.below(256) as u8,
        };
        Lie {
            export: match random.below(6) {
                0 => random.below(1 << 16) as u16,
                _ => 0,
            },
            initiator: match random.below(8) {
                0 => MacAddr([2, 0, 0, 0, 0, random.below(256) as u8]),
                n => known[(n % 2) as usize],
            },
            opcode,
            lba: random.below(SECTORS),
            sectors: 1 + random.below(2) as u8,
        }
    }

    fn is_write(&self) -> bool {
        [WRITE, WRITE_EXT].contains(&self.opcode)
    }

    fn moves_data(&self) -> bool {
        self.is_write() || [READ, READ_EXT].contains(&self.opcode)
    }

    fn argument(&self) -> Vec<u8> {
        let len = if self.is_write() {
            512 * usize::from(self.sectors)
        } else {
            0
        };
        craft::ata(self.opcode, self.sectors, self.lba, &vec![self.sectors; len])
    }

    /// Whether some rule allows all of it: sector by sector, with no idea of how the gateway does it.
    fn is_granted(&self, rules: &[Allow]) -> bool {
        let mine = |rule: &&Allow| {
            rule.initiators
                .as_ref()
                .is_none_or(|all| all.contains(&self.initiator))
        };
        let rules: Vec<&Allow> = rules.iter().filter(mine).collect();
        if self.export != 0 || rules.is_empty() || !ALLOWED.contains(&self.opcode) {
            return false;
        }
        let sector_is = |lba: u64| {
            rules.iter().any(|rule| {
                let may = !self.is_write() || rule.access == Access::ReadWrite;
                let within = |run: &LbaRange| (run.first()..=run.last()).contains(&lba);
                may && rule.lba.as_ref().is_none_or(|runs| runs.iter().any(within))
            })
        };
        !self.moves_data() || (self.lba..self.lba + u64::from(self.sectors)).all(sector_is)
    }
}

fn rules(random: &mut Random, known: [MacAddr; 2]) -> Vec<Allow> {
    let rule = |random: &mut Random| {
        let access = [Access::ReadOnly, Access::ReadWrite][random.below(2) as usize];
        let run = |random: &mut Random| {
            let first = random.below(SECTORS);
            LbaRange::new(first, first + random.below(SECTORS / 2)).unwrap()
        };
        Allow {
            initiators: (random.below(2) == 0).then(|| vec![known[random.below(2) as usize]]),
            lba: (random.below(3) > 0).then(|| vec![run(random), run(random)]),
            ..Allow::new(PeerId(0), access)
        }
    };
    (0..1 + random.below(3)).map(|_| rule(random)).collect()
}

#[test]
fn a_peer_that_sends_everything_it_should_not_reaches_exactly_its_grants() {
    let (mut passed, mut refused) = (0, 0);
    for_each_seed(8, |seed| {
        let mut random = Random::new(seed);
        let known = [MacAddr([2, 0, 0, 0, 9, 1]), MacAddr([2, 0, 0, 0, 9, 2])];
        let rules = rules(&mut random, known);
        let mut stage = Stage::new(seed, |plan, pair, _| {
            plan.sites[pair.exit.0].exports[0].allow = rules.clone();
        });
        for number in 0..LIES {
            let lie = Lie::new(&mut random, known);
            let before = stage.requests_at_target();
            let pdu = craft::pdu(REAL, AoeCommand::Ata, 5, &lie.argument());
            let outcome = stage.lie(lie.export, lie.initiator, &pdu);
            let is_granted = lie.is_granted(&rules);
            let about = format!(
                "lie {number}: export {} initiator {} opcode {:#x} sectors {} to {}: {outcome:?}; {rules:?}",
                lie.export,
                lie.initiator,
                lie.opcode,
                lie.lba,
                lie.lba + u64::from(lie.sectors) - 1
            );
            assert_eq!(
                stage.requests_at_target() - before,
                u64::from(is_granted),
                "{about}"
            );
            assert_eq!(outcome == Outcome::Answered, is_granted, "{about}");
            passed += u64::from(is_granted);
            refused += u64::from(!is_granted);
        }
    });
    assert!(
        passed > 100 && refused > 100,
        "{passed} passed, {refused} refused"
    );
}
