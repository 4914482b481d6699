//! `accept-disk`: the disk behind an export is the right one.

use std::time::Duration;

use aoe_common::steer::{Accepted, Order, Steered};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::{LOOK_EVERY, nobody, steer};
use crate::control::change::Running;
use crate::control::orders::By;
use crate::control::protocol::{Answer, Done};
use crate::control::things;
use crate::disks::Note;
use crate::logging::id;

/// How long a disk that is accepted may take to say which it is.
const IDENTIFIED: Duration = Duration::from_secs(2);

impl Running {
    /// Takes the disk behind an export for the right one.
    pub(in crate::control) async fn accept_disk(&self, export: &str, by: By) -> Answer {
        let id = match things::export(self.loaded(), export) {
            Ok(id) => id,
            Err(reason) => return Answer::refused(reason),
        };
        let about = format!("export {export}");
        let workers = &self.followers().workers;
        let Some(mut found) = steer(workers, &Order::AcceptDisk(id)).await else {
            return nobody(&about);
        };
        tracing::info!(id = id::DISK_ACCEPTED, export, "{about}: {by} accepts its disk");
        let until = Instant::now() + IDENTIFIED;
        while found.disk.as_ref().is_some_and(|disk| disk.is.is_empty()) && Instant::now() < until {
            sleep(LOOK_EVERY).await;
            let Some(Steered { disk: Some(now), .. }) = steer(workers, &Order::LookAtDisk(id)).await else {
                break;
            };
            if let Some(disk) = &mut found.disk {
                disk.is = now.is;
            }
        }
        let Accepted { was, is } = found.disk.clone().unwrap_or_default();
        found.changed = was != is;
        let kept = match self.followers().disks.clone() {
            // What is found is written down by who keeps the files.
            Some(_) if !is.is_empty() => true,
            Some(disks) => {
                let name = export.to_owned();
                let written = spawn_blocking(move || disks.write(&name, &Note::AcceptNext)).await;
                matches!(written, Ok(Ok(())))
            }
            None => false,
        };
        let mut said = match (was.as_str(), is.as_str()) {
            ("", "") => vec!["the next disk that answers is accepted; none has so far".to_owned()],
            (was, "") => vec![
                format!("its disk was {was}"),
                "the next disk that answers is accepted; none has so far".to_owned(),
            ],
            ("", is) => vec![format!("its disk is {is}")],
            (was, is) if was == is => vec![format!("its disk is the one it was: {is}")],
            (was, is) => vec![format!("its disk was {was}"), format!("its disk is  {is}")],
        };
        said.retain(|line| !line.is_empty());
        let lasts = match kept {
            true => "it is written down in the state directory within a second, and stays so after a restart",
            false => {
                "after a restart the first disk that answers is taken: there is no state directory, or it cannot be \
                 written (`state` of [gateway])"
            }
        };
        Answer::of_done(Done {
            about,
            said,
            lasts: lasts.to_owned(),
            survives_restart: kept,
            found,
        })
    }
}
