//! `peer down` and `peer up`.

use aoe_common::steer::{Order, Steered};

use super::{nobody, steer};
use crate::control::change::Running;
use crate::control::orders::By;
use crate::control::protocol::{Answer, Done};
use crate::control::things;

const UNTIL_RESTART: &str = "a restart ends it: then the peer is called and answered again; to be rid of it for good, remove \
                             its [[peer]] from the gateway file and reload";

impl Running {
    /// Ends the session with a peer, and has none until it is taken up again.
    pub(in crate::control) async fn peer_down(&self, name: &str, by: By) -> Answer {
        let peer = match things::peer(self.loaded(), name) {
            Ok(peer) => peer,
            Err(reason) => return Answer::refused(reason),
        };
        let about = format!("peer {name}");
        let order = Order::TakeDown {
            peer,
            by: by.to_string(),
        };
        let Some(found) = steer(&self.followers().workers, &order).await else {
            return nobody(&about);
        };
        let said = match found.changed {
            false => vec!["it was taken down already: it is neither called nor answered".to_owned()],
            true => vec![
                match found.closed {
                    0 => "there was no session; it is neither called nor answered from now on".to_owned(),
                    _ => {
                        "its session is closed, and it is neither called nor answered from now on".to_owned()
                    }
                },
                match found.dropped {
                    0 => "nothing of it waited here".to_owned(),
                    1 => "1 request of it is not sent, or its answer goes nowhere".to_owned(),
                    dropped => format!("{dropped} requests of it are not sent, or their answers go nowhere"),
                },
            ],
        };
        answer(about, said, UNTIL_RESTART, found)
    }

    /// Has a session with a peer that was taken down.
    pub(in crate::control) async fn peer_up(&self, name: &str, by: By) -> Answer {
        let peer = match things::peer(self.loaded(), name) {
            Ok(peer) => peer,
            Err(reason) => return Answer::refused(reason),
        };
        let about = format!("peer {name}");
        let order = Order::TakeUp {
            peer,
            by: by.to_string(),
        };
        let Some(found) = steer(&self.followers().workers, &order).await else {
            return nobody(&about);
        };
        let said = match (found.changed, self.loaded().endpoints.contains_key(name)) {
            (false, _) => "it was not taken down; if there is no session, `aoe-gateway status` says why",
            (true, true) => "it is called now, and answered",
            (true, false) => "it is answered again; it has to call, for it has no `endpoint` here",
        };
        answer(about, vec![said.to_owned()], "", found)
    }
}

fn answer(about: String, said: Vec<String>, lasts: &str, found: Steered) -> Answer {
    Answer::of_done(Done {
        about,
        said,
        lasts: lasts.to_owned(),
        survives_restart: false,
        found,
    })
}
