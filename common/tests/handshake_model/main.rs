//! A model of the handshake, checked exhaustively by `stateright`: two sides that call each other over a network that
//! keeps, repeats, reorders and loses whatever it was given, with restarts, load and somebody who has stolen keys.
//!
//! - `terms`: what travels, as symbols: who can make or read what
//! - `side`: what one gateway does, rule by rule as in `docs/protocol.md` and `tunnel::{links, sessions}`
//! - `world`: two of them, the network and the thief: every step that can happen next
//! - `settle`: what comes of a state if from now on nothing is lost
//! - `properties`: what must hold in every state
//!
//! The model stops where arithmetic begins: a seal is perfect, a random number never comes twice.
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "two sides; how many states were looked at"
)]

mod properties;
mod settle;
mod side;
mod terms;
mod world;

use stateright::{Checker, Model};

use side::Rules;
use terms::Who;
use world::{Setting, World};

/// Checks every state that can be reached, and says how many there were.
fn check(what: &str, setting: Setting) {
    let checker = World { setting }.checker().threads(2).spawn_bfs().join();
    println!(
        "{what}: {} states, {} steps deep",
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

/// Whether some state breaks this property.
fn breaks(property: &'static str, setting: Setting) -> bool {
    let finish = stateright::HasDiscoveries::AnyFailures;
    let checker = World { setting }
        .checker()
        .threads(2)
        .finish_when(finish)
        .spawn_bfs()
        .join();
    checker.discovery(property).is_some()
}

#[test]
fn both_call_at_once_and_the_network_repeats_everything() {
    for a_counts in [true, false] {
        check(
            "both call",
            Setting {
                calls: [2, 1],
                ticks: 2,
                a_counts,
                ..Setting::default()
            },
        );
    }
}

#[test]
fn either_side_restarts_with_its_clock_ahead_or_set_back() {
    for (restarts, clock_set_back) in [([1, 0], false), ([0, 1], false), ([1, 0], true), ([0, 1], true)] {
        let setting = Setting {
            calls: [1, 1],
            restarts,
            clock_set_back,
            ..Setting::default()
        };
        check("a restart", setting);
        check(
            "a restart later",
            Setting {
                calls: [1, 1],
                ticks: 1,
                ..setting
            },
        );
    }
}

#[test]
fn a_listener_under_load_wants_a_cookie_first() {
    check(
        "under load",
        Setting {
            calls: [2, 2],
            under_load: true,
            ..Setting::default()
        },
    );
}

#[test]
fn post_quantum_secrets_follow_each_other() {
    for required in [false, true] {
        let setting = Setting {
            calls: [2, 0],
            post_quantum: true,
            required,
            ..Setting::default()
        };
        check("post-quantum", setting);
        check(
            "post-quantum, both call",
            Setting {
                calls: [2, 1],
                ..setting
            },
        );
        check(
            "post-quantum and a restart",
            Setting {
                restarts: [0, 1],
                ..setting
            },
        );
    }
}

#[test]
fn who_stole_a_static_key_or_the_psk_alone_gets_no_session() {
    for stolen_key in [Some(Who::A), Some(Who::B), None] {
        check(
            "a thief",
            Setting {
                calls: [1, 1],
                stolen_key,
                stolen_psk: stolen_key.is_none(),
                thief: 2,
                ..Setting::default()
            },
        );
    }
}

#[test]
fn two_sides_without_a_common_mode_or_psk_have_no_session() {
    check(
        "other modes",
        Setting {
            calls: [2, 1],
            modes: [0b01, 0b10],
            ..Setting::default()
        },
    );
    check(
        "other psk",
        Setting {
            calls: [2, 1],
            same_psk: false,
            ..Setting::default()
        },
    );
}

#[test]
fn the_model_finds_what_each_rule_prevents() {
    let without = |rules: Rules, property, setting: Setting| {
        assert!(breaks(property, Setting { rules, ..setting }), "{rules:?}");
    };
    let base = Setting {
        calls: [2, 1],
        ticks: 1,
        ..Setting::default()
    };
    let thief = Setting {
        stolen_key: Some(Who::A),
        stolen_psk: true,
        thief: 2,
        calls: [1, 0],
        ..Setting::default()
    };
    // With both, there is nothing left that could keep the thief out.
    assert!(breaks(properties::NO_THIEF, thief));
    let all = Rules::default();
    without(
        Rules {
            confirmation: false,
            ..all
        },
        properties::CONFIRMED,
        base,
    );
    without(Rules { stamps: false, ..all }, properties::ONCE, base);
    let restart = Setting {
        calls: [1, 1],
        restarts: [1, 0],
        ..base
    };
    without(
        Rules {
            generations: false,
            ..all
        },
        properties::GENERATIONS,
        restart,
    );
    without(
        Rules {
            precedence: false,
            ..all
        },
        properties::CONVERGES,
        base,
    );
    without(
        Rules {
            mode_is_sealed: false,
            ..all
        },
        properties::AGREEMENT,
        Setting {
            modes: [0b11, 0b11],
            ..base
        },
    );
}
