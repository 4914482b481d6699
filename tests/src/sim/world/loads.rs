//! Loads of a running simulation, and the disks they are compared with.

use std::time::Duration;

use aoe_common::frame::{Address, SECTOR_LEN};
use aoe_lab::initiator::Completion;
use aoe_lab::random::mix;
use aoe_lab::target::Applied;

use super::super::host::{Host, HostId, Kind};
use super::super::load::Load;
use super::super::plan::DISK_SECTORS;
use super::super::registers::Registers;

use super::World;

impl World {
    /// Starts a load; its initiator has opened the device.
    pub fn start_load(&mut self, load: Load) {
        let seed = mix(self.seed ^ mix(self.loads.len() as u64 + 1));
        self.disk(load.disk);
        self.loads.push(load.seeded(seed));
        self.pump();
    }

    /// Whether all loads have ended.
    pub fn loads_done(&self) -> bool {
        self.loads.iter().all(Load::is_done)
    }

    /// Whether the first loads have ended, this many.
    pub fn loads_ended(&self, first: usize) -> bool {
        self.loads.iter().take(first).all(Load::is_done)
    }

    /// Requests of these hosts that are no load's and have ended within this time.
    pub fn completions(&mut self, hosts: &[HostId], time: Duration) -> Vec<(HostId, Completion)> {
        self.run_for(time);
        let mut ended = std::mem::take(&mut self.strays);
        ended.retain(|(host, _)| hosts.contains(host));
        ended
    }

    /// Lets time pass, but not beyond the end of all loads.
    pub fn run_some(&mut self, time: Duration) {
        let until = self.now + time;
        while !self.loads_done() && self.step(until) {}
    }

    /// Requests ended and failed, of all loads.
    pub fn progress(&self) -> (u64, u64) {
        self.loads
            .iter()
            .map(Load::progress)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// How long every ended request took, shortest first.
    pub fn latencies(&self) -> Vec<Duration> {
        let mut took: Vec<_> = self.loads.iter().flat_map(|load| load.took.clone()).collect();
        took.sort_unstable();
        took
    }

    /// Runs until all loads have ended, then compares every byte of every disk with the model; returns how long
    /// the loads took.
    pub fn finish_loads(&mut self, limit: Duration) -> Duration {
        let took = self.run_until("all requests have ended", limit, World::loads_done);
        self.run_for(Duration::from_secs(1));
        self.verify_disks();
        took
    }

    /// Compares every byte of every disk with the model.
    pub fn verify_disks(&mut self) {
        let mut disks = std::mem::take(&mut self.disks);
        for ((host, address), disk) in &mut disks {
            let mut bytes = Vec::new();
            let blade = self.target(*host).blade(*address).expect("the blade of a load");
            blade
                .backing()
                .read(0, disk.len() * SECTOR_LEN, &mut bytes)
                .expect("memory can be read");
            let asked = disk.moment(usize::MAX, self.now);
            if let Err(complaint) = disk.judge(0, &bytes, asked, self.now) {
                self.fail(&format!("in the end, on {address} of {host:?}: {complaint}"));
            }
        }
        self.disks = disks;
    }

    /// Tells the disks what their targets have written.
    pub(super) fn follow_targets(&mut self) {
        let mut fault = None;
        for (number, host) in self.hosts.iter_mut().enumerate() {
            let Kind::Target(target) = &mut host.kind else {
                continue;
            };
            for Applied { address, lba, data } in target.take_journal() {
                let Some(disk) = self.disks.get_mut(&(HostId(number), address)) else {
                    continue;
                };
                if let Err(complaint) = disk.applied(lba, &data, self.now) {
                    fault = Some(format!("at the target: {complaint}"));
                }
            }
        }
        if let Some(fault) = fault {
            self.fail(&fault);
        }
    }

    pub(super) fn disk(&mut self, disk: (HostId, Address)) -> &mut Registers {
        let number = (disk.0.0 as u64) << 32 | u64::from(disk.1.shelf) << 8 | u64::from(disk.1.slot);
        self.target_mut(disk.0).keep_journal();
        self.disks
            .entry(disk)
            .or_insert_with(|| Registers::new(number, DISK_SECTORS).followed())
    }

    pub(super) fn pump_load(&mut self, host: usize) {
        let Host {
            kind: Kind::Initiator(driver),
            out,
            ..
        } = &mut self.hosts[host]
        else {
            return;
        };
        let mut fault = None;
        loop {
            let completion = driver.poll_completion();
            let mut taken = false;
            if let Some(completion) = &completion {
                for load in self.loads.iter_mut().filter(|load| load.host.0 == host) {
                    let Some(disk) = self.disks.get_mut(&load.disk) else {
                        continue;
                    };
                    match load.take(completion, disk) {
                        Ok(own) => taken |= own,
                        Err(complaint) => fault = Some(complaint),
                    }
                }
            }
            let stray = completion.clone().filter(|_| !taken && fault.is_none());
            self.strays
                .extend(stray.map(|completion| (HostId(host), completion)));
            let mut submitted = 0;
            for load in self.loads.iter_mut().filter(|load| load.host.0 == host) {
                let Some(disk) = self.disks.get_mut(&load.disk) else {
                    continue;
                };
                submitted += load.submit(driver, disk, self.now, out);
            }
            if completion.is_none() && submitted == 0 {
                break;
            }
        }
        if let Some(fault) = fault {
            self.fail(&fault);
        }
    }
}
