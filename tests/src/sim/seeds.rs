//! Many runs of one story, each from its own seed.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use aoe_lab::random::mix;

/// Runs `story` for `usual` seeds.
///
/// `AOE_SIM_SEEDS=n` runs `n` seeds instead; `AOE_SIM_SEED=s` runs the seed `s` alone. A seed that fails is named
/// on stderr with the command that repeats it.
///
/// # Panics
/// As `story` does, and if one of the two variables is not a number.
pub fn for_each_seed(usual: u64, mut story: impl FnMut(u64)) {
    if let Some(seed) = number("AOE_SIM_SEED") {
        return story(seed);
    }
    for index in 0..number("AOE_SIM_SEEDS").unwrap_or(usual) {
        let seed = mix(index) % 1_000_000_000;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| story(seed))) {
            let test = std::thread::current().name().unwrap_or("?").to_owned();
            eprintln!("failing seed: repeat it with AOE_SIM_SEED={seed} cargo test -p e2e -- --exact {test}");
            resume_unwind(panic);
        }
    }
}

/// The first of at most `most` seeds with which `story` fails, and what it says: for stories that have to.
///
/// # Panics
/// If it fails with none of them.
pub fn first_failing_seed(most: u64, mut story: impl FnMut(u64)) -> (u64, String) {
    for index in 0..most {
        let seed = mix(index) % 1_000_000_000;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| story(seed))) {
            let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            return (seed, said.lines().next().unwrap_or_default().to_owned());
        }
    }
    panic!("none of {most} seeds fails")
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is \"{text}\", which is not a number"),
    }
}
