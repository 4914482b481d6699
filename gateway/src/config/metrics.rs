//! `[metrics]`: where programs and people look over HTTP.

use std::net::{IpAddr, SocketAddr};

use super::fault::Faults;
use super::net;
use super::section::Section;
use super::value::quote;

/// Most names that a listener may be asked by.
const MOST_HOSTS: usize = 16;

/// The HTTP listener of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Names that it may be asked by, in lower case; its addresses and `localhost` are not among them.
    pub hosts: Vec<String>,
}

impl Metrics {
    /// Whether other hosts reach it.
    pub fn is_open(&self) -> bool {
        !is_loopback(self.listen.ip())
    }
}

/// Reads it. `None`: nothing can be listened at, which was reported.
pub(super) fn read(section: &Section<'_, '_>, faults: &mut Faults) -> Option<Metrics> {
    let hosts = section.list("hosts", faults, net::host).unwrap_or_default();
    if let Some(first_too_many) = hosts.get(MOST_HOSTS) {
        let found = format!("there are {} hosts", hosts.len());
        faults.fault(
            super::Kind::BadValue,
            &first_too_many.place,
            found,
            format!("write at most {MOST_HOSTS}"),
        );
    }
    let listen = section.required("listen", faults, net::metrics)?;
    if listen.value.port() == 0 {
        faults.warn(
            &listen.place,
            "port 0 is another port at every start, and nobody who looks can know it",
            "write a fixed port, such as \"127.0.0.1:9478\"",
        );
    }
    let metrics = Metrics {
        listen: listen.value,
        hosts: hosts.into_iter().map(|host| host.value).collect(),
    };
    if metrics.is_open() {
        faults.warn(
            &listen.place,
            format!(
                "everybody who reaches {} can read the names of peers, exports and initiators here, and all numbers",
                quote(&metrics.listen.to_string())
            ),
            "write \"127.0.0.1:9478\" unless a firewall lets only those through who may; nothing can be changed there",
        );
    }
    Some(metrics)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::super::{Severity, check_text};

    fn said(section: &str) -> Vec<(Severity, String, String)> {
        let text = format!("[metrics]\n{section}");
        let faults = check_text(&text);
        let ours = faults.iter().filter(|fault| fault.field.starts_with("metrics."));
        ours.map(|fault| (fault.severity, fault.field.clone(), fault.instead.clone()))
            .collect()
    }

    #[test]
    fn a_listener_is_an_address_and_a_port() {
        for good in [
            "127.0.0.1:9478",
            "[::1]:9478",
            "127.9.9.9:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(said(&format!("listen = '{good}'")), [], "{good}");
        }
        for (bad, instead) in [
            ("127.0.0.1", "write \"127.0.0.1:9478\""),
            ("::1", "write \"[::1]:9478\""),
            ("localhost:9478", "such as \"127.0.0.1:9478\""),
            (":9478", "such as \"127.0.0.1:9478\""),
            ("224.0.0.1:9478", "write an address of this machine"),
        ] {
            let said = said(&format!("listen = '{bad}'"));
            assert!(said.len() == 1 && said[0].2.contains(instead), "{bad} {said:?}");
            assert_eq!(said[0].0, Severity::Fault);
        }
    }

    #[test]
    fn it_has_a_listener_and_no_other_keys() {
        let missing = said("");
        assert!(missing[0].2.contains("add listen = "), "{missing:?}");
        let unknown = said("listen = '127.0.0.1:1'\nport = 5");
        assert!(unknown[0].2.contains("part of `listen`"), "{unknown:?}");
    }

    #[test]
    fn what_others_reach_is_a_warning() {
        for open in ["0.0.0.0:9478", "[::]:9478", "192.0.2.1:9478"] {
            let said = said(&format!("listen = '{open}'"));
            assert_eq!((said.len(), said[0].0), (1, Severity::Warning), "{open}");
            assert!(said[0].2.contains("firewall"), "{said:?}");
        }
        assert_eq!(said("listen = '127.0.0.1:0'")[0].0, Severity::Warning);
    }

    #[test]
    fn hosts_are_names() {
        assert_eq!(
            said("listen = '127.0.0.1:1'\nhosts = ['gw.example.net', 'GW']"),
            []
        );
        for bad in [
            "gw.example.net:80",
            "http://gw",
            "a b",
            "",
            "192.0.2.1",
            "*.example",
        ] {
            let said = said(&format!("listen = '127.0.0.1:1'\nhosts = ['{bad}']"));
            assert_eq!(said.len(), 1, "{bad} {said:?}");
        }
        let many = vec!["'a'"; 17].join(", ");
        assert_eq!(
            said(&format!("listen = '127.0.0.1:1'\nhosts = [{many}]")).len(),
            1
        );
    }
}
