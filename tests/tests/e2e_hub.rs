//! A hub of 64 peers and 256 exports, all sessions up and nothing to do: how much memory it takes, and that looking at it
//! costs little.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aoe_common::frame::Address;
use aoe_common::snapshot::State;
use aoe_lab::gateway::{
    Access, AllowSection, Attachment, ExportFile, PeerSection, RunningGateway, SegmentSection, Site,
};
use aoe_lab::netns::Namespace;
use aoe_lab::topology::PATIENCE;
use e2e::stage::{Stage, eventually, play};

const PEERS: usize = 64;
const EXPORTS: u16 = 256;
/// What it may take, in kB.
const MOST_KB: u64 = 64 << 10;

#[test]
fn an_idle_hub_takes_less_than_64_mib() {
    play(|stage| {
        let ground = Namespace::new("hub")?;
        ground.set_up("lo")?;
        let mut hub = site(stage, "hub", 34978)?;
        let mut edges = Vec::new();
        for number in 0..PEERS {
            let mut edge = site(stage, &format!("edge-{number}"), 40_000 + u16::try_from(number)?)?;
            introduce(&mut edge, &hub, Some("127.0.0.1:34978"));
            introduce(&mut hub, &edge, None);
            edges.push(edge);
        }
        hub.exports = (0..EXPORTS).map(|number| export(number, &edges)).collect();
        let mut running = hub.start(&ground)?;
        let mut started = Vec::new();
        for edge in &edges {
            started.push(edge.start(&ground)?);
        }
        // It answers when it says so; with so many files that takes a moment.
        running.process().wait_for_line("INFO ready", PATIENCE)?;
        eventually("all sessions are up", PATIENCE, || {
            let peers = hub.status()?.peers;
            Ok(peers
                .iter()
                .filter(|peer| peer.standing.state == State::Up)
                .count()
                == PEERS)
        })?;
        thread::sleep(Duration::from_secs(2));
        let before = resident_kb(&mut running)?;
        for _ in 0..20 {
            let status = hub.status()?;
            ensure!(status.exports.len() == usize::from(EXPORTS));
        }
        let after = resident_kb(&mut running)?;
        println!(
            "{PEERS} peers with sessions, {EXPORTS} exports that each may use: {before} kB resident, {after} kB after 20 \
             looks"
        );
        ensure!(after < MOST_KB, "{after} kB resident, more than {MOST_KB}");
        drop(started);
        running.stop()
    });
}

fn site(stage: &Stage, name: &str, port: u16) -> Result<Site> {
    let mut site = Site::create(&stage.dir().join(name), stage.binaries(), name)?;
    site.config.listen = vec![SocketAddr::from(([127, 0, 0, 1], port))];
    // A device that never appears: there is nothing to carry.
    site.config.segments = vec![SegmentSection {
        name: "san".to_owned(),
        attachment: Attachment::Nic("absent0".to_owned()),
    }];
    Ok(site)
}

fn introduce(site: &mut Site, peer: &Site, endpoint: Option<&str>) {
    site.config.peers.push(PeerSection {
        name: peer.name().to_owned(),
        key: peer.public_key().to_owned(),
        endpoint: endpoint.map(str::to_owned),
        endpoint_pinned: false,
        psk: None,
        post_quantum: None,
        protection: Vec::new(),
        path_mtu: Some(1500),
    });
}

fn export(number: u16, edges: &[Site]) -> ExportFile {
    let allow = edges.iter().map(|edge| AllowSection {
        peer: edge.name().to_owned(),
        access: Access::ReadWrite,
        initiators: None,
        config_string: None,
        limit: None,
        more: Vec::new(),
    });
    ExportFile {
        name: format!("disk{number}"),
        segment: "san".to_owned(),
        target: Address {
            shelf: 7 + number / 128,
            slot: (number % 128) as u8,
        },
        target_mac: None,
        order: None,
        allow: allow.collect(),
        limit: None,
    }
}

/// Resident memory of a gateway's process, in kB.
fn resident_kb(gateway: &mut RunningGateway) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.process().id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    Ok(words.context("no VmRSS in /proc")?.parse()?)
}
