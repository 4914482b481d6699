//! A disk that grows, one that is replaced, and an operator who accepts it.

use std::fs::{self, File};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::{MacAddr, SECTOR_LEN};
use aoe_lab::relay::Side;
use aoe_lab::topology::{PATIENCE, WorldPlan};
use e2e::stage::{Spoken, Stage, eventually, play, run_command};
use e2e::station::{Heard, Request, Station, ata};
use e2e::trial::{IMPORT, SECTORS, Trial};

const BIGGER: u64 = 2 * SECTORS as u64;
const SMALLER: u64 = SECTORS as u64 / 2;

#[test]
fn a_disk_that_grew_goes_on_and_a_replaced_one_is_taken_when_the_operator_accepts_it() {
    play(|stage| {
        let remember =
            |world: &mut aoe_lab::topology::World| world.site_b.config.state = Some("state".to_owned());
        let mut trial = Trial::start(stage, WorldPlan::default(), remember)?;
        let mut host = Station::open(&trial.world.ground.ini, "eth0")?;
        let edge = host.ask(&Request::config(IMPORT, 0, b""))?.source();
        ensure!(write(&mut host, edge)? == (0x40, 0));

        resize(&mut trial, BIGGER)?;
        trial.wait_for_log(Side::B, "the disk at e7.3 grew from 8192 to 16384 sectors", 1)?;
        ensure!(write(&mut host, edge)? == (0x40, 0));
        ensure!(size(&host.ask(&Request::ata(edge, IMPORT, ata::IDENTIFY, 0, 1, &[]))?) == BIGGER);
        ensure!(
            trial.logged(Side::A, "is another disk")? == 0 && trial.logged(Side::B, "another disk")? == 0
        );
        eventually("it is written down", PATIENCE, || {
            Ok(note(&trial).is_ok_and(|text| text.contains("size = 16384\n")))
        })?;

        resize(&mut trial, SMALLER)?;
        let conflict =
            "another disk answers for e7.3 than before (4096 sectors, not 16384); writes are refused";
        trial.wait_for_log(Side::B, conflict, 1)?;
        ensure!(write(&mut host, edge)? == (0x41, 4));
        let ups = trial.logged(Side::A, "import e107.3 is up")?;
        trial.restart(Side::B)?;
        trial.wait_for_log(Side::A, "import e107.3 is up", ups + 1)?;
        trial.wait_for_log(Side::B, conflict, 2)?;
        ensure!(
            write(&mut host, edge)? == (0x41, 4),
            "a restart takes no other disk"
        );

        let said = accept(stage, &trial, "disc")?;
        ensure!(
            said.code == Some(64)
                && said
                    .stderr
                    .contains("no export is called \"disc\"; did you mean disk?"),
            "{said:?}"
        );
        let said = accept(stage, &trial, "disk")?;
        ensure!(
            said.code == Some(0)
                && said.stdout.contains("its disk is  serial")
                && said.stdout.contains("4096 sectors"),
            "{said:?}"
        );
        trial.wait_for_log(Side::B, "export disk: e7.3 is the right disk again", 1)?;
        ensure!(write(&mut host, edge)? == (0x40, 0));
        eventually("the disk is written down", PATIENCE, || {
            Ok(note(&trial)?.contains("size = 4096\n"))
        })?;

        // A file that nobody can read is no reason to take just any disk.
        fs::write(
            trial.site(Side::B).dir().join("state/disk.disk"),
            "size = 4096\nserial = 7\n",
        )?;
        let ups = trial.logged(Side::A, "import e107.3 is up")?;
        trial.restart(Side::B)?;
        trial.wait_for_log(Side::B, "state/disk.disk:2: ", 1)?;
        trial.wait_for_log(Side::A, "import e107.3 is up", ups + 1)?;
        trial.wait_for_log(Side::B, "another disk answers for e7.3", 3)?;
        ensure!(write(&mut host, edge)? == (0x41, 4));
        ensure!(accept(stage, &trial, "disk")?.stdout.contains("written down"));
        ensure!(write(&mut host, edge)? == (0x40, 0));
        trial.gateways.stop()
    });
}

/// Status and error of a write through the gateways.
fn write(host: &mut Station, edge: MacAddr) -> Result<(u8, u8)> {
    let request = Request::ata(edge, IMPORT, ata::WRITE_EXT, 5, 1, &[1; SECTOR_LEN]);
    let answer = host.ask(&request)?;
    Ok((answer.ata_status(), answer.ata_error()))
}

/// Words 100 to 103 of what IDENTIFY brings.
fn size(answer: &Heard) -> u64 {
    let words = answer.from(36 + 200);
    u64::from_le_bytes(words.first_chunk().copied().unwrap_or_default())
}

/// Switches the target off and on with a file of so many sectors.
fn resize(trial: &mut Trial, sectors: u64) -> Result<()> {
    trial.kill_vblade()?;
    File::options()
        .write(true)
        .open(trial.image())?
        .set_len(sectors * SECTOR_LEN as u64)?;
    trial.start_vblade()
}

/// What is written down about the disk.
fn note(trial: &Trial) -> Result<String> {
    let path = trial.site(Side::B).dir().join("state/disk.disk");
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn accept(stage: &Stage, trial: &Trial, export: &str) -> Result<Spoken> {
    let mut command = Command::new(stage.binaries().gateway());
    command.args(["accept-disk", "--export", export, "--config"]);
    command.arg(trial.site(Side::B).config_path());
    run_command(None, command, PATIENCE)
}
