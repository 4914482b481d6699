//! Every key there is, with an example of it: the one list that unknown keys, missing keys and wrong types
//! are held against.

/// One table of a file.
#[derive(Debug)]
pub(super) struct Shape {
    /// How it is written: `[gateway]`, `[[peer]]`, or what a whole file is called.
    pub(super) heading: &'static str,
    /// The keys it may have.
    pub(super) keys: &'static [Key],
    /// Keys people look for here that live elsewhere, and where.
    pub(super) elsewhere: &'static [(&'static str, &'static str)],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// A line or heading that could stand in a file as it is.
    pub(super) example: &'static str,
}

impl Shape {
    /// The example of a key of this table.
    pub(super) fn example(&self, name: &str) -> &'static str {
        self.keys
            .iter()
            .find(|key| key.name == name)
            .map_or("", |key| key.example)
    }
}

const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example }
}

/// The top of `gateway.toml`.
pub(super) const GATEWAY_FILE: Shape = Shape {
    heading: "the gateway file",
    keys: &[
        key("gateway", "[gateway]"),
        key("metrics", "[metrics]"),
        key("segment", "[[segment]]"),
        key("peer", "[[peer]]"),
        key("import", "[[import]]"),
        key("audit", "[audit]"),
        key("tls", "[tls]"),
    ],
    elsewhere: &[
        (
            "export",
            "each export has a file of its own in the directory that `exports` of [gateway] names",
        ),
        ("exports", "it belongs into [gateway]: exports = \"exports.d\""),
        (
            "allow",
            "it belongs into the file of an export, in the directory that `exports` of [gateway] names",
        ),
    ],
};

/// `[gateway]`.
pub(super) const GATEWAY: Shape = Shape {
    heading: "[gateway]",
    keys: &[
        key("name", "name = \"site-a\""),
        key("listen", "listen = [\"0.0.0.0:34978\"]"),
        key("key", "key = \"site-a.key\""),
        key("exports", "exports = \"exports.d\""),
        key("peers", "peers = \"peers.d\""),
        key("revoked", "revoked = \"revoked.toml\""),
        key("state", "state = \"/var/lib/aoe-gateway\""),
        key("rekey_after", "rekey_after = \"120s\""),
        key("keepalive", "keepalive = \"5s\""),
        key("max_age", "max_age = \"1s\""),
        key("busy_poll", "busy_poll = \"50us\""),
        key("batch", "batch = 64"),
        key("socket_buffer", "socket_buffer = \"8MB\""),
        key("workers", "workers = 2"),
        key("observe", "observe = \"/run/aoe-gateway/site-a/observe.sock\""),
        key("control", "control = \"/run/aoe-gateway/site-a/control.sock\""),
        key("control_group", "control_group = \"storage\""),
        key("log", "log = \"info\""),
    ],
    elsewhere: &[
        (
            "psk",
            "it belongs into [[peer]]: each pair of gateways has its own",
        ),
        ("port", "it is part of `listen`: listen = [\"0.0.0.0:34978\"]"),
    ],
};

/// The top of `revoked.toml`.
pub(super) const REVOKED_FILE: Shape = Shape {
    heading: "the file of revoked keys",
    keys: &[key("revoked", "[[revoked]]")],
    elsewhere: &[],
};

/// `[[revoked]]`.
pub(super) const REVOKED: Shape = Shape {
    heading: "[[revoked]]",
    keys: &[
        key("what", "what = \"aoe-public-1:…\""),
        key("name", "name = \"site-b\""),
        key("when", "when = \"2027-01-31T00:00:00Z\""),
        key("why", "why = \"its disk was stolen\""),
    ],
    elsewhere: &[("key", "it is called `what`: what = \"aoe-public-1:…\"")],
};

/// `[audit]`.
pub(super) const AUDIT: Shape = Shape {
    heading: "[audit]",
    keys: &[
        key("file", "file = \"/var/log/aoe-gateway/audit.jsonl\""),
        key("journald", "journald = true"),
    ],
    elsewhere: &[],
};

/// `[tls]`.
pub(super) const TLS: Shape = Shape {
    heading: "[tls]",
    keys: &[
        key("certificate", "certificate = \"site-a.crt\""),
        key("key", "key = \"site-a.tls.key\""),
        key("ca", "ca = \"ca.crt\""),
        key("crl", "crl = [\"ca.crl\"]"),
        key("crl_grace", "crl_grace = \"0s\""),
    ],
    elsewhere: &[(
        "certificate_name",
        "it belongs into [[peer]]: the name in the certificate of that peer",
    )],
};

/// `[metrics]`.
pub(super) const METRICS: Shape = Shape {
    heading: "[metrics]",
    keys: &[
        key("listen", "listen = \"127.0.0.1:9478\""),
        key("hosts", "hosts = [\"gw.example.net\"]"),
    ],
    elsewhere: &[("port", "it is part of `listen`: listen = \"127.0.0.1:9478\"")],
};

/// `[[segment]]`.
pub(super) const SEGMENT: Shape = Shape {
    heading: "[[segment]]",
    keys: &[
        key("name", "name = \"san\""),
        key("nic", "nic = \"eth1\""),
        key("tap", "tap = \"aoe0\""),
        key("mtu", "mtu = 1500"),
    ],
    elsewhere: &[],
};

/// `[[peer]]`.
pub(super) const PEER: Shape = Shape {
    heading: "[[peer]]",
    keys: &[
        key("name", "name = \"site-b\""),
        key("key", "key = \"aoe-public-1:…\""),
        key("transport", "transport = \"noise\""),
        key("certificate_name", "certificate_name = \"dns:b.example\""),
        key("endpoint", "endpoint = \"198.51.100.7:34978\""),
        key("endpoint_pinned", "endpoint_pinned = true"),
        key("psk", "psk = \"site-b.psk\""),
        key("post_quantum", "post_quantum = \"prefer\""),
        key("protection", "protection = [\"encrypt\"]"),
        key("path_mtu", "path_mtu = \"auto\""),
        key("limit", "limit = { iops = 5000 }"),
    ],
    elsewhere: &[("mtu", "the MTU of the path to a peer is called `path_mtu`")],
};

/// `[[import]]`.
pub(super) const IMPORT: Shape = Shape {
    heading: "[[import]]",
    keys: &[
        key("peer", "peer = \"site-b\""),
        key("export", "export = \"backup\""),
        key("segment", "segment = \"san\""),
        key("as", "as = \"e107.3\""),
        key("window", "window = 64"),
        key("on_conflict", "on_conflict = \"stop\""),
    ],
    elsewhere: &[(
        "address",
        "the address initiators see is called `as`: as = \"e107.3\"",
    )],
};

/// The top of a file of the directory of peers.
pub(super) const PEER_FILE: Shape = Shape {
    heading: "the peer file",
    keys: &[key("peer", "[peer]"), key("import", "[[import]]")],
    elsewhere: &[
        ("key", "it belongs into [peer]"),
        ("endpoint", "it belongs into [peer]"),
        (
            "allow",
            "it belongs into the file of an export, in the directory that `exports` of [gateway] names",
        ),
        ("gateway", "it belongs into the gateway file"),
    ],
};

/// `[peer]` of a peer file.
pub(super) const PEER_OF_FILE: Shape = Shape {
    heading: "[peer]",
    ..PEER
};

/// `[[import]]` of a peer file.
pub(super) const IMPORT_OF_FILE: Shape = Shape {
    keys: &[
        key("export", "export = \"backup\""),
        key("segment", "segment = \"san\""),
        key("as", "as = \"e107.3\""),
        key("window", "window = 64"),
        key("on_conflict", "on_conflict = \"stop\""),
    ],
    elsewhere: &[
        (
            "address",
            "the address initiators see is called `as`: as = \"e107.3\"",
        ),
        ("peer", "it is the peer of this file"),
    ],
    heading: "[[import]] of a peer file",
};

/// The top of a file of the exports directory.
pub(super) const EXPORT_FILE: Shape = Shape {
    heading: "the export file",
    keys: &[
        key("name", "name = \"backup\""),
        key("description", "description = \"nightly backups\""),
        key("segment", "segment = \"san\""),
        key("target", "target = \"e7.3\""),
        key("target_mac", "target_mac = \"52:54:00:aa:bb:cc\""),
        key("target_timeout", "target_timeout = \"60s\""),
        key("on_target_timeout", "on_target_timeout = \"silent\""),
        key("on_conflict", "on_conflict = \"stop\""),
        key("order", "order = \"any\""),
        key("target_retry", "target_retry = \"50ms\""),
        key("sync", "sync = true"),
        key("limit", "limit = { bandwidth = \"100MB\" }"),
        key("allow", "[[allow]]"),
    ],
    elsewhere: &[
        (
            "export",
            "the file itself is the export: write its keys at the top, without a heading",
        ),
        ("access", "it belongs into [[allow]], which says who may do what"),
        ("peer", "it belongs into [[allow]], which says who may do what"),
        (
            "initiators",
            "it belongs into [[allow]], which says who may do what",
        ),
    ],
};

/// `[[allow]]`.
pub(super) const ALLOW: Shape = Shape {
    heading: "[[allow]]",
    keys: &[
        key("peer", "peer = \"site-a\""),
        key("access", "access = \"read-write\""),
        key("initiators", "initiators = [\"52:54:00:12:34:56\"]"),
        key("config_string", "config_string = \"read\""),
        key("lba", "lba = [\"0-1023\", \"4096-\"]"),
        key("commands", "commands = [\"smart-read-data\"]"),
        key("reserve", "reserve = \"allowed\""),
        key("mac_mask", "mac_mask = \"allowed\""),
        key("until", "until = \"2027-01-31T00:00Z\""),
        key("limit", "limit = { iops = 1000, floor_iops = 200 }"),
        key("initiator_limit", "initiator_limit = { iops = 500 }"),
    ],
    elsewhere: &[
        (
            "name",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
        (
            "description",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
        (
            "segment",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
        (
            "target",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
        (
            "target_mac",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
        (
            "on_conflict",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
        (
            "target_timeout",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
        (
            "on_target_timeout",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
        (
            "order",
            "keys after a heading belong to it: move this above the first [[allow]]",
        ),
    ],
};

/// `limit = { … }` and `initiator_limit = { … }`.
pub(super) const LIMIT: Shape = Shape {
    heading: "a limit",
    keys: &[
        key("iops", "iops = 5000"),
        key("bandwidth", "bandwidth = \"100MB\""),
        key("floor_iops", "floor_iops = 200"),
        key("floor_bandwidth", "floor_bandwidth = \"5MB\""),
    ],
    elsewhere: &[
        ("floor", "write floor_iops = 200, or floor_bandwidth = \"5MB\""),
        ("burst", "bursts are short and have no key"),
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = include_str!("../../../docs/configuration.md");

    /// The keys of the page's tables: the first cell of each row, below the row or heading that names the table.
    fn documented(table: &str) -> BTreeSet<&'static str> {
        let rows = PAGE
            .lines()
            .skip_while(|line| !line.starts_with("## gateway.toml"))
            .take_while(|line| !line.starts_with("## Signals"));
        let mut current = "";
        let mut keys = BTreeSet::new();
        for row in rows {
            let words = || {
                row.split(" | ")
                    .next()
                    .into_iter()
                    .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            };
            if let Some(heading) = row.strip_prefix("## ") {
                current = heading;
            } else if row.starts_with("| **") {
                current = words().next().unwrap();
            } else if row.starts_with("| `") && current == table {
                keys.extend(words());
            }
        }
        keys
    }

    #[test]
    fn an_import_of_a_peer_file_has_the_keys_of_any_other_but_its_peer() {
        let names = |shape: &Shape| -> Vec<_> { shape.keys.iter().map(|key| key.name).collect() };
        assert_eq!(names(&IMPORT)[1..], names(&IMPORT_OF_FILE));
    }

    #[test]
    fn the_page_on_configuration_has_exactly_these_keys() {
        for (table, shape) in [
            ("[gateway]", &GATEWAY),
            ("[tls]", &TLS),
            ("[metrics]", &METRICS),
            ("[[segment]]", &SEGMENT),
            ("[audit]", &AUDIT),
            ("[[peer]]", &PEER),
            ("[[import]]", &IMPORT),
            ("[[revoked]]", &REVOKED),
            ("[[allow]]", &ALLOW),
            ("exports.d/NAME.toml", &EXPORT_FILE),
            ("limit", &LIMIT),
        ] {
            let keys = shape
                .keys
                .iter()
                .map(|key| key.name)
                .filter(|name| *name != "allow")
                .collect();
            assert_eq!(documented(table), keys, "{table}");
        }
    }
}
