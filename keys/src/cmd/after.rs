//! What follows a change of the configuration: `aoe-gateway check`, and `reload` if a gateway runs.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::failure::Exit;

/// What the gateway says of its configuration now.
#[derive(Serialize)]
pub(crate) struct After {
    /// None: there is no `aoe-gateway` here.
    check: Option<Said>,
    /// Whether a gateway runs with it.
    running: bool,
    reload: Option<Said>,
    /// The command that applies it, if a gateway runs and was not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    apply: Option<String>,
}

/// What a program said.
#[derive(Serialize)]
struct Said {
    code: Option<i32>,
    text: String,
}

impl After {
    /// Asks the gateway, and with `reload` lets it take the change.
    pub(crate) fn look(config: &Path, reload: bool) -> Self {
        let program = program();
        let check = program
            .as_deref()
            .and_then(|program| run(program, "check", config));
        let running = control(config).is_some_and(|socket| UnixStream::connect(socket).is_ok());
        let is_good = check.as_ref().is_none_or(|said| said.code == Some(0));
        let told = program.filter(|_| running && reload && is_good);
        let reload = told.and_then(|program| run(&program, "reload", config));
        After {
            apply: (running && reload.is_none())
                .then(|| format!("aoe-gateway reload --config {}", config.display())),
            check,
            running,
            reload,
        }
    }

    /// The code to end with.
    pub(crate) fn exit(&self) -> Exit {
        let bad = |said: &Option<Said>| said.as_ref().is_some_and(|said| said.code != Some(0));
        if bad(&self.check) || bad(&self.reload) {
            Exit::Config
        } else {
            Exit::Good
        }
    }

    /// Lines for people.
    pub(crate) fn lines(&self, config: &Path) -> String {
        let mut text = String::new();
        match &self.check {
            None => text.push_str(&format!(
                "There is no aoe-gateway here; where it is, run: aoe-gateway check --config {}\n",
                config.display()
            )),
            Some(said) if said.code == Some(0) => {
                let last = said
                    .text
                    .lines()
                    .rev()
                    .find(|line| line.contains("can run"))
                    .unwrap_or_default();
                text.push_str(&format!("aoe-gateway check: {}\n", last.trim()));
                text.push_str(&warnings(&said.text));
            }
            Some(said) => text.push_str(&format!(
                "aoe-gateway check finds faults:\n{}\n",
                said.text.trim_end()
            )),
        }
        if let Some(said) = &self.reload {
            text.push_str(&format!("aoe-gateway reload:\n{}\n", indented(&said.text)));
        }
        match &self.apply {
            Some(command) => text.push_str(&format!(
                "A gateway runs with this configuration. Let it take the change: {command}\n"
            )),
            None if !self.running => {
                text.push_str(&format!(
                    "No gateway runs with it here. Start it: aoe-gateway run --config {}\n",
                    config.display()
                ));
            }
            None => {}
        }
        text
    }
}

/// What a good configuration is warned of: each warning, and what to do about it.
fn warnings(text: &str) -> String {
    let told = |line: &&str| line.contains("warning") || line.trim_start().starts_with("= ");
    let lines = text.lines().filter(told).map(str::trim);
    lines.map(|line| format!("  {line}\n")).collect()
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

/// The gateway's program: beside this one, or where programs are.
fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join("aoe-gateway")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let elsewhere: Vec<_> = std::env::split_paths(&path)
        .map(|directory| directory.join("aoe-gateway"))
        .collect();
    beside
        .into_iter()
        .chain(elsewhere)
        .find(|program| program.is_file())
}

fn run(program: &Path, verb: &str, config: &Path) -> Option<Said> {
    let output = Command::new(program)
        .arg(verb)
        .arg("--config")
        .arg(config)
        .output()
        .ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(Said {
        code: output.status.code(),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

/// The socket of the gateway that runs with this file, as `[gateway]` says or by its name.
fn control(config: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(config).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let gateway = table.get("gateway")?;
    let directory = config.parent()?;
    match gateway.get("control").and_then(toml::Value::as_str) {
        Some(path) => Some(directory.join(path)),
        None => {
            let name = gateway.get("name")?.as_str()?;
            Some(Path::new("/run/aoe-gateway").join(name).join("control.sock"))
        }
    }
}
