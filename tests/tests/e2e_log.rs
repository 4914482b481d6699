//! The logs of both sides while something is wrong that an operator has to mend: what, why, what to do, and once.

#![forbid(unsafe_code)]

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use aoe_common::frame::{Address, MacAddr};
use aoe_lab::gateway::{Access, RunningGateway, Transport};
use aoe_lab::topology::{PATIENCE, WorldPlan, export_file, import_section};
use e2e::stage::play;
use e2e::station::{Request, Station, ata};
use nix::sys::signal::Signal;

const TARGET: Address = Address { shelf: 7, slot: 3 };
const DISK: Address = Address { shelf: 107, slot: 3 };
const READ_ONLY: Address = Address { shelf: 107, slot: 4 };
const LISTED: Address = Address { shelf: 107, slot: 5 };
const NOWHERE: Address = Address { shelf: 109, slot: 1 };
const CLOSED: Address = Address { shelf: 109, slot: 2 };

/// Waits for a line with all of these words at WARN, and demands that it is the only one like that.
fn says_once(gateway: &mut RunningGateway, words: &[&str]) -> Result<()> {
    let line = gateway.process().wait_for_line(words[0], PATIENCE)?;
    println!("{line}");
    ensure!(
        line.contains("WARN") && words.iter().all(|word| line.contains(word)),
        "{words:?} in {line:?}"
    );
    let log = gateway.process().transcript().tail(usize::MAX);
    let like = log.lines().filter(|line| line.contains(words[0])).count();
    ensure!(like == 1, "{like} lines with {:?}:\n{log}", words[0]);
    Ok(())
}

#[test]
fn what_is_not_offered_refused_or_gone_is_in_both_logs() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        let [archive, listed, closed] = [4, 5, 6].map(|slot| Address { slot, ..TARGET });
        world.share("disk", TARGET, Access::ReadWrite, DISK);
        world.share("archive", archive, Access::ReadOnly, READ_ONLY);
        world.share("listed", listed, Access::ReadWrite, LISTED);
        world.site_b.exports[2].allow[0].initiators = Some(vec![MacAddr([2, 0, 0, 0, 0, 9])]);
        let mut closed = export_file("closed", closed, "site-a", Access::ReadOnly);
        closed.allow.clear();
        world.site_b.exports.push(closed);
        for (export, address) in [("vault", NOWHERE), ("closed", CLOSED)] {
            let import = import_section("site-b", export, address);
            world.site_a.config.imports.push(import);
        }
        let (host_c, _behind_c, mut site_c) = world.stranger("site-c")?;
        site_c.config.imports.push(import_section("site-b", "disk", DISK));
        let mut gateways = world.start()?;
        let _disk = stage.serve(&world, TARGET, 64, &[])?;
        let mut vblade = stage.serve(&world, archive, 64, &[])?;
        let _listed = stage.serve(&world, listed, 64, &[])?;
        gateways.wait_for_import(DISK)?;
        gateways.wait_for_import(READ_ONLY)?;
        gateways.wait_for_import(LISTED)?;
        let (a, b) = (&mut gateways.a, &mut gateways.b);

        // A site that nobody knows, by its address and by its key or the name in its certificate.
        let mut c = site_c.start(&host_c)?;
        let key: aoe_keys::PublicKey = site_c.public_key().parse()?;
        let transport = Transport::of_environment()?;
        let (who, calls) = match transport {
            Transport::Noise => (key.fingerprint().to_string(), "calls with key"),
            Transport::Tls => ("site-c".to_owned(), "calls with a certificate for"),
        };
        says_once(b, &[transport.of_strangers(), &who, calls])?;
        c.stop()?;

        for address in [NOWHERE, CLOSED] {
            let down = format!("import {address} is down");
            says_once(
                a,
                &[&down, "site-b does not offer it to us, but 3 others", "[[allow]]"],
            )?;
        }
        says_once(b, &["site-a imports", "no such export here", "(and 1 more)"])?;

        let mut station = Station::open(&world.ground.ini, world.initiator_device())?;
        let mac = station.mac().to_string();
        let gateway = station.ask(&Request::config(DISK, 0, b""))?.source();
        for request in [
            Request::ata(gateway, READ_ONLY, ata::WRITE_EXT, 5, 1, &[7; 512]),
            Request::ata(gateway, DISK, 0xf4, 0, 0, b""),
            Request::ata(gateway, LISTED, ata::READ_EXT, 0, 1, b""),
        ] {
            station.send(&request)?;
        }
        for (import, export, why) in [
            (READ_ONLY, "archive", "a write (the export is read-only)"),
            (DISK, "disk", "ATA command 0xf4"),
            (LISTED, "listed", "a request (this initiator is not listed)"),
        ] {
            says_once(a, &[&format!("import {import}: refused to {mac}: {why}")])?;
            says_once(
                b,
                &[&format!("export {export}: refused to {mac} behind site-a: {why}")],
            )?;
        }

        // No longer allowed: only a restart can bring that about.
        b.stop()?;
        says_once(a, &["session with site-b is lost: the peer was shut down"])?;
        world.site_b.exports[0].allow.clear();
        gateways.b = world.site_b.start(&world.ground.gwb)?;
        let down = format!("import {DISK} is down (disk of site-b): site-b does not offer it");
        says_once(&mut gateways.a, &[&down])?;
        gateways
            .b
            .process()
            .wait_for_line("target e7.4 is up", PATIENCE)?;

        // The target is gone.
        vblade.process().kill()?;
        let down = format!("import {READ_ONLY} is down (archive of site-b): its target does not answer");
        says_once(&mut gateways.a, &[&down])?;
        says_once(&mut gateways.b, &["export archive: target e7.4 does not answer"])?;
        let log = gateways.a.process().transcript().tail(usize::MAX);
        ensure!(!log.contains("firewalls") && !log.contains("psk"), "{log}");
        gateways.stop()
    });
}

#[test]
fn a_pair_that_nobody_calls_and_one_that_was_stopped_say_so() {
    play(|stage| {
        let mut world = stage.world(WorldPlan::default())?;
        world.share("disk", TARGET, Access::ReadWrite, DISK);
        // The third knows site B, not where it is, and site B knows nothing of it.
        let (host_c, _behind_c, mut site_c) = world.stranger("site-c")?;
        site_c.peer("site-b")?.endpoint = None;
        site_c.config.imports.push(import_section("site-b", "disk", DISK));
        let mut c = site_c.start(&host_c)?;
        c.process().wait_for_line("ready", PATIENCE)?;
        c.process().signal(Signal::SIGUSR1)?;
        c.process()
            .wait_for_line("counters: nothing has been counted yet", PATIENCE)?;
        c.process()
            .wait_for_line("nothing so far of frames_received=0 frames_sent=0 ", PATIENCE)?;
        let mut gateways = world.start()?;
        let _vblade = stage.serve(&world, TARGET, 64, &[])?;
        gateways.wait_for_import(DISK)?;
        gateways.a.process().signal(Signal::SIGSTOP)?;
        says_once(
            &mut c,
            &["no session with site-b: it has not called", "`endpoint`"],
        )?;
        says_once(
            &mut gateways.b,
            &["session with site-a is lost: it does not answer"],
        )?;
        // Calls of site B wait at the one that is stopped.
        thread::sleep(Duration::from_secs(2));
        gateways.a.process().signal(Signal::SIGCONT)?;
        says_once(
            &mut gateways.a,
            &["this gateway stood still for", "stopped or suspended"],
        )?;
        gateways.wait_for_import(DISK)?;
        for gateway in [&mut gateways.a, &mut gateways.b] {
            let log = gateway.process().transcript().tail(usize::MAX);
            ensure!(!log.contains("psk"), "{log}");
        }
        c.stop()?;
        gateways.stop()
    });
}
