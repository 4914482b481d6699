//! By which names a listener may be asked.
//!
//! A page of somebody else, open in a browser on this host, can reach a loopback address under a name of its own that
//! resolves to it (DNS rebinding), and would read the answers. The browser tells that name. An address or `localhost` is
//! no such name.

use std::net::IpAddr;

use hyper::http::uri::Authority;

use crate::config::Metrics;

/// What a listener may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Everything: others reach it too, and it has no list.
    any: bool,
    /// Names in lower case.
    known: Vec<String>,
}

impl Names {
    pub(super) fn of(metrics: &Metrics) -> Self {
        Names {
            any: metrics.is_open() && metrics.hosts.is_empty(),
            known: metrics.hosts.clone(),
        }
    }

    /// Whether a request for this host, which may have a port, is for us.
    pub(super) fn admit(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if host.contains('@') {
            return false;
        }
        let name = authority.host().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        self.any
            || name == "localhost"
            || bare.unwrap_or(name).parse::<IpAddr>().is_ok()
            || self.known.iter().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listen: &str, hosts: &[&str]) -> Names {
        Names::of(&Metrics {
            listen: listen.parse().unwrap(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        })
    }

    #[test]
    fn on_loopback_only_addresses_localhost_and_written_names_are_ours() {
        let names = names("127.0.0.1:9478", &["gw.example.net"]);
        for ours in [
            "127.0.0.1:9478",
            "127.0.0.1",
            "[::1]:9478",
            "192.0.2.7:1",
            "localhost:9478",
            "LOCALHOST",
            "localhost.",
            "GW.example.net:80",
            "gw.example.net.",
        ] {
            assert!(names.admit(ours), "{ours}");
        }
        for foreign in [
            "evil.example",
            "127.0.0.1.evil.example:9478",
            "localhost.evil.example",
            "x@localhost",
            "localhost@evil.example",
            "gw.example.net.evil",
            "",
            "a b",
            "[::1",
            "::1",
        ] {
            assert!(!names.admit(foreign), "{foreign}");
        }
    }

    #[test]
    fn elsewhere_any_name_will_do_unless_there_is_a_list() {
        assert!(names("0.0.0.0:9478", &[]).admit("gw:9478"));
        assert!(!names("0.0.0.0:9478", &["gw"]).admit("other:9478"));
        assert!(names("0.0.0.0:9478", &["gw"]).admit("gw:9478"));
    }
}
