//! The listener as those see it who connect.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Metrics;
use crate::control::About;

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

struct Bench {
    front: Front,
    counts: Arc<Counts>,
    metrics: Metrics,
}

impl Bench {
    fn with(workers: Vec<CommandSender>) -> Bench {
        // A port that nobody has; somebody else may take it meanwhile, but hardly will.
        let free = std::net::TcpListener::bind(SocketAddr::from(LOOPBACK)).unwrap();
        let metrics = Metrics {
            listen: free.local_addr().unwrap(),
            hosts: vec!["gw.example".to_owned()],
        };
        drop(free);
        let counts: Arc<Counts> = Arc::default();
        let about = About {
            http: counts.clone(),
            ..About::default()
        };
        let mut front = Front::new(Site {
            snapshots: Arc::new(Snapshots::new(
                workers.clone(),
                about,
                Audit::default(),
                Clock::start(),
            )),
            workers,
            counts: counts.clone(),
            text: LastText::default(),
        });
        front.start(Some(&metrics));
        Bench {
            front,
            counts,
            metrics,
        }
    }

    fn new() -> Bench {
        Bench::with(Vec::new())
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.metrics.listen).await.unwrap()
    }

    /// All that comes back for these bytes until the other side closes.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // It may have heard enough before the end.
        let _ = stream.write_all(bytes).await;
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
        String::from_utf8(heard).unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        self.say(request.as_bytes()).await
    }

    fn count(&self, name: &str) -> u64 {
        self.counts.iter().find(|(other, _)| *other == name).unwrap().1
    }

    async fn wait_for(&self, name: &str, least: u64) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.count(name) < least {
            assert!(Instant::now() < until, "{name}: {:?}", self.counts);
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn status(answer: &str) -> &str {
    answer.get(..12).unwrap_or(answer)
}

#[tokio::test]
async fn every_answer_says_what_browsers_must_not_do() {
    let bench = Bench::new();
    for path in [
        "/metrics",
        "/healthz",
        "/readyz",
        "/nothing",
        "/../../etc/passwd",
        "//",
        "/metrics/",
    ] {
        let answer = bench.get(path).await.to_ascii_lowercase();
        for header in [
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'; script-src 'self'",
        ] {
            assert!(answer.contains(&format!("\r\n{header}")), "{path}: {answer}");
        }
        let found = matches!(path, "/metrics" | "/healthz" | "/readyz");
        assert_eq!(
            status(&answer),
            if found { "http/1.1 200" } else { "http/1.1 404" },
            "{path}"
        );
    }
    let answer = bench.get("/metrics?a=b").await;
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn nothing_but_get_and_head_and_no_bodies() {
    let bench = Bench::new();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = bench.say(request.as_bytes()).await;
        assert_eq!(status(&answer), "HTTP/1.1 405", "{answer}");
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    let head = bench
        .say(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        head.contains("content-length: 8\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let bodies: [&[u8]; 2] = [
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ];
    for body in bodies {
        let answer = bench.say(body).await;
        assert_eq!(status(&answer), "HTTP/1.1 413", "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_page_of_somebody_else_is_not_answered() {
    let bench = Bench::new();
    for (host, code) in [
        ("Host: evil.example", "403"),
        ("Host: 127.0.0.1:9478", "200"),
        ("Host: GW.example", "200"),
        ("Host: localhost\r\nHost: evil.example", "403"),
        ("X: y", "403"),
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n");
        let answer = bench.say(request.as_bytes()).await;
        assert_eq!(status(&answer), format!("HTTP/1.1 {code}"), "{host}: {answer}");
    }
    let answer = bench
        .say(b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(status(&answer), "HTTP/1.1 403");
    assert!(answer.contains("`hosts` of [metrics]"), "{answer}");
    let old = bench.say(b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&old), "HTTP/1.0 200", "{old}");
    assert_eq!(bench.count("http_answered"), 3);
}

#[tokio::test]
async fn garbage_is_counted_and_others_are_served() {
    let bench = Bench::new();
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(20_000));
    let many = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "a: b\r\n".repeat(200)
    );
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for (n, bytes) in (1..).zip(garbage) {
        let answer = bench.say(bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        bench.wait_for("http_dropped_malformed", n).await;
    }
    assert_eq!(status(&bench.get("/healthz").await), "HTTP/1.1 200");
}

#[tokio::test]
async fn requests_may_follow_one_another_in_one_connection() {
    let bench = Bench::new();
    let one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = bench.say((one.repeat(50) + last).as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 51);
    assert_eq!(
        (bench.count("http_connections"), bench.count("http_answered")),
        (1, 51)
    );
}

#[tokio::test]
async fn many_that_say_nothing_keep_nobody_out() {
    let bench = Bench::new();
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(bench.connect().await);
        assert_eq!(status(&bench.get("/healthz").await), "HTTP/1.1 200");
    }
    assert!(bench.count("http_dropped_crowded") >= 24, "{:?}", bench.counts);
    let first = silent.first_mut().unwrap();
    assert_eq!(
        first.read(&mut [0; 9]).await.unwrap_or(0),
        0,
        "the oldest had to go"
    );
}

/// With the clock of the runtime stopped: it moves on when everything waits.
#[tokio::test(start_paused = true)]
async fn who_is_too_slow_is_dropped_and_counted() {
    let bench = Bench::new();
    let mut slow = bench.connect().await;
    slow.write_all(b"GET /metrics HT").await.unwrap();
    bench.wait_for("http_dropped_slow_request", 1).await;
    let mut heard = String::new();
    let _ = slow.read_to_string(&mut heard).await;
    assert!(!heard.contains("200"), "{heard}");
    // One that was served and rests may rest.
    let mut resting = bench.connect().await;
    resting
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    let _ = resting.read_to_end(&mut heard).await;
    assert!(heard.starts_with(b"HTTP/1.1 200"));
    assert_eq!(bench.count("http_dropped_slow_request"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_dropped_and_counted() {
    let bench = Bench::new();
    let mut deaf = bench.connect().await;
    // Answers that nobody reads fill the socket in the end.
    let asks = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    let limit = Duration::from_secs(60);
    while matches!(timeout(limit, deaf.write_all(asks.as_bytes())).await, Ok(Ok(()))) {
        if bench.count("http_dropped_slow_reader") > 0 {
            break;
        }
    }
    bench.wait_for("http_dropped_slow_reader", 1).await;
}

#[tokio::test]
async fn a_listener_follows_its_configuration() {
    let mut bench = Bench::new();
    let before = bench.metrics.clone();
    let taken = std::net::TcpListener::bind(SocketAddr::from(LOOPBACK)).unwrap();
    let elsewhere = Metrics {
        listen: taken.local_addr().unwrap(),
        ..before.clone()
    };
    let refusal = bench.front.prepare(Some(&before), Some(&elsewhere)).unwrap_err();
    assert!(refusal.contains("ss -tlnp"), "{refusal}");
    assert_eq!(
        status(&bench.get("/healthz").await),
        "HTTP/1.1 200",
        "nothing has changed"
    );
    drop(taken);
    let prepared = bench.front.prepare(Some(&before), Some(&elsewhere)).unwrap();
    bench.front.follow(Some(&elsewhere), prepared).await;
    assert!(
        TcpStream::connect(before.listen).await.is_err(),
        "the old one is closed"
    );
    bench.metrics = elsewhere.clone();
    assert_eq!(status(&bench.get("/healthz").await), "HTTP/1.1 200");

    // The same port on all addresses: the old one is in the way.
    let open = Metrics {
        listen: SocketAddr::from(([0, 0, 0, 0], elsewhere.listen.port())),
        hosts: Vec::new(),
    };
    let prepared = bench.front.prepare(Some(&elsewhere), Some(&open)).unwrap();
    assert!(matches!(prepared, Prepared::InOurWay));
    bench.front.follow(Some(&open), prepared).await;
    let anybody = b"GET /healthz HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&bench.say(anybody).await), "HTTP/1.1 200");

    // Other names, the same address: connections stay.
    let named = Metrics {
        hosts: vec!["gw.example".to_owned()],
        ..open.clone()
    };
    let prepared = bench.front.prepare(Some(&open), Some(&named)).unwrap();
    assert!(matches!(prepared, Prepared::Same));
    bench.front.follow(Some(&named), prepared).await;
    assert_eq!(status(&bench.say(anybody).await), "HTTP/1.1 403");

    let prepared = bench.front.prepare(Some(&named), None).unwrap();
    bench.front.follow(None, prepared).await;
    tokio::task::yield_now().await;
    assert!(TcpStream::connect(elsewhere.listen).await.is_err());
}

#[tokio::test]
async fn what_could_not_be_opened_at_the_start_is_opened_by_a_reload() {
    let mut bench = Bench::new();
    let taken = std::net::TcpListener::bind(SocketAddr::from(LOOPBACK)).unwrap();
    let metrics = Metrics {
        listen: taken.local_addr().unwrap(),
        hosts: Vec::new(),
    };
    bench.front = Front::new(Site {
        snapshots: Arc::new(Snapshots::new(
            Vec::new(),
            About::default(),
            Audit::default(),
            Clock::start(),
        )),
        workers: Vec::new(),
        counts: Arc::default(),
        text: LastText::default(),
    });
    bench.front.start(Some(&metrics));
    let prepared = bench.front.prepare(Some(&metrics), Some(&metrics)).unwrap();
    assert!(matches!(prepared, Prepared::Same), "it is no obstacle");
    drop(taken);
    let prepared = bench.front.prepare(Some(&metrics), Some(&metrics)).unwrap();
    bench.front.follow(Some(&metrics), prepared).await;
    bench.metrics = metrics;
    assert_eq!(status(&bench.get("/healthz").await), "HTTP/1.1 200");
}

#[tokio::test]
async fn the_page_and_its_documents_are_there() {
    let bench = Bench::new();
    for (path, content_type, word) in [
        ("/", "text/html; charset=utf-8", "<title>aoe-gateway</title>"),
        ("/page.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ("/page.js", "text/javascript; charset=utf-8", "'use strict'"),
        ("/page.svg", "image/svg+xml", "<svg"),
        ("/api/snapshot", "application/json", "\"gateway\":{"),
        ("/api/history", "application/json", "\"kind\":\"imports\""),
        (
            "/api/history?series=2&span=day&after=7",
            "application/json",
            "\"step\":60",
        ),
    ] {
        let answer = bench.get(path).await;
        assert_eq!(status(&answer), "HTTP/1.1 200", "{path}");
        assert!(
            answer.contains(&format!("content-type: {content_type}\r\n")),
            "{answer}"
        );
        assert!(answer.contains(word), "{path}: {answer}");
    }
    for (path, found, word) in [
        ("/api/history?series=99", "HTTP/1.1 404", "/api/history without"),
        ("/api/history?span=week", "HTTP/1.1 400", "hour or day"),
        ("/page.html", "HTTP/1.1 404", ""),
    ] {
        let answer = bench.get(path).await;
        assert_eq!(status(&answer), found, "{path}");
        assert!(answer.contains(word), "{path}: {answer}");
    }
}
