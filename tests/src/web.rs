//! A small HTTP client, for stories about what a gateway or Prometheus answers.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_lab::netns::Namespace;
use serde_json::Value;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// Everything before the body, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Connects from a namespace.
///
/// # Errors
/// When nobody is there.
pub fn connect(from: &Namespace, at: SocketAddr) -> Result<TcpStream> {
    from.run(move || {
        let stream =
            TcpStream::connect_timeout(&at, PATIENCE).with_context(|| format!("connecting to {at}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    })
}

/// Asks for a path, in one connection.
///
/// # Errors
/// When there is no answer.
pub fn get(from: &Namespace, at: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = connect(from, at)?;
    // HTTP 1.0: the end of the answer is that of the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {at}\r\n\r\n")?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let text = String::from_utf8(text)?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .with_context(|| format!("no answer for {path}: {text:?}"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok(Answer {
        status: status.parse().with_context(|| format!("{head:?}"))?,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

/// Asks for a path that has to be there.
///
/// # Errors
/// When it is not.
pub fn page(from: &Namespace, at: SocketAddr, path: &str) -> Result<String> {
    let answer = get(from, at, path)?;
    ensure!(answer.status == 200, "{path}: {answer:?}");
    Ok(answer.body)
}

/// What a Prometheus at `at` answers; the part called `data`.
///
/// # Errors
/// When it refuses.
pub fn prometheus(from: &Namespace, at: SocketAddr, path: &str, arguments: &[(&str, &str)]) -> Result<Value> {
    let mut url = format!("/api/v1/{path}?");
    for (name, value) in arguments {
        url.push_str(&format!("{name}="));
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(byte)),
                // Writing to a String cannot fail.
                _ => drop(write!(url, "%{byte:02x}")),
            }
        }
        url.push('&');
    }
    let answer = get(from, at, &url)?;
    let body: Value = serde_json::from_str(&answer.body).with_context(|| format!("{answer:?}"))?;
    ensure!(body["status"] == "success", "{arguments:?}: {body}");
    Ok(body["data"].clone())
}
