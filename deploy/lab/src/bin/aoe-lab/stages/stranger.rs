//! A gateway that tries to get in.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aoe_lab::gateway::{RunningGateway, Site};
use aoe_lab::initiator::Initiator;
use aoe_lab::netns::Namespace;
use aoe_lab::sniffer::{Seen, Sniffer};
use aoe_lab::topology::{World, import_section};

use crate::report::Report;

use super::WRITABLE;

/// How long it is given at least.
const TRIES: Duration = Duration::from_secs(2);
/// Source and destination port of every datagram between gateways, as they stand in the UDP header.
const PORTS: [u8; 4] = [0x88, 0xa2, 0x88, 0xa2];

/// A gateway that nobody knows, its host and the host behind it.
pub(super) struct Stranger {
    running: RunningGateway,
    behind: Namespace,
    _site: Site,
    /// On its cable, where its attempts can be seen.
    cable: Sniffer,
    since: Instant,
}

impl Stranger {
    /// Starts a gateway that site B does not know.
    pub(super) fn let_in(world: &World, report: &mut Report) -> Option<Self> {
        let started = || -> Result<Stranger> {
            let (host, behind, mut site) = world.stranger("stranger")?;
            site.config
                .imports
                .push(import_section("site-b", "backup", WRITABLE.1));
            let cable = Sniffer::start(&world.ground.wan, "c", &PORTS)?;
            let running = site.start(&host)?;
            Ok(Stranger {
                running,
                behind,
                _site: site,
                cable,
                since: Instant::now(),
            })
        };
        match started() {
            Ok(stranger) => Some(stranger),
            Err(error) => {
                report.check("stranger", || Err::<(), _>(error), |()| String::new());
                None
            }
        }
    }

    /// Demands that it got nowhere.
    pub(super) fn judge(mut self, report: &mut Report) {
        report.check(
            "stranger",
            || {
                let left = TRIES.saturating_sub(self.since.elapsed());
                let session = self.running.wait_for_session("site-b", left);
                ensure!(
                    session.is_err(),
                    "a gateway that site B does not know got a session"
                );
                let ended = self.running.process().try_wait()?;
                ensure!(
                    ended.is_none(),
                    "the stranger's gateway ended by itself, which proves nothing"
                );
                let mut initiator = Initiator::open(&self.behind, "eth0", Duration::ZERO)?;
                let found = initiator.discover(Duration::from_millis(200));
                ensure!(
                    found.is_empty(),
                    "behind the stranger {} imports answer",
                    found.len()
                );
                let Seen {
                    with_marker: attempts,
                    ..
                } = self.cable.seen();
                ensure!(
                    attempts > 0,
                    "the stranger's gateway never tried, which proves nothing"
                );
                Ok((self.since.elapsed(), attempts))
            },
            |(time, attempts)| {
                let seconds = time.as_secs_f64();
                format!("{attempts} datagrams in {seconds:.1} s, no session, nothing to discover behind it")
            },
        );
    }
}
