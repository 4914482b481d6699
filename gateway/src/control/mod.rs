//! What programs of this host can ask of a running gateway, and how it becomes what another configuration says.
//!
//! - `socket`, `guests`: Unix sockets, and bounds for those who connect.
//! - `observe`, `snapshots`: one document to everybody who connects; the workers are asked, and never held up.
//! - `past`: what was, of the snapshots that are made anyway, and of one a second.
//! - `orders`, `protocol`: one request, one answer; they wait in line before the [`Reloader`].
//! - `compare`, `words`: what differs, and what that means for people. Nothing is changed here.
//! - `steering`: what an operator says to the workers; `things`: what the operator calls them.
//! - `captures`: copies of frames, handed to who asked until it has enough.
//! - `limiting`: limits that an operator sets.
//! - `learning`: keys that change by what gateways tell each other.
//! - `reload`, `change`: first everything that can fail, then everything that cannot.

pub(crate) mod captures;
mod change;
mod compare;
mod guests;
mod learning;
mod limiting;
mod observe;
pub(crate) mod orders;
mod past;
pub(crate) mod protocol;
mod reload;
mod snapshots;
mod socket;
mod steering;
mod things;
mod words;

use std::io;
use std::path::Path;

pub(crate) use self::captures::Captures;
pub(crate) use self::change::Followers;
pub(crate) use self::learning::KeyNews;
pub(crate) use self::orders::MOST_ASKS;
pub(crate) use self::past::record;
pub(crate) use self::protocol::Answer;
pub(crate) use self::reload::{Cause, Lines, Reloader};
pub(crate) use self::snapshots::{About, Snapshots};
use self::socket::{Listener, Refusal};
pub(crate) use self::words::{Kind, Line, rights_in_words};
pub(crate) use self::{observe::open as open_observe, observe::serve as observe};
pub(crate) use self::{orders::open as open_control, orders::serve as take_orders};
use crate::config::Group;
use crate::logging::id;

/// Opens the socket that the key `key` names, or says why there is none, what that means and what to do.
fn open(path: &Path, mode: u32, group: Option<&Group>, key: &str, consequence: &str) -> Option<Listener> {
    let refusal = match Listener::open(path, mode, group.map(|group| group.gid)) {
        Ok(listener) => return Some(listener),
        Err(refusal) => refusal,
    };
    let elsewhere = format!("set `{key}` of [gateway] to another path");
    let cure = match &refusal {
        Refusal::Directory(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            format!("run as root, have systemd make it (RuntimeDirectory=), or {elsewhere}")
        }
        Refusal::Taken => format!("end that one, or {elsewhere}"),
        Refusal::NoSocket => format!("remove it, or {elsewhere}"),
        Refusal::Group(_) => {
            let name = group.map_or("", |group| group.name.as_str());
            format!(
                "make the gateway's user a member of {name}, run it as root, or remove `control_group` of [gateway]"
            )
        }
        Refusal::Directory(_) | Refusal::System(_) => elsewhere,
    };
    tracing::warn!(
        id = id::SOCKET_MISSING,
        "socket {}: {refusal}; {consequence}; {cure}",
        path.display()
    );
    None
}
