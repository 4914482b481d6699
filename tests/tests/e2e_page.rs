//! The page, in a real browser, of a real gateway at work: it loads, it goes on by itself, it says what is wrong, it shows
//! what others wrote as text, and it asks for nothing from elsewhere. The pictures in the documentation are made here.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::gateway::Access;
use aoe_lab::netns::Process;
use aoe_lab::relay::Side;
use aoe_lab::topology::WorldPlan;
use aoe_lab::workload::{Fresh, Ledger};
use e2e::browser::Browser;
use e2e::load;
use e2e::stage::{Stage, eventually, play, tool, wait_for_device};
use e2e::trial::{IMPORT, PATIENCE, SECTORS, Trial};
use serde_json::Value;

/// Where the page is, within the namespace of a gateway.
const LISTEN: &str = "127.0.0.1:9478";
/// A second disk, which may only be read.
const ARCHIVE: Address = Address { shelf: 7, slot: 4 };
const READ_ONLY: Address = Address { shelf: 107, slot: 4 };
/// What the host of that disk is called: its target has it in the serial number of the disk.
const HOST: &str = "<script>hit=1";
/// What is put into every text of a document. It would run if it were taken for HTML.
const HOSTILE: &str = "<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script>";
/// Within that time a target that went away is an alarm.
const NOTICED: Duration = Duration::from_secs(10);
/// A picture is not larger, in bytes.
const PICTURE: usize = 200_000;

#[test]
fn a_browser_shows_who_uses_what_and_what_is_wrong() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |world| {
            world.share("archive", ARCHIVE, Access::ReadOnly, READ_ONLY);
            for site in [&mut world.site_a, &mut world.site_b] {
                site.config.metrics = Some(LISTEN.to_owned());
            }
        })?;
        let mut archive = hostile_vblade(stage, &trial)?;
        trial.gateways.wait_for_import(READ_ONLY)?;
        let load = trial.load(load::mixed())?;

        let mut browser = Browser::start(stage, &trial.world.ground.gwb)?;
        let base = format!("http://{LISTEN}/");
        browser.look_like((1280, 1000), 1, "dark")?;
        browser.go(&base)?;
        shows_who_uses_what(&mut browser)?;
        goes_on_by_itself(&mut browser)?;
        tells_the_past(&mut browser)?;
        let disk = browser.text("#exports")?;
        ensure!(disk.contains(HOST), "the disk says who it is: {disk}");
        ensure!(browser.text("#alarms")?.contains("None."));

        load.go_on(500)?;
        archive.kill()?;
        let killed = Instant::now();
        eventually("the alarm is shown", NOTICED, || {
            let alarms = browser.text("#alarms")?;
            Ok(alarms.contains("export archive")
                && alarms.contains("does not answer")
                && alarms.contains("down"))
        })?;
        trial.say(format_args!("an alarm after {:?}", killed.elapsed()));
        eventually("the change is told", PATIENCE, || {
            let changes = browser.text("#changes")?;
            Ok(changes.contains("export archive") && changes.contains("✓ up → ✕ down"))
        })?;
        // There is something to see on a picture, and nothing is pointed at.
        let esc = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true})); \
                   document.activeElement.blur(); scrollTo(0, 0)";
        browser.eval(esc)?;
        eventually("there is a past", PATIENCE + PATIENCE, || {
            Ok(browser
                .eval("past.read_bytes.filter((n) => n > 0).length")?
                .as_f64()
                > Some(24.0))
        })?;
        keep_picture("page.png", &browser.picture()?)?;

        for width in [390, 360] {
            browser.look_like((width, 844), 2, "light")?;
            let fits = browser
                .eval("document.documentElement.scrollWidth <= window.innerWidth && window.innerWidth")?;
            ensure!(fits == width, "{width} points: {fits}");
        }
        browser.look_like((390, 844), 2, "light")?;
        eventually("it is drawn again", PATIENCE, || {
            Ok(browser.eval("document.querySelector('#bytes svg').viewBox.baseVal.width < 390")? == true)
        })?;
        browser.eval("scrollTo(0, 0)")?;
        keep_picture("page-phone.png", &browser.picture()?)?;

        ensure!(browser.complaints() == [""; 0]);
        let asked = browser.asked();
        let elsewhere: Vec<_> = asked.iter().filter(|url| !url.starts_with(&base)).collect();
        ensure!(
            asked.len() > 10 && elsewhere.is_empty(),
            "{elsewhere:?} of {}",
            asked.len()
        );

        shows_what_others_wrote_as_text(&mut browser)?;
        trial.gateway(Side::B).process().stop()?;
        eventually("it says that the gateway does not answer", PATIENCE, || {
            Ok(browser.text("#stale")?.contains("stopped answering")
                && browser.text("#live")?.contains("no answer"))
        })?;
        trial.restart(Side::B)?;
        eventually("it goes on by itself", PATIENCE, || {
            Ok(browser.text("#live")?.contains("live") && browser.text("#stale")?.is_empty())
        })?;
        trial.finish(load).map(drop)
    });
}

#[test]
fn the_side_of_the_initiators_shows_its_imports() {
    play(|stage| {
        let trial = Trial::start(stage, WorldPlan::default(), |world| {
            world.site_a.config.metrics = Some(LISTEN.to_owned());
        })?;
        let initiator = trial.world.initiator()?;
        let mac = initiator.mac().to_string();
        let ledger = Ledger::new(0, SECTORS, 7, Fresh::Zero);
        let load = trial.load_by(initiator, ledger, load::mixed())?;
        let mut browser = Browser::start(stage, &trial.world.ground.gwa)?;
        browser.look_like((1280, 1000), 1, "light")?;
        browser.go(&format!("http://{LISTEN}/"))?;
        eventually("the import is used", PATIENCE, || {
            let (imports, initiators) = (browser.text("#imports")?, browser.text("#initiators")?);
            Ok(imports.contains(&IMPORT.to_string())
                && imports.contains("disk of site-b")
                && number(&mut browser, "#imports [data-label=\"requests/s\"]")? > 0.0
                && imports.contains(" | ")
                && initiators.contains(&mac))
        })?;
        // What does not fit the filter is not shown.
        browser.eval("filter.value = 'nothing'; filter.dispatchEvent(new Event('input'))")?;
        ensure!(!browser.text("#imports")?.contains(&IMPORT.to_string()));
        ensure!(browser.complaints() == [""; 0]);
        trial.finish(load).map(drop)
    });
}

/// The export under load has its name, its users and its rates.
fn shows_who_uses_what(browser: &mut Browser) -> Result<()> {
    eventually("who uses what is shown", PATIENCE, || {
        let exports = browser.text("#exports")?;
        Ok(browser.text("#live")?.contains("live")
            && browser.text("h1")? == "site-b"
            && exports.contains("disk")
            && exports.contains("archive")
            && exports.contains("site-a rw, 1 in use")
            && number(browser, "#exports [data-label=\"requests/s\"]")? > 0.0
            && browser.text("#initiators")?.contains("behind site-a")
            && browser.text("#peers")?.contains("site-a"))
    })
}

/// A number changes, and nobody has loaded the page again.
fn goes_on_by_itself(browser: &mut Browser) -> Result<()> {
    let requests = "#initiators [data-label=\"requests\"]";
    let loaded = browser.eval("performance.timeOrigin")?;
    let before = browser.text(requests)?;
    ensure!(!before.is_empty());
    eventually("a number changes", PATIENCE, || {
        Ok(browser.text(requests)? != before)
    })?;
    ensure!(browser.eval("performance.timeOrigin")? == loaded);
    Ok(())
}

/// There is a line of what was carried, of all and of one export, and its moments can be read by keys.
fn tells_the_past(browser: &mut Browser) -> Result<()> {
    let longest = "Math.max(...[...document.querySelectorAll('#bytes .one')].map((line) => line.getAttribute('d').length))";
    eventually("there is a line", PATIENCE, || {
        Ok(browser.eval(longest)?.as_f64() > Some(60.0))
    })?;
    let series = browser.text("#series")?;
    ensure!(
        series.contains("all exports") && series.contains("export disk"),
        "{series}"
    );
    let choose = "[...series.options].find((option) => option.text === 'export disk').selected = true; \
                  series.dispatchEvent(new Event('change'))";
    browser.eval(choose)?;
    eventually("its own line is there", PATIENCE, || {
        Ok(browser.eval(longest)?.as_f64() > Some(60.0)
            && !browser.text("#times-caption")?.contains("longer –"))
    })?;
    let left = "document.querySelector('#bytes svg').focus(); document.activeElement.dispatchEvent(\
                new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true}))";
    browser.eval(left)?;
    let caption = browser.text("#bytes-caption")?;
    ensure!(caption.contains(", at "), "{caption}");
    Ok(())
}

/// Every text of both documents is hostile.
fn shows_what_others_wrote_as_text(browser: &mut Browser) -> Result<()> {
    for path in ["api/snapshot", "api/history"] {
        let document = browser.eval(&format!("fetch('{path}').then((answer) => answer.text())"))?;
        let mut document: Value = serde_json::from_str(document.as_str().context("no document")?)?;
        spoil(&mut document);
        // The past of a series has no texts, and the gateway itself answers for it.
        browser.answer_instead(path, document.to_string())?;
    }
    let places = [
        "h1",
        "#alarms",
        "#exports",
        "#initiators",
        "#peers",
        "#segments",
        "#changes",
        "#series",
    ];
    for place in places {
        eventually(&format!("{place} shows it as text"), PATIENCE, || {
            Ok(browser.text(place)?.contains(HOSTILE))
        })?;
    }
    ensure!(browser.eval("typeof window.hit")? == "undefined");
    ensure!(browser.eval("document.images.length")? == 0);
    ensure!(browser.eval("document.scripts.length")? == 1);
    let fits = browser.eval("document.documentElement.scrollWidth <= window.innerWidth")?;
    ensure!(fits == true, "long names are broken");
    ensure!(browser.complaints() == [""; 0]);
    browser.answer_really()
}

/// Adds HTML to every text but the words that mean something.
fn spoil(value: &mut Value) {
    match value {
        Value::String(text) => text.push_str(HOSTILE),
        Value::Array(values) => values.iter_mut().for_each(spoil),
        Value::Object(fields) => {
            let words = ["state", "was", "is", "side", "kind"];
            let texts = fields
                .iter_mut()
                .filter(|(name, _)| !words.contains(&name.as_str()));
            texts.for_each(|(_, value)| spoil(value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The largest number that the elements of a selector show.
fn number(browser: &mut Browser, selector: &str) -> Result<f64> {
    let text = browser.text(selector)?;
    let numbers = text
        .lines()
        .filter_map(|line| line.replace([' ', '\u{a0}'], "").parse().ok());
    Ok(numbers.fold(0.0, f64::max))
}

/// A target on a host whose name is HTML, as an outsider may call it.
fn hostile_vblade(stage: &Stage, trial: &Trial) -> Result<Process> {
    let ground = &trial.world.ground;
    let device = trial.world.target_device();
    wait_for_device(&ground.tgt, device)?;
    let script = "printf %s \"$0\" >/proc/sys/kernel/hostname && exec \"$@\"";
    let mut command = Command::new(tool("unshare")?);
    command
        .args(["--uts", "sh", "-c", script, HOST])
        .arg(tool("vblade")?);
    command.args([ARCHIVE.shelf.to_string(), ARCHIVE.slot.to_string()]);
    command.arg(device).arg(stage.image("archive.img", 64)?);
    let log = stage.dir().join("vblade-archive.log");
    let process = ground.tgt.spawn("vblade archive", command, Some(&log))?;
    process.wait_for_line(&format!("{ARCHIVE}, "), PATIENCE)?;
    Ok(process)
}

/// Writes a picture for the documentation.
fn keep_picture(name: &str, png: &[u8]) -> Result<()> {
    ensure!(png.len() < PICTURE, "{name} has {} bytes", png.len());
    let target = env::var_os("CARGO_TARGET_DIR").map_or("../target".into(), PathBuf::from);
    let dir = env::var_os("AOE_PICTURES").map_or(target.join("pictures"), PathBuf::from);
    fs::create_dir_all(&dir)?;
    let path = dir.join(name);
    println!("{}: {} bytes", path.display(), png.len());
    fs::write(&path, png).with_context(|| format!("writing {}", path.display()))
}
