//! How the whole gateway is: asked of its workers, and joined.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aoe_common::snapshot::{Alarm, Gateway, Snapshot, Standing, State, VERSION};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use super::captures::Captures;
use super::past::Past;
use crate::audit::{Audit, Trouble};
use crate::clock::{Clock, unix_time};
use crate::config::Device;
use crate::driver::{Command, CommandSender};
use crate::expiring::{self, Ending};
use crate::http::Counts;

/// How long a worker may take. One that is at work answers within its turn.
const PATIENCE: Duration = Duration::from_secs(1);
/// A document is good for as long as this.
pub(super) const FRESH: Duration = Duration::from_millis(100);

/// Makes snapshots. However many ask, the workers are asked once in a while.
#[derive(Debug)]
pub(crate) struct Snapshots {
    workers: Vec<CommandSender>,
    about: Mutex<About>,
    audit: Audit,
    past: Past,
    /// The last one.
    last: tokio::sync::Mutex<Option<Last>>,
}

/// A snapshot, when it was made, and the same as JSON once somebody asked for that.
#[derive(Debug)]
struct Last {
    made: Instant,
    snapshot: Arc<Snapshot>,
    document: Option<Arc<[u8]>>,
}

/// What no worker knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    /// What does not change in it by itself.
    pub(crate) gateway: Gateway,
    /// What segments attach to, by their names.
    pub(crate) devices: BTreeMap<String, Device>,
    /// What became of those who looked over HTTP.
    pub(crate) http: Arc<Counts>,
    /// Who captures.
    pub(crate) captures: Captures,
    /// What ends by itself.
    pub(crate) endings: Vec<Ending>,
}

impl Snapshots {
    /// Asks these workers.
    pub(crate) fn new(workers: Vec<CommandSender>, about: About, audit: Audit, clock: Clock) -> Self {
        Snapshots {
            workers,
            about: Mutex::new(about),
            audit,
            past: Past::new(clock),
            last: tokio::sync::Mutex::default(),
        }
    }

    /// Changes what no worker knows; who asks from now on gets a new document.
    pub(crate) async fn change(&self, change: impl FnOnce(&mut About)) {
        change(&mut self.about());
        *self.last.lock().await = None;
    }

    fn about(&self) -> MutexGuard<'_, About> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ends by itself.
    pub(crate) fn endings(&self) -> Vec<Ending> {
        self.about().endings.clone()
    }

    /// What was.
    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    /// How everything is; it may be a tenth of a second old. Those that ask meanwhile get the same.
    pub(crate) async fn snapshot(&self) -> Arc<Snapshot> {
        self.fresh(&mut *self.last.lock().await).await.snapshot.clone()
    }

    /// [`snapshot`](Self::snapshot) as JSON.
    pub(crate) async fn document(&self) -> Arc<[u8]> {
        let mut last = self.last.lock().await;
        let last = self.fresh(&mut last).await;
        if let Some(document) = &last.document {
            return document.clone();
        }
        let snapshot = last.snapshot.clone();
        // A big one takes a while, and others wait for this thread.
        let written = spawn_blocking(move || {
            // There is nothing in it that cannot be written.
            let mut document = serde_json::to_vec(&*snapshot).unwrap_or_default();
            document.push(b'\n');
            document
        });
        let document: Arc<[u8]> = written.await.unwrap_or_default().into();
        last.document = Some(document.clone());
        document
    }

    /// The last one, or a new one if it is too old. The past sees them in their order.
    async fn fresh<'a>(&self, last: &'a mut Option<Last>) -> &'a mut Last {
        // An old one goes before a new one is made: that of a hub is large.
        let old = last.take().filter(|last| last.made.elapsed() < FRESH);
        let fresh = match old {
            Some(last) => last,
            None => {
                let mut snapshot = self.merged().await;
                self.past.look(&mut snapshot);
                Last {
                    snapshot: Arc::new(snapshot),
                    made: Instant::now(),
                    document: None,
                }
            }
        };
        last.insert(fresh)
    }

    /// How everything is now.
    async fn merged(&self) -> Snapshot {
        let ask = |worker: &CommandSender| {
            let (asker, answer) = oneshot::channel();
            worker.send(Command::Snapshot(asker));
            answer
        };
        let answers: Vec<_> = self.workers.iter().map(ask).collect();
        let until = tokio::time::Instant::now() + PATIENCE;
        let mut all = Snapshot::default();
        let mut silent = Vec::new();
        for (worker, answer) in answers.into_iter().enumerate() {
            match timeout_at(until, answer).await {
                Ok(Ok(part)) => all.merge(part),
                Ok(Err(_)) | Err(_) => silent.push(worker),
            }
        }
        let time = unix_time();
        let now = time.as_secs_f64();
        let (expiring, ends) = expiring::rows(
            &self.about().endings,
            i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        );
        all.expiring = expiring;
        all.alarms.extend(ends);
        let newest_first = |one: &Alarm, other: &Alarm| other.standing.since.total_cmp(&one.standing.since);
        all.alarms.sort_by(newest_first);
        all.alarms
            .splice(0..0, silent.into_iter().map(|worker| unanswered(worker, now)));
        all.alarms
            .splice(0..0, self.audit.trouble().map(Trouble::into_alarm));
        let (written, lost) = self.audit.totals();
        all.counters.insert("audit_written".to_owned(), written);
        all.counters.insert("audit_lost".to_owned(), lost);
        let about = self.about();
        all.captures = about.captures.rows();
        let counts = about.http.iter().map(|(name, n)| (name.to_owned(), n));
        all.counters.extend(counts);
        all.version = VERSION;
        all.gateway = Gateway {
            now,
            ..about.gateway.clone()
        };
        for segment in &mut all.segments {
            if let Some(Device::Nic(name) | Device::Tap { name, .. }) = about.devices.get(&segment.name) {
                segment.device.clone_from(name);
            }
        }
        all
    }
}

fn unanswered(worker: usize, now: f64) -> Alarm {
    Alarm {
        about: format!("worker {worker}"),
        standing: Standing {
            state: State::Down,
            why: format!(
                "worker {worker} has not answered for {} s, so what belongs to it is missing here; if it hangs, it is \
                 ended and started again within seconds",
                PATIENCE.as_secs()
            ),
            since: now,
        },
    }
}

#[cfg(test)]
mod tests {
    use aoe_common::snapshot::Segment;

    use super::*;
    use crate::driver::{CommandReceiver, channel};

    fn bench() -> (Snapshots, [CommandReceiver; 2]) {
        let ((one, first), (other, second)) = (channel().unwrap(), channel().unwrap());
        let about = About {
            gateway: Gateway {
                name: "site-a".to_owned(),
                ..Gateway::default()
            },
            devices: [("san".to_owned(), Device::Nic("eth1".to_owned()))].into(),
            ..About::default()
        };
        (
            Snapshots::new(vec![one, other], about, Audit::default(), Clock::start()),
            [first, second],
        )
    }

    fn answer(worker: &mut CommandReceiver) -> bool {
        let Some(Command::Snapshot(asker)) = worker.next() else {
            return false;
        };
        let mut part = Snapshot::default();
        part.counters.insert("frames_received".to_owned(), 7);
        part.segments.push(Segment {
            name: "san".to_owned(),
            ..Segment::default()
        });
        asker.send(part).unwrap();
        true
    }

    #[tokio::test]
    async fn parts_are_joined_and_those_that_ask_together_get_one_document() {
        let (snapshots, mut workers) = bench();
        let serve = async {
            for worker in &mut workers {
                while !answer(worker) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        };
        let (one, other, ()) = tokio::join!(snapshots.document(), snapshots.document(), serve);
        assert!(Arc::ptr_eq(&one, &other));
        assert!(
            workers.iter_mut().all(|worker| worker.next().is_none()),
            "asked once"
        );
        let read: Snapshot = serde_json::from_slice(&one).unwrap();
        assert_eq!((read.version, read.gateway.name.as_str()), (VERSION, "site-a"));
        assert_eq!(read.counters["frames_received"], 14);
        assert_eq!(read.segments.len(), 1);
        assert_eq!(read.segments[0].device, "eth1");
        assert!(read.gateway.now > 1.0e9 && read.alarms.is_empty());
    }

    #[tokio::test]
    async fn a_worker_that_does_not_answer_is_an_alarm_and_not_a_wait() {
        let (snapshots, [mut first, mut second]) = bench();
        let serve = async {
            while !answer(&mut first) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let (snapshot, ()) = tokio::join!(snapshots.merged(), serve);
        assert_eq!(snapshot.counters["frames_received"], 7);
        assert_eq!(snapshot.alarms.len(), 1);
        assert_eq!(snapshot.alarms[0].about, "worker 1");
        // When it comes back, it sees that nobody waits any more.
        let Some(Command::Snapshot(asker)) = second.next() else {
            panic!()
        };
        assert!(asker.is_closed());
    }
}
