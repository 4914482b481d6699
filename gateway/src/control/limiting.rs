//! Limits that an operator sets, clears and lists.

use aoe_common::config::{Limit, LimitChange, Limited, Rates, RatesChange};
use aoe_common::frame::MacAddr;
use aoe_common::steer::{LimitOf, Order, Steered};
use serde::{Deserialize, Serialize};

use super::change::Running;
use super::orders::By;
use super::protocol::{Answer, Done, Outcome};
use super::steering::{nobody, steer};
use super::things;
use crate::config::{Loaded, MOST_BANDWIDTH, MOST_IOPS};
use crate::logging::id;

/// Whom a limit is for, by name: an export, a peer, or both, and then perhaps an initiator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Users {
    /// The export; empty: all that the peer may use.
    pub(crate) export: String,
    /// The peer; empty: all users of the export together.
    pub(crate) peer: String,
    /// The MAC of an initiator behind the peer; empty: all of them together.
    pub(crate) initiator: String,
}

/// What is to change of a limit; absent: nothing, 0: no such bound from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NewRates {
    /// Requests a second, at most.
    pub(crate) iops: Option<u64>,
    /// Bytes a second, at most.
    pub(crate) bandwidth: Option<u64>,
    /// Requests a second that are kept free.
    pub(crate) floor_iops: Option<u64>,
    /// Bytes a second that are kept free.
    pub(crate) floor_bandwidth: Option<u64>,
}

impl NewRates {
    fn change(self) -> Result<LimitChange, String> {
        let rate = |rate: Option<u64>, most: u64| match rate {
            Some(rate) if rate > most => Err(format!("{rate} a second is out of bounds; at most {most}")),
            rate => Ok(rate.map(|rate| (rate > 0).then_some(rate))),
        };
        Ok(LimitChange {
            ceiling: RatesChange {
                iops: rate(self.iops, MOST_IOPS)?,
                bandwidth: rate(self.bandwidth, MOST_BANDWIDTH)?,
            },
            floor: RatesChange {
                iops: rate(self.floor_iops, MOST_IOPS)?,
                bandwidth: rate(self.floor_bandwidth, MOST_BANDWIDTH)?,
            },
        })
    }
}

impl Users {
    /// Whom the engine knows by these names.
    fn find(&self, loaded: &Loaded) -> Result<Limited, String> {
        let (export, peer) = (self.export.as_str(), self.peer.as_str());
        let initiator = match self.initiator.as_str() {
            "" => None,
            text => Some(text.parse::<MacAddr>().map_err(|error| error.to_string())?),
        };
        match (export, peer, initiator) {
            ("", "", _) => Err("name an export, a peer, or both".to_owned()),
            (_, "", Some(_)) | ("", _, Some(_)) => {
                Err("an initiator is one behind a peer that uses an export: name both".to_owned())
            }
            (_, "", None) => Ok(Limited::Export(things::export(loaded, export)?)),
            ("", _, None) => Ok(Limited::Peer(things::peer(loaded, peer)?)),
            (_, _, initiator) => {
                let (export_id, peer_id) = (things::export(loaded, export)?, things::peer(loaded, peer)?);
                let known = loaded.core.exports.get(export_id);
                if !known.is_some_and(|known| known.allow.iter().any(|allow| allow.peer == peer_id)) {
                    return Err(format!(
                        "peer {peer} may not use export {export}: no [[allow]] of it is for that peer"
                    ));
                }
                Ok(match initiator {
                    Some(initiator) => Limited::Initiator(export_id, peer_id, initiator),
                    None => Limited::Grant(export_id, peer_id),
                })
            }
        }
    }

    /// `export backup, peer site-a`
    fn about(&self) -> String {
        let parts = [
            ("export", &self.export),
            ("peer", &self.peer),
            ("initiator", &self.initiator),
        ];
        let named = parts.iter().filter(|(_, name)| !name.is_empty());
        let named: Vec<_> = named.map(|(sort, name)| format!("{sort} {name}")).collect();
        named.join(", ")
    }
}

impl Running {
    /// Sets a limit.
    pub(super) async fn set_limit(&self, users: &Users, rates: NewRates, by: By) -> Answer {
        let change = match rates.change() {
            Ok(change) if change != LimitChange::default() => change,
            Ok(_) => {
                return Answer::refused(
                    "name a rate: --iops, --bandwidth, --floor-iops or --floor-bandwidth",
                );
            }
            Err(reason) => return Answer::refused(reason),
        };
        let order = |whom| Order::SetLimit(whom, change);
        self.limit(users, order, by, "sets the limit").await
    }

    /// Clears what was set.
    pub(super) async fn clear_limit(&self, users: &Users, by: By) -> Answer {
        self.limit(users, Order::ClearLimit, by, "clears the limit").await
    }

    /// Lists what is in force.
    pub(super) async fn list_limits(&self) -> Answer {
        let Some(found) = steer(&self.followers().workers, &Order::LookAtLimits).await else {
            return nobody("limits");
        };
        let said = match found.limits.as_slice() {
            [] => vec!["there is none".to_owned()],
            limits => limits.iter().map(line).collect(),
        };
        Answer::of_verb(
            Outcome::Same,
            Done {
                about: "limits".to_owned(),
                said,
                found,
                ..Done::default()
            },
        )
    }

    async fn limit(&self, users: &Users, order: impl Fn(Limited) -> Order, by: By, what: &str) -> Answer {
        let loaded = self.loaded();
        let whom = match users.find(loaded) {
            Ok(whom) => whom,
            Err(reason) => return Answer::refused(reason),
        };
        let about = users.about();
        let Some(found) = steer(&self.followers().workers, &order(whom)).await else {
            return nobody(&about);
        };
        if !found.refused.is_empty() {
            return Answer::refused(format!("{about}: {}", found.refused));
        }
        let is = found.limits.first().map(rates).unwrap_or_default();
        tracing::info!(
            id = id::OPERATOR,
            "{about}: {by} {what}: {} becomes {is}",
            found.limit_was
        );
        let live = found.limits.first().is_some_and(|row| row.limit.from == "live");
        let lasts = match (live, found.limits.is_empty()) {
            (true, _) => {
                "until it is cleared or the gateway ends; a reload keeps it; to keep it for good, write it into the files"
            }
            (false, false) => "it is what the files say, and stays so after a restart",
            (false, true) => "the files say nothing of it, and nothing is limited after a restart either",
        };
        let outcome = match found.changed {
            true => Outcome::Changed,
            false => Outcome::Same,
        };
        let done = Done {
            said: said(&found, is, divided(loaded, whom)),
            about,
            lasts: lasts.to_owned(),
            survives_restart: !live,
            found,
        };
        Answer::of_verb(outcome, done)
    }
}

/// What was done, and what still waits.
fn said(found: &Steered, is: Limit, among: u8) -> Vec<String> {
    let was = &found.limit_was;
    let mut said = match found.changed {
        true => vec![format!("its limit is {is}; it was {was}")],
        false => vec![format!("its limit is {is}, as it was")],
    };
    if among > 1 && !is.is_none() {
        said.push(format!(
            "{among} workers serve exports that it uses, and each has an even part of that"
        ));
    }
    if let Some(row) = found.limits.first().filter(|row| row.limit.waiting > 0) {
        said.push(format!("{} requests wait for it now", row.limit.waiting));
    }
    said
}

/// Among how many workers a limit is divided.
fn divided(loaded: &Loaded, whom: Limited) -> u8 {
    match whom {
        Limited::Peer(peer) => loaded.core.workers_for(peer, loaded.settings.workers),
        Limited::Export(_) | Limited::Grant(..) | Limited::Initiator(..) => 1,
    }
}

/// The rates of a row.
fn rates(row: &LimitOf) -> Limit {
    Limit {
        ceiling: Rates {
            iops: row.limit.iops,
            bandwidth: row.limit.bandwidth,
        },
        floor: Rates {
            iops: row.limit.floor_iops,
            bandwidth: row.limit.floor_bandwidth,
        },
    }
}

/// A line of the list.
fn line(row: &LimitOf) -> String {
    let users = Users {
        export: row.export.clone(),
        peer: row.peer.clone(),
        initiator: row.initiator.clone(),
    };
    let from = match row.limit.from.as_str() {
        "live" => "set by an operator",
        _ => "from the files",
    };
    let mut line = format!("{}: {} ({from})", users.about(), rates(row));
    if row.limit.waiting > 0 {
        line += &format!(", {} wait", row.limit.waiting);
    }
    if let Some(wait) = &row.limit.wait {
        line += &format!(
            ", {} had to wait, half of them up to {} ms, the longest {} ms",
            row.limit.delayed,
            millis(wait.p50_us),
            millis(wait.max_us)
        );
    }
    line
}

fn millis(us: u64) -> String {
    format!("{}.{}", us / 1000, us % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use aoe_common::snapshot::{self, Latency};

    use super::*;

    #[test]
    fn a_rate_of_nothing_takes_a_bound_away() {
        let rates = NewRates {
            iops: Some(0),
            floor_bandwidth: Some(7),
            ..NewRates::default()
        };
        let change = rates.change().unwrap();
        assert_eq!(
            (change.ceiling.iops, change.ceiling.bandwidth),
            (Some(None), None)
        );
        assert_eq!(change.floor.bandwidth, Some(Some(7)));
        let rates = NewRates {
            iops: Some(MOST_IOPS + 1),
            ..NewRates::default()
        };
        assert!(rates.change().unwrap_err().contains("out of bounds"));
    }

    #[test]
    fn a_line_says_whose_limit_it_is_and_who_waits() {
        let row = LimitOf {
            export: "backup".into(),
            peer: "site-a".into(),
            limit: snapshot::Limit {
                iops: Some(1000),
                from: "live".into(),
                waiting: 24,
                delayed: 70,
                wait: Some(Latency {
                    p50_us: 3100,
                    max_us: 250_000,
                    ..Latency::default()
                }),
                ..snapshot::Limit::default()
            },
            ..LimitOf::default()
        };
        assert_eq!(
            line(&row),
            "export backup, peer site-a: 1000 IOPS (set by an operator), 24 wait, 70 had to wait, half of them up to 3.1 \
             ms, the longest 250.0 ms"
        );
    }
}
