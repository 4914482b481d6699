//! Views word for word, at 80x24.

use super::*;

/// Compares with a file; where they differ, the screen is what the file would have to be.
macro_rules! picture {
    ($scene:expr, $name:literal) => {
        let shown = $scene.shown();
        assert_eq!(shown, include_str!(concat!($name, ".txt")), "\n{shown}");
    };
}

#[test]
fn each_view_word_for_word() {
    let mut scene = Scene::typical();
    picture!(scene, "exports");
    scene.typed("2");
    picture!(scene, "imports");
    scene.typed("3");
    picture!(scene, "initiators");
    scene.typed("4");
    picture!(scene, "peers");
    scene.typed("5");
    picture!(scene, "alarms");
    scene.typed("6");
    picture!(scene, "changes");
}

#[test]
fn details_of_an_export_word_for_word() {
    let mut scene = Scene::typical();
    scene.press(Key::Enter);
    let shown = scene.screen(80, 50, PLAIN);
    assert_eq!(shown, include_str!("export.txt"), "\n{shown}");
}

#[test]
fn details_of_everything_say_what_matters() {
    let mut scene = Scene::typical();
    scene.typed("3");
    scene.press(Key::Enter);
    let shown = scene.shown();
    for words in [
        "initiator 52:54:00:12:34:56: up",
        "behind site-a, uses export backup",
        "1 507 req/s",
        "p99",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    scene.typed("4");
    scene.press(Key::Enter);
    let shown = scene.shown();
    for words in [
        "peer site-a: up",
        "noise+psk",
        "198.51.100.1:34978",
        "52:54:00:12:34:56",
        "missed",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    scene.typed("2");
    scene.press(Key::Enter);
    let shown = scene.shown();
    for words in [
        "import e109.1: up",
        "export mirror of site-a",
        "tunnel",
        "segment",
        "queue",
        "target",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn an_export_that_is_down_says_why_and_who_was_refused() {
    let mut scene = Scene::typical();
    scene.press(Key::Down);
    scene.press(Key::Enter);
    let shown = scene.screen(80, 30, PLAIN);
    for words in [
        "export archive: down for 3 min",
        "target e7.4 does not answer",
        "refused_read_only",
        "52:54:00:12:34:56",
        "a write (the export is read-only)",
        "22:10:10 3 min up → down",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_paused_export_and_its_limit_are_shown_as_such() {
    let mut scene = Scene::typical();
    scene.snapshot.exports[0].standing =
        samples::standing(State::Paused, "paused by an operator, 50 s are left", 5.0);
    scene.work(1.0, 1);
    let shown = scene.shown();
    assert!(shown.contains("backup  paused "), "{shown}");
    assert!(
        shown.contains("backup: paused by an operator, 50 s are left"),
        "{shown}"
    );
    scene.press(Key::Enter);
    let shown = scene.screen(80, 60, PLAIN);
    assert!(
        shown.contains("all together: at most 5 000 req/s, 500 req/s kept free; 4 wait, 3 400 did"),
        "{shown}"
    );
}
