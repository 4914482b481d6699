//! The HTTP listener of real gateways at work: what Prometheus, its rules and the dashboard make of it, and what hostile
//! readers cannot do to it.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_lab::gateway::Access;
use aoe_lab::netns::{Namespace, Process};
use aoe_lab::relay::Side;
use aoe_lab::topology::{World, WorldPlan};
use e2e::load;
use e2e::stage::{Stage, eventually, play, run_command, tool};
use e2e::station::{Request, Station, ata};
use e2e::trial::{PATIENCE, Trial};
use e2e::web;
use serde_json::Value;

/// A second disk, which may only be read.
const ARCHIVE: Address = Address { shelf: 7, slot: 4 };
const READ_ONLY: Address = Address { shelf: 107, slot: 4 };
/// Where both gateways are looked at, and where Prometheus is.
const PORT: u16 = 9478;
const PROMETHEUS: &str = "127.0.0.1:9090";
/// A busy machine scrapes seldom.
const SEEN: Duration = Duration::from_secs(60);
/// Panels that have nothing to show while all is well.
const MAY_BE_EMPTY: [&str; 4] = [
    "Alarms",
    "Requests that had to wait for a limit",
    "Waiting for a limit now",
    "How long a limit makes wait: p99",
];

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Both gateways are looked at: A on its own host only, B from elsewhere.
fn listen(world: &mut World) {
    world.site_a.config.metrics = Some(local(PORT).to_string());
    world.site_b.config.metrics = Some(format!("0.0.0.0:{PORT}"));
}

fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

/// `promtool` with these arguments and this input; it has to be content, and to say nothing against it.
fn promtool(arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(tool("promtool")?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "promtool {arguments:?}: {said}");
    Ok(said)
}

#[test]
fn the_rules_are_right() {
    let directory = deployed("prometheus");
    let rules = |file: &str| directory.join(file).display().to_string();
    promtool(&["check", "rules", &rules("aoe-gateway.rules.yml")], "").unwrap();
    let mut command = Command::new(tool("promtool").unwrap());
    command
        .args(["test", "rules", "aoe-gateway.rules.test.yml"])
        .current_dir(&directory);
    let said = run_command(None, command, PATIENCE).unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// A Prometheus on site A's host that looks at both gateways.
struct Watcher {
    host: Namespace,
    _process: Process,
}

impl Watcher {
    /// With the shipped rules, but that alerts fire as soon as what they are about lasts for a second.
    fn start(stage: &Stage, world: &World) -> Result<Self> {
        let directory = stage.dir().join("prometheus");
        fs::create_dir(&directory)?;
        let rules = fs::read_to_string(deployed("prometheus/aoe-gateway.rules.yml"))?;
        let impatient: Vec<_> = rules
            .lines()
            .map(|line| match line.trim_start().starts_with("for: ") {
                true => "        for: 1s",
                false => line,
            })
            .collect();
        fs::write(directory.join("rules.yml"), impatient.join("\n"))?;
        let b: IpAddr = world.ground.b;
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n\
             - {{job_name: aoe-gateway, static_configs: [{{targets: ['{}', '{b}:{PORT}']}}]}}\n",
            local(PORT)
        );
        fs::write(directory.join("prometheus.yml"), config)?;
        let mut command = Command::new(tool("prometheus")?);
        command
            .arg(format!(
                "--config.file={}",
                directory.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("data").display()
            ))
            .arg(format!("--web.listen-address={PROMETHEUS}"))
            .arg("--log.level=warn");
        let host = world.ground.gwa.clone();
        let process = host.spawn("prometheus", command, Some(&stage.dir().join("prometheus.log")))?;
        let watcher = Watcher {
            host,
            _process: process,
        };
        eventually("Prometheus is ready", SEEN, || {
            Ok(web::get(&watcher.host, PROMETHEUS.parse()?, "/-/ready")
                .is_ok_and(|answer| answer.status == 200))
        })?;
        Ok(watcher)
    }

    /// The series of a query at this moment.
    fn ask(&self, query: &str) -> Result<Vec<Value>> {
        let data = web::prometheus(&self.host, PROMETHEUS.parse()?, "query", &[("query", query)])?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    fn wait_for(&self, query: &str, series: impl Fn(usize) -> bool) -> Result<()> {
        eventually(query, SEEN, || Ok(series(self.ask(query)?.len())))
    }

    /// Alerts of this name that fire.
    fn wait_for_alert(&self, name: &str, fires: bool) -> Result<()> {
        let query = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}}");
        self.wait_for(&query, |series| (series > 0) == fires)
    }

    /// Every rule was evaluated without an error; how many there are.
    fn rules(&self) -> Result<usize> {
        let data = web::prometheus(&self.host, PROMETHEUS.parse()?, "rules", &[])?;
        let groups = data["groups"].as_array().context("no groups")?;
        let rules: Vec<_> = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().into_iter().flatten())
            .collect();
        for rule in &rules {
            ensure!(rule["health"] == "ok", "{rule}");
        }
        Ok(rules.len())
    }
}

/// Every query of the dashboard with the title of its panel, as Grafana sends it for all gateways.
fn dashboard() -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(deployed("grafana/aoe-gateway.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().context("no panels")? {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().context("no expression")?;
            let query = expression
                .replace("$__rate_interval", "30s")
                .replace("$instance", ".*")
                .replace("$job", ".*");
            ensure!(!query.contains('$'), "a variable that is not known: {query}");
            queries.push((panel["title"].as_str().unwrap_or_default().to_owned(), query));
        }
    }
    Ok(queries)
}

/// Somebody writes where nobody may, so often.
fn be_refused(world: &World, times: u64) -> Result<()> {
    let mut station = Station::open(&world.ground.ini, world.initiator_device())?;
    let gateway = station.ask(&Request::config(READ_ONLY, 0, b""))?.source();
    for lba in 0..times {
        station.send(&Request::ata(
            gateway,
            READ_ONLY,
            ata::WRITE_EXT,
            lba,
            1,
            &[7; 512],
        ))?;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn prometheus_sees_a_pair_at_work_and_its_target_go() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |world| {
            world.share("archive", ARCHIVE, Access::ReadOnly, READ_ONLY);
            listen(world);
        })?;
        let _archive = stage.serve(&trial.world, ARCHIVE, 64, &[])?;
        trial.gateways.wait_for_import(READ_ONLY)?;
        let host = trial.world.ground.gwa.clone();
        let b = SocketAddr::new(trial.world.ground.b, PORT);
        let load = trial.load(load::mixed())?;
        let watcher = Watcher::start(stage, &trial.world)?;
        watcher.wait_for("up == 1", |series| series == 2)?;

        // What both say is well-formed, and enough for every query and every rule.
        be_refused(&trial.world, 20)?;
        load.go_on(200)?;
        for at in [local(PORT), b] {
            let answer = web::get(&host, at, "/metrics")?;
            ensure!(answer.status == 200, "{answer:?}");
            let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
            ensure!(answer.head.contains(kind), "{}", answer.head);
            promtool(&["check", "metrics"], &answer.body)?;
            for path in ["/healthz", "/readyz"] {
                web::page(&host, at, path)?;
            }
        }
        watcher.wait_for("rate(aoe_import_refused_total[30s]) > 0", |series| series > 0)?;
        let queries = dashboard()?;
        ensure!(queries.len() > 50, "{}", queries.len());
        for (panel, query) in &queries {
            let is_quiet = MAY_BE_EMPTY.contains(&panel.as_str());
            let least = usize::from(!is_quiet);
            watcher
                .wait_for(query, |series| series >= least)
                .context(panel.clone())?;
        }
        trial.say(format_args!("{} queries of the dashboard", queries.len()));
        let text = fs::read_to_string(deployed("prometheus/aoe-gateway.rules.yml"))?;
        eventually("every rule is evaluated", SEEN, || {
            Ok(watcher
                .rules()
                .is_ok_and(|rules| rules == text.matches("- alert: ").count()))
        })?;
        watcher.wait_for_alert("AoeRefused", true)?;
        for quiet in [
            "AoeExportDown",
            "AoeImportDown",
            "AoeSessionDown",
            "AoeGatewayDown",
            "AoeDiskConflict",
        ] {
            watcher.wait_for_alert(quiet, false)?;
        }

        // The target goes.
        trial.kill_vblade()?;
        watcher.wait_for_alert("AoeExportDown", true)?;
        watcher.wait_for_alert("AoeImportDown", true)?;
        let ready = [
            web::get(&host, local(PORT), "/readyz")?,
            web::get(&host, b, "/readyz")?,
        ];
        for (answer, thing) in ready.iter().zip([
            "import e107.3 (site-b/disk): down",
            "export disk (e7.3 on san): down",
        ]) {
            ensure!(answer.status == 503 && answer.body.contains(thing), "{answer:?}");
            ensure!(answer.body.contains("does not answer"), "{answer:?}");
            ensure!(!answer.body.contains("archive"), "{answer:?}");
        }
        web::page(&host, b, "/healthz")?;
        println!("{}", ready[1].body);
        for line in web::page(&host, b, "/metrics")?.lines() {
            let shown = [
                "aoe_alarm",
                "aoe_export_up",
                "aoe_export_waiting",
                "aoe_export_at_target",
            ];
            if shown.iter().any(|name| line.starts_with(name)) {
                println!("{line}");
            }
        }

        // It comes back.
        trial.start_vblade()?;
        watcher.wait_for_alert("AoeExportDown", false)?;
        watcher.wait_for_alert("AoeImportDown", false)?;
        web::page(&host, b, "/readyz")?;

        trial.finish(load).map(drop)
    });
}

/// Opens a connection and says this; it stays open.
fn say(from: &Namespace, at: SocketAddr, bytes: &[u8]) -> Result<TcpStream> {
    let mut stream = web::connect(from, at)?;
    // It may have been dropped already.
    let _ = stream.write_all(bytes);
    Ok(stream)
}

#[test]
fn hostile_readers_hold_up_nobody() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), listen)?;
        let host = trial.world.ground.gwa.clone();
        let at = local(PORT);
        let load = trial.load(load::mixed())?;
        load.go_on(50)?;

        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
        let pipelined = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2000);
        let hostile: [&[u8]; 6] = [
            b"",
            b"GET /metrics HTTP/1.1\r\nHo",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\xff",
            long.as_bytes(),
            b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\nxx",
            pipelined.as_bytes(),
        ];
        let mut open = Vec::new();
        for round in 0..10 {
            for bytes in hostile {
                let (from, bytes) = (host.clone(), bytes.to_vec());
                // One that is not read blocks who writes to it.
                open.push(thread::spawn(move || say(&from, at, &bytes)));
            }
            let health = web::page(&host, at, "/healthz").with_context(|| format!("round {round}"))?;
            ensure!(health == "healthy\n", "{health}");
            ensure!(web::page(&host, at, "/metrics")?.contains("aoe_import_requests_total"));
        }
        load.go_on(200)?;
        let dropped = |reason: &str| -> Result<u64> {
            let text = web::page(&host, at, "/metrics")?;
            let start = format!("aoe_http_dropped_total{{reason=\"{reason}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            Ok(line.context("no such counter")?.parse()?)
        };
        for reason in ["crowded", "malformed"] {
            ensure!(dropped(reason)? > 0, "{reason}");
        }
        // Those that are left are dropped in time, and then there is room without dropping anybody.
        let streams: Vec<_> = open
            .into_iter()
            .filter_map(|thread| thread.join().ok()?.ok())
            .collect();
        ensure!(streams.len() > 50, "{}", streams.len());
        let slow = say(&host, at, b"GET /healthz HTTP/1.1\r\nHost: ")?;
        eventually("the slow one is dropped", SEEN, || {
            Ok(dropped("slow_request")? > 0)
        })?;
        let mut rest = String::new();
        let _ = (&slow).read_to_string(&mut rest);
        ensure!(!rest.contains("200 OK"), "{rest}");
        drop(streams);

        // A foreign page in a browser of this host.
        let mut browser = say(
            &host,
            at,
            b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = String::new();
        browser.read_to_string(&mut answer)?;
        ensure!(
            answer.starts_with("HTTP/1.1 403") && !answer.contains("aoe_"),
            "{answer}"
        );
        trial.both_run()?;
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_reload_moves_the_listener_and_a_taken_port_stops_nobody() {
    play(|stage| {
        let mut trial = Trial::start(stage, WorldPlan::default(), |world| {
            listen(world);
            world.site_b.config.metrics = None;
        })?;
        let host = trial.world.ground.gwa.clone();
        let beside = local(PORT + 1);
        let taken = host.run(move || Ok(std::net::TcpListener::bind(beside)?))?;
        trial.world.site_a.config.metrics = Some(beside.to_string());
        let refusal = trial.world.site_a.reload().err().context("it is taken")?;
        ensure!(
            format!("{refusal:#}").contains("cannot listen on 127.0.0.1:9479"),
            "{refusal:#}"
        );
        web::page(&host, local(PORT), "/healthz")?;
        drop(taken);
        let said = trial.world.site_a.reload()?;
        ensure!(said.contains("127.0.0.1:9478 becomes 127.0.0.1:9479"), "{said}");
        web::page(&host, beside, "/readyz")?;
        ensure!(web::connect(&host, local(PORT)).is_err(), "the old one is closed");
        trial.world.site_a.config.metrics = None;
        trial.world.site_a.reload()?;
        ensure!(web::connect(&host, beside).is_err(), "it is closed");

        // At the start a taken port is a line in the log.
        let _taken = host.run(move || Ok(std::net::TcpListener::bind(beside)?))?;
        trial.world.site_a.config.metrics = Some(beside.to_string());
        trial.restart(Side::A)?;
        trial.wait_for_log(Side::A, "metrics: cannot listen on 127.0.0.1:9479", 1)?;
        let load = trial.load(load::mixed())?;
        trial.finish(load).map(drop)
    });
}
