//! An HTTP listener for those who look: Prometheus, health checks, browsers. Nothing can be changed by it.
//!
//! - `front`: whether there is a listener, and where; it follows the configuration.
//! - `crowd`, `connection`, `patience`: who is connected, and bounds for them. Who is too slow is dropped and counted
//!   (`counts`), and holds nobody up.
//! - `answer`: what every answer has in common: methods, hosts (`host`), headers.
//! - `routes`: the table of paths. What they answer has a file each: `health`, `exposition`, `page`.

mod answer;
mod connection;
mod counts;
mod crowd;
mod exposition;
mod front;
mod health;
mod host;
mod page;
mod patience;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use self::counts::Counts;
pub(crate) use self::exposition::LastText;
pub(crate) use self::front::{Front, Prepared};
use crate::control::Snapshots;
use crate::driver::CommandSender;

/// What answers are made of.
#[derive(Debug)]
pub(crate) struct Site {
    /// How everything is.
    pub(crate) snapshots: Arc<Snapshots>,
    /// The data planes.
    pub(crate) workers: Vec<CommandSender>,
    /// What became of those who looked.
    pub(crate) counts: Arc<Counts>,
    /// What Prometheus read last.
    pub(crate) text: LastText,
}
