//! Who gives an order.

use std::fs;

use serde::Serialize;
use tokio::net::UnixStream;

/// The process at the other end of a socket, as the kernel names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Caller {
    /// Its user; `null`: the kernel does not say.
    pub(crate) uid: Option<u32>,
    /// Its group.
    pub(crate) gid: Option<u32>,
    /// The process itself; `null` if it is not visible from here.
    pub(crate) pid: Option<i32>,
    /// The name of the process; it chooses that itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comm: Option<String>,
    /// The program it runs, if we may know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exe: Option<String>,
}

impl Caller {
    /// Who is at the other end. User, group and process are those of the moment it connected; what it runs is looked up
    /// now, and another process may have its number meanwhile.
    pub(crate) fn of(stream: &UnixStream) -> Caller {
        let Ok(who) = stream.peer_cred() else {
            return Caller::default();
        };
        let pid = who.pid().filter(|pid| *pid > 0);
        let of = |what| pid.map(|pid| format!("/proc/{pid}/{what}"));
        let comm = of("comm").and_then(|path| fs::read(path).ok());
        let exe = of("exe").and_then(|path| fs::read_link(path).ok());
        Caller {
            uid: Some(who.uid()),
            gid: Some(who.gid()),
            pid,
            comm: comm.map(|name| String::from_utf8_lossy(&name).trim_end().to_owned()),
            exe: exe.map(|path| path.display().to_string()),
        }
    }
}
