//! Endpoints as they are in the field: a gateway with several addresses, a name with several, a link-local address.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aoe_lab::netns::{Namespace, veth};
use aoe_lab::relay::Side;
use aoe_lab::sniffer::Sniffer;
use aoe_lab::topology::{Internet, PATIENCE, WorldPlan};
use e2e::load;
use e2e::stage::{Stage, play, run};
use e2e::trial::{IMPORT, Trial, end};

const PORT: u16 = 34978;

#[test]
fn an_answer_leaves_from_the_address_that_was_called() {
    play(|stage| answers(stage, Internet::V4));
}

#[test]
fn the_same_over_ipv6() {
    play(|stage| answers(stage, Internet::V6));
}

/// B listens on every address it has, is called at the one that its kernel would not choose, and loses that one later.
fn answers(stage: &Stage, internet: Internet) -> Result<()> {
    let plan = WorldPlan {
        internet,
        ..WorldPlan::default()
    };
    let (any, second, prefix): (IpAddr, IpAddr, u8) = match internet {
        Internet::V4 => ([0; 4].into(), [198, 51, 100, 3].into(), 24),
        Internet::V6 => (Ipv6Addr::UNSPECIFIED.into(), "2001:db8:0:64::33".parse()?, 64),
    };
    let mut started = None;
    let mut trial = Trial::begin(stage, plan, &[], |world| {
        let (a, first, b) = (world.ground.a, world.ground.b, &world.ground.gwb);
        b.add_address("wan0", second, prefix)?;
        let chosen = b.run(move || {
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect((a, PORT))?;
            Ok(socket.local_addr()?.ip())
        })?;
        let called = if chosen == first { second } else { first };
        let sniffer = Sniffer::start(&world.ground.wan, "b", b"")?;
        sniffer.keep(1 << 16);
        started = Some((sniffer, called, chosen));
        world.site_b.config.listen = vec![SocketAddr::new(any, PORT)];
        world.site_b.config.peers[0].endpoint = None;
        world.site_b.config.keepalive = Some("1s".to_owned());
        world.site_a.config.peers[0].endpoint = Some(SocketAddr::new(called, PORT).to_string());
        Ok(())
    })?;
    trial.gateways.wait_for_import(IMPORT)?;
    let load = trial.load(load::mixed())?;
    let (sniffer, called, chosen) = started.context("the world was changed")?;
    ensure!(sniffer.seen().missed == 0, "{:?}", sniffer.seen());
    let packets = sniffer.take_kept();
    let senders: Vec<_> = packets.iter().filter_map(|packet| sender(packet)).collect();
    let from = |address| senders.iter().filter(|sender| **sender == address).count();
    let (right, wrong) = (from(called), from(chosen));
    trial.say(format_args!(
        "{right} packets from {called}, {wrong} from {chosen}"
    ));
    ensure!(
        right > 50 && wrong == 0,
        "answers leave from where the call went to"
    );

    // Nothing that is sent to it arrives any more, and B has no address to call; but what B sends still leaves.
    ip(
        &trial.world.ground.gwb,
        &format!("address del {called}/{prefix} dev wan0"),
    )?;
    // The first address of a network takes the others with it.
    ip(
        &trial.world.ground.gwb,
        &format!("address replace {chosen}/{prefix} dev wan0"),
    )?;
    load.go_on(50)?;
    trial.wait_for_log(Side::A, "moved to another address", 1)?;
    trial.finish(load).map(drop)
}

#[test]
fn the_next_address_of_a_name_is_called_when_one_is_dead() {
    play(|stage| {
        let hosts = stage.dir().join("hosts");
        // Nobody is at the first one, which the resolver prefers: it shares most bits with our own (RFC 6724, rule 9).
        let addresses = ["198.51.100.3", "198.51.100.77", "198.51.100.78"];
        let lines = addresses.map(|address| format!("{address} gateway-b.test\n"));
        fs::write(&hosts, lines.concat())?;
        let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
            world.site_b.config.listen.clear();
            for address in addresses.into_iter().skip(1) {
                let address = address.parse()?;
                world.ground.gwb.add_address("wan0", address, 24)?;
                world.site_b.config.listen.push(SocketAddr::new(address, PORT));
            }
            world.site_b.config.peers[0].endpoint = None;
            world.site_a.config.peers[0].endpoint = Some(format!("gateway-b.test:{PORT}"));
            Ok(())
        })?;
        // It has to know SIGTERM before it gets one.
        trial.wait_for_log(Side::A, "ready", 1)?;
        trial.gateways.a.stop()?;
        let started = Instant::now();
        let a = stage.start_with_hosts(&trial.world, &hosts)?;
        a.wait_for_line("session with site-b is up", PATIENCE)?;
        let took = started.elapsed();
        trial.say(format_args!("the second address answered after {took:?}"));
        ensure!(
            took < Duration::from_secs(5),
            "the second address was called in time"
        );
        a.wait_for_line("import e107.3 is up", PATIENCE)?;

        let load = trial.load(load::mixed())?;
        ip(&trial.world.ground.gwb, "address del 198.51.100.77/24 dev wan0")?;
        let died = Instant::now();
        load.go_on(50)?;
        let took = died.elapsed();
        trial.say(format_args!("the third address answered after {took:?}"));
        ensure!(
            took < Duration::from_secs(8),
            "the third address was called in time"
        );
        trial.end(load)?;
        trial.gateways.b.stop()
    });
}

#[test]
fn a_link_local_address_is_called_by_its_interface_also_when_that_is_made_anew() {
    play(|stage| {
        let plan = WorldPlan {
            internet: Internet::V6,
            ..WorldPlan::default()
        };
        let (a, b) = ("fe80::a:a".parse()?, "fe80::b:b".parse()?);
        let trial = Trial::start(stage, plan, |world| {
            for (namespace, address) in [(&world.ground.gwa, a), (&world.ground.gwb, b)] {
                namespace
                    .add_address("wan0", address, 64)
                    .expect("the device is there");
            }
            for site in [&mut world.site_a, &mut world.site_b] {
                site.config.listen = vec![SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT)];
            }
            world.site_b.config.peers[0].endpoint = None;
            world.site_a.config.peers[0].endpoint = Some(format!("[{b}%wan0]:{PORT}"));
        })?;
        let load = trial.load(load::mixed())?;
        let ground = &trial.world.ground;
        let before = ground.gwa.facts("wan0")?.index;
        ground.gwa.delete_link("wan0")?;
        // Another one takes the old one's index.
        ground.gwa.add_bridge("other", &[])?;
        veth(end(&ground.gwa, "wan0"), end(&ground.wan, "a"), plan.underlay_mtu)?;
        ground.wan.add_port("br0", "a")?;
        ground.gwa.add_address("wan0", a, 64)?;
        ensure!(ground.gwa.facts("wan0")?.index != before, "it is another one");
        load.go_on(50)?;
        trial.finish(load).map(drop)
    });
}

/// Who sent a UDP datagram from the port of gateways, if a packet (with its Ethernet header) is one.
fn sender(packet: &[u8]) -> Option<IpAddr> {
    let (address, port): (IpAddr, _) = match (packet.get(12..14)?, packet.get(20)?, packet.get(23)?) {
        ([0x08, 0x00], _, 17) => (
            <[u8; 4]>::try_from(packet.get(26..30)?).ok()?.into(),
            packet.get(34..36)?,
        ),
        ([0x86, 0xdd], 17, _) => (
            <[u8; 16]>::try_from(packet.get(22..38)?).ok()?.into(),
            packet.get(54..56)?,
        ),
        _ => return None,
    };
    (port == PORT.to_be_bytes()).then_some(address)
}

fn ip(namespace: &Namespace, words: &str) -> Result<()> {
    let words: Vec<_> = words.split(' ').collect();
    let spoken = run(namespace, "ip", &words, PATIENCE)?;
    ensure!(spoken.code == Some(0), "ip {words:?}: {spoken:?}");
    Ok(())
}
