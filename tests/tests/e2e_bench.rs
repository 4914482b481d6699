//! The bench works: a bridge and our gateways, every workload once, and a lossy path; everything verified. How fast is
//! not asked.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::stage::{Stage, play, run_command};

/// Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn a_tiny_run_over_a_bridge_and_through_our_gateways_is_verified_and_told_of() {
    play(|stage| {
        let (json, page) = (stage.dir().join("bench.json"), stage.dir().join("page.md"));
        let picture = stage.dir().join("bench.svg");
        let mut command = bench(stage);
        command.args([
            "--only",
            "bridge,ours",
            "--segment",
            "1500",
            "--rounds",
            "1",
            "--time",
            "0.05",
        ]);
        command
            .arg("--json")
            .arg(&json)
            .arg("--markdown")
            .arg(&page)
            .arg("--svg")
            .arg(&picture);
        let said = run_command(None, command, PATIENCE)?;
        ensure!(
            said.code == Some(0) && said.stdout.contains("every sector read was right"),
            "{said:?}"
        );

        let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json)?)?;
        let cells = report["tables"][0]["cells"].as_array().context("no cells")?;
        for peer in ["bridge", "ours"] {
            let cells: Vec<_> = cells.iter().filter(|cell| cell["peer"] == peer).collect();
            ensure!(cells.len() == 8, "{} workloads through {peer}", cells.len());
            let moves = |cell: &&serde_json::Value| {
                cell["samples"][0]["rate"].as_f64().is_some_and(|rate| rate > 0.0)
            };
            ensure!(cells.iter().all(moves), "{cells:?}");
        }
        let used = |peer: &str| {
            let cell = cells
                .iter()
                .find(|cell| cell["peer"] == peer && cell["load"] == "seq-read-16");
            cell.and_then(|cell| cell["samples"][0]["cpu_a"].as_f64())
        };
        ensure!(used("bridge") == Some(0.0), "a bridge has no process");
        ensure!(used("ours") > Some(0.0), "our gateway uses no processor");
        let read_back = report["tables"][0]["sectors_read_back"].as_u64();
        ensure!(
            read_back > Some(2 * 130_000),
            "{read_back:?} sectors were read back"
        );
        ensure!(
            std::fs::read_to_string(&page)?.contains("| ours |"),
            "no table in the page"
        );
        ensure!(
            std::fs::read_to_string(&picture)?.ends_with("</svg>\n"),
            "no picture"
        );
        Ok(())
    });
}

#[test]
fn over_a_lossy_path_a_cold_initiator_is_measured_too_and_repairs_are_timed() {
    play(|stage| {
        let (json, page) = (stage.dir().join("bench.json"), stage.dir().join("page.md"));
        let mut command = bench(stage);
        command.args(["--only", "ours", "--rounds", "1", "--time", "0.3"]);
        command.args(["--impair", "loss=2%,delay=5ms"]);
        command.args(["--workload", "seq-read-64,cold-read-64"]);
        command.arg("--json").arg(&json).arg("--markdown").arg(&page);
        let said = run_command(None, command, PATIENCE)?;
        ensure!(said.code == Some(0), "{said:?}");

        let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json)?)?;
        let table = &report["tables"][0];
        for load in ["seq-read-64", "cold-read-64"] {
            let mut cells = table["cells"].as_array().context("no cells")?.iter();
            ensure!(cells.any(|cell| cell["load"] == load), "no {load}: {table}");
        }
        let repairs = &table["repairs"][0];
        let number = |name: &str| repairs[name].as_f64().unwrap_or(0.0);
        ensure!(
            number("repaired") > 0.0 && number("repaired") <= number("lost"),
            "{repairs}"
        );
        // The next record, the question, the repair: one and a half round trips.
        let (half, most) = (number("p50_us"), number("p99_us"));
        ensure!(half >= 15_000.0 && most >= half, "{repairs}");
        ensure!(
            std::fs::read_to_string(&page)?.contains("**From loss to arrival of its repair**"),
            "no repairs in the page"
        );
        Ok(())
    });
}

/// The bench. It makes namespaces of its own, also where this test is in some already.
fn bench(stage: &Stage) -> Command {
    let mut command = Command::new(stage.binaries().dir().join("aoe-bench"));
    command.env_remove("AOE_LAB_STAGE").env_remove("AOE_LAB_SCRATCH");
    command
}
