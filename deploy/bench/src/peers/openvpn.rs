//! OpenVPN 2.6, from Debian: TLS between two pinned certificates, in userspace.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use aoe_lab::gateway::PORT;
use aoe_lab::topology::Ground;

use super::kernel::join;
use super::program::{Availability, command, find, output, tap_refusal, version_of};
use super::running::Running;

const DEVICE: &str = "ov0";

pub(super) fn availability() -> Availability {
    let hint = "not installed (apt-get install openvpn openssl; measured with 2.6.14)";
    match tap_refusal() {
        Some(refusal) => Availability::Missing(refusal),
        None if find("openssl").is_none() => Availability::Missing(hint.to_owned()),
        None => version_of("openvpn", hint),
    }
}

pub(super) fn start(ground: &Ground, dir: &Path) -> Result<Running> {
    let (a, b) = (identity(dir, "a")?, identity(dir, "b")?);
    let sites = [
        ("b", &ground.gwb, &b, &a, vec!["--tls-server", "--dh", "none"]),
        ("a", &ground.gwa, &a, &b, vec!["--tls-client"]),
    ];
    let (remote, port, mtu) = (
        ground.b_seen_from_a.to_string(),
        PORT.to_string(),
        ground.plan.segment_mtu.to_string(),
    );
    let mut processes = Vec::new();
    for (name, gateway, own, other, role) in sites {
        let mut command = command(
            "openvpn",
            &[
                "--dev",
                DEVICE,
                "--dev-type",
                "tap",
                "--proto",
                "udp",
                "--port",
                &port,
                "--tun-mtu",
                &mtu,
                "--mssfix",
                "0",
                "--sndbuf",
                "4194304",
                "--rcvbuf",
                "4194304",
                "--disable-dco",
                "--data-ciphers",
                "AES-256-GCM",
                "--keepalive",
                "10",
                "120",
                "--cert",
                &own.certificate,
                "--key",
                &own.key,
                "--peer-fingerprint",
                &other.fingerprint,
            ],
        )?;
        command.args(role);
        if name == "a" {
            command.args(["--remote", &remote, &port]);
        }
        let log = dir.join(format!("openvpn-{name}.log"));
        let process = gateway.spawn(&format!("openvpn {name}"), command, Some(&log))?;
        gateway.wait_for_link(DEVICE, Duration::from_secs(10))?;
        // It sets the MTU itself only where it sets addresses too.
        gateway.set_mtu(DEVICE, ground.plan.segment_mtu)?;
        gateway.set_up(DEVICE)?;
        join(gateway, DEVICE)?;
        processes.push(process);
    }
    for process in &processes {
        process.wait_for_line("Initialization Sequence Completed", Duration::from_secs(30))?;
    }
    Ok(Running::layer_two(processes))
}

/// Files of one side's key and certificate.
struct Identity {
    key: String,
    certificate: String,
    fingerprint: String,
}

fn identity(dir: &Path, name: &str) -> Result<Identity> {
    let file = |kind: &str| dir.join(format!("{name}.{kind}")).to_string_lossy().into_owned();
    let (key, certificate) = (file("key"), file("crt"));
    let subject = format!("/CN=site-{name}");
    output(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    )?;
    let said = output(
        "openssl",
        &["x509", "-in", &certificate, "-noout", "-fingerprint", "-sha256"],
    )?;
    let fingerprint = said
        .split_once('=')
        .context("openssl printed no fingerprint")?
        .1
        .to_owned();
    Ok(Identity {
        key,
        certificate,
        fingerprint,
    })
}
