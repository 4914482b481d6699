//! Screens of every size, names of every kind, keys in any order.

use proptest::prelude::*;

use super::*;
use crate::cli::words::width;

const ASCII: Theme = Theme {
    colour: true,
    ascii: true,
};

/// Names that would move a cursor, reverse a line, or are wider than they look.
const HOSTILE: [&str; 7] = [
    "a\u{1b}[2J\u{1b}]0;x\u{7}",
    "\u{202e}abc\u{200b}\u{0}\n\r\t",
    "倉庫倉庫倉庫倉庫倉庫倉庫倉庫倉庫倉庫倉庫倉庫",
    "👩‍👩‍👧‍👦👍🏽é",
    "\u{301}\u{301}",
    "a name with blanks that is very very very long and goes on and on",
    "",
];

/// Everything as large as it can be, with a history.
fn huge(name: &str) -> Scene {
    let mut scene = Scene::new(samples::huge(name));
    scene.snapshot.initiators.truncate(30);
    scene.snapshot.alarms.truncate(3);
    scene.snapshot.changes = vec![
        StateChange {
            about: name.into(),
            at: f64::MAX,
            was: State::Unknown,
            is: State::Down,
            why: name.repeat(20),
        };
        5
    ];
    for n in 0..4 {
        scene.snapshot.gateway.now += 1.0;
        scene.snapshot.exports[0].traffic.requests = u64::MAX / 2 + n * (u64::MAX / 10);
        scene.hear();
    }
    scene
}

/// Draws it in every view, with details, help and a filter.
fn everywhere(scene: &mut Scene, width: u16, height: u16) {
    for theme in [PLAIN, ASCII] {
        for view in '1'..='6' {
            scene.typed(&view.to_string());
            check(&scene.screen(width, height, theme), width, height);
            scene.press(Key::Enter);
            check(&scene.screen(width, height, theme), width, height);
            scene.press(Key::PageDown);
            scene.press(Key::Right);
            check(&scene.screen(width, height, theme), width, height);
            scene.press(Key::Escape);
        }
        scene.typed("?");
        check(&scene.screen(width, height, theme), width, height);
        scene.typed("?/x");
        check(&scene.screen(width, height, theme), width, height);
        scene.press(Key::Escape);
    }
}

fn check(shown: &str, wide: u16, height: u16) {
    assert_eq!(shown.lines().count(), usize::from(height));
    for line in shown.lines() {
        // A wide character stands in two cells, of which the second is empty.
        assert!(width(line) <= usize::from(wide) * 2, "{line:?}");
        let harmful = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}');
        assert!(!line.chars().any(harmful), "{line:?}");
    }
    let tall_enough = wide >= 40 && height >= 8;
    assert_eq!(shown.starts_with("too"), !tall_enough && wide >= 3, "{shown}");
}

#[test]
fn every_size_has_a_picture() {
    let mut scenes = [
        Scene::typical(),
        huge("倉庫é"),
        Scene::new(Snapshot {
            version: 1,
            ..Snapshot::default()
        }),
    ];
    let sizes = [1, 7, 8, 24, 40, 80, 200];
    for width in sizes {
        for height in sizes.into_iter().filter(|height| *height <= 60) {
            for scene in &mut scenes {
                everywhere(scene, width, height);
            }
        }
    }
    let shown = scenes[0].screen(39, 24, PLAIN);
    assert!(shown.contains("too small: 39x24, needed are 40x8"), "{shown}");
}

#[test]
fn no_name_does_harm() {
    for name in HOSTILE {
        let mut scene = huge(name);
        everywhere(&mut scene, 80, 24);
        everywhere(&mut scene, 200, 60);
    }
}

#[test]
fn without_utf8_every_character_is_ascii() {
    let mut scene = Scene::typical();
    for keys in ["1", "6", "3", "?"] {
        scene.typed(keys);
        assert!(scene.screen(80, 24, ASCII).is_ascii());
    }
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        any::<char>().prop_map(Key::Char),
        proptest::char::range(' ', '~').prop_map(Key::Char),
        prop::sample::select(vec![
            Key::Enter,
            Key::Escape,
            Key::Backspace,
            Key::Tab,
            Key::BackTab,
            Key::Up,
            Key::Down,
            Key::Left,
            Key::Right,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Control('u'),
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn keys_and_documents_in_any_order_leave_a_picture(
        keys in prop::collection::vec(any_key(), 1..60),
        (width, height) in (1_u16..200, 1_u16..60),
        name in prop::sample::select(HOSTILE.to_vec()),
    ) {
        let mut scene = huge(name);
        for (at, key) in keys.into_iter().enumerate() {
            scene.press(key);
            match at % 7 {
                3 => {
                    scene.snapshot.gateway.now += 0.5;
                    scene.hear();
                }
                5 => scene.app.heard(Err("gone".into()), Duration::from_secs(at as u64)),
                6 => {
                    scene.snapshot.exports.truncate(1 - (at / 7) % 2);
                    scene.snapshot.initiators.truncate(3);
                }
                _ => {}
            }
            check(&scene.screen(width, height, PLAIN), width, height);
        }
    }
}
