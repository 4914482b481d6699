//! Every single mistake `aoe-gateway check` knows: where it is found, and the advice.

mod check_site;

use serde_json::Value;

use check_site::{B, G, S, Site};

#[test]
fn each_mistake_is_found_at_its_line_with_advice() {
    for case in CASES {
        let site = Site::new();
        site.edit(case.file, case.from, case.to);
        let (code, json) = site.check_json();
        let faults: Vec<&Value> = json["faults"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|fault| fault["severity"] == "fault")
            .collect();
        let context = format!("{} -> {}: {faults:#?}", case.from, case.to);
        assert_eq!((code, &json["usable"]), (78, &Value::Bool(false)), "{context}");
        assert_eq!(faults.len(), 1, "{context}");
        let fault = faults[0];
        assert_eq!(fault["file"], case.file, "{context}");
        assert_eq!(fault["kind"], case.kind, "{context}");
        assert_eq!(fault["field"], case.field, "{context}");
        assert_eq!(fault["line"], site.line(case.file, case.line), "{context}");
        assert!(
            fault["instead"].as_str().unwrap().contains(case.instead),
            "{context}"
        );
    }
}

/// One edit of a good configuration, and the one fault it makes.
struct Case {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    /// A text of the line the fault is on, after the edit.
    line: &'static str,
    kind: &'static str,
    field: &'static str,
    /// What the advice contains.
    instead: &'static str,
}

const fn case(
    file: &'static str,
    (from, to): (&'static str, &'static str),
    line: &'static str,
    (kind, field): (&'static str, &'static str),
    instead: &'static str,
) -> Case {
    Case {
        file,
        from,
        to,
        line,
        kind,
        field,
        instead,
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // [gateway]
    case(G, ("listen =", "lisen = 1\nlisten ="), "lisen", ("unknown-key", "gateway.lisen"), "did you mean `listen`?"),
    case(G, ("keepalive =", "psk = 1\nkeepalive ="), "psk = 1", ("unknown-key", "gateway.psk"), "[[peer]]"),
    case(G, ("keepalive =", "colour = 1\nkeepalive ="), "colour", ("unknown-key", "gateway.colour"), "`rekey_after`"),
    case(G, ("name = \"site-a\"\n", ""), "[gateway]", ("missing-key", "gateway.name"), "add name = \"site-a\""),
    case(G, ("listen = [\"0.0.0.0:34978\", \"[::]:34978\"]\n", ""), "[gateway]", ("missing-key", "gateway.listen"), "add listen = [\"0.0.0.0:34978\"]"),
    case(G, ("key = \"site-a.key\"\n", ""), "[gateway]", ("missing-key", "gateway.key"), "add key = \"site-a.key\""),
    case(G, ("name = \"site-a\"", "name = 5"), "name = 5", ("wrong-type", "gateway.name"), "name = \"site-a\""),
    case(G, ("name = \"site-a\"", "name = \"site a\""), "site a", ("bad-value", "gateway.name"), "a-z"),
    case(G, ("[\"0.0.0.0:34978\", \"[::]:34978\"]", "\"0.0.0.0:34978\""), "listen", ("wrong-type", "gateway.listen"), "listen = [\"0.0.0.0:34978\"]"),
    case(G, ("[\"0.0.0.0:34978\", \"[::]:34978\"]", "[]"), "listen", ("bad-value", "gateway.listen"), "listen = ["),
    case(G, ("\"[::]:34978\"", "\"0.0.0.0:34978\""), "listen", ("duplicate", "gateway.listen[1]"), "remove one"),
    case(G, ("\"[::]:34978\"", "\"10.0.0.1:34978\""), "listen", ("duplicate", "gateway.listen[1]"), "two ports"),
    case(G, ("\"[::]:34978\"", "\"::\""), "listen", ("bad-value", "gateway.listen[1]"), "\"[::]:34978\""),
    case(G, ("\"[::]:34978\"", "\"gw.example.net:34978\""), "listen", ("bad-value", "gateway.listen[1]"), "IP address"),
    case(G, ("\"90s\"", "\"4s\""), "rekey_after", ("bad-value", "gateway.rekey_after"), "from \"5s\" to \"120s\""),
    case(G, ("\"90s\"", "90"), "rekey_after", ("wrong-type", "gateway.rekey_after"), "rekey_after = \"120s\""),
    case(G, ("keepalive =", "workers = 17\nkeepalive ="), "workers", ("bad-value", "gateway.workers"), "from 1 to 16"),
    case(G, ("keepalive =", "workers = 2\nkeepalive ="), "aoe0", ("conflict", "segment[1].tap"), "remove `workers`"),
    case(G, ("keepalive =", "busy_poll = '1s'\nkeepalive ="), "busy_poll", ("bad-value", "gateway.busy_poll"), "\"off\""),
    case(G, ("\"10s\"", "\"26s\""), "keepalive", ("bad-value", "gateway.keepalive"), "from \"1s\" to \"25s\""),
    case(G, ("window = 128", "window = 128\non_conflict = \"halt\""), "halt", ("bad-value", "import[0].on_conflict"), "\"alarm\" or \"stop\""),
    case(B, ("segment =", "on_conflict = \"stopp\"\nsegment ="), "stopp", ("bad-value", "on_conflict"), "did you mean \"stop\"?"),
    case(B, ("segment =", "on_target_timeout = \"fail\"\nsegment ="), "fail", ("bad-value", "on_target_timeout"), "\"silent\" or \"error\""),
    case(B, ("segment =", "order = \"lifo\"\nsegment ="), "lifo", ("bad-value", "order"), "\"any\" or \"fifo\""),
    case(B, ("segment =", "target_timeout = \"11m\"\nsegment ="), "11m", ("bad-value", "target_timeout"), "from \"1s\" to \"600s\""),
    case(G, ("keepalive =", "max_age = \"50ms\"\nkeepalive ="), "max_age", ("bad-value", "gateway.max_age"), "from \"100ms\" to \"10s\""),
    case(G, ("\"exports.d\"", "\"exports.dd\""), "exports", ("unreadable", "gateway.exports"), "mkdir exports.dd"),
    case(G, ("\"site-a.key\"", "\"site-x.key\""), "site-x", ("secret", "gateway.key"), "aoe-keys generate --out site-x.key"),
    case(G, ("\"site-a.key\"", "\"site-b.psk\""), "key = \"site-b.psk\"", ("secret", "gateway.key"), "a secret key"),
    // [[segment]]
    case(G, ("nic = \"eth1\"", ""), "[[segment]]", ("missing-key", "segment[0]"), "nic = \"eth1\""),
    case(G, ("nic = \"eth1\"", "nic = \"eth1\"\ntap = \"aoe1\""), "aoe1", ("conflict", "segment[0].tap"), "keep one"),
    case(G, ("nic = \"eth1\"", "nic = \"eth/1\""), "eth/1", ("bad-value", "segment[0].nic"), "ip link"),
    case(G, ("tap = \"aoe0\"", "tap = \"sixteen-bytes-xx\""), "sixteen", ("bad-value", "segment[1].tap"), "shorter"),
    case(G, ("nic = \"eth1\"", "nic = \"eth1\"\nmtu = 9000"), "mtu = 9000", ("conflict", "segment[0].mtu"), "ip link set eth1 mtu 9000"),
    case(G, ("mtu = 9000", "mtu = 575"), "mtu = 575", ("bad-value", "segment[1].mtu"), "from 576 to 9216"),
    case(G, ("tap = \"aoe0\"\nmtu = 9000", "nic = \"eth1\" # again"), "# again", ("duplicate", "segment[1].nic"), "one segment per interface"),
    case(G, ("mtu = 9000", "mut = 9000"), "mut", ("unknown-key", "segment[1].mut"), "did you mean `mtu`?"),
    // [[peer]]
    case(G, ("endpoint = \"198.51.100.7:34978\"", "endpoint = \"198.51.100.7\""), "endpoint", ("bad-value", "peer[0].endpoint"), "\"198.51.100.7:34978\""),
    case(G, ("\"198.51.100.7:34978\"", "\"[fe80::7]:34978\""), "endpoint", ("bad-value", "peer[0].endpoint"), "[fe80::7%eth0]:34978"),
    case(G, ("\"198.51.100.7:34978\"", "\"gw.example.net\""), "endpoint", ("bad-value", "peer[0].endpoint"), "\"gw.example.net:34978\""),
    case(G, ("name = \"site-c\"", "name = \"site-c\"\nendpoint_pinned = true"), "endpoint_pinned", ("conflict", "peer[1].endpoint_pinned"), "add endpoint"),
    case(G, ("psk = \"site-b.psk\"", "psk = \"site-b.psk\"\nendpoint_pinned = 'yes'"), "endpoint_pinned", ("wrong-type", "peer[0].endpoint_pinned"), "endpoint_pinned = true"),
    case(G, ("protection = [\"encrypt\", \"authenticate\"]", "protection = []"), "protection", ("bad-value", "peer[0].protection"), "[\"encrypt\"]"),
    case(G, ("\"authenticate\"", "\"encrypted\""), "protection", ("bad-value", "peer[0].protection[1]"), "did you mean \"encrypt\"?"),
    case(G, ("\"authenticate\"", "\"none\""), "protection", ("bad-value", "peer[0].protection[1]"), "\"encrypt\" or \"authenticate\""),
    case(G, ("\"authenticate\"", "\"encrypt\""), "protection", ("duplicate", "peer[0].protection[1]"), "once"),
    case(G, ("path_mtu = 1500", "path_mtu = 575"), "path_mtu", ("bad-value", "peer[0].path_mtu"), "from 576 to 9216"),
    case(G, ("\"site-b.psk\"", "\"site-a.key\""), "psk = ", ("secret", "peer[0].psk"), "a pre-shared key"),
    case(G, ("\"site-b.psk\"", "\"none.psk\""), "none.psk", ("secret", "peer[0].psk"), "aoe-keys psk --out none.psk"),
    // [[import]]
    case(G, ("peer = \"site-b\"", "peer = \"site_b\""), "site_b", ("unknown-name", "import[0].peer"), "did you mean \"site-b\"?"),
    case(G, ("segment = \"san\"", "segment = \"office\""), "office", ("unknown-name", "import[0].segment"), "one of \"lab\", \"san\""),
    case(G, ("window = 128", "window = 1"), "window", ("bad-value", "import[0].window"), "from 2 to 1024"),
    case(G, ("window = 128", "window = 1025"), "window", ("bad-value", "import[0].window"), "from 2 to 1024"),
    case(G, ("as = \"e107.3\"", "as = \"e7.3\""), "as = \"e7.3\"", ("conflict", "import[0].as"), "an address no target has here"),
    case(G, ("as = \"e107.3\"", "as = \"e65535.3\""), "e65535", ("bad-value", "import[0].as"), "eSHELF.SLOT"),
    case(G, ("as = \"e107.3\"", "as = \"e1.255\""), "e1.255", ("bad-value", "import[0].as"), "slot 0 to 254"),
    case(G, ("as = \"e107.3\"", "as = \"107.3\""), "\"107.3\"", ("bad-value", "import[0].as"), "such as \"e7.3\""),
    case(G, ("as = \"e107.3\"", "address = \"e107.3\"\nas = \"e107.3\""), "address", ("unknown-key", "import[0].address"), "called `as`"),
    case(G, ("# A gateway.", "[[export]]"), "[[export]]", ("unknown-key", "export"), "a file of its own"),
    case(G, ("[[import]]", "[[imports]]\n[[import]]"), "[[imports]]", ("unknown-key", "imports"), "did you mean `import`?"),
    case(G, ("segment = \"lab\"\nas = \"e107.3\"", "segment = \"lab\"\nas = \"e7.3\" # loop"), "# loop", ("conflict", "import[1].as"), "an address no target has here"),
    case(G, ("segment = \"lab\"\nas =", "segment = \"san\"\nas = \"e107.3\" # twice\n# as ="), "# twice", ("duplicate", "import[1].as"), "its own address"),
    case(G, ("path_mtu = 1500", "mtu = 1500"), "mtu = 1500", ("unknown-key", "peer[0].mtu"), "`path_mtu`"),
    case(G, ("key = \"aoe-public-1:", "key = \"aoe-public-1:A"), "key = \"aoe-public-1:A", ("bad-value", "peer[0].key"), "aoe-keys public"),
    case(G, ("key = \"aoe-public-1:", "key = \"site-b.pub\" # "), "site-b.pub", ("bad-value", "peer[0].key"), "aoe-keys public"),
    // Export files
    case(B, ("name = \"backup\"\n", ""), "description", ("missing-key", "name"), "add name = \"backup\""),
    case(B, ("segment = \"san\"", "segment = \"sam\""), "sam", ("unknown-name", "segment"), "did you mean \"san\"?"),
    case(B, ("target = \"e7.3\"", "target = \"e4095.0\""), "e4095", ("bad-value", "target"), "not 4095"),
    case(B, ("52:54:00:aa:bb:cc", "52:54:00:aa:bb"), "target_mac", ("bad-value", "target_mac"), "52:54:00:12:34:56"),
    case(B, ("52:54:00:aa:bb:cc", "ff:ff:ff:ff:ff:ff"), "target_mac", ("bad-value", "target_mac"), "one station"),
    case(B, ("peer = \"site-c\"", "peer = \"site-d\""), "site-d", ("unknown-name", "allow[1].peer"), "did you mean"),
    case(B, ("config_string = \"set\"", "lba = [\"0-7\", \"9-8\"]"), "9-8", ("bad-value", "allow[0].lba[1]"), "write \"8-9\""),
    case(B, ("config_string = \"set\"", "lba = []"), "lba", ("bad-value", "allow[0].lba"), "0-1023"),
    case(B, ("config_string = \"set\"", "commands = [\"0xb0\"]"), "0xb0", ("bad-value", "allow[0].commands[0]"), "\"smart-read-data\""),
    case(B, ("config_string = \"set\"", "commands = [\"smart-read-data\", \"smart-read-data\"]"), "commands", ("duplicate", "allow[0].commands[1]"), "once"),
    case(B, ("config_string = \"set\"", "commands = [\"security-erase-unit\"]"), "security", ("bad-value", "allow[0].commands[0]"), "remove it"),
    case(B, ("config_string = \"set\"", "reserve = \"alowed\""), "reserve", ("bad-value", "allow[0].reserve"), "did you mean \"allowed\"?"),
    case(B, ("config_string = \"set\"", "until = \"2027-01-31\""), "until", ("bad-value", "allow[0].until"), "2027-01-31T00:00Z"),
    case(B, ("config_string = \"set\"", "until = 2027-01-31T00:00:00Z"), "until", ("wrong-type", "allow[0].until"), "until = \"2027"),
    case(B, ("\"read-write\"", "\"readwrite\""), "readwrite", ("bad-value", "allow[0].access"), "did you mean \"read-write\"?"),
    case(B, ("access = \"read-write\"\n", ""), "[[allow]]", ("missing-key", "allow[0].access"), "add access = \"read-write\""),
    case(B, ("52:54:00:12:34:57", "52:54:00:12:34:56"), "initiators", ("duplicate", "allow[0].initiators[1]"), "once"),
    case(B, ("[\"52:54:00:12:34:56\", \"52:54:00:12:34:57\"]", "[]"), "initiators", ("bad-value", "allow[0].initiators"), "initiators = ["),
    case(B, ("config_string = \"set\"", "limit = 5000"), "limit", ("wrong-type", "allow[0].limit"), "limit = { iops = 1000"),
    case(B, ("config_string = \"set\"", "limit = { iops = 0 }"), "limit", ("bad-value", "allow[0].limit.iops"), "leave it out"),
    case(B, ("config_string = \"set\"", "limit = { iosp = 50 }"), "limit", ("unknown-key", "allow[0].limit.iosp"), "did you mean `iops`?"),
    case(B, ("config_string = \"set\"", "limit = { bandwidth = \"100MiB\" }"), "limit", ("bad-value", "allow[0].limit.bandwidth"), "`kB`, `MB` and `GB`"),
    case(B, ("config_string = \"set\"", "initiator_limit = { iops = 50, floor_iops = 51 }"), "initiator_limit", ("conflict", "allow[0].initiator_limit"), "not below its floor"),
    case(B, ("segment =", "limit = { floor = 50 }\nsegment ="), "limit", ("unknown-key", "limit.floor"), "floor_iops = 200"),
    case(G, ("path_mtu = 1500", "limit = { bandwidth = 100 }"), "limit", ("wrong-type", "peer[0].limit.bandwidth"), "bandwidth = \"100MB\""),
    case(B, ("config_string = \"set\"", "config_string = \"write\""), "config_string", ("bad-value", "allow[0].config_string"), "\"read\" or \"set\""),
    case(B, ("config_string = \"set\"", "description = \"x\""), "description = \"x\"", ("unknown-key", "allow[0].description"), "above the first [[allow]]"),
    case(B, ("description = \"nightly\"", "access = \"read-only\""), "access", ("unknown-key", "access"), "[[allow]]"),
    case(S, ("name = \"scratch\"", "name = \"backup\""), "backup", ("duplicate", "name"), "its own name"),
    case(S, ("segment = \"lab\"", "segment = \"san\""), "target", ("duplicate", "target"), "one export name all its peers"),
    case(S, ("name = \"scratch\"", "name = scratch"), "name = scratch", ("syntax", ""), "correct it"),
    case(S, ("name = \"scratch\"", "name = \"scratch\"\nname = \"x\""), "name = \"x\"", ("syntax", ""), "correct it"),
];
