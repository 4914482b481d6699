//! Who is not known, or does not hold the secret, or wants another protection, gets no session; both sides say why
//! where they know each other; and the good peer works on, undisturbed.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::{Access, RunningGateway, Site, Transport};
use aoe_lab::netns::Namespace;
use aoe_lab::topology::{PATIENCE, World, WorldPlan, export_file, import_section, introduce};
use aoe_lab::workload::{Fresh, Ledger, Limit, Mix, Order, Workload};
use e2e::stage::{Counted, Opened, Stage, eventually, play, play_by_noise};
use e2e::station::{Request, Station, ata};

const SECTORS: usize = 1024;
const TARGET: Address = Address { shelf: 7, slot: 3 };
const IMPORT: Address = Address { shelf: 107, slot: 3 };
const EVERYBODY: Address = Address {
    shelf: 0xffff,
    slot: 0xff,
};

/// The caller that must not get in.
struct Caller {
    behind: Namespace,
    gateway: RunningGateway,
}

/// What has to be in the logs and counters.
struct Signs {
    at_b: &'static str,
    counter_at_b: &'static str,
    at_caller: Option<&'static str>,
    counter_at_caller: Option<&'static str>,
}

#[test]
fn a_stranger_gets_no_session() {
    // It knows site B's public key and address, and even the name of the export. Site B does not know it, and tells it
    // nothing at all.
    // With TLS it even has a certificate of the same CA.
    play(|stage| {
        let signs = Signs {
            at_b: Transport::of_environment()?.of_strangers(),
            counter_at_b: "handshake_unknown_peer",
            at_caller: None,
            counter_at_caller: None,
        };
        keep_out(stage, &signs, |_, _| Ok(()))
    });
}

#[test]
fn a_peer_with_another_psk_gets_no_session() {
    let signs = Signs {
        at_b: "no session with site-c: it calls but never confirms; compare the psk of both sides",
        counter_at_b: "handshakes",
        at_caller: Some("no session with site-b: its answer does not decrypt; compare the psk of both sides"),
        counter_at_caller: Some("handshake_undecryptable"),
    };
    play_by_noise("there is no psk with TLS", |stage| {
        keep_out(stage, &signs, |world, site_c| {
            know_and_allow(world, site_c);
            // Same name of the file, but each has made its own.
            world.site_b.make_psk("pair.psk")?;
            site_c.make_psk("pair.psk")?;
            world.site_b.peer("site-c")?.psk = Some("pair.psk".to_owned());
            site_c.peer("site-b")?.psk = Some("pair.psk".to_owned());
            Ok(())
        })
    });
}

#[test]
fn a_peer_without_the_psk_gets_no_session() {
    let signs = Signs {
        at_b: "no session with site-c: it calls but never confirms; compare the psk of both sides",
        counter_at_b: "handshakes",
        at_caller: Some("no session with site-b: its answer does not decrypt; compare the psk of both sides"),
        counter_at_caller: Some("handshake_undecryptable"),
    };
    play_by_noise("there is no psk with TLS", |stage| {
        keep_out(stage, &signs, |world, site_c| {
            know_and_allow(world, site_c);
            world.site_b.make_psk("pair.psk")?;
            world.site_b.peer("site-c")?.psk = Some("pair.psk".to_owned());
            Ok(())
        })
    });
}

#[test]
fn peers_without_a_common_protection_get_no_session() {
    let why = "the two sides accept no common protection mode; compare `protection` of the peer on both";
    let signs = Signs {
        at_b: why,
        counter_at_b: "handshake_no_agreement",
        at_caller: Some(why),
        counter_at_caller: Some("handshake_no_agreement"),
    };
    play(|stage| {
        keep_out(stage, &signs, |world, site_c| {
            know_and_allow(world, site_c);
            world.site_b.peer("site-c")?.protection = vec!["encrypt".to_owned()];
            site_c.peer("site-b")?.protection = vec!["authenticate".to_owned()];
            Ok(())
        })
    });
}

#[test]
fn a_stranger_does_not_hide_what_is_wrong_with_a_peer() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        // Site B's key for site A is a stranger's, so site A itself is one; and site C wants another protection.
        let (host_c, _behind_c, mut site_c) = world.stranger("site-c")?;
        know_and_allow(&mut world, &mut site_c);
        site_c.peer("site-b")?.protection = vec!["authenticate".to_owned()];
        world.site_b.config.peers.retain(|peer| peer.name == "site-c");
        let mut b = world.site_b.start(&world.ground.gwb)?;
        let _a = world.site_a.start(&world.ground.gwa)?;
        let stranger = Transport::of_environment()?.of_strangers();
        b.process().wait_for_line(stranger, PATIENCE)?;
        let _c = site_c.start(&host_c)?;
        eventually("site C has called", PATIENCE, || {
            Ok(Counted::ask(&mut b)?.of("handshake_no_agreement") > 0)
        })?;
        // The log keeps its order, so the reason stands before the counters.
        let told = b
            .process()
            .transcript()
            .contains("no session with site-c: the two sides accept no common");
        ensure!(told, "strangers hid it");
        b.stop()
    });
}

/// Site B knows site C and would let it use the disk.
fn know_and_allow(world: &mut World, site_c: &mut Site) {
    introduce(&mut world.site_b, site_c, None);
    let allow = export_file("disk", TARGET, "site-c", Access::ReadWrite).allow;
    for export in &mut world.site_b.exports {
        export.allow.extend(allow.clone());
    }
}

fn keep_out(
    stage: &Stage,
    signs: &Signs,
    change: impl FnOnce(&mut World, &mut Site) -> Result<()>,
) -> Result<()> {
    let mut world = stage.world(WorldPlan::default())?;
    world.share("disk", TARGET, Access::ReadWrite, IMPORT);
    let (host_c, behind_c, mut site_c) = world.stranger("site-c")?;
    site_c
        .config
        .imports
        .push(import_section("site-b", "disk", IMPORT));
    change(&mut world, &mut site_c)?;
    let Opened {
        mut gateways,
        vblade,
        world,
    } = stage.raise(world, TARGET, IMPORT, SECTORS as u64)?;

    // The good peer is at work all the time.
    let stop = Arc::new(AtomicBool::new(false));
    let worker = {
        let (stop, mut initiator) = (stop.clone(), world.initiator()?);
        thread::spawn(move || -> Result<_> {
            initiator.disk(IMPORT, PATIENCE)?;
            let mut ledger = Ledger::new(0, SECTORS, 1, Fresh::Zero);
            let mut requests = 0;
            while !stop.load(Ordering::Relaxed) {
                let workload = Workload {
                    mix: Mix::ReadPercent(50),
                    order: Order::Random,
                    block_sectors: 8,
                    depth: 2,
                    limit: Limit::Bytes(32 << 10),
                    seed: requests,
                    patience: PATIENCE,
                };
                let figures = workload.run(&mut initiator, IMPORT, &mut ledger)?;
                ensure!(figures.is_clean() && figures.requests == 8, "{figures:?}");
                requests += figures.requests;
                // At work, but not the reason why the machine has no time for anything else.
                thread::sleep(Duration::from_millis(5));
            }
            Ok((requests, ledger))
        })
    };
    let caller = Caller {
        behind: behind_c,
        gateway: site_c.start(&host_c)?,
    };
    let kept_out = stay_out(caller, signs, &mut gateways.b);
    stop.store(true, Ordering::Relaxed);
    let (requests, mut ledger) = worker.join().expect("the worker does not panic")?;
    kept_out?;

    println!("the good peer meanwhile: {requests} requests, none of them wrong");
    ensure!(requests > 0);
    let mut wrong = Vec::new();
    ledger.check(0, &std::fs::read(vblade.image())?, |complaint| {
        wrong.push(complaint.to_string())
    });
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(
        !gateways.a.process().transcript().contains("is lost"),
        "site A lost its session"
    );
    gateways.stop()
}

/// Waits for the signs, and makes sure that there is neither a session nor a disk.
fn stay_out(mut caller: Caller, signs: &Signs, b: &mut RunningGateway) -> Result<()> {
    let line = b.process().wait_for_line(signs.at_b, PATIENCE)?;
    println!("site B: {line}");
    if let Some(at_caller) = signs.at_caller {
        println!(
            "site C: {}",
            caller.gateway.process().wait_for_line(at_caller, PATIENCE)?
        );
    }
    // A host behind it has no disk, with whatever it tries.
    let mut station = Station::open(&caller.behind, "eth0")?;
    for request in [
        Request::config(EVERYBODY, 0, b""),
        Request::config(IMPORT, 0, b""),
        Request::ata(MacAddr::BROADCAST, IMPORT, ata::IDENTIFY, 0, 1, b""),
        Request::ata(MacAddr::BROADCAST, IMPORT, ata::WRITE_EXT, 0, 2, &[0xa5; 1024]),
    ] {
        station.send(&request)?;
    }
    eventually("the caller has seen the requests", PATIENCE, || {
        Ok(Counted::ask(&mut caller.gateway)?.of("request_import_down") >= 4)
    })?;
    let heard = station.hear(Duration::ZERO);
    ensure!(heard.is_empty(), "{heard:?}");

    let at_b = Counted::ask(b)?;
    ensure!(at_b.of(signs.counter_at_b) > 0, "{at_b:?}");
    let at_caller = Counted::ask(&mut caller.gateway)?;
    if let Some(counter) = signs.counter_at_caller {
        ensure!(at_caller.of(counter) > 0, "{at_caller:?}");
    }
    ensure!(
        at_caller.of("records_opened") == 0 && at_caller.of("requests_to_wire") == 0,
        "{at_caller:?}"
    );
    println!("site B: {at_b:?}\nsite C: {at_caller:?}");
    let up = |gateway: &mut RunningGateway, peer: &str| {
        gateway
            .process()
            .transcript()
            .contains(&format!("session with {peer} is up"))
    };
    ensure!(
        !up(b, "site-c") && !up(&mut caller.gateway, "site-b"),
        "there is a session"
    );
    caller.gateway.stop()
}
