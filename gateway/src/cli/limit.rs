//! `limit`: how much exports, peers and initiators may have, while the gateway runs.

use clap::{Args, Subcommand};

use super::Exit;
use super::steer::{self, Common};
use crate::config::{MOST_IOPS, bandwidth};
use crate::control::protocol::{NewRates, Request, Users};

/// `limit …`
#[derive(Debug, Subcommand)]
pub(super) enum LimitVerb {
    /// Limits somebody until the gateway ends or it is cleared; what is not named stays as it is
    Set {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        rates: Rates,
        #[command(flatten)]
        common: Common,
    },
    /// Lets what the files say count again
    Clear {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        common: Common,
    },
    /// Lists the limits in force, and who waits for them
    List {
        #[command(flatten)]
        common: Common,
    },
}

/// Whom a limit is for.
#[derive(Args, Debug)]
#[group(id = "whom", required = true, multiple = true)]
pub(super) struct Whom {
    /// All users of this export together, or with --peer that peer on it
    #[arg(long, value_name = "NAME")]
    export: Option<String>,
    /// This peer, over all exports unless one is named
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// One initiator behind the peer on the export
    #[arg(long, value_name = "MAC", requires_all = ["export", "peer"])]
    initiator: Option<String>,
}

impl Whom {
    fn users(self) -> Users {
        Users {
            export: self.export.unwrap_or_default(),
            peer: self.peer.unwrap_or_default(),
            initiator: self.initiator.unwrap_or_default(),
        }
    }
}

/// New rates.
#[derive(Args, Debug)]
#[group(id = "rates", required = true, multiple = true)]
pub(super) struct Rates {
    /// Requests a second, at most; `none`: as many as it likes
    #[arg(long, value_name = "N", value_parser = iops)]
    iops: Option<u64>,
    /// Bytes a second, at most, such as 100MB; `none`: as many as it likes
    #[arg(long, value_name = "RATE", value_parser = bytes)]
    bandwidth: Option<u64>,
    /// Requests a second that go before those of others; `none`: none
    #[arg(long, value_name = "N", value_parser = iops)]
    floor_iops: Option<u64>,
    /// Bytes a second that go before those of others, such as 5MB; `none`: none
    #[arg(long, value_name = "RATE", value_parser = bytes)]
    floor_bandwidth: Option<u64>,
}

/// Zero means none to the gateway, and is not what people write for it.
fn iops(text: &str) -> Result<u64, String> {
    match text.parse() {
        _ if text == "none" => Ok(0),
        Ok(0) => Err("nothing would pass: `pause` stops an export, `none` takes the limit away".to_owned()),
        Ok(rate) if rate <= MOST_IOPS => Ok(rate),
        _ => Err(format!("write a number from 1 to {MOST_IOPS}, or none")),
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    match text {
        "none" => Ok(0),
        text => bandwidth(text),
    }
}

impl LimitVerb {
    pub(super) fn run(self) -> Exit {
        match self {
            LimitVerb::Set { whom, rates, common } => {
                let Rates {
                    iops,
                    bandwidth,
                    floor_iops,
                    floor_bandwidth,
                } = rates;
                let rates = NewRates {
                    iops,
                    bandwidth,
                    floor_iops,
                    floor_bandwidth,
                };
                let users = whom.users();
                steer::run(&common, &Request::SetLimit { users, rates })
            }
            LimitVerb::Clear { whom, common } => {
                let users = whom.users();
                steer::run(&common, &Request::ClearLimit { users })
            }
            LimitVerb::List { common } => steer::run(&common, &Request::Limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_takes_a_bound_away_and_nothing_is_no_rate() {
        assert_eq!((iops("none"), bytes("none")), (Ok(0), Ok(0)));
        assert_eq!((iops("5000"), bytes("100MB")), (Ok(5000), Ok(100_000_000)));
        for text in ["0", "-1", "5k", ""] {
            assert!(iops(text).is_err(), "{text}");
        }
        assert!(bytes("0MB").is_err() && bytes("100").is_err());
    }
}
