//! What keys do.

use super::*;

/// A gateway with exports of many names and rates.
fn many() -> Scene {
    let mut snapshot = samples::empty();
    let names = ["delta", "alpha", "charlie", "bravo"];
    snapshot.exports = names.map(|name| samples::export(name, "e7.1")).to_vec();
    let mut scene = Scene::new(snapshot);
    scene.snapshot.gateway.now += 2.0;
    for (export, rate) in scene.snapshot.exports.iter_mut().zip([40, 10, 20, 30]) {
        export.traffic.requests += 2 * rate;
        export.traffic.written_bytes += 200 / rate;
    }
    scene.hear();
    scene
}

#[test]
fn rates_are_per_second() {
    let mut scene = many();
    let shown = scene.shown();
    let line = shown.lines().find(|line| line.contains("delta")).unwrap();
    assert!(line.contains(" 40 "), "{line}");
    assert!(shown.contains("every 2.0 s"), "{shown}");
}

#[test]
fn each_column_sorts() {
    let mut scene = many();
    assert_eq!(
        scene.names(),
        ["delta", "bravo", "charlie", "alpha"],
        "by requests"
    );
    scene.typed("r");
    assert_eq!(scene.names(), ["alpha", "charlie", "bravo", "delta"]);
    assert!(scene.shown().contains("req/s▲"));
    scene.typed("ss");
    assert_eq!(
        scene.names(),
        ["alpha", "charlie", "bravo", "delta"],
        "by bytes written"
    );
    assert!(scene.shown().contains("write/s▼"));
    for _ in 0..4 {
        scene.press(Key::Left);
    }
    assert_eq!(scene.names(), ["alpha", "bravo", "charlie", "delta"], "by name");
    assert!(scene.shown().contains("export▼"));
    // Once around.
    for _ in 0..14 {
        scene.press(Key::Right);
        scene.shown();
    }
    assert_eq!(scene.names(), ["alpha", "bravo", "charlie", "delta"]);
    scene.typed("23");
    assert_eq!(scene.app.sort().column, 3, "each view has its own");
}

#[test]
fn a_filter_is_typed_kept_and_ended() {
    let mut scene = many();
    scene.typed("/lt");
    assert_eq!(scene.names(), ["delta"]);
    let shown = scene.shown();
    assert!(shown.contains("/lt_"), "{shown}");
    scene.typed("q ");
    assert_eq!(scene.names(), [""; 0]);
    assert!(scene.shown().contains("None of 4 has these words: ltq"));
    scene.press(Key::Backspace);
    scene.press(Key::Backspace);
    scene.press(Key::Enter);
    assert!(scene.shown().contains("/lt: 1 of 4, Esc shows all"));
    scene.press(Key::Escape);
    assert_eq!(scene.names().len(), 4);
}

#[test]
fn the_picture_stands_still_and_says_so() {
    let mut scene = Scene::typical();
    let before = scene.shown();
    scene.typed(" ");
    let paused = scene.shown();
    assert!(paused.contains("PAUSED for 0 s, at 22:14:00 UTC"), "{paused}");
    for _ in 0..5 {
        scene.work(1.0, 9_999);
    }
    let later = scene.shown();
    assert!(later.contains("PAUSED for 5 s, at 22:14:00 UTC"), "{later}");
    assert!(!later.contains("9 999"));
    let rows = |shown: &str| shown.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&later), rows(&before));
    // One looks at other things of the same moment.
    scene.press(Key::Enter);
    assert!(scene.shown().contains("1 507 req/s"));
    scene.press(Key::Escape);
    scene.typed(" ");
    let shown = scene.shown();
    assert!(shown.contains("9 999") && !shown.contains("PAUSED"), "{shown}");
}

#[test]
fn the_selected_row_stays_selected_where_it_moves() {
    let mut scene = many();
    let marked = |scene: &mut Scene| {
        let shown = scene.shown();
        let line = shown.lines().find(|line| line.starts_with('>')).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(marked(&mut scene), "delta");
    scene.press(Key::Down);
    assert_eq!(marked(&mut scene), "bravo");
    scene.snapshot.gateway.now += 1.0;
    scene.snapshot.exports[3].traffic.requests += 1000;
    scene.hear();
    assert_eq!(scene.names()[0], "bravo");
    assert_eq!(marked(&mut scene), "bravo");
    // It goes; the one in its place is selected.
    scene.snapshot.gateway.now += 1.0;
    scene.snapshot.exports.pop();
    scene.hear();
    assert_eq!(scene.names()[0], marked(&mut scene));
    scene.press(Key::End);
    scene.press(Key::Down);
    assert_eq!(scene.names()[2], marked(&mut scene));
    scene.press(Key::PageUp);
    assert_eq!(scene.names()[0], marked(&mut scene));
}

#[test]
fn details_of_a_row_that_is_gone_say_so() {
    let mut scene = many();
    scene.press(Key::Enter);
    assert!(scene.shown().contains("export delta: up"));
    scene.snapshot.gateway.now += 1.0;
    scene.snapshot.exports.clear();
    scene.hear();
    assert!(scene.shown().contains("It is there no more"));
    scene.press(Key::Enter);
    assert!(scene.shown().contains("There are no exports here."));
}

#[test]
fn details_show_one_stage_after_the_other() {
    let mut scene = Scene::typical();
    scene.press(Key::Enter);
    assert!(scene.screen(80, 50, PLAIN).contains("how long: target"));
    scene.press(Key::Right);
    assert!(scene.screen(80, 50, PLAIN).contains("how long: queue"));
    scene.press(Key::Left);
    scene.press(Key::Left);
    assert!(scene.screen(80, 50, PLAIN).contains("how long: queue"));
}

#[test]
fn a_text_moves_as_far_as_it_goes() {
    let mut scene = Scene::typical();
    scene.typed("?");
    let top = scene.shown();
    assert!(top.contains("Keys") && top.contains("lines 1 to 20 of"), "{top}");
    for _ in 0..200 {
        scene.press(Key::Down);
        scene.shown();
    }
    let bottom = scene.shown();
    assert!(bottom.contains("nothing was measured"), "{bottom}");
    scene.press(Key::Up);
    assert_ne!(scene.shown(), bottom, "one line up at once");
    scene.press(Key::Home);
    assert_eq!(scene.shown(), top);
    scene.press(Key::Escape);
    assert!(scene.shown().contains("backup"));
}

#[test]
fn the_gateway_goes_away_and_comes_back() {
    let mut scene = Scene::typical();
    for second in 0..3 {
        let why = "no gateway runs with x".to_owned();
        scene.app.heard(Err(why), Duration::from_secs(50 + second));
    }
    let shown = scene.shown();
    assert!(shown.contains("NO ANSWER for 2 s"), "{shown}");
    assert!(shown.contains("! no gateway runs with x"), "{shown}");
    assert!(shown.contains("1 507"), "what was known last stays: {shown}");
    // Another process, whose counters begin again.
    scene.snapshot.gateway.pid += 1;
    scene.snapshot.exports[0].traffic = Traffic::default();
    scene.work(1.0, 77);
    let shown = scene.shown();
    assert!(!shown.contains("NO ANSWER") && !shown.contains(" 77 "), "{shown}");
    scene.work(1.0, 77);
    assert!(scene.shown().contains(" 77 "));
}

#[test]
fn a_newer_document_is_shown_as_far_as_it_is_known() {
    let mut scene = many();
    let mut newer: serde_json::Value = serde_json::to_value(&scene.snapshot).unwrap();
    newer["version"] = 9.into();
    newer["moons"] = "many".into();
    newer["exports"][0]["state"] = "confused".into();
    newer["exports"][1] = 7.into();
    newer["gateway"]["now"] = (NOW + 5.0).into();
    let document = Document::read(newer.to_string()).unwrap();
    scene.app.heard(Ok(document), Duration::ZERO);
    let shown = scene.shown();
    assert!(
        shown.contains("the gateway is newer than this program"),
        "{shown}"
    );
    assert!(shown.contains("delta   ?") && !shown.contains("alpha"), "{shown}");
}

#[test]
fn keys_that_end_it_or_give_the_terminal_back() {
    let mut scene = many();
    for (key, then) in [
        (Key::Char('q'), Then::Quit),
        (Key::Control('c'), Then::Quit),
        (Key::Control('z'), Then::Suspend),
        (Key::Control('l'), Then::Redraw),
        (Key::Char('x'), Then::Draw),
    ] {
        assert_eq!(scene.press(key), then, "{key:?}");
    }
    scene.typed("/");
    assert_eq!(scene.press(Key::Char('q')), Then::Draw, "a letter of the filter");
    assert_eq!(scene.press(Key::Control('c')), Then::Quit);
}

#[test]
fn it_begins_where_there_is_something() {
    let mut snapshot = samples::empty();
    snapshot.imports = vec![samples::import("e109.1", "site-a", "mirror")];
    assert!(Scene::new(snapshot).shown().contains("[2 imports 1]"));
    assert!(
        Scene::new(samples::empty())
            .shown()
            .contains("There are no exports here.")
    );
}
