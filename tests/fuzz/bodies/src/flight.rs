//! Handshakes by TLS between two real gateways, whose flights somebody on the path alters.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aoe_common::config::{
    CertificateName, Endpoint, GatewayConfig, OwnKeys, PathMtu, PeerConfig, PeerId, Protection, Revoked,
    TlsConfig, TlsKey, Trust, TunnelConfig,
};
use aoe_common::engine::Engine;
use aoe_common::output::{Output, Path};
use aoe_common::snapshot::State;
use aoe_common::time::Instant;
use aoe_keys::SecretKey;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use crate::input::Input;

/// Operations of one input; more only take time.
const MAX_OPERATIONS: usize = 100;
/// Datagrams under way; what comes beyond is lost.
const MOST: usize = 128;
/// What a listener sends at most beyond three times what it was sent: one window of a stream, to an address that is proven.
const WINDOW: usize = 12_000;
const PEER: PeerId = PeerId(0);
const UNIX_TIME: Duration = Duration::from_secs(1_790_000_000);

/// Alters, drops, repeats, makes up and reorders the datagrams of two gateways that agree on keys by TLS, then leaves them
/// alone.
///
/// # Panics
/// If a gateway panics, sends out of proportion to what it is sent, or if the two do not find each other once they are left
/// alone.
pub fn flight(data: &[u8]) {
    let mut input = Input::new(data);
    let mut wire = Wire::new();
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        wire.operate(&mut input);
    }
    for _ in 0..600 {
        if wire.both_are_up() {
            return;
        }
        wire.settle();
        wire.pass(Duration::from_millis(100));
    }
    panic!("a minute after they were left alone the two have no session");
}

struct Gateway {
    engine: Engine,
    out: Output,
    /// Bytes that it was sent, and that it sent, since somebody last waited.
    bytes: [usize; 2],
}

struct Wire {
    /// The one that calls, and the one that is called.
    gateways: [Gateway; 2],
    now: Instant,
    /// Whom it is for, and the datagram.
    under_way: VecDeque<(usize, Vec<u8>)>,
}

impl Wire {
    fn new() -> Wire {
        let now = Instant::from_micros(1);
        let mut wire = Wire {
            gateways: [(0, 1), (1, 2)].map(|(side, seed)| Gateway {
                engine: Engine::new(config(side), [seed; 32], now, UNIX_TIME),
                out: Output::default(),
                bytes: [0; 2],
            }),
            now,
            under_way: VecDeque::new(),
        };
        wire.act(0, |engine, now, out| {
            engine.set_endpoint(PEER, vec![way_to(1)], now, out)
        });
        wire
    }

    /// Gives a gateway an input, and puts what it sends on its way.
    fn act(&mut self, side: usize, input: impl FnOnce(&mut Engine, Instant, &mut Output)) {
        let Gateway { engine, out, bytes } = &mut self.gateways[side];
        input(engine, self.now, out);
        for train in out.trains.iter() {
            for datagram in train.datagrams() {
                bytes[1] += datagram.len();
                if self.under_way.len() < MOST {
                    self.under_way.push_back((1 - side, datagram.to_vec()));
                }
            }
        }
        out.clear();
        while engine.poll_event().is_some() {}
        // The listener has no timer of its own in a handshake: what it sends answers something.
        let [heard, said] = self.gateways[1].bytes;
        assert!(said <= 3 * heard + WINDOW, "{said} bytes for {heard}");
    }

    fn deliver(&mut self, side: usize, mut datagram: Vec<u8>) {
        self.gateways[side].bytes[0] += datagram.len();
        let from = way_to(1 - side);
        self.act(side, |engine, now, out| {
            engine.handle_datagram(from, &mut datagram, now, out);
        });
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for side in [0, 1] {
            self.gateways[side].bytes = [0; 2];
            self.act(side, |engine, now, out| engine.handle_timeout(now, out));
        }
    }

    fn settle(&mut self) {
        for _ in 0..MOST {
            let Some((side, datagram)) = self.under_way.pop_front() else {
                return;
            };
            self.deliver(side, datagram);
        }
    }

    fn both_are_up(&self) -> bool {
        self.gateways.iter().all(|gateway| {
            let found = gateway.engine.snapshot(self.now, UNIX_TIME);
            found.peers.iter().all(|peer| peer.standing.state == State::Up)
        })
    }

    fn operate(&mut self, input: &mut Input<'_>) {
        let operation = input.byte() % 12;
        match operation {
            0 => return self.pass(Duration::from_millis(50) * u32::from(input.byte())),
            1 => {
                return self
                    .under_way
                    .rotate_left(usize::from(!self.under_way.is_empty()));
            }
            // Made up whole: types 5 to 8, and whatever follows.
            2 => {
                let side = usize::from(input.byte() & 1);
                let mut made_up = vec![5 + input.byte() % 4];
                made_up.extend_from_slice(input.block());
                return self.deliver(side, made_up);
            }
            _ => {}
        }
        let Some((side, genuine)) = self.under_way.pop_front() else {
            return;
        };
        let mut bytes = genuine.clone();
        match operation {
            3 => return,
            4 => self.under_way.push_back((side, genuine)),
            5 => bytes.truncate(usize::from(input.word()) % bytes.len()),
            6 => bytes.extend_from_slice(input.block()),
            7 => {
                let at = usize::from(input.word()) % bytes.len();
                bytes[at] ^= input.byte().max(1);
            }
            8 => {
                // Behind the head: another piece of the stream.
                let at = usize::from(input.word()) % bytes.len();
                let new = input.block();
                bytes.truncate(at);
                bytes.extend_from_slice(new);
            }
            _ => {}
        }
        self.deliver(side, bytes);
    }
}

fn way_to(side: usize) -> Path {
    Path::new(0, format!("192.0.2.{}:1", side + 1).parse().unwrap())
}

fn name(side: usize) -> CertificateName {
    CertificateName::dns(&format!("site-{side}"))
}

fn config(side: usize) -> GatewayConfig {
    let peer = PeerConfig {
        name: format!("site-{}", 1 - side),
        trust: Trust::of_certificate(name(1 - side)),
        endpoint: if side == 0 {
            Endpoint::Known
        } else {
            Endpoint::Unknown
        },
        endpoint_pinned: false,
        protection: vec![Protection::Encrypt],
        path_mtu: PathMtu::Fixed(1280),
        limit: Default::default(),
    };
    GatewayConfig {
        name: format!("site-{side}"),
        keys: OwnKeys::of(SecretKey::from_bytes([if side == 0 { 1 } else { 2 }; 32])),
        revoked: Revoked::default(),
        tls: Some(certificates()[side].clone()),
        segments: Vec::new().into(),
        peers: vec![peer].into(),
        exports: Vec::new().into(),
        imports: Vec::new().into(),
        tunnel: TunnelConfig::default(),
    }
}

/// Of both sides; made once in a process.
fn certificates() -> &'static [Arc<TlsConfig>; 2] {
    static MADE: OnceLock<[Arc<TlsConfig>; 2]> = OnceLock::new();
    MADE.get_or_init(|| {
        let dated = |names: Vec<SanType>| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
            params.subject_alt_names = names;
            params
        };
        let mut params = dated(Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        [0, 1].map(|side| {
            let name = format!("site-{side}");
            let mut params = dated(vec![SanType::DnsName(name.try_into().unwrap())]);
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::ServerAuth,
            ];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            Arc::new(TlsConfig {
                chain: vec![certificate.der().clone()],
                key: TlsKey::pkcs8(key.serialize_der()),
                roots: vec![authority.der().clone()],
                crls: Vec::new(),
                crl_grace: Duration::ZERO,
            })
        })
    })
}
