//! A real browser: headless Chromium, driven by the DevTools protocol over two pipes.
//!
//! It runs inside a namespace, so it reaches what is there and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aoe_lab::netns::{Namespace, Process};
use base64ct::{Base64, Encoding};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::stage::{Stage, eventually, tool};

/// How long the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    commands: File,
    messages: Receiver<Value>,
    session: String,
    number: u64,
    /// What the page complained of.
    complaints: Vec<String>,
    /// What was asked for on the network.
    asked: Vec<String>,
    /// Answers that are given instead of the real ones: the end of the address, and the body.
    instead: Vec<(String, String)>,
    _process: Process,
}

impl Browser {
    /// Starts one in a namespace; its profile is in the stage's directory.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub fn start(stage: &Stage, namespace: &Namespace) -> Result<Self> {
        let dir = stage.dir().join("browser");
        std::fs::create_dir(&dir)?;
        let [commands, messages] = ["commands", "messages"].map(|name| dir.join(name));
        for pipe in [&commands, &messages] {
            mkfifo(pipe, Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        // It reads commands from file 3 and writes to file 4.
        let script = "exec \"$0\" \"$@\" 3<commands 4>messages";
        let mut command = Command::new("sh");
        command
            .current_dir(&dir)
            .args(["-c", script])
            .arg(tool("chromium")?);
        command.args([
            "--headless",
            "--remote-debugging-pipe",
            // The sandbox of a browser does not work as root, and this one sees nothing but our page.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-extensions",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            "--user-data-dir=profile",
            "about:blank",
        ]);
        command.env("HOME", &dir).env("TZ", "UTC");
        let process = namespace.spawn("chromium", command, Some(&dir.join("chromium.log")))?;
        let (tell, heard) = channel();
        let (pipe, told) = (messages, tell);
        thread::spawn(move || {
            // Who has gone does not listen any more.
            let Ok(file) = File::open(pipe) else { return };
            let mut reader = BufReader::new(file);
            let mut message = Vec::new();
            while reader.read_until(0, &mut message).is_ok_and(|count| count > 0) {
                message.pop();
                if let Ok(value) = serde_json::from_slice(&message)
                    && told.send(value).is_err()
                {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Browser {
            commands: open_pipe(&commands)?,
            messages: heard,
            session: String::new(),
            number: 0,
            complaints: Vec::new(),
            asked: Vec::new(),
            instead: Vec::new(),
            _process: process,
        };
        browser.attach()?;
        Ok(browser)
    }

    fn attach(&mut self) -> Result<()> {
        let page = self.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let how = json!({"targetId": page["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", how)?;
        self.session = session["sessionId"].as_str().context("no session")?.to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(())
    }

    /// Sets the size of the page in points, how many dots a point has, and whether it is dark.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn look_like(&mut self, (width, height): (u32, u32), dots: u32, scheme: &str) -> Result<()> {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": dots, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size)?;
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", scheme).map(drop)
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// When there is nothing.
    pub fn go(&mut self, url: &str) -> Result<()> {
        let answer = self.call("Page.navigate", json!({"url": url}))?;
        ensure!(answer["errorText"].is_null(), "{url}: {answer}");
        eventually("the page is loaded", PATIENCE, || {
            Ok(self.eval("document.readyState")? == "complete")
        })
    }

    /// What an expression is on the page.
    ///
    /// # Errors
    /// When it throws.
    pub fn eval(&mut self, expression: &str) -> Result<Value> {
        let how = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", how)?;
        ensure!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// The text that people see of the elements of a selector.
    ///
    /// # Errors
    /// As [`Browser::eval`].
    pub fn text(&mut self, selector: &str) -> Result<String> {
        let selector = json!(selector);
        let text = self.eval(&format!(
            "[...document.querySelectorAll({selector})].map((node) => node.innerText).join('\\n')"
        ))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// From now on addresses that end so are answered with this body, and the headers of the real answer.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn answer_instead(&mut self, address: &str, body: String) -> Result<()> {
        self.instead.push((address.to_owned(), body));
        let patterns: Vec<_> = self
            .instead
            .iter()
            .map(|(address, _)| json!({"urlPattern": format!("*{address}"), "requestStage": "Response"}))
            .collect();
        self.call("Fetch.enable", json!({"patterns": patterns})).map(drop)
    }

    /// From now on what is asked for is answered by who was asked.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn answer_really(&mut self) -> Result<()> {
        self.instead.clear();
        self.call("Fetch.disable", json!({})).map(drop)
    }

    /// A picture of what is seen, as PNG.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn picture(&mut self) -> Result<Vec<u8>> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}))?;
        let text = answer["data"].as_str().context("no picture")?;
        Ok(Base64::decode_vec(text)?)
    }

    /// What the page complained of since it was asked last: errors, and what its policy forbade.
    pub fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// Every address that was asked for since it was asked last.
    pub fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked)
    }

    /// Sends a command and waits for its answer.
    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.send(method, params)?;
        let until = Instant::now() + PATIENCE;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            let message = match self.messages.recv_timeout(rest) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => bail!("{method}: no answer within {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("{method}: the browser has ended"),
            };
            if message["id"] == id {
                ensure!(message["error"].is_null(), "{method}: {message}");
                return Ok(message["result"].clone());
            }
            self.notice(&message)?;
        }
    }

    fn send(&mut self, method: &str, params: Value) -> Result<u64> {
        self.number += 1;
        let mut command = json!({"id": self.number, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&command)?;
        bytes.push(0);
        self.commands.write_all(&bytes)?;
        Ok(self.number)
    }

    /// Something that the browser says by itself.
    fn notice(&mut self, message: &Value) -> Result<()> {
        let params = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => self.complaints.push(params.to_string()),
            "Runtime.consoleAPICalled" if params["type"] == "error" || params["type"] == "warning" => {
                self.complaints.push(params.to_string());
            }
            "Log.entryAdded" if params["entry"]["level"] != "info" => {
                self.complaints.push(params.to_string())
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.asked.push(url.to_owned());
            }
            "Fetch.requestPaused" => self.answer(params)?,
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self, paused: &Value) -> Result<()> {
        let url = paused["request"]["url"].as_str().unwrap_or_default();
        let body = self
            .instead
            .iter()
            .rev()
            .find(|(address, _)| url.ends_with(address.as_str()));
        // Its length is another one.
        let is_kept = |header: &&Value| {
            !header["name"]
                .as_str()
                .unwrap_or_default()
                .eq_ignore_ascii_case("content-length")
        };
        let headers = paused["responseHeaders"].as_array().into_iter().flatten();
        let headers: Vec<_> = headers.filter(is_kept).collect();
        let answer = match body {
            Some((_, body)) => json!({
                "requestId": paused["requestId"],
                "responseCode": 200,
                "responseHeaders": headers,
                "body": Base64::encode_string(body.as_bytes()),
            }),
            None => {
                return self
                    .send("Fetch.continueRequest", json!({"requestId": paused["requestId"]}))
                    .map(drop);
            }
        };
        self.send("Fetch.fulfillRequest", answer).map(drop)
    }
}

/// The browser opens its end when it has started.
fn open_pipe(path: &Path) -> Result<File> {
    let path: PathBuf = path.to_owned();
    let (tell, opened) = channel();
    thread::spawn(move || tell.send(OpenOptions::new().write(true).open(path)));
    let file = opened
        .recv_timeout(PATIENCE)
        .context("the browser does not start")?;
    Ok(file?)
}
